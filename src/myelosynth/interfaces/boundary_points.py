"""The white matter boundary: pairs of points just inside and just outside, where the grey matter is thick enough."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform

PROBE_MM = 1.0
"""How far inside and outside the boundary the moving image is sampled (decision 004)."""
CLEAR_MM = 2.5
"""How far the tissues must reach on both sides, so that nothing else is seen at the probes through a thick slice."""


@dataclass(frozen=True, eq=False)
class Boundary:
    """Paired points (N, 3), RAS mm in fixed space, just inside and just outside the white matter."""

    inside: NDArray[np.float64]
    outside: NDArray[np.float64]

    def every(self, step: int) -> "Boundary":
        """One point in `step`."""
        return Boundary(self.inside[::step], self.outside[::step])

    @property
    def centre(self) -> NDArray[np.float64]:
        """Mean of the points, (3,)."""
        return np.asarray((self.inside.mean(0) + self.outside.mean(0)) / 2)


def white_boundary(
    white: NDArray[np.bool_], grid: Grid, grey: NDArray[np.float32] | None = None, limit: int = 40_000, seed: int = 20
) -> Boundary:
    """Points on the surface of a white matter mask (X, Y, Z), with probes 1 mm along the normals to both sides.

    The surface is the half level of the mask smoothed by 1 mm (marching cubes). Points that have no white matter
    2.5 mm inside, as in thin strips, are dropped; with a grey matter fraction so are those that are not well in grey
    matter 2.5 mm outside (`_well_in_grey`). At most `limit` points are kept, chosen by a fixed seed. Raises InputError
    below 500 points.
    """
    from scipy import ndimage
    from skimage.measure import marching_cubes

    smooth = ndimage.gaussian_filter(np.pad(white, 2).astype(np.float32), 1.0 / np.array(grid.voxel_sizes))
    if smooth.max() <= 0.5:
        raise InputError("white matter too small", "white matter mask", f"{int(white.sum())} voxels", "check the mask")
    vertices = marching_cubes(smooth, 0.5)[0].astype(float)
    vertices = vertices[np.random.default_rng(np.random.SeedSequence(seed)).permutation(len(vertices))]
    slope = np.stack([ndimage.map_coordinates(g, vertices.T, order=1) for g in np.gradient(smooth)], axis=1)
    normals = -slope @ np.linalg.inv(grid.affine[:3, :3])
    length = np.linalg.norm(normals, axis=1)
    points = LinearTransform(grid.affine).apply(vertices - 2)
    normals /= np.maximum(length, 1e-6)[:, None]
    keep = (length > 1e-6) & (_sampled(white.astype(np.float32), grid, points - CLEAR_MM * normals) > 0.5)
    if grey is not None:
        keep &= _well_in_grey(_sampled(grey, grid, points + CLEAR_MM * normals), keep)
    if keep.sum() < 500:
        values = f"{int(keep.sum())} boundary points, expected at least 500"
        raise InputError("white matter boundary too short", "white matter mask", values, "check masks and their grid")
    points, normals = points[keep][:limit], normals[keep][:limit]
    return Boundary(points - PROBE_MM * normals, points + PROBE_MM * normals)


def _well_in_grey(fraction: NDArray[np.float64], keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which points have grey matter outside, by its fraction (N,) there: above 0.8, or 0.5 where voxels are too coarse.

    Edges to CSF have the reversed contrast in FLAIR, and partial CSF moved FLAIR by .5 mm; 0.5 serves when 0.8 would
    leave fewer than 5,000 of the points to `keep` (voxels as thick as the cortex).
    """
    strict = fraction > 0.8
    return strict if (strict & keep).sum() >= 5000 else fraction > 0.5


def _sampled(image: NDArray[np.float32], grid: Grid, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear samples (N,) of an image at world points (N, 3); 0 outside."""
    from scipy import ndimage

    voxels = (~LinearTransform(grid.affine)).apply(points)
    return np.asarray(ndimage.map_coordinates(image, voxels.T, order=1, mode="constant"), float)
