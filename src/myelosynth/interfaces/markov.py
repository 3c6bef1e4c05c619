"""Tissue of a brain's T1w: three Gaussian classes, a Markov field and a smooth residual bias field."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.interfaces.tissue import normalise, otsu_thresholds
from myelosynth.physics.partial_volume import FWHM_PER_SIGMA

_COUPLING = 0.3
_FIELD_FWHM_MM = 20.0
_FIELD_LATTICE_MM = 4.0
_ITERATIONS = 25
_SETTLED = 1e-3  # mean change of the class probabilities
_FLOOR = 0.02  # of the brightest voxel, for logarithms


@dataclass(frozen=True, eq=False)
class Segmentation:
    """fractions: (3, X, Y, Z) of CSF, GM, WM; field: largest residual bias, per cent; iterations: how many it took."""

    fractions: NDArray[np.float32]
    field: float
    iterations: int


def segment_markov(
    data: NDArray[np.float32],
    mask: NDArray[np.bool_],
    sizes_mm: tuple[float, ...],
    prior: NDArray[np.float32] | None = None,
    where: object = "T1w",
) -> Segmentation:
    """CSF, GM and WM of a T1w by the hidden Markov random field of Zhang et al. 2001 with its bias field (section IV).

    data, mask: (X, Y, Z), voxels of sizes_mm; prior: class probabilities (3, X, Y, Z) of CSF, GM, WM, equal where the
    image alone decides. Log intensities; GM and WM share one variance, which is noise: the wider spread of GM is
    partial volume, and would push their border into white matter. Mean-field updates, neighbours along thick slices
    count less (by the inverse of their distance). Between neighbours of two classes the fraction is linear in the
    intensity, on the side of a half that the class has. Raises InputError when the mask holds too little signal or
    a class dies out.
    """
    brain = np.argwhere(mask)
    box = tuple(slice(low, high + 1) for low, high in zip(brain.min(0), brain.max(0), strict=True))
    inside = mask[box] & (data[box] > 0)
    values = data[box][inside]
    thresholds, top = otsu_thresholds(values, where)
    log = np.log(np.clip(values, _FLOOR * top, top))
    chance = np.eye(3, dtype=np.float32)[np.digitize(values, thresholds)].T.copy()
    known = 0.0 if prior is None else np.log(np.stack([part[box][inside] for part in prior]))
    voxels = np.nonzero(inside)
    field, taken = np.zeros_like(log), 0
    for _ in range(_ITERATIONS):
        flat = log - field
        count = chance.sum(1)
        mean = (chance * flat).sum(1) / np.maximum(count, 1)
        variance = (chance * (flat - mean[:, None]) ** 2).sum(1) / np.maximum(count, 1)
        variance[1:] = (count[1:] * variance[1:]).sum() / max(1, count[1:].sum())
        _require_classes(count, mean, variance, where)
        residual = (chance[1:] * (log - mean[1:, None])).sum(0)
        field = _smooth(residual, chance[1:].sum(0), voxels, inside.shape, sizes_mm)
        field -= field.mean()
        flat = log - field
        energy = -0.5 * (flat - mean[:, None]) ** 2 / variance[:, None] - 0.5 * np.log(variance)[:, None] + known
        energy += _COUPLING * np.stack([_neighbours(part, inside, sizes_mm) for part in chance])
        updated = np.exp(energy - energy.max(0))
        updated /= updated.sum(0)
        change, chance = float(np.abs(updated - chance).mean()), updated.astype(np.float32)
        taken += 1
        if change < _SETTLED:
            break
    inner = np.zeros((3, *inside.shape), np.float32)
    inner[:, inside] = _fractions(chance, np.exp(flat), np.exp(mean), inside)
    fractions = np.zeros((3, *data.shape), np.float32)
    fractions[(slice(None), *box)] = inner
    largest = 100 * float(np.expm1(np.abs(field).max()))
    return Segmentation(normalise(fractions, mask), round(largest, 2), taken)


def _require_classes(count: NDArray, mean: NDArray, variance: NDArray, where: object) -> None:
    """Raise InputError unless every class holds voxels that differ, CSF darkest and WM brightest."""
    if not (count.min() >= 1 and variance.min() > 0 and (np.diff(mean) > 0).all()):
        counts = ", ".join(f"{n:.0f}" for n in count)
        values = f"CSF, GM and WM end with {counts} voxels, expected three classes of ascending intensity"
        raise InputError("no three tissues in this image", where, values, "check that it is a T1w, and its brain mask")


def _neighbours(chance: NDArray[np.float32], inside: NDArray[np.bool_], sizes_mm: tuple[float, ...]) -> NDArray:
    """Sum of a class's probability (N,) over the six neighbours of each inside voxel, weighed by 1 / distance."""
    from scipy import ndimage

    volume = np.zeros(inside.shape, np.float32)
    volume[inside] = chance
    total = np.zeros_like(volume)
    for axis, size in enumerate(sizes_mm):
        weight = min(sizes_mm) / size
        total += np.float32(weight) * ndimage.correlate1d(volume, [1.0, 0.0, 1.0], axis=axis, mode="constant")
    return total[inside]


def _smooth(
    residual: NDArray, weight: NDArray, voxels: tuple[NDArray, ...], shape: tuple[int, ...], sizes_mm: tuple[float, ...]
) -> NDArray:
    """Weighted residuals (N,) at `voxels` as a field of 20 mm FWHM, summed on a 4 mm lattice, read at the voxels."""
    from scipy import ndimage

    joined = [max(1, round(_FIELD_LATTICE_MM / size)) for size in sizes_mm]
    lattice = tuple(-(-n // k) for n, k in zip(shape, joined, strict=True))
    cell = np.ravel_multi_index(tuple(i // k for i, k in zip(voxels, joined, strict=True)), lattice)
    sigma = [_FIELD_FWHM_MM / FWHM_PER_SIGMA / (size * k) for size, k in zip(sizes_mm, joined, strict=True)]
    cells = int(np.prod(lattice))
    total, weights = (
        ndimage.gaussian_filter(np.bincount(cell, part, cells).reshape(lattice), sigma, mode="constant")
        for part in (residual, weight)
    )
    where = [(i + 0.5) / k - 0.5 for i, k in zip(voxels, joined, strict=True)]
    return np.asarray(ndimage.map_coordinates(total / np.maximum(weights, 1e-12), where, order=1, mode="nearest"))


def _fractions(chance: NDArray, intensity: NDArray, mean: NDArray, inside: NDArray[np.bool_]) -> NDArray:
    """Class probabilities (3, N) made fractions: 1 inside a tissue, a mixture by intensity where two neighbours meet.

    mean: of CSF, GM, WM in the units of `intensity`, ascending. The larger share stays with the likelier class.
    """
    from scipy import ndimage

    label = chance.argmax(0)
    volume = np.full(inside.shape, 255, np.uint8)
    volume[inside] = label
    cross = ndimage.generate_binary_structure(3, 1)
    found = np.eye(3)[label].T
    for low in (0, 1):
        both = np.isin(label, (low, low + 1))
        for one in (low, low + 1):
            both &= ndimage.binary_dilation(volume == one, cross)[inside]
        upper = np.clip((intensity - mean[low]) / (mean[low + 1] - mean[low]), 0, 1)
        upper = np.where(label == low, np.minimum(upper, 0.499), np.maximum(upper, 0.501))
        # A grey voxel between CSF and white matter mixes with the one its intensity leans to.
        both &= (label != 1) | ((intensity < mean[1]) if low == 0 else (intensity >= mean[1]))
        found[:, both] = 0
        found[low, both], found[low + 1, both] = 1 - upper[both], upper[both]
    return found.astype(np.float32)
