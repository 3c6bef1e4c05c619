"""Shifts along the phase axis that make two images equal: opposite blips, or b0 and what the T1w says of it.

Two images of opposite phase encoding see one field with opposite signs, so that some field makes them equal once each
is unwarped and scaled by its Jacobian (Andersson et al. 2003, NeuroImage 20:870). As in HySCO (Ruthotto et al. 2012,
Phys Med Biol 57:5715) it is found by penalised least squares, coarse to fine, along the phase axis alone; here the
field lives on knots between which it is linear. Without a second image, a b0 drawn from the T1w takes its place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage, optimize
from torch.nn import functional

from myelosynth.images.grid import Grid
from myelosynth.physics.distortion import Array, PhaseEncoding, unwarp
from myelosynth.physics.partial_volume import FWHM_PER_SIGMA

PAIR_MM = ((12.0, 6.0), (8.0, 4.0), (5.0, 2.0), (4.0, 0.0))
T1W_MM = ((16.0, 8.0), (10.0, 5.0), (6.0, 3.0))
"""Spacing of the knots and smoothing (FWHM) of the images, mm, coarse to fine."""
PAIR_SMOOTHNESS, T1W_SMOOTHNESS = 0.2, 0.4
"""Weight of the squared gradient of the shift (mm per mm), relative to the squared difference of images of mean 1."""
STEEPEST, BARRIER = 0.9, 10.0
"""Gradient, voxels per voxel, beyond which lines would fold, and what each step beyond costs."""
ITERATIONS, TOLERANCE = 40, 1e-8
GREYS = 40


@dataclass(frozen=True, eq=False)
class Found:
    """A shift (X, Y, Z) of the first image, voxels, and the share of the images' squared difference that is left."""

    shift: Array
    difference_left: float


def shift_of_pair(first: NDArray, second: NDArray, encodings: tuple[PhaseEncoding, PhaseEncoding], grid: Grid) -> Found:
    """The shift of the first of two images (X, Y, Z) of opposite phase encoding on one grid.

    The head is taken to have the same place in both.
    """
    axis = encodings[0].axis
    images = [np.moveaxis(image / float(image.mean()), axis, -1).astype(np.float32) for image in (first, second)]
    ratio = encodings[1].shift(np.ones(1))[0] / encodings[0].shift(np.ones(1))[0]
    everywhere = np.ones(images[0].shape, np.float32)
    cost = _Cost((1.0, ratio), everywhere, _sizes(grid, axis), PAIR_SMOOTHNESS)
    return _search(PAIR_MM, cost, lambda shift: (images[0], images[1]), axis)


def shift_to_t1w(b0: NDArray, t1w: NDArray, inside: NDArray[np.bool_], axis: int, grid: Grid) -> Found:
    """The shift of b0 (X, Y, Z) towards a T1w on its grid, without bias field, inside the brain (X, Y, Z).

    The T1w becomes a b0 by the median of b0 at each of its grey levels, found again at each level of the search. Small
    smooth shifts, to which the two contrasts are blind, stay.
    """
    image, weight = np.moveaxis(b0, axis, -1).astype(np.float32), np.moveaxis(inside, axis, -1)
    greys = np.moveaxis(t1w, axis, -1)[weight]

    def pair(shift: Array) -> tuple[Array, Array]:
        straight = unwarp(image, shift, 2)
        target = straight.copy()
        target[weight] = _drawn(greys, straight[weight])
        level = float(straight[weight].mean())
        return image / level, target / level

    cost = _Cost((1.0, 0.0), weight.astype(np.float32), _sizes(grid, axis), T1W_SMOOTHNESS)
    return _search(T1W_MM, cost, pair, axis)


def _drawn(greys: NDArray, values: NDArray) -> NDArray:
    """Values (n,) that the grey levels (n,) of another contrast stand for: medians by quantile, smoothed, linear."""
    edges = np.quantile(greys, np.linspace(0, 1, GREYS + 1))
    number = np.clip(np.searchsorted(edges, greys) - 1, 0, GREYS - 1)
    known = np.unique(number)
    centres = [greys[number == n].mean() for n in known]
    medians = ndimage.gaussian_filter1d([np.median(values[number == n]) for n in known], 1.0, mode="nearest")
    return np.interp(greys, centres, medians)


def _sizes(grid: Grid, axis: int) -> NDArray[np.float64]:
    """Voxel sizes, mm, the phase axis last."""
    sizes = np.array(grid.voxel_sizes)
    return np.append(np.delete(sizes, axis), sizes[axis])


def _search(
    levels: tuple[tuple[float, float], ...],
    cost: "_Cost",
    pair: Callable[[Array], tuple[Array, Array]],
    axis: int,
) -> Found:
    """Coarse to fine over (knots, smoothing) in mm; pair: images (A, B, C), phase axis last, given the shift so far."""
    shape = tuple(cost.weight.shape)
    knots, shift = torch.zeros(2, 2, 2), np.zeros(shape, np.float32)
    options = {"maxiter": ITERATIONS, "ftol": TOLERANCE, "gtol": TOLERANCE}
    for spacing, fwhm in levels:
        sigma = fwhm / FWHM_PER_SIGMA / cost.sizes
        cost.images = [torch.from_numpy(ndimage.gaussian_filter(i, sigma, mode="nearest")) for i in pair(shift)]
        counts = [max(2, round((n - 1) * size / spacing) + 1) for n, size in zip(shape, cost.sizes, strict=True)]
        cost.counts = tuple(counts)
        start = _resized(knots, cost.counts).numpy().ravel().astype(float)
        found = optimize.minimize(cost, start, jac=True, method="L-BFGS-B", options=options).x
        knots = torch.from_numpy(found.reshape(cost.counts)).float()
        shift = _resized(knots, shape).numpy()
    left = cost.difference(shift) / max(cost.difference(np.zeros_like(shift)), 1e-12)
    return Found(np.moveaxis(shift, -1, axis), left)


class _Cost:
    """Penalised mean squared difference of two unwarped images (A, B, C), and its gradient by the knots.

    factors: shift of each image per shift of the first; weight: (A, B, C); sizes: mm, the phase axis last. The images
    and the number of knots change with the level of the search.
    """

    images: list[torch.Tensor]
    counts: tuple[int, ...]

    def __init__(self, factors: tuple[float, float], weight: Array, sizes: NDArray, smoothness: float) -> None:
        self.factors, self.weight, self.sizes, self.smoothness = factors, torch.from_numpy(weight), sizes, smoothness

    def __call__(self, knots: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        unknown = torch.from_numpy(knots.reshape(self.counts)).float().requires_grad_()
        shift = _resized(unknown, tuple(self.weight.shape))
        steep = torch.relu(torch.diff(shift, dim=-1).abs() - STEEPEST)
        total = self._difference(shift) + self.smoothness * self._roughness(shift) + BARRIER * (steep**2).mean()
        total.backward()
        return float(total.detach()), unknown.grad.numpy().ravel().astype(float)  # type: ignore[union-attr]

    def difference(self, shift: Array) -> float:
        """Mean squared difference alone, for a shift (A, B, C)."""
        return float(self._difference(torch.from_numpy(shift)))

    def _difference(self, shift: torch.Tensor) -> torch.Tensor:
        one, other = (
            _unwarped(image, shift * factor) if factor else image
            for image, factor in zip(self.images, self.factors, strict=True)
        )
        return (self.weight * (one - other) ** 2).mean()

    def _roughness(self, shift: torch.Tensor) -> torch.Tensor:
        """Mean squared gradient of the shift in mm, over the three axes."""
        steps = [torch.diff(shift, dim=k) * float(self.sizes[-1] / self.sizes[k]) for k in range(3)]
        return torch.stack([(step**2).mean() for step in steps]).sum()


def _resized(knots: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Knots on another number of points between the same corners, linearly."""
    return functional.interpolate(knots[None, None], size=shape, mode="trilinear", align_corners=True)[0, 0]


def _unwarped(image: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """The image (A, B, C) at C + shift, linearly, times the Jacobian."""
    size = image.shape[-1]
    place = (torch.arange(size) + shift).clamp(0, size - 1.001)
    below = place.detach().floor()
    part, index = place - below, below.long()
    value = (1 - part) * image.gather(-1, index) + part * image.gather(-1, index + 1)
    return value * (1 + torch.gradient(shift, dim=-1)[0])
