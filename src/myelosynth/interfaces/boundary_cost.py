"""Boundary-based registration: the white matter boundary and the cost along it (Greve & Fischl 2009)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform

SLOPE = 0.5
"""M of Greve & Fischl 2009, eq. 2, per percent contrast; their offset Q0 is 0."""
PROBE_MM = 2.0
"""How far inside and outside the boundary the moving image is sampled."""
_ARM_MM = 60.0  # a head's lever arm: turns angles into millimetres, so that every parameter counts alike


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
    """Points on the surface of a white matter mask (X, Y, Z), with probes 2 mm along the normals to both sides.

    The surface is the half level of the mask smoothed by 1 mm (marching cubes). Points whose inner probe leaves the
    white matter, as in thin strips, are dropped; with a grey matter fraction so are those whose outer probe is not well
    in grey matter (`_well_in_grey`). At most `limit` points, by a fixed seed. Raises InputError below 500 points.
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
    boundary = Boundary(points - PROBE_MM * normals, points + PROBE_MM * normals)
    keep = (length > 1e-6) & (_sampled(white.astype(np.float32), grid, boundary.inside) > 0.5)
    if grey is not None:
        keep &= _well_in_grey(_sampled(grey, grid, boundary.outside), keep)
    if keep.sum() < 500:
        values = f"{int(keep.sum())} boundary points, expected at least 500"
        raise InputError("white matter boundary too short", "white matter mask", values, "check masks and their grid")
    return Boundary(boundary.inside[keep][:limit], boundary.outside[keep][:limit])


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


@dataclass(frozen=True, eq=False)
class BoundaryCost:
    """The cost of a pull transform given as ``start @ D(parameters)``, D about the boundary's centre.

    image: moving image (X, Y, Z); sign: +1 where outside is brighter than inside (T2w, FLAIR), -1 for T1w.
    """

    image: NDArray[np.float32]
    grid: Grid
    boundary: Boundary
    start: LinearTransform
    sign: float
    slope: float = SLOPE

    def __call__(self, parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Cost mean(1 + tanh(-sign M Q)), Q = 200 (out - in) / (out + in) percent, and its gradient."""
        step = displacement(parameters, self.boundary.centre)
        inner, inner_slope, inner_ok = self._sample(step.apply(self.boundary.inside))
        outer, outer_slope, outer_ok = self._sample(step.apply(self.boundary.outside))
        total = np.maximum(inner + outer, 1e-3 * float(self.image.max()))
        used = inner_ok & outer_ok
        count = max(int(used.sum()), 1)
        wave = np.tanh(-self.sign * self.slope * 200 * (outer - inner) / total)
        cost = float((1 + wave[used]).mean()) if used.any() else 1.0
        rise = np.where(used, (1 - wave**2) * -self.sign * self.slope * 400 / total**2 / count, 0)
        by_outer, by_inner = (rise * inner)[:, None] * outer_slope, (-rise * outer)[:, None] * inner_slope
        by_matrix = np.zeros((3, 4))
        for force, points in ((by_outer, self.boundary.outside), (by_inner, self.boundary.inside)):
            by_matrix[:, :3] += force.T @ points
            by_matrix[:, 3] += force.sum(0)
        return cost, _pull_back(by_matrix, parameters, self.boundary.centre)

    def contrast(self) -> float:
        """Median percent contrast Q across the boundary at the start."""
        inner, _, inner_ok = self._sample(self.boundary.inside)
        outer, _, outer_ok = self._sample(self.boundary.outside)
        used = inner_ok & outer_ok & (inner + outer > 0)
        return float(np.median(200 * (outer - inner)[used] / (outer + inner)[used])) if used.any() else 0.0

    def _sample(
        self, points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Trilinear values (N,), their exact slopes per fixed-space mm (N, 3), and which points lie in the image."""
        to_voxel = LinearTransform(np.linalg.inv(self.grid.affine) @ self.start.matrix)
        voxels = to_voxel.apply(points)
        last = np.array(self.grid.shape) - 1
        inside = np.asarray(((voxels >= 0) & (voxels <= last)).all(axis=1))
        base = np.clip(np.floor(voxels), 0, np.maximum(last - 1, 0)).astype(np.intp)
        part = np.clip(voxels - base, 0, 1)
        value, slope = _trilinear(self.image, base, part)
        return value, slope @ to_voxel.matrix[:3, :3], inside


def _trilinear(
    image: NDArray[np.float32], base: NDArray[np.intp], part: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values (N,) and slopes per voxel (N, 3) at corner indices `base` plus fractions `part`, each (N, 3)."""
    _, ny, nz = image.shape
    flat = image.ravel()
    corner = (base[:, 0] * ny + base[:, 1]) * nz + base[:, 2]
    c = [flat[corner + (i * ny + j) * nz + k].astype(float) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    u, v, w = part.T
    z = [c[n] + (c[n + 1] - c[n]) * w for n in (0, 2, 4, 6)]
    low, high = z[0] + (z[1] - z[0]) * v, z[2] + (z[3] - z[2]) * v
    dw = [c[n + 1] - c[n] for n in (0, 2, 4, 6)]
    low_w, high_w = dw[0] + (dw[1] - dw[0]) * v, dw[2] + (dw[3] - dw[2]) * v
    low_v, high_v = z[1] - z[0], z[3] - z[2]
    slope = np.stack([high - low, low_v + (high_v - low_v) * u, low_w + (high_w - low_w) * u], axis=1)
    return low + (high - low) * u, slope


def displacement(parameters: NDArray[np.float64], centre: NDArray[np.float64]) -> LinearTransform:
    """The transform of 6 parameters (translation mm, rotation vector in mm at 60 mm) or 12 (translation, 9 of M)."""
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    if len(parameters) == 6:
        matrix[:3, :3] = Rotation.from_rotvec(parameters[3:] / _ARM_MM).as_matrix()
    else:
        matrix[:3, :3] += parameters[3:].reshape(3, 3) / _ARM_MM
    matrix[:3, 3] = parameters[:3] + centre - matrix[:3, :3] @ centre
    return LinearTransform(matrix)


def _pull_back(
    by_matrix: NDArray[np.float64], parameters: NDArray[np.float64], centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Chain a gradient by the 3x4 matrix to the parameters (central differences of the small matrix alone)."""
    gradient, h = np.empty(len(parameters)), 1e-4
    for n in range(len(parameters)):
        shift = np.zeros(len(parameters))
        shift[n] = h
        change = displacement(parameters + shift, centre).matrix - displacement(parameters - shift, centre).matrix
        gradient[n] = float((by_matrix * change[:3]).sum() / (2 * h))
    return gradient


@dataclass(frozen=True)
class Stage:
    """One pass: every how many points, smoothing of the moving image in mm, slope, search range in mm."""

    step: int
    sigma_mm: float
    slope: float
    range_mm: float


STAGES = (Stage(8, 1.0, 0.1, 4.0), Stage(2, 0.5, 0.25, 3.0), Stage(1, 0.0, SLOPE, 3.0))
"""Narrow on purpose: smoothed wide passes pulled FLAIR, whose edges differ by tissue, 20 mm away from a good start."""


def minimise(
    image: NDArray[np.float32],
    grid: Grid,
    boundary: Boundary,
    start: LinearTransform,
    sign: float,
    dof: int,
    stages: Sequence[Stage] = STAGES,
) -> tuple[LinearTransform, bool]:
    """Refine `start` by bounded L-BFGS-B, coarse to fine; also whether the last pass ended inside its search range."""
    from scipy import ndimage
    from scipy.optimize import minimize

    found, inside = start, True
    for stage in stages:
        sigma = stage.sigma_mm / np.array(grid.voxel_sizes)
        smooth = ndimage.gaussian_filter(image, sigma) if stage.sigma_mm else image
        points = boundary.every(stage.step)
        cost = BoundaryCost(smooth, grid, points, found, sign, stage.slope)
        bounds = [(-stage.range_mm, stage.range_mm)] * dof
        options = {"maxiter": 200, "ftol": 1e-9, "gtol": 1e-7}
        best = minimize(cost, np.zeros(dof), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        found = found @ displacement(best.x, points.centre)
        inside = bool(np.abs(best.x).max() < stage.range_mm - 1e-6)
    return found, inside
