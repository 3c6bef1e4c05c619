"""Ready maps are looked at before they are used: grid, values, place."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.ready import READY, in_t1w
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, open_image

_ROUNDING = 1e-3  # of the upper limit
# Fits leave some noise voxels outside the tissue with FA above 1 or RD below 0: they are clipped.
_OUTLIERS = 0.01
_OVERLAP = 0.5


def load_ready(kind: str, path: Path, anchor: Path) -> tuple[NDArray, Grid]:
    """Values (X, Y, Z) and grid of a ready file: bool for masks, float32 in the kind's unit for maps.

    anchor: the session's image that `bids.ready.anchor_of` names, the T1w for most: masks must lie on its grid, and a
    map in T1w space must cover half of its field of view or lie half inside it. Raises InputError for another grid,
    NaN, an empty image, or values out of the kind's limits.
    """
    limits, unit = READY[kind].limits, READY[kind].unit
    grid = Grid.of(open_image(anchor))
    if limits is None:
        return load_mask(path, grid, anchor), grid
    volume = load_volume(path)
    slack = _ROUNDING * limits[1]
    outside = float(((volume.data < limits[0] - slack) | (volume.data > limits[1] + slack)).mean())
    level = float(np.percentile(volume.data[volume.data > 0], 99)) if (volume.data > 0).any() else 0.0
    values = f"{kind} from {volume.data.min():g} to {volume.data.max():g}, expected "
    if outside > _OUTLIERS:
        values += f"{limits[0]:g} to {limits[1]:g} {unit}, {outside:.1%} are beyond"
        raise InputError("values out of range", path, values, "convert it to this unit, or clip its outliers")
    if level < READY[kind].level:
        values += f"its upper values at {READY[kind].level:g} {unit} or more"
        raise InputError("values too small for their unit", path, values, f"convert it to {unit}")
    np.clip(volume.data, *limits, out=volume.data)
    shared = _overlap(volume.grid, grid)
    if in_t1w(path) and shared < _OVERLAP:
        values = f"{shared:.0%} of the smaller field of view is shared with {anchor}, expected {_OVERLAP:.0%} or more"
        raise InputError("map is not in the space it names", path, values, "correct its header, or its space entity")
    return volume.data, volume.grid


def _overlap(one: Grid, other: Grid) -> float:
    """Share of the smaller box, along the world's axes, that two fields of view have in common."""
    boxes = [_box(one), _box(other)]
    common = np.clip(np.minimum(boxes[0][1], boxes[1][1]) - np.maximum(boxes[0][0], boxes[1][0]), 0, None)
    return float(np.prod(common) / min(np.prod(high - low) for low, high in boxes))


def _box(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * grid.shape - 0.5
    world = corners @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return world.min(0), world.max(0)
