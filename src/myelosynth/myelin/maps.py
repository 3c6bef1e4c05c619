"""Demyelinated voxels and their trajectory between two time points."""

import numpy as np
from numpy.typing import NDArray

from myelosynth.myelin.curve import Curve

DEMYELINATING, REMYELINATING, STABLE_DEMYELINATED, STABLE_NORMAL = 1, 2, 3, 4
CLASSES = {
    DEMYELINATING: ("demyelinating", "DEM", "#d7301f"),
    REMYELINATING: ("remyelinating", "REM", "#2171b5"),
    STABLE_DEMYELINATED: ("stable demyelinated", "SDM", "#fdae61"),
    STABLE_NORMAL: ("stable normal", "SNM", "#bdbdbd"),
}


def demyelinated(dvr: NDArray, distance: NDArray, lesions: NDArray[np.bool_], curve: Curve) -> NDArray[np.bool_]:
    """Lesion voxels whose DVR falls below the mean of healthy controls at the same distance from the CSF by more than
    one standard deviation (wei2020, section 2.5).

    dvr; distance, mm; lesions: (X, Y, Z) on one grid. A voxel without DVR (0) is outside the PET's domain and is not
    called demyelinated.
    """
    mask = np.zeros(lesions.shape, bool)
    mask[lesions] = (dvr[lesions] > 0) & (dvr[lesions] < curve.threshold(distance[lesions]))
    return mask


def change_classes(
    baseline: NDArray[np.bool_], followup: NDArray[np.bool_], lesions: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Trajectory of every baseline lesion voxel: 1 demyelinating, 2 remyelinating, 3 stable demyelinated, 4 stable
    normal; 0 outside lesions (wei2020, section 2.5).

    baseline, followup: demyelinated voxels at t0 and t1; lesions: baseline lesions; all (X, Y, Z) on one grid.

    >>> m0, m1 = np.array([False, True, True, False]), np.array([True, False, True, False])
    >>> change_classes(m0, m1, np.ones(4, bool)).tolist()
    [1, 2, 3, 4]
    """
    classes = np.zeros(lesions.shape, np.uint8)
    classes[lesions & ~baseline & followup] = DEMYELINATING
    classes[lesions & baseline & ~followup] = REMYELINATING
    classes[lesions & baseline & followup] = STABLE_DEMYELINATED
    classes[lesions & ~baseline & ~followup] = STABLE_NORMAL
    return classes
