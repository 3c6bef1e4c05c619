"""Boundary-based registration: the cost along the white matter boundary (Greve & Fischl 2009) and its minimum."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.interfaces.boundary_points import Boundary

SLOPE = 0.1
"""M of Greve & Fischl 2009, eq. 2, per percent contrast; their offset Q0 is 0. Theirs is 0.5, see decision 004."""
_ARM_MM = 60.0  # a head's lever arm: turns angles into millimetres, so that every parameter counts alike
_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class BoundaryCost:
    """The cost of a pull transform given as ``start @ D(parameters)``, D about the boundary's centre.

    image: moving image (X, Y, Z); sign: +1 where outside is brighter than inside (T2w, FLAIR), -1 for T1w. Everything
    is computed in double precision on `device`.
    """

    image: NDArray[np.float32]
    grid: Grid
    boundary: Boundary
    start: LinearTransform
    sign: float
    slope: float = SLOPE
    device: torch.device = _CPU

    def __call__(self, parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Cost mean(1 + tanh(-sign M Q)), Q in percent, over the points in the image, and its gradient.

        parameters: (6,) or (12,), see `displacement`. The cost is 1 where no point lies in the image.
        """
        point = torch.from_numpy(np.asarray(parameters, float)).to(self.device).requires_grad_()
        contrast, seen = self._contrast(point)
        if not seen.any():
            return 1.0, np.zeros(len(parameters))
        cost = (seen * (1 + torch.tanh(-self.sign * self.slope * contrast))).sum() / seen.sum()
        (gradient,) = torch.autograd.grad(cost, point)
        return float(cost.detach()), gradient.cpu().numpy()

    def contrast(self) -> NDArray[np.float64]:
        """Percent contrast Q (N,) across the boundary at the start, of the points in the image."""
        with torch.no_grad():
            contrast, seen = self._contrast(torch.zeros(6, dtype=torch.float64, device=self.device))
            return np.asarray(contrast[seen].cpu().numpy())

    def _contrast(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Q = 200 (out - in) / (out + in) of the points (N,), and which have both probes in the image."""
        move = _matrix(parameters, self._centre)
        (inner, inner_seen), (outer, outer_seen) = (self._sample(points, move) for points in self._points)
        return 200 * (outer - inner) / torch.clamp(inner + outer, min=self._least), inner_seen & outer_seen

    def _sample(self, points: Tensor, move: Tensor) -> tuple[Tensor, Tensor]:
        """Trilinear values (N,) of the moving image at fixed points (N, 3) moved by D, and which lie in the image."""
        matrix = self._to_voxel @ move
        voxels = points @ matrix[:3, :3].T + matrix[:3, 3]
        last = torch.tensor(self.grid.shape, device=self.device) - 1
        inside = ((voxels >= 0) & (voxels <= last)).all(1)
        base = torch.minimum(voxels.detach().floor().clamp(min=0), (last - 1).clamp(min=0)).long()
        part = (voxels - base).clamp(0, 1)
        return _trilinear(self._image, base, part), inside

    @cached_property
    def _image(self) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.image, dtype=np.float64)).to(self.device)

    @cached_property
    def _points(self) -> tuple[Tensor, Tensor]:
        inside, outside = (torch.from_numpy(p).to(self.device) for p in (self.boundary.inside, self.boundary.outside))
        return inside, outside

    @cached_property
    def _centre(self) -> Tensor:
        return torch.from_numpy(self.boundary.centre).to(self.device)

    @cached_property
    def _to_voxel(self) -> Tensor:
        return torch.from_numpy(np.linalg.inv(self.grid.affine) @ self.start.matrix).to(self.device)

    @cached_property
    def _least(self) -> float:
        return 1e-3 * float(self.image.max())


def _trilinear(image: Tensor, base: Tensor, part: Tensor) -> Tensor:
    """Values (N,) at corner indices `base` plus fractions `part`, each (N, 3); by gathers, which repeat on CUDA."""
    corners = torch.tensor([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)], device=image.device)
    _, ny, nz = image.shape
    step = torch.tensor([ny * nz, nz, 1], device=image.device)
    c = image.view(-1)[(base @ step)[:, None] + (corners @ step)].view(-1, 2, 2, 2)
    u, v, w = part.T
    c = c[:, 0] + (c[:, 1] - c[:, 0]) * u[:, None, None]
    c = c[:, 0] + (c[:, 1] - c[:, 0]) * v[:, None]
    return c[:, 0] + (c[:, 1] - c[:, 0]) * w


def _matrix(parameters: Tensor, centre: Tensor) -> Tensor:
    """The matrix (4, 4) of `displacement`."""
    if len(parameters) == 6:
        x, y, z = parameters[3:] / _ARM_MM
        zero = torch.zeros_like(x)
        skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).view(3, 3)
        linear = torch.linalg.matrix_exp(skew)
    else:
        linear = torch.eye(3, dtype=parameters.dtype, device=parameters.device) + parameters[3:].view(3, 3) / _ARM_MM
    shift = parameters[:3] + centre - linear @ centre
    last = torch.tensor([[0.0, 0, 0, 1]], dtype=parameters.dtype, device=parameters.device)
    return torch.cat([torch.cat([linear, shift[:, None]], 1), last])


def displacement(parameters: NDArray[np.float64], centre: NDArray[np.float64]) -> LinearTransform:
    """The transform of 6 parameters (translation mm, rotation vector in mm at 60 mm) or 12 (translation, 9 of M)."""
    given = torch.from_numpy(np.asarray(parameters, float))
    return LinearTransform(_matrix(given, torch.from_numpy(np.asarray(centre, float))).numpy())


@dataclass(frozen=True)
class Stage:
    """One pass: every how many points, smoothing of the moving image in mm, search range in mm."""

    step: int
    sigma_mm: float
    range_mm: float


STAGES = (Stage(8, 1.0, 4.0), Stage(2, 0.5, 3.0), Stage(1, 0.0, 3.0))
"""Narrow on purpose: smoothed wide passes pulled FLAIR, whose edges differ by tissue, 20 mm away from a good start."""


def minimise(
    image: NDArray[np.float32],
    grid: Grid,
    boundary: Boundary,
    start: LinearTransform,
    sign: float,
    dof: int,
    slope: float = SLOPE,
    device: torch.device = _CPU,
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
        cost = BoundaryCost(smooth, grid, points, found, sign, slope, device)
        bounds = [(-stage.range_mm, stage.range_mm)] * dof
        options = {"maxiter": 200, "ftol": 1e-10, "gtol": 1e-7}
        best = minimize(cost, np.zeros(dof), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        found = found @ displacement(best.x, points.centre)
        inside = bool(np.abs(best.x).max() < stage.range_mm - 1e-6)
    return found, inside
