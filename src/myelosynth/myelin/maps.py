"""Demyelinated voxels and their trajectory between two time points."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import Volume, load_volume
from myelosynth.myelin.curve import Curve

DEMYELINATING, REMYELINATING, STABLE_DEMYELINATED, STABLE_NORMAL = 1, 2, 3, 4
CLASSES = {
    DEMYELINATING: ("demyelinating", "DEM", "#d7301f"),
    REMYELINATING: ("remyelinating", "REM", "#2171b5"),
    STABLE_DEMYELINATED: ("stable demyelinated", "SDM", "#fdae61"),
    STABLE_NORMAL: ("stable normal", "SNM", "#bdbdbd"),
}


@dataclass(frozen=True)
class MapRules:
    """What is asked of a voxel beyond the paper's rule; the defaults ask nothing.

    minimum_cluster_ml: smaller clusters of demyelinated voxels count as normal; change_threshold: a voxel whose DVR
    changed by less keeps its state of t0.
    """

    minimum_cluster_ml: float = 0.0
    change_threshold: float = 0.0


PAPER = MapRules()


def demyelinated(
    dvr: NDArray, distance: NDArray, lesions: NDArray[np.bool_], curve: Curve, sds: float = 1.0
) -> NDArray[np.bool_]:
    """Lesion voxels whose DVR falls below the mean of healthy controls at the same distance from the CSF by more than
    one standard deviation (wei2020, section 2.5), or by more than `sds` of them.

    dvr; distance, mm; lesions: (X, Y, Z) on one grid. A voxel without DVR (0) is outside the PET's domain and is not
    called demyelinated.
    """
    mask = np.zeros(lesions.shape, bool)
    mask[lesions] = (dvr[lesions] > 0) & (dvr[lesions] < curve.threshold(distance[lesions], sds))
    return mask


def without_small_clusters(
    mask: NDArray[np.bool_], minimum_ml: float, voxel_sizes: Sequence[float]
) -> NDArray[np.bool_]:
    """The mask (X, Y, Z) without clusters below `minimum_ml`; voxels that share a corner belong together.

    voxel_sizes: mm. A cluster of exactly that volume stays; 0 keeps every voxel.

    >>> without_small_clusters(np.array([[[1, 0, 1, 1]]], bool), 0.002, (1, 1, 1)).ravel().tolist()
    [False, False, True, True]
    """
    if minimum_ml <= 0:
        return mask
    from scipy import ndimage

    labels, _ = ndimage.label(mask, np.ones((3, 3, 3), bool))
    millilitres = np.bincount(labels.ravel()) * float(np.prod(voxel_sizes)) / 1000
    large = millilitres >= minimum_ml * (1 - 1e-9)  # voxel sizes come from a header of 32 bits
    large[0] = False
    return np.asarray(large[labels])


def change_classes(
    baseline: NDArray[np.bool_],
    followup: NDArray[np.bool_],
    lesions: NDArray[np.bool_],
    changed: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Trajectory of every baseline lesion voxel: 1 demyelinating, 2 remyelinating, 3 stable demyelinated, 4 stable
    normal; 0 outside lesions (wei2020, section 2.5).

    baseline, followup: demyelinated voxels at t0 and t1; lesions: baseline lesions; all (X, Y, Z) on one grid. changed:
    voxels whose DVR changed by enough, all of them in the paper; the others keep their state of t0.

    >>> m0, m1 = np.array([False, True, True, False]), np.array([True, False, True, False])
    >>> change_classes(m0, m1, np.ones(4, bool)).tolist()
    [1, 2, 3, 4]
    >>> change_classes(m0, m1, np.ones(4, bool), np.array([False, True, True, True])).tolist()
    [4, 2, 3, 4]
    """
    if changed is not None:
        followup = np.where(changed, followup, baseline)
    classes = np.zeros(lesions.shape, np.uint8)
    classes[lesions & ~baseline & followup] = DEMYELINATING
    classes[lesions & baseline & ~followup] = REMYELINATING
    classes[lesions & baseline & followup] = STABLE_DEMYELINATED
    classes[lesions & ~baseline & ~followup] = STABLE_NORMAL
    return classes


def load_classes(path: Path, grid: Grid | None = None, reference: Path | str = "") -> Volume:
    """A map of change classes (X, Y, Z), which may be empty: 0 without a class, and the labels of CLASSES.

    reference: whose grid `grid` is. Raises InputError for another grid and for any other value.
    """
    volume = load_volume(path, allow_empty=True)
    if grid is not None:
        grid.require(volume.grid, path, reference)
    strange = np.setdiff1d(volume.data, (0, *CLASSES))
    if strange.size:
        values = f"{', '.join(f'{value:g}' for value in strange[:3])} in it, expected 0 to {max(CLASSES)}"
        raise InputError("not a map of change classes", path, values, "give the map of `myelosynth change`")
    return volume


def changed_enough(before: NDArray, after: NDArray, threshold: float) -> NDArray[np.bool_] | None:
    """Voxels whose DVR, at t0 and t1 (...), changed by at least `threshold`; None, which is all, where that is 0."""
    return None if threshold <= 0 else np.asarray(np.abs(np.asarray(after, float) - before) >= threshold)
