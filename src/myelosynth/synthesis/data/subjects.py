"""Images of one scan in memory, and the normalisation statistics of a fold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume
from myelosynth.models.regions import LESION, NAWM, OTHER
from myelosynth.synthesis.config import Task
from myelosynth.synthesis.data.manifest import Scan


@dataclass(frozen=True)
class Subject:
    """One scan: sources (C, X, Y, Z) and target (X, Y, Z) as measured, brain mask, region labels, all on `grid`."""

    name: str
    sources: NDArray[np.float32]
    target: NDArray[np.float32]
    mask: NDArray[np.bool_]
    regions: NDArray[np.uint8]
    grid: Grid


@dataclass(frozen=True)
class Statistics:
    """Mean and SD of each source, and the target's mean, inside the brain masks of the training subjects."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    target_mean: float

    @classmethod
    def of(cls, subjects: Sequence[Subject], names: Sequence[str]) -> "Statistics":
        """Pool all brain voxels of the subjects. Raises InputError for a source without variance."""
        voxels = np.concatenate([subject.sources[:, subject.mask] for subject in subjects], 1)
        mean, std = voxels.mean(1, dtype=np.float64), voxels.std(1, dtype=np.float64)
        for name, sd in zip(names, std, strict=True):
            if sd < 1e-12:
                values = f"SD {sd} over {voxels.shape[1]} voxels, expected more than 0"
                raise InputError("source is constant", name, values, "check how it was made")
        target = np.concatenate([subject.target[subject.mask] for subject in subjects])
        return cls(mean.astype(np.float32), std.astype(np.float32), float(target.mean(dtype=np.float64)))

    def normalise(self, sources: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Zero mean and unit variance per channel, 0 outside the brain; sources (C, X, Y, Z)."""
        shape = (-1, 1, 1, 1)
        return (((sources - self.mean.reshape(shape)) / self.std.reshape(shape)) * mask).astype(np.float32)


def require_measured(name: str, values: NDArray, where: object) -> None:
    """Raises InputError where a source has one or two values in the brain (N,): it is empty or a mask."""
    low, high = values.min(), values.max()
    if low == high:
        told = f"{name} is {low:g} in every voxel of the brain"
        raise InputError("source is constant", where, told, "check how it was made; a mask may never be a source")
    if bool(((values == low) | (values == high)).all()):
        told = f"{name} has the two values {low:g} and {high:g} in the brain"
        raise InputError("leak: mask in the place of an image", where, told, "give the measured map")


def load_subject(scan: Scan, task: Task) -> Subject:
    """Load a scan.

    Raises InputError when an image or mask does not lie on the target's grid, or a source is a mask (a leak).
    """
    target = load_volume(scan.paths[task.target])
    sources = []
    for name in task.sources:
        volume = load_volume(scan.paths[name])
        target.grid.require(volume.grid, volume.path, target.path)
        sources.append(volume.data)
    mask = load_mask(scan.mask, target.grid, target.path)
    for name, data in zip(task.sources, sources, strict=True):
        require_measured(name, data[mask], scan.paths[name])
    regions = np.full(mask.shape, OTHER, np.uint8)
    for path, label in ((scan.nawm, NAWM), (scan.lesions, LESION)):
        if path is not None:
            found = load_mask(path, target.grid, target.path, allow_empty=True, labels=label == LESION)
            regions[found & mask] = label
    return Subject(scan.name, np.stack(sources), target.data * mask, mask, regions, target.grid)
