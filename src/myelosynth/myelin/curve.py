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
SMOOTHINGS = ("none", "linear")
EXTRAPOLATIONS = ("hold", "refuse")
_AS_FIRST = {"smoothing": "none", "extrapolation": "hold"}
Voxels = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Distance from CSF (N,), mm, and DVR (N,) of the white-matter voxels of one control."""


@dataclass(frozen=True)
class CurveSettings:
    """How a curve is made and read.

    bin_width: mm; minimum_voxels: bins with fewer merge; smoothing: `none`, the values of a bin hold in all of it, or
    `linear`, between the mean distances of neighbouring bins; extrapolation beyond the outermost bin: `hold` its
    values, or `refuse` such voxels.
    """

    bin_width: float = 1.0
    minimum_voxels: int = 100
    smoothing: str = "none"
    extrapolation: str = "hold"

    def require_possible(self) -> None:
        """Raises InputError for bins that cannot be, or an unknown word."""
        if self.bin_width <= 0 or self.minimum_voxels < 2:
            given = f"bin width {self.bin_width:g} mm, minimum {self.minimum_voxels} voxels"
            values = f"{given}; expected above 0 and at least 2"
            raise InputError("bins are impossible", "myelin-curve", values, "correct --bin-width or --minimum-voxels")
        for name, given, known in (
            ("smoothing", self.smoothing, SMOOTHINGS),
            ("extrapolation", self.extrapolation, EXTRAPOLATIONS),
        ):
            if given not in known:
                raise InputError(f"unknown {name}", f"--{name}", f"got {given!r}", f"choose one of {', '.join(known)}")


@dataclass(frozen=True, eq=False)
class Curve:
    """Mean and standard deviation of DVR (B,) in contiguous bins of distance from CSF: edges (B + 1,), mm; n (B,).

    distance: mean distance (B,), mm, of the voxels of each bin, between which `linear` smoothing goes straight.
    """

    edges: NDArray[np.float64]
    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    distance: NDArray[np.float64] | None = None
    smoothing: str = "none"
    extrapolation: str = "hold"

    def bins(self, distance: NDArray) -> NDArray[np.int64]:
        """The bin of each distance, mm; beyond the first or last edge that bin."""
        return np.clip(np.searchsorted(self.edges, distance, side="right") - 1, 0, len(self.n) - 1)

    def beyond(self, distance: NDArray) -> NDArray[np.bool_]:
        """Whether each distance, mm, lies farther out than any bin of the controls."""
        return np.asarray(distance) >= self.edges[-1]

    def at(self, distance: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and SD at each distance, mm.

        Beyond the controls the outermost values hold; with extrapolation `refuse` that raises InputError.
        """
        if self.extrapolation == "refuse" and (count := int(self.beyond(distance).sum())):
            far = f"{self.edges[-1]:g} mm or farther, up to {np.max(distance):g}"
            values = f"{count} of {np.size(distance)} voxels at {far}"
            cure = "set the extrapolation of the curve to hold, or map nearer voxels only"
            raise InputError("voxels beyond the control curve", "control curve", values, cure)
        if self.smoothing == "linear" and self.distance is not None:
            return np.interp(distance, self.distance, self.mean), np.interp(distance, self.distance, self.sd)
        index = self.bins(distance)
        return self.mean[index], self.sd[index]

    def threshold(self, distance: NDArray, sds: float = 1.0) -> NDArray[np.float64]:
        """Mean minus `sds` standard deviations at each distance, mm; one in the paper."""
        mean, sd = self.at(distance)
        return np.asarray(mean - sds * sd)

    def z(self, dvr: NDArray, distance: NDArray) -> NDArray[np.float64]:
        """Each DVR in SDs from the controls' mean at its distance, mm; NaN where the controls have no spread."""
        mean, sd = self.at(distance)
        return np.asarray((dvr - mean) / np.where(sd > 0, sd, np.nan))

    def write(self, path: Path) -> None:
        """Write the bins and how to read between and beyond them as TSV in one step."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        own = [] if self.distance is None else ["distance"]
        writer.writerow([*COLUMNS, *own, "smoothing", "extrapolation"])
        numbers = [self.edges[:-1], self.edges[1:], self.n, self.mean, self.sd]
        numbers += [] if self.distance is None else [self.distance]
        for row in zip(*numbers, strict=True):
            values = [int(value) if index == 2 else repr(float(value)) for index, value in enumerate(row)]
            writer.writerow([*values, self.smoothing, self.extrapolation])
        write_text(Path(path), text.getvalue())

    @classmethod
    def read(cls, path: Path) -> "Curve":
        """Read a curve; one without the columns `smoothing` and `extrapolation`, as curves began, has none and holds.

        Raises InputError when it is missing, lacks a column, or has bins that are not contiguous.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError("file missing", path, "no such file", "run `myelosynth myelin-curve` first")
        again = "run `myelosynth myelin-curve` again"
        try:
            rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
            low, high, n, mean, sd = (np.array([float(row[name]) for row in rows]) for name in COLUMNS)
            distance = np.array([float(row["distance"]) for row in rows]) if rows and "distance" in rows[0] else None
        except (KeyError, ValueError, TypeError, UnicodeDecodeError) as fault:
            values = f"could not read {fault}, expected columns {' '.join(COLUMNS)}"
            raise InputError("not a control curve", path, values, again) from fault
        if not len(low) or (low >= high).any() or (np.abs(high[:-1] - low[1:]) > 1e-9).any() or (sd < 0).any():
            values = f"{len(low)} bins, expected contiguous ones with sd of 0 or more"
            raise InputError("not a control curve", path, values, again)
        read = {name: sorted({row.get(name, first) for row in rows}) for name, first in _AS_FIRST.items()}
        known = {"smoothing": SMOOTHINGS, "extrapolation": EXTRAPOLATIONS}
        for name, found in read.items():
            if len(found) != 1 or found[0] not in known[name]:
                one_of = f"expected one of {', '.join(known[name])} in every row"
                values = f"{name} is {', '.join(map(str, found))}, {one_of}"
                raise InputError("not a control curve", path, values, again)
        if read["smoothing"] == ["linear"] and (distance is None or (np.diff(distance) <= 0).any()):
            values = "smoothing is linear, the column `distance` is missing or does not rise"
            raise InputError("not a control curve", path, values, again)
        edges, words = np.append(low, high[-1]), {name: found[0] for name, found in read.items()}
        return cls(edges, n.astype(np.int64), mean, sd, distance, **words)


def fit_curve(
    dvr: Sequence[NDArray],
    distance: Sequence[NDArray],
    wm: Sequence[NDArray[np.bool_]],
    bin_width: float = 1.0,
    minimum_voxels: int = 100,
    smoothing: str = "none",
    extrapolation: str = "hold",
) -> Curve:
    """Mean and standard deviation (n - 1) of DVR over all white-matter voxels of all controls, by distance from CSF.

    dvr, distance (mm), wm: one (X, Y, Z) array per control, each triple on its own grid. Voxels without DVR or distance
    (0: outside the maps' domains) do not count. A bin of `bin_width` mm with fewer than `minimum_voxels` merges with
    the next one outward, the outermost rest with the last full bin. Raises InputError for lists of different length,
    settings that cannot be, or fewer voxels in all than `minimum_voxels`.
    """
    settings = CurveSettings(bin_width, minimum_voxels, smoothing, extrapolation)
    return curve_of(control_voxels(dvr, distance, wm), settings)


def control_voxels(
    dvr: Sequence[NDArray], distance: Sequence[NDArray], wm: Sequence[NDArray[np.bool_]]
) -> list[Voxels]:
    """The voxels of each control that count: white matter with DVR and distance; arguments as for `fit_curve`."""
    if not len(dvr) == len(distance) == len(wm) or not len(dvr):
        values = f"{len(dvr)} DVR, {len(distance)} distance, {len(wm)} white-matter images"
        raise InputError("controls are incomplete", "myelin-curve", values, "give one of each per control")
    domains = [w & (y > 0) & (x > 0) for y, x, w in zip(dvr, distance, wm, strict=True)]
    return [(np.asarray(x[d], float), np.asarray(y[d], float)) for y, x, d in zip(dvr, distance, domains, strict=True)]


def curve_of(controls: Sequence[Voxels], settings: CurveSettings) -> Curve:
    """The curve over the voxels of all controls. Raises InputError as `fit_curve` does."""
    settings.require_possible()
    values_mm, values_dvr = (np.concatenate([control[part] for control in controls]) for part in (0, 1))
    if values_mm.size < settings.minimum_voxels:
        values = f"{values_mm.size} white-matter voxels with DVR and distance, needed {settings.minimum_voxels}"
        raise InputError("too few control voxels", "myelin-curve", values, "check the masks or lower --minimum-voxels")
    edges = merged_edges(values_mm, settings.bin_width, settings.minimum_voxels)
    index = np.clip(np.searchsorted(edges, values_mm, side="right") - 1, 0, len(edges) - 2)
    groups = [index == k for k in range(len(edges) - 1)]
    n = np.array([group.sum() for group in groups], np.int64)
    mean = np.array([values_dvr[group].mean() for group in groups])
    sd = np.array([values_dvr[group].std(ddof=1) for group in groups])
    distance = np.array([values_mm[group].mean() for group in groups])
    return Curve(edges, n, mean, sd, distance, settings.smoothing, settings.extrapolation)


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
