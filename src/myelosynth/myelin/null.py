"""What the indices would be if nothing had changed: the measured baseline, and a second scan with its noise drawn."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from myelosynth.errors import InputError
from myelosynth.images.fields import FieldModel, fit_field
from myelosynth.myelin.curve import Curve
from myelosynth.myelin.indices import COLUMNS
from myelosynth.myelin.intervals import Patient, lesion_indices

CHANGED = COLUMNS[1:]
"""Indices that need a follow-up: the null starts from percent_t0, which it cannot say anything about."""
LEAST_PATIENTS = 3
"""Fewer cannot tell how much scans differ from one another."""
_FEW_VOXELS = 3000
_NUMBERS = ("shift", "slope", "between", "slope_between", "sd", "uncertainty")
_WHITE = FieldModel((0.0,), (1.0,), 0.0)


@dataclass(frozen=True, eq=False)
class Pair:
    """DVR of one patient at both times, (X, Y, Z) on one grid; between them nothing changed but the scan."""

    patient: Patient
    before: NDArray
    after: NDArray

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Lesion voxels with a DVR at both times."""
        return self.patient.lesions & (self.before > 0) & (self.after > 0)


@dataclass(frozen=True)
class NullModel:
    """DVR1 - DVR0 of a lesion voxel whose tissue did not change is Normal around

        shift + u + slope x + b (x - mean of x in the patient),  x = DVR0 - mean of the controls at its distance to CSF,

    with the SD `sd` and, between voxels, the correlation of `field`; u and b are one number each for the whole scan, of
    the SD `between` and `slope_between`. uncertainty: standard error of `shift`; patients: how many pairs this is known
    from.

    Why a line in DVR0: let DVR0 = T + e0 and DVR1 = T' + e1 with T the tissue, T' the same seen through the follow-up's
    interpolation and reference region, and independent noises. For normal T and e0, E[T | DVR0] = m + (1 - r)(DVR0 - m)
    with m = E[T] and r = Var(e0) / Var(DVR0), so that E[DVR1 - DVR0 | DVR0] falls by r for each unit of DVR0:
    regression to the mean. Interpolation pulls T' towards its neighbours' mean in the same way. Both are in `slope`,
    which is therefore negative; the rest of T and both noises are in `sd`. r differs between patients, as the variance
    of their tissue and the interpolation of their follow-up do: b. Normal noise on DVR1 alone, without the
    slope, would move voxels across the threshold in one direction only.
    """

    shift: float
    slope: float
    between: float
    slope_between: float
    sd: float
    uncertainty: float
    field: FieldModel
    patients: int

    def record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "field": self.field.record()}

    @classmethod
    def of_record(cls, record: Mapping[str, Any], where: object) -> "NullModel":
        """The model of `record`. Raises InputError for a key that is missing, or an SD below 0."""
        try:
            shift, slope, between, slope_between, sd, uncertainty = (float(record[name]) for name in _NUMBERS)
            field, patients = FieldModel.of_record(record["field"], where), int(record["patients"])
        except (KeyError, TypeError, ValueError) as fault:
            cure = "give the JSON that `myelosynth null-fit` wrote"
            raise InputError("not a null model", where, f"could not read {fault}", cure) from fault
        spreads = (between, slope_between, sd, uncertainty)
        if not np.isfinite((shift, slope, *spreads)).all() or min(spreads) < 0 or patients < LEAST_PATIENTS:
            values = f"SD {sd:g}, SD between scans {between:g}, {patients} patients"
            raise InputError("not a null model", where, values, "run `myelosynth null-fit` again")
        return cls(shift, slope, *spreads, field, patients)


def fit_null(pairs: Sequence[Pair]) -> NullModel:
    """Least squares within patients, then the correlation of what is left; patients weigh the same.

    With x = DVR0 - control mean and D = DVR1 - DVR0 at the covered lesion voxels, n of patient s:

        slope   = sum_s cov_s(x, D) / sum_s var_s(x), within patients: what a whole scan is off cannot tilt it;
        shift   = mean_s c_s, with c_s = mean_s(D) - slope mean_s(x);
        sd^2    = sum_s mean((D - slope x - c_s)^2) / sum_s (1 - r_s), since a mean of correlated voxels takes the share
        r_s = mean_ij rho(i, j) of their variance with it (i, j: all voxels of s; rho: the correlation of `field`);
        between^2 = max(0, var_s(c_s) - sd^2 mean_s r_s): what the c_s vary by beyond the noise of their own voxels;
        slope_between^2: the same of the slopes of single patients, by the moments of DerSimonian & Laird (1986), since
        the slope of a few voxels says little;
        uncertainty^2 = var_s(c_s) / n, of the mean over n patients.

    The field is fitted to the residuals with shift and slope taken out, so that its `common` share holds what a whole
    scan is off; that part is kept as `between` and taken out of the field. Maps that are the same at both times have a
    null without spread. Raises InputError for fewer than LEAST_PATIENTS patients with a lesion voxel, or voxel sizes
    that differ.
    """
    used = [pair for pair in pairs if pair.covered.any()]
    if len(used) < LEAST_PATIENTS:
        values = f"{len(used)} of {len(pairs)} patients have a lesion voxel with a DVR at both times"
        raise InputError("too few pairs for a null", "null-fit", values, f"give {LEAST_PATIENTS} patients or more")
    sizes = {tuple(round(float(size), 3) for size in pair.patient.voxel_sizes) for pair in used}
    if len(sizes) > 1:
        first, second = sorted(sizes)[:2]
        values = f"{first} and {second} mm"
        raise InputError("voxel sizes differ", "null-fit", values, "give pairs on one voxel size: noise depends on it")
    known = [(_apart(pair.patient, pair.before, pair.covered), _change(pair)) for pair in used]
    slope = _pooled_slope(known)
    own = np.array([d.mean() - slope * x.mean() for x, d in known])
    shift = float(own.mean())
    left = [d - slope * x - shift for x, d in known]
    if not any(np.abs(values).max() > 0 for values in left):
        return NullModel(shift, slope, 0.0, 0.0, 0.0, 0.0, _WHITE, len(used))
    masks, voxel_sizes = [pair.covered for pair in used], used[0].patient.voxel_sizes
    masks = [mask[ndimage.find_objects(mask.astype(np.uint8))[0]] for mask in masks]
    field = _without_common(fit_field([_image(v, m) for v, m in zip(left, masks, strict=True)], masks, voxel_sizes))
    alike = np.array([_correlated(mask / mask.sum(), field, voxel_sizes) for mask in masks])
    squares, free = sum(float(values.var()) for values in left), float((1 - alike).sum())
    variance = squares / free if free > 0 else 0.0
    spread = float(own.var(ddof=1))
    between = max(0.0, spread - variance * float(alike.mean()))
    uncertainty = (spread / len(used)) ** 0.5
    tilts = [_tilt(x, d, mask, field, voxel_sizes) for (x, d), mask in zip(known, masks, strict=True) if np.ptp(x) > 0]
    tilted = _beyond_noise(np.array([own for own, _ in tilts]), variance * np.array([noise for _, noise in tilts]))
    return NullModel(shift, slope, between**0.5, tilted, variance**0.5, uncertainty, field, len(used))


def null_draws(pair: Pair, model: NullModel, draws: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Indices (draws,) of the measured baseline and drawn follow-ups without change, by the rules of the real ones.

    DVR1 = DVR0 + shift + u + slope x + b (x - mean of x) + sd field. shift + u of a new scan is predicted from n
    patients: it lies around the estimated shift with the variance between^2 + uncertainty^2, which is itself estimated,
    so that t of n - 1 degrees of freedom is drawn instead of a normal (the prediction interval of a further value;
    exact where the lesions are so large that the noise of their voxels averages out); b likewise. The follow-up of
    `pair` only tells where there is a DVR.
    """
    covered = pair.covered
    random = np.random.default_rng(np.random.SeedSequence((seed, 0)))
    before = pair.before[covered].astype(float)
    x = _apart(pair.patient, pair.before, covered)
    expected = before + model.shift + model.slope * x
    wide = np.hypot(model.between, model.uncertainty)
    offsets = wide * random.standard_t(model.patients - 1, draws)
    tilts = model.slope_between * random.standard_t(model.patients - 1, draws)
    # A DVR of 0 means no PET, which a draw must not turn into.
    least = np.finfo(np.float32).tiny
    found = []
    for offset, tilt, noise in zip(offsets, tilts, _fields(model.field, random, pair, draws), strict=False):
        after = np.maximum(expected + offset + tilt * (x - x.mean()) + model.sd * noise, least)
        found.append(lesion_indices(pair.patient, covered, (before, after)))
    return {name: np.array([values[name] for values in found]) for name in CHANGED}


def _fields(field: FieldModel, random: np.random.Generator, pair: Pair, draws: int) -> Iterator[NDArray[np.float32]]:
    """At least `draws` fields (V,) at the covered voxels: exact for few voxels, on a lattice for many."""
    covered, voxel_sizes = pair.covered, pair.patient.voxel_sizes
    if covered.sum() <= _FEW_VOXELS:
        yield from field.at(random, np.argwhere(covered) * np.array(voxel_sizes), draws)
        return
    box = ndimage.find_objects(covered.astype(np.uint8))[0]
    for fields in field.pairs(random, covered[box].shape, voxel_sizes):
        yield from (values[covered[box]] for values in fields)


@dataclass(frozen=True)
class NullRow:
    """One index beside its null: mean (`null`) and bounds of the draws; p, the share of draws at least as far from
    their mean; outside, whether the value lies beyond the bounds."""

    value: float
    null: float
    low: float
    high: float
    p: float
    outside: bool


def index_nulls(pair: Pair, model: NullModel, draws: int, level: float, seed: int) -> dict[str, NullRow]:
    """Each index of change beside what noise alone gives: bounds hold `level` of the draws or a little more, half of
    the rest on each side.

    p = (1 + draws as far out) / (1 + draws), which is never 0 (Davison & Hinkley 1997, section 4.2).
    """
    real = lesion_indices(pair.patient, pair.covered, (pair.before[pair.covered], pair.after[pair.covered]))
    rows = {}
    for name, drawn in null_draws(pair, model, draws, seed).items():
        # Indices are counts: the bounds are drawn values, rounded outwards.
        low = float(np.quantile(drawn, (1 - level) / 2, method="lower"))
        high = float(np.quantile(drawn, (1 + level) / 2, method="higher"))
        value, mean = real[name], float(drawn.mean())
        # Indices are counts over one number: equal ones must not differ by rounding.
        far = int((np.abs(drawn - mean) >= abs(value - mean) - 1e-12).sum())
        outside = bool(value < low - 1e-12 or value > high + 1e-12)
        rows[name] = NullRow(value, mean, low, high, (1 + far) / (1 + draws), outside)
    return rows


def _apart(patient: Patient, dvr: NDArray, covered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """DVR minus the mean of the controls at the same distance to CSF, at the covered voxels (V,)."""
    curve: Curve = patient.curve
    return np.asarray(dvr[covered], float) - curve.mean[curve.bins(patient.distance[covered])]


def _change(pair: Pair) -> NDArray[np.float64]:
    return np.asarray(pair.after[pair.covered], float) - np.asarray(pair.before[pair.covered], float)


def _image(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values (V,) of the voxels of a mask (X, Y, Z), 0 elsewhere."""
    image = np.zeros(mask.shape)
    image[mask] = values
    return image


def _pooled_slope(known: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> float:
    """The slope within patients; 0 where no patient's baseline varies (single voxels)."""
    products = float(sum(((x - x.mean()) * (d - d.mean())).mean() for x, d in known))
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
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
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
