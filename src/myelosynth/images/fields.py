"""Gaussian random fields that look like the errors of a prediction: their correlation fitted, then drawn."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, linalg, optimize
from scipy.spatial.distance import cdist

from myelosynth.errors import InputError

LENGTHS_MM = (0.0, 2.0, 4.0, 8.0, 16.0)
"""Standard deviations of the Gaussian kernels whose smoothed white noises are mixed; 0 is white noise itself."""
_REACH_MM = 40.0
# Fewer pairs of voxels at one distance tell nothing of a subject, and fewer subjects than half nothing of all.
_LEAST_PAIRS, _LEAST_SUBJECTS = 10, 0.5
# In SDs of the longest kernel: the correlation across the padding is exp(-9).
_PADDING = 6.0


@dataclass(frozen=True)
class FieldModel:
    """A stationary field of unit variance: `shares` of it have the kernels of `lengths_mm`, `common` is one number for
    the whole image (an error that all voxels of a subject share). They add up to 1.

    scale: root mean square of the errors that it was fitted to, in units of the SD that is written beside a prediction:
    an SD that covers nearly every subject is larger than the usual error, and draws should not be.
    """

    lengths_mm: tuple[float, ...]
    shares: tuple[float, ...]
    common: float
    scale: float = 1.0

    def correlation(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Correlation of two voxels at each distance, mm: white noise under a Gaussian kernel of SD s has
        exp(-d^2 / 4 s^2)."""
        return np.asarray(_basis(distance, self.lengths_mm) @ np.array(self.shares) + self.common)

    def pairs(
        self, random: np.random.Generator, shape: Sequence[int], voxel_sizes: Sequence[float]
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Two independent fields (X, Y, Z) at a time, without end; voxel sizes in mm.

        The spectrum is that of the correlation on a periodic lattice, padded so that opposite faces do not know of each
        other.
        """
        longest = max((s for s, share in zip(self.lengths_mm, self.shares, strict=True) if share > 0), default=0.0)
        padded = [
            fft.next_fast_len(int(n + np.ceil(_PADDING * longest / size)))
            for n, size in zip(shape, voxel_sizes, strict=True)
        ]
        axes = [np.minimum(np.arange(n), n - np.arange(n)) * s for n, s in zip(padded, voxel_sizes, strict=True)]
        squared = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
        local = self.correlation(np.sqrt(squared)) - self.common
        power = np.clip(fft.fftn(local).real, 0, None)
        # What is clipped must not change the variance.
        gain = np.sqrt(power * (local[0, 0, 0] / max(power.mean(), np.finfo(float).tiny)))
        inside = tuple(slice(n) for n in shape)
        while True:
            white = random.standard_normal(padded) + 1j * random.standard_normal(padded)
            field = fft.ifftn(gain * fft.fftn(white))[inside]
            offset = np.sqrt(self.common) * random.standard_normal(2)
            yield (field.real + offset[0]).astype(np.float32), (field.imag + offset[1]).astype(np.float32)

    def at(self, random: np.random.Generator, points: NDArray[np.float64], draws: int) -> NDArray[np.float32]:
        """Independent fields (draws, V) at points (V, 3), mm, without a lattice.

        The Cholesky factor L of the points' correlation C makes them of white noise z: Cov(L z) = L L' = C. Takes
        memory with V squared: for a few thousand points, where it is far faster than `pairs`.
        """
        correlation = self.correlation(cdist(points, points))
        # A smooth field is nearly the same at neighbours: rounding must not make the matrix indefinite.
        correlation[np.diag_indices(len(points))] += 1e-6
        factor = linalg.cholesky(correlation, lower=True, overwrite_a=True, check_finite=False).astype(np.float32)
        return np.asarray(random.standard_normal((draws, len(points)), np.float32) @ factor.T)

    def record(self) -> dict[str, Any]:
        """Plain values for a checkpoint or a sidecar."""
        known = {"lengths_mm": list(self.lengths_mm), "shares": list(self.shares)}
        return {**known, "common": self.common, "scale": self.scale}

    @classmethod
    def of_record(cls, record: Mapping[str, Any], where: object) -> "FieldModel":
        """The model of `record`. Raises InputError unless it has shares of at least 0 that add up to 1."""
        try:
            lengths = tuple(float(value) for value in record["lengths_mm"])
            shares = tuple(float(value) for value in record["shares"])
            common, scale = float(record["common"]), float(record["scale"])
        except (KeyError, TypeError, ValueError) as fault:
            values = f"could not read {fault}"
            raise InputError("error correlation unknown", where, values, "predict again with --out-std") from fault
        if len(lengths) != len(shares) or min(*shares, common, scale) < 0 or abs(sum(shares) + common - 1) > 1e-6:
            values = f"{len(lengths)} lengths, shares {shares} and common {common}; expected them to add up to 1"
            raise InputError("error correlation unknown", where, values, "predict again with --out-std")
        return cls(lengths, shares, common, scale)


def fit_field(
    errors: Sequence[NDArray[np.floating]], masks: Sequence[NDArray[np.bool_]], voxel_sizes: Sequence[float]
) -> FieldModel:
    """The mixture whose correlation is closest to that of standardised errors, subjects weighing the same.

    errors: (X, Y, Z) per subject in units of the SD that is written beside a prediction; masks: their brains, or their
    lesions; voxel sizes in mm. Products of voxel pairs along the three axes up to 40 mm apart, without taking a mean
    out (an error shared by all voxels is part of it), fitted by non-negative least squares. A distance counts where
    half of the subjects have voxels that far apart, relative to the variance of these.

    Raises InputError when the errors are all 0.
    """
    squares = [float((e[m].astype(np.float64) ** 2).mean()) for e, m in _zip(errors, masks)]
    distances, products = [0.0], [_mean(squares)]
    for axis, size in enumerate(voxel_sizes):
        for lag in range(1, int(_REACH_MM / size) + 1):
            found = [_product(e, m, axis, lag) for e, m in _zip(errors, masks)]
            known = [(value, own) for value, own in zip(found, squares, strict=True) if value is not None]
            variance = _mean([own for _, own in known]) if len(known) >= _LEAST_SUBJECTS * len(found) else 0.0
            if variance > 0:
                distances.append(lag * size)
                products.append(_mean([value for value, _ in known]) * (products[0] / variance))
    if products[0] <= 0:
        raise InputError("errors are all 0", "error correlation", f"{len(errors)} subjects", "check the predictions")
    basis = np.column_stack([_basis(np.array(distances), LENGTHS_MM), np.ones(len(distances))])
    shares, _ = optimize.nnls(basis, np.array(products) / products[0])
    shares = shares / shares.sum()
    scale = float(np.sqrt(products[0]))
    return FieldModel(LENGTHS_MM, tuple(float(share) for share in shares[:-1]), float(shares[-1]), scale)


def _zip(
    errors: Sequence[NDArray[np.floating]], masks: Sequence[NDArray[np.bool_]]
) -> Iterator[tuple[NDArray[np.floating], NDArray[np.bool_]]]:
    return zip(errors, masks, strict=True)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _product(error: NDArray[np.floating], mask: NDArray[np.bool_], axis: int, lag: int) -> float | None:
    """Mean product of voxels `lag` apart along an axis, both in the mask; None where there are too few such pairs."""
    if lag >= mask.shape[axis]:
        return None
    first, second = np.arange(mask.shape[axis] - lag), np.arange(lag, mask.shape[axis])
    both = mask.take(first, axis) & mask.take(second, axis)
    if both.sum() < _LEAST_PAIRS:
        return None
    return float((error.take(first, axis)[both] * error.take(second, axis)[both]).mean(dtype=np.float64))


def _basis(distance: NDArray[np.float64], lengths_mm: Sequence[float]) -> NDArray[np.float64]:
    """Correlation (..., K) at each distance under each kernel."""
    columns = [np.exp(-(distance**2) / (4 * s * s)) if s > 0 else (distance == 0).astype(float) for s in lengths_mm]
    return np.stack(columns, -1)
