"""What the indices would be if nothing had changed: the measured baseline, and a second scan with its noise drawn."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.errors import InputError
from myelosynth.images.fields import FieldModel
from myelosynth.myelin.draws import least_draws
from myelosynth.myelin.indices import COLUMNS as INDICES
from myelosynth.myelin.intervals import Patient, lesion_indices

CHANGED = INDICES[1:]
"""Indices that need a follow-up: the null starts from percent_t0, which it cannot say anything about."""
LEAST_PATIENTS = 3
"""Fewer cannot tell how much scans differ from one another."""
COLUMNS = {
    "index": {"Description": "index of change, a fraction of the baseline lesion volume"},
    "value": {"Description": "from the maps themselves", "Units": "1"},
    "null": {"Description": "mean of the drawn follow-ups: what a second scan without change gives", "Units": "1"},
    "low": {"Description": "lower bound of the drawn follow-ups", "Units": "1"},
    "high": {"Description": "upper bound of the drawn follow-ups", "Units": "1"},
    "level": {"Description": "share of the drawn follow-ups between low and high, or a little more"},
    "p": {
        "Description": "(1 + k) / (1 + n), twice: k of the n drawn follow-ups lie at or beyond the value, on the side "
        "where fewer do; at most 1, and no more than 1 - level exactly where outside is true"
    },
    "outside": {"Description": "whether the value lies beyond low and high, true or false"},
}
"""Of the table of one patient, level included."""
_FEW_VOXELS, _VOXEL_TOLERANCE = 3000, 0.05
_NUMBERS = ("change", "slope", "between", "slope_between", "sd", "uncertainty")


@dataclass(frozen=True, eq=False)
class Pair:
    """DVR of one patient at both times, (X, Y, Z) on one grid, and what its voxels are held against."""

    patient: Patient
    before: NDArray
    after: NDArray

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Lesion voxels with a DVR at both times."""
        return self.patient.lesions & (self.before > 0) & (self.after > 0)

    @property
    def apart(self) -> NDArray[np.float64]:
        """x of the model at the covered voxels (V,)."""
        mean, _ = self.patient.curve.at(self.patient.distance[self.covered])
        apart = np.asarray(self.before[self.covered], float) - mean
        return np.asarray(apart - apart.mean())


@dataclass(frozen=True)
class NullModel:
    """DVR1 - DVR0 of a lesion voxel whose tissue did not change is Normal around

        change + u + (slope + b) x,  x = DVR0 - m - mean of DVR0 - m over the patient's lesions,

    with m the controls' mean at the voxel's distance to CSF, the SD `sd` and, between voxels, the correlation of
    `field`; u and b are one number each for the whole scan, of the SD `between` and `slope_between`. uncertainty:
    standard error of `change`; patients: how many pairs this is known from. The level of the controls' curve cancels,
    so that a null serves maps of another curve; only its shape by distance is in x.

    Why a line in DVR0: let DVR0 = T + e0 and DVR1 = T' + e1 with T the tissue, T' the same seen through the follow-up's
    interpolation and reference region, and independent noises. For normal T and e0, E[T | DVR0] = m + (1 - r)(DVR0 - m)
    with m = E[T] and r = Var(e0) / Var(DVR0), so that E[DVR1 - DVR0 | DVR0] falls by r for each unit of DVR0:
    regression to the mean. Interpolation pulls T' towards its neighbours' mean in the same way. Both are in `slope`,
    which is therefore negative; the rest of T and both noises are in `sd`. r differs between patients, as the variance
    of their tissue and the interpolation of their follow-up do: b. Normal noise on DVR1 alone, without the
    slope, would move voxels across the threshold in one direction only.
    """

    change: float
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
            change, slope, between, slope_between, sd, uncertainty = (float(record[name]) for name in _NUMBERS)
            field, patients = FieldModel.of_record(record["field"], where), int(record["patients"])
        except (KeyError, TypeError, ValueError) as fault:
            cure = "give the JSON that `myelosynth null-fit` wrote"
            raise InputError("not a null model", where, f"could not read {fault}", cure) from fault
        spreads = (between, slope_between, sd, uncertainty)
        if not np.isfinite((change, slope, *spreads)).all() or min(spreads) < 0 or patients < LEAST_PATIENTS:
            values = f"SD {sd:g}, SD between scans {between:g}, {patients} patients"
            raise InputError("not a null model", where, values, "run `myelosynth null-fit` again")
        return cls(change, slope, *spreads, field, patients)


def same_voxels(sizes: Sequence[float], others: Sequence[float]) -> bool:
    """Whether voxels, mm, are of one size within 5 % along each axis, in any order of the axes.

    >>> same_voxels((2.5, 2.5, 2.5), (2.501, 2.5, 2.4)), same_voxels((2, 2, 2), (2, 2, 2.2))
    (True, False)
    """
    pairs = zip(sorted(map(float, sizes)), sorted(map(float, others)), strict=True)
    return all(abs(a - b) <= _VOXEL_TOLERANCE * b for a, b in pairs)


def null_draws(pair: Pair, model: NullModel, draws: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Indices (draws,) of the measured baseline and drawn follow-ups without change, by the rules of the real ones.

    DVR1 = DVR0 + change + u + (slope + b) x + sd field, x as in `NullModel`. change + u of a new scan is predicted from
    n patients: it lies around the estimated change with the variance between^2 + uncertainty^2, which is itself
    estimated, so that t of n - 1 degrees of freedom is drawn instead of a normal (the prediction interval of a further
    value; exact where the lesions are so large that the noise of their voxels averages out); b likewise. Of the
    follow-up of `pair` only its domain counts, and the lesion voxels that it alone covers, which may belong to a
    cluster.
    """
    lesions = pair.patient.lesions
    before, measured = (image[lesions].astype(float) for image in (pair.before, pair.after))
    both = pair.covered[lesions]
    random = np.random.default_rng(np.random.SeedSequence((seed, 0)))
    x = pair.apart
    expected = before[both] + model.change + model.slope * x
    wide = np.hypot(model.between, model.uncertainty)
    offsets = wide * random.standard_t(model.patients - 1, draws)
    tilts = model.slope_between * random.standard_t(model.patients - 1, draws)
    # A DVR of 0 means no PET, which a draw must not turn into.
    least = np.finfo(np.float32).tiny
    found = []
    for offset, tilt, noise in zip(offsets, tilts, _fields(model.field, random, pair, draws), strict=False):
        after = measured.copy()
        after[both] = np.maximum(expected + offset + tilt * x + model.sd * noise, least)
        found.append(lesion_indices(pair.patient, (before, after)))
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
    """One index beside its null: mean (`null`) and bounds of the draws; p, two-sided; outside, whether the value lies
    beyond the bounds."""

    value: float
    null: float
    low: float
    high: float
    p: float
    outside: bool


def index_nulls(pair: Pair, model: NullModel, draws: int, level: float, seed: int) -> dict[str, NullRow]:
    """Each index of change beside what noise alone gives: bounds hold `level` of the draws or a little more.

    p = 2 min(1 + draws at or below the value, 1 + draws at or above it) / (1 + draws), at most 1, which is never 0
    (Davison & Hinkley 1997, section 4.2). The bounds are the draws that leave as many beyond them as p <= 1 - level
    asks for, so that a value is outside exactly where that holds. Raises InputError for fewer than `least_draws`.
    """
    if draws < least_draws(level):
        values, cure = f"{draws} draws, level {level:g}", f"give {least_draws(level)} draws or more"
        raise InputError("too few draws for the level", "index-null", values, cure)
    beyond = math.floor((1 - level) / 2 * (1 + draws) + 1e-9)
    lesions = pair.patient.lesions
    real = lesion_indices(pair.patient, (pair.before[lesions], pair.after[lesions]))
    rows = {}
    for name, drawn in null_draws(pair, model, draws, seed).items():
        ordered, value = np.sort(drawn), real[name]
        low, high = float(ordered[beyond - 1]), float(ordered[-beyond])
        # Indices are counts over one number: equal ones must not differ by rounding.
        fewer = min(int((drawn <= value + 1e-12).sum()), int((drawn >= value - 1e-12).sum()))
        outside = bool(value < low - 1e-12 or value > high + 1e-12)
        rows[name] = NullRow(value, float(drawn.mean()), low, high, min(1.0, 2 * (1 + fewer) / (1 + draws)), outside)
    return rows
