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
    """A Gaussian random field (X, Y, Z) of zero mean and unit standard deviation, on `grid`.

    Drawn on a coarse lattice fixed in world space and interpolated, so that it hardly depends on the voxel size.
    """
    step = fwhm_mm / 2
    coarse = box_grid((step,) * 3)
    shape = tuple(n + 6 for n in coarse.shape)
    noise = ndimage.gaussian_filter(random.standard_normal(shape, dtype=np.float32), fwhm_mm / FWHM_PER_SIGMA / step)
    scale = ((grid.affine[i, i], (grid.affine[i, 3] - coarse.affine[i, 3])) for i in range(3))
    spacing, shift = zip(*((s / step, o / step + 3) for s, o in scale), strict=True)
    fine = ndimage.affine_transform(noise, np.array(spacing), np.array(shift), grid.shape, order=3, mode="nearest")
    return ((fine - fine.mean()) / fine.std()).astype(np.float32)


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
