"""Lattices, rigid offsets, smooth random fields and the sampling of an image from the anatomy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform

Map = NDArray[np.float32]

HEAD_BOX_MM = ((-86.0, 86.0), (-122.0, 100.0), (-90.0, 98.0))
"""World limits of every lattice: the warped head fits with room for the rigid offsets."""
MAX_ROTATION_DEG, MAX_SHIFT_MM = 2.0, 3.0
FWHM_PER_SIGMA = 2.3548


def box_grid(voxel: Sequence[float]) -> Grid:
    """The lattice of a voxel size (3,), mm, that fills the head box, axes along RAS."""
    low, high = np.array(HEAD_BOX_MM).T
    shape = np.ceil((high - low) / np.asarray(voxel)).astype(int)
    affine = np.diag([*voxel, 1.0])
    affine[:3, 3] = (low + high) / 2 - (shape - 1) * np.asarray(voxel) / 2
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def random_offset(random: np.random.Generator) -> LinearTransform:
    """A rigid pull transform, up to 2 degrees about and 3 mm along each axis."""
    matrix = np.eye(4)
    angles = random.uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG, 3)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = random.uniform(-MAX_SHIFT_MM, MAX_SHIFT_MM, 3)
    return LinearTransform(matrix)


def world_axes(grid: Grid) -> list[Map]:
    """World coordinates (mm) along the three axes of a RAS-aligned lattice, shaped to broadcast."""
    axes = []
    for axis in range(3):
        values = grid.affine[axis, 3] + grid.affine[axis, axis] * np.arange(grid.shape[axis])
        axes.append(values.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)]))
    return axes


def smooth_field(random: np.random.Generator, grid: Grid, fwhm_mm: float) -> Map:
    """A Gaussian random field (X, Y, Z) of zero mean and unit standard deviation, on a RAS-aligned `grid`.

    White noise on a coarse lattice fixed in world space, under a separable Gaussian kernel evaluated at the fine
    voxels, so that a finer lattice shows the same field.
    """
    step, sigma = fwhm_mm / 2.5, fwhm_mm / FWHM_PER_SIGMA / np.sqrt(2)
    coarse = [np.arange(low - 2 * fwhm_mm, high + 2 * fwhm_mm, step) for low, high in HEAD_BOX_MM]
    field = random.standard_normal([len(points) for points in coarse], dtype=np.float32)
    for points, axis in zip(coarse, world_axes(grid), strict=True):
        kernel = np.exp(-((axis.reshape(-1, 1) - points) ** 2) / (2 * sigma**2)).astype(np.float32)
        field = np.tensordot(field, kernel, axes=(0, 1))
    return ((field - field.mean()) / field.std()).astype(np.float32)


class Sampler:
    """Samples maps of the anatomy onto one image: average over the image's voxel, then one linear interpolation.

    offset: pull transform from the image's world to the anatomy's; fwhm_mm: a further Gaussian blur (the scanner's).
    """

    def __init__(self, anatomy: Grid, image: Grid, offset: LinearTransform, fwhm_mm: float = 0.0) -> None:
        self.anatomy, self.image, self.offset = anatomy, image, offset
        fine, coarse = np.array(anatomy.voxel_sizes), np.array(image.voxel_sizes)
        box = np.clip(coarse**2 - fine**2, 0, None) / 12
        self._sigma = np.sqrt(box + (fwhm_mm / FWHM_PER_SIGMA) ** 2) / fine

    def __call__(self, values: Map) -> Map:
        """values: (X, Y, Z) on the anatomy's lattice; returns the image (float32)."""
        blurred = ndimage.gaussian_filter(values.astype(np.float32), self._sigma, truncate=3)
        return resample(blurred, self.anatomy, self.image, self.offset)

    def labels(self, values: NDArray) -> NDArray:
        """Labels (X, Y, Z) by nearest neighbour."""
        return resample(values, self.anatomy, self.image, self.offset, "nearest")
