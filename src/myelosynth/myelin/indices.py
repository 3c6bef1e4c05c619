"""Indices of myelin content change."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.myelin.maps import DEMYELINATING, REMYELINATING, STABLE_DEMYELINATED

COLUMNS = ("percent_t0", "percent_t1", "global", "demyelination", "remyelination")
DESCRIPTIONS = {
    "percent_t0": "demyelinated voxels at baseline over the total lesion load at baseline",
    "percent_t1": "demyelinated voxels at follow-up over the total lesion load at baseline",
    "global": "global index of myelin content change: percent_t1 - percent_t0",
    "demyelination": "index of dynamic demyelination: voxels normal at baseline and demyelinated at follow-up over the "
    "total lesion load at baseline",
    "remyelination": "index of dynamic remyelination: voxels demyelinated at baseline and normal at follow-up over the "
    "total lesion load at baseline",
    "coverage": "share of the total lesion load at baseline that has a DVR at both times; the other columns are "
    "fractions of this part",
}


def no_indices(lesions: NDArray[np.bool_]) -> dict[str, float | None]:
    """The row where no lesion voxel has a class, which is a gap: nothing of it is defined, and nothing is covered.

    lesions: baseline lesions (X, Y, Z); without any of them the coverage is undefined too.
    """
    return dict.fromkeys(COLUMNS) | {"coverage": 0.0 if lesions.any() else None}


def why_no_indices(lesions: NDArray[np.bool_]) -> str:
    """Why no lesion voxel (X, Y, Z) has a class, in words."""
    found = int(lesions.sum())
    return f"{found} baseline lesion voxels, none with a DVR at both times" if found else "no baseline lesion voxel"


def myelin_indices(dseg: NDArray, lesions: NDArray[np.bool_], where: object = "change map") -> dict[str, float]:
    """Percentages of demyelinated voxels and the three indices, as fractions of baseline lesion volume.

    dseg: change classes, lesions: baseline lesions, (X, Y, Z) on one grid. The global index is the demyelination index
    minus the remyelination index (wei2020, section 2.5). Lesion voxels without a class (no DVR at one of the times)
    count in `coverage` only. Raises InputError when no lesion voxel has a class, or when a voxel outside has one.

    >>> myelin_indices(np.array([1, 2, 2, 4]), np.ones(4, bool))["global"]
    -0.25
    """
    return {name: float(value) for name, value in exact_indices(dseg, lesions, where).items()}


def exact_indices(dseg: NDArray, lesions: NDArray[np.bool_], where: object = "change map") -> dict[str, Fraction]:
    """The same as fractions of voxel counts, of which global = percent_t1 - percent_t0 = demyelination - remyelination
    holds exactly."""
    total = int((dseg > 0).sum())
    if total == 0:
        values = f"{int(lesions.sum())} lesion voxels, none with a class"
        raise InputError("no baseline lesion", where, values, "indices need lesions with DVR at both times")
    astray = int(((dseg > 0) & ~lesions).sum())
    if astray:
        values = f"{astray} classified voxels lie outside the lesions, expected 0"
        raise InputError("change map and lesions differ", where, values, "give the lesions of `myelosynth change`")
    counts = {label: int((dseg == label).sum()) for label in (DEMYELINATING, REMYELINATING, STABLE_DEMYELINATED)}
    lost, gained, stayed = counts.values()
    return {
        "percent_t0": Fraction(gained + stayed, total),
        "percent_t1": Fraction(lost + stayed, total),
        "global": Fraction(lost - gained, total),
        "demyelination": Fraction(lost, total),
        "remyelination": Fraction(gained, total),
        "coverage": Fraction(total, int(lesions.sum())),
    }
