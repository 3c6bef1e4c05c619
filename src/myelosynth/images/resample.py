"""One interpolation from an image onto a grid."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform

Interpolation = Literal["nearest", "linear", "bspline"]
_ORDER = {"nearest": 0, "linear": 1, "bspline": 3}


def resample(
    data: NDArray, grid: Grid, target: Grid, transform: LinearTransform, interpolation: Interpolation = "linear"
) -> NDArray:
    """Pull `data` (X, Y, Z[, N]) from `grid` onto `target`; points outside its voxels become 0.

    transform: pull, maps world points of `target` to the space of `grid`. Labels must use "nearest". The image ends at
    the edges of its outermost voxels, not at their centres: rounding of an affine must not empty a border.
    """
    to_voxel = np.linalg.inv(grid.affine) @ transform.matrix @ target.affine
    inside = _inside(to_voxel, grid.shape, target.shape)
    volumes = data[..., None] if data.ndim == 3 else data
    moved = [
        ndimage.affine_transform(
            volumes[..., n],
            to_voxel[:3, :3],
            to_voxel[:3, 3],
            target.shape,
            order=_ORDER[interpolation],
            mode="nearest",
        )
        * inside
        for n in range(volumes.shape[3])
    ]
    return moved[0] if data.ndim == 3 else np.stack(moved, axis=-1)


def _inside(to_voxel: NDArray[np.float64], shape: tuple[int, ...], target: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which voxels of the target (X, Y, Z) fall within the source's voxels, to 0.001 of one."""
    inside = np.ones(target, bool)
    x, y, z = np.ogrid[: target[0], : target[1], : target[2]]
    for row, size in zip(to_voxel[:3], shape, strict=True):
        position = row[0] * x + row[1] * y + row[2] * z + row[3]
        inside &= (position >= -0.501) & (position <= size - 0.499)
    return inside
