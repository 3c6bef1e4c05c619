"""The distortion between two echo-planar images of opposite phase encoding.

Both images see one field with opposite signs, so that some field makes them equal once each is unwarped and scaled by
its Jacobian (Andersson et al. 2003, NeuroImage 20:870). As in HySCO (Ruthotto et al. 2012, Phys Med Biol 57:5715) it is
found by a penalised least squares, coarse to fine, along the phase axis alone; the field here lives on knots between
which it is linear.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, optimize
from torch.nn import functional

from myelosynth.images.grid import Grid
from myelosynth.physics.distortion import PhaseEncoding

LEVELS_MM = ((12.0, 6.0), (8.0, 4.0), (5.0, 2.0), (4.0, 0.0))
"""Spacing of the knots and smoothing (FWHM) of the images, mm, coarse to fine."""
SMOOTHNESS = 0.2
"""Weight of the squared gradient of the shift (mm per mm), relative to the squared difference of images of mean 1."""
STEEPEST = 0.9
BARRIER = 10.0
ITERATIONS = 60
FWHM_PER_SIGMA = 2.355


@dataclass(frozen=True, eq=False)
class Blips:
    """What was found: field (X, Y, Z) in Hz and the share of the images' difference that is left."""

    field_hz: NDArray[np.float32]
    difference_left: float


def field_of_pair(first: NDArray, second: NDArray, encodings: tuple[PhaseEncoding, PhaseEncoding], grid: Grid) -> Blips:
    """The field that makes two images (X, Y, Z) of opposite phase encoding on one grid equal.

    The head is taken to have the same place in both.
    """
    axis = encodings[0].axis
    images = [np.moveaxis(image.astype(np.float32) / float(image.mean()), axis, -1) for image in (first, second)]
    sizes = np.moveaxis(np.array(grid.voxel_sizes)[[k for k in range(3) if k != axis] + [axis]], 0, 0)
    # Voxels of shift per unit of the unknown: the mean of both, so that it is close to a shift in voxels.
    unit = (encodings[0].readout_s + encodings[1].readout_s) / 2
    factors = [encoding.sign * encoding.readout_s / unit for encoding in encodings]
    shape = images[0].shape
    knots = np.zeros((2, 2, 2))
    start = end = 0.0
    for spacing, fwhm in LEVELS_MM:
        counts = tuple(max(2, round((n - 1) * size / spacing) + 1) for n, size in zip(shape, sizes, strict=True))
        knots = _resized(torch.from_numpy(knots), counts).numpy()
        sigma = fwhm / FWHM_PER_SIGMA / sizes
        smooth = [torch.from_numpy(ndimage.gaussian_filter(image, sigma, mode="nearest")) for image in images]
        cost = _Cost(smooth, factors, sizes, counts)
        found = optimize.minimize(
            cost, knots.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS, "ftol": 1e-6}
        )
        knots = found.x.reshape(counts)
    start, end = cost.difference(np.zeros(knots.size)), cost.difference(knots.ravel())
    shift = np.moveaxis(_resized(torch.from_numpy(knots), shape).numpy(), -1, axis)
    return Blips((shift / unit).astype(np.float32), float(end / start))


class _Cost:
    """Penalised mean squared difference of two unwarped images (A, B, C), phase axis last, and its gradient."""

    def __init__(
        self, images: list[torch.Tensor], factors: list[float], sizes: NDArray, counts: tuple[int, ...]
    ) -> None:
        self.images, self.factors, self.counts = images, factors, counts
        self.sizes = [float(size) for size in sizes]

    def __call__(self, knots: NDArray) -> tuple[float, NDArray]:
        unknown = torch.from_numpy(knots.reshape(self.counts)).requires_grad_()
        shift = _resized(unknown, tuple(self.images[0].shape))
        total = self._difference(shift) + SMOOTHNESS * self._roughness(shift)
        steep = torch.relu(torch.diff(shift, dim=-1).abs() - STEEPEST)
        total = total + BARRIER * (steep**2).mean()
        total.backward()
        return float(total.detach()), unknown.grad.numpy().ravel().astype(float)  # type: ignore[union-attr]

    def difference(self, knots: NDArray) -> float:
        """Mean squared difference alone."""
        with torch.no_grad():
            return float(
                self._difference(_resized(torch.from_numpy(knots.reshape(self.counts)), tuple(self.images[0].shape)))
            )

    def _difference(self, shift: torch.Tensor) -> torch.Tensor:
        one, other = (_unwarped(image, shift * factor) for image, factor in zip(self.images, self.factors, strict=True))
        return ((one - other) ** 2).mean()

    def _roughness(self, shift: torch.Tensor) -> torch.Tensor:
        """Mean squared gradient of the shift in mm."""
        moved = shift * self.sizes[-1]
        return sum(((torch.diff(moved, dim=k) / self.sizes[k]) ** 2).mean() for k in range(3))  # type: ignore[return-value]


def _resized(knots: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Knots on another number of points between the same corners, linearly."""
    grown = functional.interpolate(knots[None, None], size=shape, mode="trilinear", align_corners=True)
    return grown[0, 0].float() if shape != knots.shape else knots.float()


def _unwarped(image: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """The image (A, B, C) at C + shift, linearly, times the Jacobian."""
    size = image.shape[-1]
    place = (torch.arange(size) + shift).clamp(0, size - 1.001)
    below = place.detach().floor()
    part = place - below
    index = below.long()
    value = (1 - part) * image.gather(-1, index) + part * image.gather(-1, index + 1)
    return value * (1 + torch.gradient(shift, dim=-1)[0])
