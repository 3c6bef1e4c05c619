"""Lesion by lesion: size, place, demyelinated shares and state; new lesions at follow-up, apart from the others."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.images.grid import Grid
from myelosynth.myelin.maps import CLASSES, DEMYELINATING, REMYELINATING, STABLE_DEMYELINATED, STABLE_NORMAL

Row = dict[str, Any]
CHANGED = 0.2
"""Share of a lesion that has to change before the lesion is said to change."""
SMALLEST_ML = 0.5
"""Covered volume of a lesion from which noise alone seldom changes that share of it (docs/evaluation.md)."""
_MIXED, _TOO_SMALL, NEW = "mixed", "too small to tell", "new"
_NEIGHBOURS = np.ones((3, 3, 3), bool)  # voxels that share a corner belong together
_VOLUME_DIGITS = 6  # of ml: a determinant has rounding
_DIGITS = 3  # of world coordinates in mm: what is compared must not hang on how voxels are stored

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "lesion": {"Description": "number of the lesion: largest first, or as the mask numbers it; new ones by themselves"},
    "kind": {"Description": "baseline: of the baseline mask; new: of the follow-up mask, beside no baseline lesion"},
    "voxels": {"Description": "voxels of the lesion on the analysis grid"},
    "volume_ml": {"Description": "their volume", "Units": "ml"},
    **{
        axis: {"Description": f"{axis} of the lesion voxel nearest to the lesion's centroid, RAS+", "Units": "mm"}
        for axis in "xyz"
    },
    "distance_mm": {"Description": "distance to the CSF of the lesion voxel nearest to it", "Units": "mm"},
    "distance_mean_mm": {"Description": "mean distance to the CSF of the lesion's voxels", "Units": "mm"},
    "percent_t0": {"Description": "demyelinated voxels at baseline over the covered ones; n/a if new", "Units": "1"},
    "percent_t1": {"Description": "demyelinated voxels at follow-up over the covered ones", "Units": "1"},
    "demyelination": {"Description": "normal at baseline, demyelinated at follow-up; n/a if new", "Units": "1"},
    "remyelination": {"Description": "demyelinated at baseline, normal at follow-up; n/a if new", "Units": "1"},
    "state": {
        "Description": "the least changed share and volume are in Settings. Where less than that volume is covered: "
        "too small to tell, as noise alone changes as much. At least that share of the covered voxels changed: "
        "demyelinating or remyelinating where one direction has at least twice the voxels of the other, else mixed. "
        "Less: stable demyelinated where half of the voxels or more are (mean of both times), else stable normal. "
        "New ones are new"
    },
    "coverage": {"Description": "share of the lesion's voxels that has a DVR (at both times where there are two)"},
}


def number_lesions(lesions: NDArray, grid: Grid) -> NDArray[np.int32]:
    """Lesions (X, Y, Z) numbered from 1, 0 elsewhere.

    lesions: a mask, or a map with several numbers, which are kept (a rater may part lesions that touch). The lesions of
    a mask are its components, voxels that share a corner together; largest first, equal ones by their place in the
    world, so that the numbers do not depend on the order of voxels in the file.
    """
    whole = np.where(lesions > 0.5, np.rint(lesions), 0).astype(np.int32)
    if np.unique(whole[whole > 0]).size > 1:
        return whole
    found, count = ndimage.label(whole, _NEIGHBOURS)
    if count == 0:
        return whole
    index, labels = np.argwhere(found), found[found > 0]
    world = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    sizes = np.bincount(labels, minlength=count + 1)[1:]
    centres = [np.bincount(labels, world[:, axis], count + 1)[1:] / sizes for axis in range(3)]
    order = np.lexsort([*np.round(centres[::-1], _DIGITS), -sizes])
    rank = np.zeros(count + 1, np.int32)
    rank[order + 1] = np.arange(1, count + 1)
    return rank[found]


def new_lesions(baseline: NDArray[np.bool_], followup: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Lesions of the follow-up mask of which no voxel is, or shares a corner with, a baseline lesion.

    Masks (X, Y, Z) on one grid. What grew onto a baseline lesion is no new lesion.
    """
    found, count = ndimage.label(followup, _NEIGHBOURS)
    old = np.unique(found[ndimage.binary_dilation(baseline, _NEIGHBOURS)])
    fresh = np.ones(count + 1, bool)
    fresh[0] = False
    fresh[old] = False
    return fresh[found]


def lesion_state(demyelination: float, remyelination: float, percent: float, changed: float = CHANGED) -> str:
    """The state of a lesion, in the words of `COLUMNS`: shares that changed, and the demyelinated share.

    >>> lesion_state(0.3, 0.1, 0.5), lesion_state(0.3, 0.2, 0.5), lesion_state(0.1, 0.05, 0.5)
    ('demyelinating', 'mixed', 'stable demyelinated')
    """
    if demyelination + remyelination >= changed:
        if demyelination >= 2 * remyelination:
            return CLASSES[DEMYELINATING][0]
        return CLASSES[REMYELINATING][0] if remyelination >= 2 * demyelination else _MIXED
    return CLASSES[STABLE_DEMYELINATED if percent >= 0.5 else STABLE_NORMAL][0]


def followed_rows(
    numbers: NDArray,
    classes: NDArray,
    distance: NDArray,
    grid: Grid,
    changed: float = CHANGED,
    smallest_ml: float = SMALLEST_ML,
) -> list[Row]:
    """One row a baseline lesion with both times: the columns of `COLUMNS`, fractions of the voxels that have a class.

    numbers: of `number_lesions`; classes: change classes, 0 without a DVR; distance to CSF, mm; (X, Y, Z) on `grid`.
    changed, smallest_ml: least share and least covered volume for the state.
    """
    rows = []
    for row, voxels in _places(numbers, distance, grid):
        found = np.bincount(classes[voxels].astype(np.int64), minlength=5)[1:]
        total = int(found.sum())
        row |= {"kind": "baseline", "coverage": total / len(voxels[0])}
        if total:
            lost, gained, stayed, _ = (int(count) for count in found)
            row |= {"percent_t0": (gained + stayed) / total, "percent_t1": (lost + stayed) / total}
            row |= {"demyelination": lost / total, "remyelination": gained / total}
            percent = (row["percent_t0"] + row["percent_t1"]) / 2
            state = lesion_state(row["demyelination"], row["remyelination"], percent, changed)
            row["state"] = (
                state if round(total * grid.voxel_volume / 1000, _VOLUME_DIGITS) >= smallest_ml else _TOO_SMALL
            )
        rows.append(row)
    return rows


def single_rows(
    numbers: NDArray, demyelinated: NDArray[np.bool_], covered: NDArray[np.bool_], distance: NDArray, grid: Grid
) -> list[Row]:
    """One row a baseline lesion of a patient without a follow-up: no change and no state.

    covered: voxels with a DVR; all (X, Y, Z) on `grid`, distance to CSF in mm.
    """
    rows = _at_one_time(numbers, demyelinated, covered, distance, grid, "percent_t0")
    return [{**row, "kind": "baseline"} for row in rows]


def new_rows(
    numbers: NDArray, demyelinated: NDArray[np.bool_], covered: NDArray[np.bool_], distance: NDArray, grid: Grid
) -> list[Row]:
    """One row a new lesion: its share at follow-up alone. They are in no index, which is of baseline lesions.

    numbers: of `number_lesions` on `new_lesions`; covered: voxels with a DVR at follow-up; all (X, Y, Z) on `grid`.
    """
    rows = _at_one_time(numbers, demyelinated, covered, distance, grid, "percent_t1")
    return [{**row, "kind": NEW, "state": NEW} for row in rows]


def _at_one_time(
    numbers: NDArray,
    demyelinated: NDArray[np.bool_],
    covered: NDArray[np.bool_],
    distance: NDArray,
    grid: Grid,
    column: str,
) -> list[Row]:
    rows = []
    for row, voxels in _places(numbers, distance, grid):
        total = int(covered[voxels].sum())
        row["coverage"] = total / len(voxels[0])
        row[column] = int((demyelinated & covered)[voxels].sum()) / total if total else None
        rows.append(row)
    return rows


def _places(numbers: NDArray, distance: NDArray, grid: Grid) -> list[tuple[Row, tuple[NDArray, ...]]]:
    """Number, size and place of each lesion, by number, and the indices of its voxels."""
    found = []
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        if box is None:
            continue
        start = [edge.start for edge in box]
        voxels = tuple(part + first for part, first in zip(np.nonzero(numbers[box] == number), start, strict=True))
        row: Row = {"lesion": number, "voxels": len(voxels[0])}
        row["volume_ml"] = round(len(voxels[0]) * grid.voxel_volume / 1000, _VOLUME_DIGITS)
        row |= dict(zip("xyz", _middle(voxels, grid), strict=True))
        apart = distance[voxels]
        row |= {"distance_mm": float(apart.min()), "distance_mean_mm": float(apart.mean(dtype=np.float64))}
        found.append((row, voxels))
    return found


def _middle(voxels: tuple[NDArray, ...], grid: Grid) -> list[float]:
    """World coordinates (mm) of the voxel nearest to the centroid: a bent lesion need not hold its own centroid."""
    world = np.stack(voxels, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    apart = np.round(((world - world.mean(0)) ** 2).sum(1), _DIGITS)
    nearest = np.round(world[apart == apart.min()], _DIGITS)
    return [float(value) for value in nearest[np.lexsort(nearest.T[::-1])[0]] + 0.0]
