"""A lattice of one's own: where no image gives the grid."""

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from myelosynth.images.grid import Grid

MARGIN_MM = 10.0


def brain_lattice(
    mask: NDArray[np.bool_],
    grid: Grid,
    voxel_mm: tuple[float, float, float],
    orientation: str = "RAS",
    margin_mm: float = MARGIN_MM,
) -> Grid:
    """The lattice along the world's axes that covers a mask (X, Y, Z) on `grid` with a margin.

    voxel_mm: voxel edges from left to right, from back to front, from bottom to top; orientation: axis codes of the
    order in which voxels are stored.

    >>> brain_lattice(np.ones((2, 2, 2), bool), Grid((2, 2, 2), np.eye(4)), (1, 1, 1), "LAS", 0).affine[0].tolist()
    [-1.0, 0.0, 0.0, 1.0]
    """
    centres = np.argwhere(mask) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    # How far a voxel reaches beyond its centre along each axis of the world.
    reach = np.abs(grid.affine[:3, :3]).sum(1) / 2 + margin_mm
    low, high = centres.min(0) - reach, centres.max(0) + reach
    size = np.array(voxel_mm, float)
    shape = np.ceil((high - low) / size - 1e-6).astype(int)
    upright = np.diag([*size, 1.0])
    upright[:3, 3] = (low + high - (shape - 1) * size) / 2
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(orientation)
    )
    affine = upright @ nib.orientations.inv_ornt_aff(turn, tuple(shape))
    x, y, z = shape[np.argsort(turn[:, 0])]
    return Grid((int(x), int(y), int(z)), affine)
