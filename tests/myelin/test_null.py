"""The null of the indices: what is put in is found, coverage of drawn patients, what must not change them."""

from dataclasses import replace

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.myelin.curve import Curve
from myelosynth.myelin.draws import least_draws
from myelosynth.myelin.indices import myelin_indices
from myelosynth.myelin.intervals import lesion_indices
from myelosynth.myelin.maps import MapRules, change_classes, demyelinated, without_small_clusters
from myelosynth.myelin.null import CHANGED, NullModel, index_nulls, null_draws

from .null_cases import CURVE, SHAPE, TRUE, VOXEL, fitted_on, pair


@pytest.fixture(scope="module")
def fitted():
    return fitted_on([pair(seed) for seed in range(100, 140)])


def test_what_was_put_in_is_found(fitted):
    assert fitted.slope == pytest.approx(TRUE.slope, abs=3 * TRUE.slope_between / 40**0.5)
    assert fitted.slope_between == pytest.approx(TRUE.slope_between, rel=0.4)
    assert fitted.change == pytest.approx(TRUE.change, abs=3 * TRUE.between / 40**0.5)
    # Lesions are too near each other to tell a whole scan from a wide field: both together are what counts.
    assert np.hypot(fitted.sd, fitted.between) == pytest.approx(np.hypot(TRUE.sd, TRUE.between), rel=0.05)
    covariance = [m.sd**2 * m.field.correlation(np.array([2.0, 4.0])) + m.between**2 for m in (fitted, TRUE)]
    np.testing.assert_allclose(*covariance, rtol=0.15)
    assert fitted.uncertainty == pytest.approx(TRUE.uncertainty, rel=0.4)
    assert fitted.patients == 40


def test_tiny_lesions_do_not_hide_the_correlation():
    """One voxel has no neighbour: the correlation is that of the patients who tell one."""
    mask = np.zeros(SHAPE, bool)
    mask[5, 5, 5] = True
    large = [pair(seed) for seed in range(100, 108)]
    tiny = [replace(one, patient=replace(one.patient, lesions=mask)) for one in map(pair, range(3))]
    near = [fitted_on(pairs).field.correlation(np.array([2.0]))[0] for pairs in (large, [*large, *tiny])]
    assert near[1] == pytest.approx(near[0], abs=0.1)


def test_coverage_of_patients_without_change(fitted):
    """Patients from the same noise, none of them used for the fit: nearly every index lies within its interval."""
    inside = {name: [] for name in CHANGED}
    for seed in range(500, 560):
        for name, row in index_nulls(pair(seed), fitted, draws=199, level=0.95, seed=1).items():
            inside[name].append(not row.outside)
    assert all(0.88 <= np.mean(held) <= 1.0 for held in inside.values()), inside
    assert 0.9 <= np.mean(list(inside.values())) <= 0.99


def test_twelve_patients_are_enough():
    few = fitted_on([pair(seed) for seed in range(12)])
    held = [not row.outside for seed in range(700, 740) for row in index_nulls(pair(seed), few, 99, 0.95, 1).values()]
    assert 0.88 <= np.mean(held) <= 1.0


def test_a_change_lies_outside(fitted):
    one = pair(900)
    after = np.where(one.patient.lesions, one.after + 0.15, one.after)
    rows = index_nulls(replace(one, after=after), fitted, 199, 0.95, 1)
    assert rows["remyelination"].outside
    assert rows["global"].outside
    assert rows["global"].value < rows["global"].low
    assert rows["global"].p == 2 / 200


def test_one_slope_for_everybody_has_no_spread():
    """The slopes of single patients vary by the noise of their voxels, which is no spread of their own."""
    alike = replace(TRUE, slope_between=0.0)
    assert fitted_on([pair(seed, alike) for seed in range(100, 140)]).slope_between < 0.02


def test_without_the_slope_the_null_is_off(fitted):
    """Regression to the mean, here 1.08: voxels above the threshold of 1.1 fall below it by noise alone."""
    one = pair(901)
    flat = replace(fitted, slope=0.0)
    mean = [null_draws(one, model, 60, 1)["demyelination"].mean() for model in (fitted, flat)]
    assert mean[0] > mean[1] + 0.02


def test_no_noise_gives_the_point():
    one = pair(5)
    same = [replace(pair(seed), after=pair(seed).before) for seed in range(4)]
    model = fitted_on(same)
    assert (model.change, model.slope, model.between, model.slope_between, model.sd) == (0, 0, 0, 0, 0)
    for name, row in index_nulls(replace(one, after=one.before), model, 40, 0.95, 1).items():
        truth = lesion_indices(one.patient, (one.before[one.patient.lesions],) * 2)[name]
        assert (row.value, row.null, row.low, row.high) == pytest.approx((truth,) * 4)
        assert (row.p, row.outside) == (1, False)


def test_the_rules_of_the_maps_hold_for_the_draws(fitted):
    """No draw moves a voxel by more than the threshold of change: nothing changes, in value and null alike."""
    one = pair(6)
    strict = replace(one, patient=replace(one.patient, rules=MapRules(change_threshold=5.0)))
    rows = index_nulls(strict, fitted, 40, 0.95, 1)
    assert all((rows[name].value, rows[name].low, rows[name].high) == (0, 0, 0) for name in ("global", "remyelination"))
    assert index_nulls(one, fitted, 40, 0.95, 1)["remyelination"].high > 0


def test_larger_lesions_are_narrower():
    still = replace(TRUE, between=0.0, uncertainty=0.0)
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
    wide = [null_draws(pair(3), replace(fitted, between=0.02, patients=n), 199, 1)["global"].std() for n in (3, 40)]
    assert wide[0] > 1.3 * wide[1]


def test_one_voxel_has_a_null(fitted):
    mask = np.zeros(SHAPE, bool)
    mask[5, 5, 5] = True
    one = pair(7)
    one = replace(one, patient=replace(one.patient, lesions=mask))
    rows = index_nulls(one, fitted, 50, 0.95, 1)
    assert {row.low for row in rows.values()} <= {-1, 0, 1}
    assert fitted_on([*[pair(n) for n in range(3)], one]).sd > 0


def test_three_single_voxels_can_be_fitted():
    """Nothing varies within a patient: all is between them."""
    mask = np.zeros(SHAPE, bool)
    mask[5, 5, 5] = True
    model = fitted_on([replace(p, patient=replace(p.patient, lesions=mask)) for p in map(pair, range(5))])
    assert (model.slope, model.sd) == (0, 0)
    assert model.between > 0


def test_the_voxels_beyond_the_lesions_do_not_count(fitted):
    one = pair(8)
    other = replace(one, before=np.where(one.patient.lesions, one.before, 9), after=np.where(one.covered, one.after, 3))
    assert index_nulls(one, fitted, 40, 0.95, 1) == index_nulls(other, fitted, 40, 0.95, 1)


def test_the_record_comes_back(fitted):
    assert NullModel.of_record(fitted.record(), "null.json") == fitted
    for broken in ({}, {**fitted.record(), "sd": -1}, {**fitted.record(), "change": None}, {"field": {}}):
        with pytest.raises(InputError, match=r"null\.json"):
            NullModel.of_record(broken, "null.json")


def test_faults(fitted):
    empty = replace(pair(1), patient=replace(pair(1).patient, lesions=np.zeros(SHAPE, bool)))
    with pytest.raises(InputError, match=r"too few pairs for a null.*2 of 3 patients"):
        fitted_on([pair(0), pair(1), empty])
    with pytest.raises(InputError, match="voxel sizes differ"):
        fitted_on([pair(0), pair(1), replace(pair(2), patient=replace(pair(2).patient, voxel_sizes=(3.0, 2.0, 2.0)))])


def test_many_voxels_are_drawn_on_a_lattice(fitted, monkeypatch):
    """Both ways draw the same field: means and spreads agree."""
    ways = []
    for few in (3000, 0):
        monkeypatch.setattr("myelosynth.myelin.null._FEW_VOXELS", few)
        ways.append(null_draws(pair(3), replace(TRUE, between=0.0, uncertainty=0.0), 300, 1)["global"])
    assert ways[0].mean() == pytest.approx(ways[1].mean(), abs=4 * ways[0].std() / 300**0.5)
    assert ways[0].std() == pytest.approx(ways[1].std(), rel=0.2)


def test_the_level_of_the_curve_is_not_in_the_model(fitted):
    """A null that was fitted with a higher curve serves as well: everything .1 higher gives the same rows."""

    def higher(one):
        curve = Curve(CURVE.edges, CURVE.n, CURVE.mean + 0.1, CURVE.sd)
        return replace(one, patient=replace(one.patient, curve=curve), before=one.before + 0.1, after=one.after + 0.1)

    others = fitted_on([higher(pair(seed)) for seed in range(100, 140)])
    assert others.change == pytest.approx(fitted.change)
    assert others.slope == pytest.approx(fitted.slope)
    rows = [index_nulls(one, fitted, 199, 0.95, 1) for one in (pair(9), higher(pair(9)))]
    for name in CHANGED:
        assert vars(rows[1][name]) == pytest.approx(vars(rows[0][name]), abs=2e-3)


@pytest.mark.parametrize(("draws", "level"), [(39, 0.95), (60, 0.9), (100, 0.95), (199, 0.99)])
def test_a_value_is_outside_exactly_where_p_says_so(fitted, draws, level):
    one, seen = pair(9), set()
    for moved in np.linspace(-0.15, 0.15, 31):
        for row in index_nulls(replace(one, after=one.after + moved), fitted, draws, level, 1).values():
            assert row.outside == (row.p <= 1 - level + 1e-9), row
            assert 0 < row.p <= 1
            seen.add(row.outside)
    assert seen == {True, False}


def test_too_few_draws_leave_nothing_outside(fitted):
    with pytest.raises(InputError, match=r"too few draws for the level.*38 draws, level 0\.95, give 39"):
        index_nulls(pair(9), fitted, least_draws(0.95) - 1, 0.95, 1)


def test_slopes_that_differ_are_not_noise_of_the_voxels():
    """What a patient's own slope explains is drawn as such, and no second time as noise of its voxels."""
    steep = replace(TRUE, slope_between=0.4)
    model = fitted_on([pair(seed, steep) for seed in range(200, 240)])
    assert model.sd == pytest.approx(TRUE.sd, rel=0.06)
    assert model.slope_between == pytest.approx(0.4, rel=0.3)


def test_the_value_is_that_of_the_maps_with_clusters_at_the_edge_of_the_scan():
    """Clusters reach beyond what the other scan covers, in `indices` and here."""
    one = pair(14, blocks=8)
    before, after = one.before.copy(), one.after.copy()
    before[:, :6], after[:, 8:] = 0, 0
    patient = replace(one.patient, rules=MapRules(minimum_cluster_ml=0.1))
    row = index_nulls(replace(one, patient=patient, before=before, after=after), TRUE, 40, 0.95, 1)
    masks = [demyelinated(dvr, patient.distance, patient.lesions, CURVE) for dvr in (before, after)]
    masks = [without_small_clusters(mask, 0.1, VOXEL) for mask in masks]
    classes = change_classes(*masks, patient.lesions & (before > 0) & (after > 0))
    truth = myelin_indices(classes, patient.lesions)
    assert {name: row[name].value for name in CHANGED} == {name: truth[name] for name in CHANGED}
    cut = [without_small_clusters(mask & (before > 0) & (after > 0), 0.1, VOXEL) for mask in masks]
    assert (change_classes(*cut, patient.lesions & (before > 0) & (after > 0)) != classes).any()


def test_voxels_of_nearly_one_size_are_one_size():
    near = replace(pair(2), patient=replace(pair(2).patient, voxel_sizes=(2.001, 2.0, 1.96)))
    assert fitted_on([pair(0), pair(1), near]).patients == 3
