"""The null model of the indices, learned from pairs of scans between which nothing changed but the scan."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from myelosynth.errors import InputError
from myelosynth.images.fields import FieldModel, fit_field
from myelosynth.myelin.null import LEAST_PATIENTS, NullModel, Pair, same_voxels

_WHITE = FieldModel((0.0,), (1.0,), 0.0)


def fit_null(pairs: Sequence[Pair]) -> NullModel:
    """Least squares within patients, then the correlation of what is left; patients weigh the same.

    With x as in `NullModel` and D = DVR1 - DVR0 at the covered lesion voxels of patient s, one of n:

        slope   = sum_s cov_s(x, D) / sum_s var_s(x), within patients: what a whole scan is off cannot tilt it;
        change  = mean_s c_s, with c_s = mean_s(D);
        slope_between^2: what the slopes of single patients vary by beyond the noise of their voxels, by the moments of
        DerSimonian & Laird (1986), since the slope of a few voxels says little;
        sd^2    = sum_s (mean((D - slope x - c_s)^2) - slope_between^2 var_s(x)) / sum_s (1 - r_s), since a mean of
        correlated voxels takes the share r_s = mean_ij rho(i, j) of their variance with it (i, j: all voxels of s; rho:
        the correlation of `field`);
        between^2 = max(0, var_s(c_s) - sd^2 mean_s r_s): what the c_s vary by beyond the noise of their own voxels;
        uncertainty^2 = var_s(c_s) / n, of the mean over n patients.

    slope_between takes the noise of the voxels from an sd^2 that still holds its own part, which is little.
    The field is fitted to the residuals with change and slope taken out, so that its `common` share holds what a whole
    scan is off; that part is kept as `between` and taken out of the field. Maps that are the same at both times have a
    null without spread. pairs: of scans between which nothing changed but the scan. Raises InputError for fewer than
    LEAST_PATIENTS patients with a lesion voxel, or voxel sizes that differ.
    """
    used = [pair for pair in pairs if pair.covered.any()]
    if len(used) < LEAST_PATIENTS:
        values = f"{len(used)} of {len(pairs)} patients have a lesion voxel with a DVR at both times"
        raise InputError("too few pairs for a null", "null-fit", values, f"give {LEAST_PATIENTS} patients or more")
    voxel_sizes = used[0].patient.voxel_sizes
    for pair in used:
        if not same_voxels(pair.patient.voxel_sizes, voxel_sizes):
            values = " and ".join(
                " x ".join(f"{s:g}" for s in sizes) for sizes in (voxel_sizes, pair.patient.voxel_sizes)
            )
            cure = "give pairs on one voxel size: noise depends on it"
            raise InputError("voxel sizes differ", "null-fit", f"{values} mm", cure)
    known = [(pair.apart, _change(pair)) for pair in used]
    slope = _pooled_slope(known)
    own = np.array([d.mean() for _, d in known])
    change = float(own.mean())
    left = [d - slope * x - change for x, d in known]
    if not any(np.abs(values).max() > 0 for values in left):
        return NullModel(change, slope, 0.0, 0.0, 0.0, 0.0, _WHITE, len(used))
    masks = [pair.covered for pair in used]
    masks = [mask[ndimage.find_objects(mask.astype(np.uint8))[0]] for mask in masks]
    field = _without_common(fit_field([_image(v, m) for v, m in zip(left, masks, strict=True)], masks, voxel_sizes))
    alike = np.array([_correlated(mask / mask.sum(), field, voxel_sizes) for mask in masks])
    squares, free = sum(float(values.var()) for values in left), float((1 - alike).sum())
    rough = squares / free if free > 0 else 0.0
    tilts = [_tilt(x, d, mask, field, voxel_sizes) for (x, d), mask in zip(known, masks, strict=True) if np.ptp(x) > 0]
    tilted = _beyond_noise(np.array([own for own, _ in tilts]), rough * np.array([noise for _, noise in tilts]))
    explained = tilted**2 * sum(float(x.var()) for x, _ in known)
    variance = max(0.0, squares - explained) / free if free > 0 else 0.0
    spread = float(own.var(ddof=1))
    between = max(0.0, spread - variance * float(alike.mean()))
    uncertainty = (spread / len(used)) ** 0.5
    return NullModel(change, slope, between**0.5, tilted, variance**0.5, uncertainty, field, len(used))


def _change(pair: Pair) -> NDArray[np.float64]:
    return np.asarray(pair.after[pair.covered], float) - np.asarray(pair.before[pair.covered], float)


def _image(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values (V,) of the voxels of a mask (X, Y, Z), 0 elsewhere."""
    image = np.zeros(mask.shape)
    image[mask] = values
    return image


def _pooled_slope(known: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> float:
    """The slope within patients; 0 where no patient's baseline varies (single voxels)."""
    products = float(sum((x * d).mean() for x, d in known))
    squares = float(sum(x.var() for x, _ in known))
    return products / squares if squares > 0 else 0.0


def _without_common(field: FieldModel) -> FieldModel:
    """The part of a field that is not one number for the whole image, of unit variance."""
    left = 1 - field.common
    if left <= 0:
        return _WHITE
    return FieldModel(field.lengths_mm, tuple(share / left for share in field.shares), 0.0)


def _tilt(
    x: NDArray[np.float64], d: NDArray[np.float64], mask: NDArray, field: FieldModel, voxel_sizes: Sequence[float]
) -> tuple[float, float]:
    """Slope of one patient, and its variance by the noise of the voxels for each unit of their variance."""
    weights = x / (x**2).sum()
    return float((weights * d).sum()), _correlated(_image(weights, mask), field, voxel_sizes)


def _beyond_noise(values: NDArray[np.float64], noise: NDArray[np.float64]) -> float:
    """SD of true values (N,) whose estimates have the variances `noise`; DerSimonian & Laird 1986, equation 8."""
    if len(values) < LEAST_PATIENTS or not (noise > 0).all():
        return 0.0
    weights = 1 / noise
    excess = float((weights * (values - np.average(values, weights=weights)) ** 2).sum()) - (len(values) - 1)
    return max(0.0, excess / float(weights.sum() - (weights**2).sum() / weights.sum())) ** 0.5


def _correlated(weights: NDArray[np.float64], field: FieldModel, voxel_sizes: Sequence[float]) -> float:
    """Variance of the sum of an image of weights (X, Y, Z) times a field of unit variance.

    The products of weights at each lag are their autocorrelation, by FFT.
    """
    shape = [2 * n for n in weights.shape]
    products = fft.irfftn(np.abs(fft.rfftn(weights, shape)) ** 2, shape)
    axes = [np.minimum(np.arange(n), n - np.arange(n)) * s for n, s in zip(shape, voxel_sizes, strict=True)]
    apart = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2)
    return float((products * field.correlation(apart)).sum())
