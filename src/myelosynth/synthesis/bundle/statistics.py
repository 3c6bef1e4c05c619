"""What the training brains looked like, channel by channel: the measure of every brain that comes later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import dataset_root, read_json
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid, edges_in_words
from myelosynth.images.upright import Upright
from myelosynth.images.volume import load_mask, load_volume, open_image
from myelosynth.synthesis.config import Task
from myelosynth.synthesis.data.manifest import Scan

COVERAGE = "coverage"
PERCENTILES = {"p05": 5, "median": 50, "p95": 95}
MEASURES = ("mean", *PERCENTILES, COVERAGE)


@dataclass(frozen=True)
class Channel:
    """One contrast in the training brains.

    mean, sd: over all their voxels; subjects: measure to one value a subject, sorted, so that no value has a name;
    native_mm: longest voxel edge of the images before they came to the analysis grid, None where that is not recorded.
    """

    mean: float
    sd: float
    subjects: dict[str, list[float]]
    native_mm: float | None


@dataclass(frozen=True)
class TrainingStatistics:
    """The training brains: voxel edges of the analysis grid in closest RAS order, its axis codes, and every channel."""

    voxel_mm: tuple[float, float, float]
    orientation: str
    brain_ml: list[float]
    channels: dict[str, Channel]

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "Description": "brains of the training subjects on their analysis grids; subject values sorted, no names",
            "VoxelSize": list(self.voxel_mm),
            "Orientation": self.orientation,
            "BrainVolume": self.brain_ml,
            "Channels": {
                name: {"Mean": c.mean, "SD": c.sd, "NativeVoxel": c.native_mm, "Subjects": c.subjects}
                for name, c in self.channels.items()
            },
        }

    @classmethod
    def read(cls, path: Path) -> "TrainingStatistics":
        """Read what `record` told. Raises InputError for a file that lacks a part."""
        record = read_json(path)
        try:
            x, y, z = map(float, record["VoxelSize"])
            channels = {
                name: Channel(c["Mean"], c["SD"], {m: c["Subjects"][m] for m in MEASURES}, c["NativeVoxel"])
                for name, c in record["Channels"].items()
            }
            return cls((x, y, z), str(record["Orientation"]), list(record["BrainVolume"]), channels)
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            raise InputError("statistics not understood", path, f"at {fault}", "make the bundle again") from fault


def brain_measures(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Mean and percentiles of an image (X, Y, Z) where the brain has a value, and the share of the brain that has one.

    0 is what lies outside the field of view of the image's source, after it was moved onto the analysis grid. Without
    any value the measures are 0.

    >>> brain_measures(np.array([0, 2, 2, 9], np.float32), np.array([True, True, True, False]))["coverage"]
    0.6666666666666666
    """
    inside = image[mask].astype(np.float64)
    values = inside[inside != 0]
    found = {"mean": float(values.mean()) if values.size else 0.0}
    for name, percent in PERCENTILES.items():
        found[name] = float(np.percentile(values, percent)) if values.size else 0.0
    return found | {COVERAGE: values.size / inside.size}


def training_statistics(scans: Sequence[Scan], task: Task) -> TrainingStatistics:
    """The statistics of the scans that a system was trained on.

    Raises InputError for a scan that lacks a contrast, lies on no common grid, or has other voxels than the others.
    """
    names = [*task.sources, task.target]
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    moments = {name: np.zeros(3) for name in names}
    native: dict[str, list[float]] = {name: [] for name in names}
    sizes, codes, volumes = [], [], []
    for scan in scans:
        grid = Grid.of(open_image(scan.mask))
        mask = load_mask(scan.mask)
        sizes.append(Upright(grid).grid.voxel_sizes)
        codes.append("".join(nib.aff2axcodes(grid.affine)))
        volumes.append(float(mask.sum()) * grid.voxel_volume / 1000)
        _require_voxels(sizes[0], sizes[-1], scan, scans[0])
        for name in names:
            if name not in scan.paths:
                values = f"no {name}; found {', '.join(scan.paths)}"
                raise InputError("contrast missing in the manifest", scan.name, values, "give the manifest of training")
            volume = load_volume(scan.paths[name])
            grid.require(volume.grid, volume.path, scan.mask)
            measured[name].append(brain_measures(volume.data, mask))
            inside = volume.data[mask].astype(np.float64)
            moments[name] += inside.size, inside.sum(), (inside**2).sum()
            edge = _native_edge(scan.paths[name])
            native[name] += [] if edge is None else [edge]
    channels = {name: _channel(measured[name], moments[name], native[name]) for name in names}
    middle = np.median(np.array(sizes), 0)
    commonest = max(sorted(set(codes)), key=codes.count)
    voxel = (float(middle[0]), float(middle[1]), float(middle[2]))
    return TrainingStatistics(voxel, commonest, sorted(volumes), channels)


def _channel(measured: Sequence[Mapping[str, float]], moments: NDArray[np.float64], native: Sequence[float]) -> Channel:
    count, total, squares = moments
    mean = total / count
    sd = float(np.sqrt(max(squares / count - mean**2, 0)))
    subjects = {measure: sorted(one[measure] for one in measured) for measure in MEASURES}
    return Channel(float(mean), sd, subjects, max(native) if native else None)


def _require_voxels(first: tuple[float, ...], this: tuple[float, ...], scan: Scan, other: Scan) -> None:
    if not np.allclose(first, this, rtol=0.02):
        values = f"{edges_in_words(this)} of {scan.name} against {edges_in_words(first)} of {other.name}"
        raise InputError("training voxels differ", scan.mask, values, "train on one resolution, then make the bundle")


def _native_edge(image: Path) -> float | None:
    """The longest voxel edge, mm, of the image that this one was made from; None where its sidecar leads nowhere."""
    sidecar, root = sidecar_path(image), dataset_root(image.absolute().parent)
    sources = read_json(sidecar).get("Sources") or [] if sidecar.is_file() else []
    if not sources or root is None:
        return None
    uri = str(sources[0])
    path = root / uri.removeprefix("bids::")
    if (uri.startswith("bids:") and not uri.startswith("bids::")) or not path.is_file():
        return None
    return max(Grid.of(open_image(path)).voxel_sizes)
