"""The null of the indices: what is put in is found, coverage of drawn patients, what must not change them."""

from dataclasses import replace

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.fields import LENGTHS_MM, FieldModel
from myelosynth.myelin.curve import Curve
from myelosynth.myelin.intervals import Patient, lesion_indices
from myelosynth.myelin.null import CHANGED, NullModel, Pair, fit_null, index_nulls, null_draws

SHAPE, VOXEL = (16, 14, 12), (2.0, 2.0, 2.0)
CURVE = Curve(np.array([0.0, 50.0]), np.array([1000]), np.array([1.2]), np.array([0.1]))
FIELD = FieldModel(LENGTHS_MM, (0.5, 0.5, 0.0, 0.0, 0.0), 0.0)
TRUE = NullModel(0.01, -0.3, 0.015, 0.03, FIELD, 40)


def lesions(random, blocks=4):
    mask = np.zeros(SHAPE, bool)
    for _ in range(blocks):
        x, y, z = (int(random.integers(1, n - 6)) for n in SHAPE)
        mask[x : x + 5, y : y + 5, z : z + 4] = True
    return mask


def pair(seed, model=TRUE, blocks=4):
    """A patient scanned twice: the baseline's DVR about the threshold of 1.1, the follow-up as the model says."""
    random = np.random.default_rng(seed)
    patient = Patient(lesions(random, blocks), np.full(SHAPE, 5.0), VOXEL, CURVE)
    before = 1.08 + 0.08 * random.standard_normal(SHAPE)
    noise = next(model.field.pairs(random, SHAPE, VOXEL))[0]
    offset = model.shift + model.between * random.standard_normal()
    return Pair(patient, before, before + offset + model.slope * (before - 1.2) + model.sd * noise)


@pytest.fixture(scope="module")
def fitted():
    return fit_null([pair(seed) for seed in range(100, 140)])


def test_what_was_put_in_is_found(fitted):
    assert fitted.slope == pytest.approx(TRUE.slope, abs=0.01)
    assert fitted.shift == pytest.approx(TRUE.shift, abs=3 * TRUE.between / 40**0.5)
    # Lesions are too near each other to tell a whole scan from a wide field: both together are what counts.
    assert np.hypot(fitted.sd, fitted.between) == pytest.approx(np.hypot(TRUE.sd, TRUE.between), rel=0.05)
    covariance = [m.sd**2 * m.field.correlation(np.array([2.0, 4.0])) + m.between**2 for m in (fitted, TRUE)]
    np.testing.assert_allclose(*covariance, rtol=0.1)
    assert fitted.patients == 40


def test_coverage_of_patients_without_change(fitted):
    """Patients from the same noise, none of them used for the fit: nearly every index lies within its interval."""
    inside = {name: [] for name in CHANGED}
    for seed in range(500, 560):
        for name, row in index_nulls(pair(seed), fitted, draws=99, level=0.95, seed=1).items():
            inside[name].append(not row.outside)
    assert all(0.88 <= np.mean(held) <= 1.0 for held in inside.values()), inside
    assert 0.9 <= np.mean(list(inside.values())) <= 0.99


def test_twelve_patients_are_enough():
    few = fit_null([pair(seed) for seed in range(12)])
    held = [not row.outside for seed in range(700, 740) for row in index_nulls(pair(seed), few, 99, 0.95, 1).values()]
    assert 0.88 <= np.mean(held) <= 1.0


def test_a_change_lies_outside(fitted):
    one = pair(900)
    after = np.where(one.patient.lesions, one.after + 0.15, one.after)
    rows = index_nulls(replace(one, after=after), fitted, 199, 0.95, 1)
    assert rows["remyelination"].outside and rows["global"].outside
    assert rows["global"].value < rows["global"].low
    assert rows["global"].p == 1 / 200


def test_without_the_slope_the_null_is_off(fitted):
    """Regression to the mean: demyelinated voxels come up by noise alone, and the null knows."""
    one = pair(901)
    flat = replace(fitted, slope=0.0, shift=0.0)
    mean = {name: null_draws(one, model, 60, 1)["global"].mean() for name, model in (("fit", fitted), ("flat", flat))}
    assert mean["fit"] < mean["flat"] - 0.02


def test_no_noise_gives_the_point():
    one = pair(5)
    same = [replace(pair(seed), after=pair(seed).before) for seed in range(4)]
    model = fit_null(same)
    assert (model.shift, model.slope, model.between, model.sd) == (0, 0, 0, 0)
    for name, row in index_nulls(replace(one, after=one.before), model, 20, 0.95, 1).items():
        truth = lesion_indices(one.patient, one.covered, (one.before[one.covered],) * 2)[name]
        assert (row.value, row.mean, row.low, row.high) == pytest.approx((truth,) * 4)
        assert (row.p, row.outside) == (1, False)


def test_larger_lesions_are_narrower(fitted):
    still = replace(fitted, between=0.0)
    widths = []
    for blocks in (1, 12):
        row = index_nulls(pair(3, blocks=blocks), still, 99, 0.95, 1)["global"]
        widths.append(row.high - row.low)
    assert widths[1] < 0.6 * widths[0]


def test_scans_that_differ_widen_the_interval_of_any_lesion(fitted):
    widths = []
    for between in (0.0, 0.03):
        row = index_nulls(pair(3, blocks=12), replace(fitted, between=between), 99, 0.95, 1)["global"]
        widths.append(row.high - row.low)
    assert widths[1] > 2 * widths[0]


def test_few_patients_widen_it_too(fitted):
    """Three patients tell little of how much scans differ: t of 2 degrees of freedom."""
    wide = [null_draws(pair(3), replace(fitted, patients=n), 199, 1)["global"].std() for n in (3, 40)]
    assert wide[0] > 1.3 * wide[1]


def test_one_voxel_has_a_null(fitted):
    mask = np.zeros(SHAPE, bool)
    mask[5, 5, 5] = True
    one = pair(7)
    one = replace(one, patient=replace(one.patient, lesions=mask))
    rows = index_nulls(one, fitted, 50, 0.95, 1)
    assert {row.low for row in rows.values()} <= {-1, 0, 1}
    assert not fit_null([*[pair(n) for n in range(3)], one]).sd == 0


def test_three_single_voxels_can_be_fitted():
    """Nothing varies within a patient: all is between them."""
    mask = np.zeros(SHAPE, bool)
    mask[5, 5, 5] = True
    model = fit_null([replace(p, patient=replace(p.patient, lesions=mask)) for p in map(pair, range(5))])
    assert (model.slope, model.sd) == (0, 0) and model.between > 0


def test_the_voxels_beyond_the_lesions_do_not_count(fitted):
    one = pair(8)
    other = replace(one, before=np.where(one.patient.lesions, one.before, 9), after=np.where(one.covered, one.after, 3))
    assert index_nulls(one, fitted, 30, 0.95, 1) == index_nulls(other, fitted, 30, 0.95, 1)


def test_the_record_comes_back(fitted):
    assert NullModel.of_record(fitted.record(), "null.json") == fitted
    for broken in ({}, {**fitted.record(), "sd": -1}, {**fitted.record(), "shift": None}, {"field": {}}):
        with pytest.raises(InputError, match=r"null\.json"):
            NullModel.of_record(broken, "null.json")


def test_faults(fitted):
    with pytest.raises(InputError, match=r"too few pairs for a null.*2 of 3 patients"):
        empty = replace(pair(1), patient=replace(pair(1).patient, lesions=np.zeros(SHAPE, bool)))
        fit_null([pair(0), pair(1), empty])
    with pytest.raises(InputError, match="voxel sizes differ"):
        fit_null([pair(0), pair(1), replace(pair(2), patient=replace(pair(2).patient, voxel_sizes=(3.0, 2.0, 2.0)))])


def test_many_voxels_are_drawn_on_a_lattice(fitted, monkeypatch):
    """Both ways draw the same field: means and spreads agree."""
    ways = []
    for few in (3000, 0):
        monkeypatch.setattr("myelosynth.myelin.null._FEW_VOXELS", few)
        ways.append(null_draws(pair(3), replace(TRUE, between=0.0), 300, 1)["global"])
    assert ways[0].mean() == pytest.approx(ways[1].mean(), abs=4 * ways[0].std() / 300**0.5)
    assert ways[0].std() == pytest.approx(ways[1].std(), rel=0.2)
