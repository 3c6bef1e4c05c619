"""The control curve: DVR of healthy white matter by distance from CSF."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text

COLUMNS = ("distance_low", "distance_high", "n", "mean", "sd")


@dataclass(frozen=True, eq=False)
class Curve:
    """Mean and standard deviation of DVR (B,) in contiguous bins of distance from CSF: edges (B + 1,), mm; n (B,)."""

    edges: NDArray[np.float64]
    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]

    def bins(self, distance: NDArray) -> NDArray[np.int64]:
        """The bin of each distance, mm; beyond the first or last edge that bin's values hold."""
        return np.clip(np.searchsorted(self.edges, distance, side="right") - 1, 0, len(self.n) - 1)

    def threshold(self, distance: NDArray) -> NDArray[np.float64]:
        """Mean minus one standard deviation at each distance, mm."""
        return (self.mean - self.sd)[self.bins(distance)]

    def write(self, path: Path) -> None:
        """Write distance_low, distance_high, n, mean, sd as TSV in one step."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in zip(self.edges[:-1], self.edges[1:], self.n, self.mean, self.sd, strict=True):
            writer.writerow([int(value) if index == 2 else repr(float(value)) for index, value in enumerate(row)])
        write_text(Path(path), text.getvalue())

    @classmethod
    def read(cls, path: Path) -> "Curve":
        """Read a curve. Raises InputError when it is missing, lacks a column, or has bins that are not contiguous."""
        path = Path(path)
        if not path.is_file():
            raise InputError("file missing", path, "no such file", "run `myelosynth myelin-curve` first")
        try:
            rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
            low, high, n, mean, sd = (np.array([float(row[name]) for row in rows]) for name in COLUMNS)
        except (KeyError, ValueError, TypeError, UnicodeDecodeError) as fault:
            values = f"could not read {fault}, expected columns {' '.join(COLUMNS)}"
            raise InputError("not a control curve", path, values, "run `myelosynth myelin-curve` again") from fault
        if not len(low) or (low >= high).any() or (np.abs(high[:-1] - low[1:]) > 1e-9).any() or (sd < 0).any():
            values = f"{len(low)} bins, expected contiguous ones with sd of 0 or more"
            raise InputError("not a control curve", path, values, "run `myelosynth myelin-curve` again")
        return cls(np.append(low, high[-1]), n.astype(np.int64), mean, sd)


def fit_curve(
    dvr: Sequence[NDArray],
    distance: Sequence[NDArray],
    wm: Sequence[NDArray[np.bool_]],
    bin_width: float = 1.0,
    minimum_voxels: int = 100,
) -> Curve:
    """Mean and standard deviation (n - 1) of DVR over all white-matter voxels of all controls, by distance from CSF.

    dvr, distance (mm), wm: one (X, Y, Z) array per control, each triple on its own grid. Voxels without DVR or distance
    (0: outside the maps' domains) do not count. A bin of `bin_width` mm with fewer than `minimum_voxels` merges with
    the next one outward, the outermost rest with the last full bin. Raises InputError for lists of different length,
    a width that is not positive, or fewer voxels in all than `minimum_voxels`.
    """
    if not len(dvr) == len(distance) == len(wm) or not len(dvr):
        values = f"{len(dvr)} DVR, {len(distance)} distance, {len(wm)} white-matter images"
        raise InputError("controls are incomplete", "myelin-curve", values, "give one of each per control")
    if bin_width <= 0 or minimum_voxels < 2:
        values = f"bin width {bin_width:g} mm, minimum {minimum_voxels} voxels; expected above 0 and at least 2"
        raise InputError("bins are impossible", "myelin-curve", values, "correct --bin-width or --minimum-voxels")
    domains = [w & (y > 0) & (x > 0) for y, x, w in zip(dvr, distance, wm, strict=True)]
    values_mm = np.concatenate([np.asarray(x[d], float) for x, d in zip(distance, domains, strict=True)])
    values_dvr = np.concatenate([np.asarray(y[d], float) for y, d in zip(dvr, domains, strict=True)])
    if values_mm.size < minimum_voxels:
        values = f"{values_mm.size} white-matter voxels with DVR and distance, needed {minimum_voxels}"
        raise InputError("too few control voxels", "myelin-curve", values, "check the masks or lower --minimum-voxels")
    edges = merged_edges(values_mm, bin_width, minimum_voxels)
    index = np.clip(np.searchsorted(edges, values_mm, side="right") - 1, 0, len(edges) - 2)
    groups = [values_dvr[index == k] for k in range(len(edges) - 1)]
    n = np.array([len(group) for group in groups], np.int64)
    return Curve(edges, n, np.array([g.mean() for g in groups]), np.array([g.std(ddof=1) for g in groups]))


def white_core(
    white: NDArray[np.bool_], csf: NDArray[np.bool_], edge_mm: float, voxel_sizes: Sequence[float]
) -> NDArray[np.bool_]:
    """White matter (X, Y, Z) farther than `edge_mm` from grey matter.

    Beside grey matter the PET mixes both tissues, which lowers the controls' mean and widens their SD. The edge to
    `csf` stays, since the curve by distance from CSF describes it; so does the thin rim between the two, which a
    segmentation calls grey because it is half CSF: what lies within `edge_mm` of both. All else counts as grey matter.
    """
    from scipy import ndimage

    def away(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray(ndimage.distance_transform_edt(~mask, sampling=voxel_sizes))

    rim = (away(csf) <= edge_mm) & (away(white) <= edge_mm)
    return white & (away(~(white | csf | rim)) > edge_mm)


def merged_edges(distance: NDArray[np.float64], bin_width: float, minimum_voxels: int) -> NDArray[np.float64]:
    """Bin edges (mm) from 0 such that every bin [low, high) holds at least `minimum_voxels` of the distances.

    >>> merged_edges(np.array([0.5, 0.6, 1.5, 2.5, 2.6, 3.5]), 1.0, 2).tolist()
    [0.0, 1.0, 4.0]
    """
    last = math.floor(distance.max() / bin_width) + 1
    counts = np.bincount((distance / bin_width).astype(int), minlength=last)
    edges, held = [0.0], 0
    for k in range(last):
        held += int(counts[k])
        if held >= minimum_voxels:
            edges.append((k + 1) * bin_width)
            held = 0
    if edges[-1] < last * bin_width:
        edges[-1 if len(edges) > 1 else len(edges) :] = [last * bin_width]
    return np.array(edges)
