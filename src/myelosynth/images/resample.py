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
    """Pull `data` (X, Y, Z[, N]) from `grid` onto `target`; points outside become 0.

    transform: pull, maps world points of `target` to the space of `grid`. Labels must use "nearest".
    """
    to_voxel = np.linalg.inv(grid.affine) @ transform.matrix @ target.affine
    if data.ndim == 4:
        volumes = [resample(data[..., n], grid, target, transform, interpolation) for n in range(data.shape[3])]
        return np.stack(volumes, axis=-1)
    return ndimage.affine_transform(
        data, to_voxel[:3, :3], to_voxel[:3, 3], target.shape, order=_ORDER[interpolation], mode="constant", cval=0.0
    )
