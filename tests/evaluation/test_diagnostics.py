"""Bootstrap, influence, checks and power of a regression, against other ways to the same numbers."""

import numpy as np
import pytest
from scipy import stats

from myelosynth.evaluation.clinical import regress
from myelosynth.evaluation.clinical_checks import checks_row
from myelosynth.evaluation.diagnostics import _betas, beta_intervals, described_rows, influence_rows
from myelosynth.evaluation.power import power_of, smallest_beta


def table(n, seed=0, beta=-0.7, **columns):
    """n participants as text cells: y follows x, z is noise; `columns` replace them."""
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal((2, n))
    values = {"x": x, "z": z, "y": beta * x + np.sqrt(1 - beta**2) * rng.standard_normal(n), **columns}
    rows = zip(*(np.asarray(column, float) for column in values.values()), strict=True)
    return [
        {"participant_id": f"sub-{i}", **{k: repr(float(v)) for k, v in zip(values, row, strict=True)}}
        for i, row in enumerate(rows)
    ]


def fit(rows):
    return regress(rows, "y", "x", ["z"])


def test_the_bootstrap_estimates_what_the_regression_estimates():
    one = fit(table(15))
    rows = np.random.default_rng(5).integers(0, 15, (3, 15))
    for drawn, betas in zip(rows, _betas(one.cases.values[rows], rows), strict=True):
        values = one.cases.values[drawn]
        again = fit(table(15, y=values[:, 0], x=values[:, 1], z=values[:, 2]))
        assert betas == pytest.approx([row["beta"] for row in again.rows[1:]])


def test_intervals_hold_the_estimate_repeat_and_widen_with_fewer_people():
    few, many = fit(table(15)), fit(table(150))
    (low, high), _ = beta_intervals(few.cases, 500, seed=1)
    assert low < few.rows[1]["beta"] < high
    assert beta_intervals(few.cases, 500, seed=1)[0] == (low, high) != beta_intervals(few.cases, 500, seed=2)[0]
    (lower, higher), _ = beta_intervals(many.cases, 500, seed=1)
    assert higher - lower < 0.6 * (high - low)
    assert (lower, higher) == pytest.approx((-0.7, -0.7), abs=0.3)


def test_intervals_cover_a_known_beta_about_as_often_as_they_say():
    hits = []
    for seed in range(100):
        (low, high), _ = beta_intervals(fit(table(40, seed)).cases, 300, seed)
        hits.append(low <= -0.7 <= high)
    assert 0.86 <= np.mean(hits) <= 1.0


def test_no_interval_where_the_resamples_fall_apart():
    alone = np.zeros(9)
    alone[0] = 1  # one man among nine: without him, and in a third of the resamples, sex is constant
    assert beta_intervals(fit(table(9, z=alone)).cases, 500, 1) == [(None, None)] * 2
    assert beta_intervals(fit(table(4)).cases, 500, 1) == [(None, None)] * 2


def test_described_rows_add_to_the_regression_and_change_nothing():
    one = fit(table(15))
    rows = described_rows(one, 200)
    assert all(row.items() <= more.items() for row, more in zip(one.rows, rows, strict=True))
    x, z, y = (one.cases.values[:, place] for place in (1, 2, 0))
    inflation = 1 / (1 - np.corrcoef(x, z)[0, 1] ** 2)
    assert (rows[1]["vif"], rows[2]["vif"]) == pytest.approx((inflation, inflation))
    assert rows[1]["spearman"] == pytest.approx(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])
    assert "spearman" not in rows[2]
    assert "vif" not in rows[0]
    assert "beta_low" not in fit(table(3)).rows[1]
    assert described_rows(one, 0)[1]["beta_low"] is None


def test_one_patient_who_makes_the_result_is_named():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 1, 12), rng.uniform(0, 1, 12)
    y -= np.polyval(np.polyfit(x, y, 1), x) - 0.8 * x  # a rise
    x[4], y[4] = 6.0, -6.0
    one = fit(table(12, x=x, y=y))
    whole, *without = influence_rows(one)
    assert (whole["beta"], whole["n"]) == (one.rows[1]["beta"], 12)
    assert [row["left_out"] for row in without] == [f"sub-{i}" for i in range(12)]
    assert [row["left_out"] for row in without if row["sign_changed"]] == ["sub-4"]
    again = fit([row for row in table(12, x=x, y=y) if row["participant_id"] != "sub-4"])
    assert without[4]["beta"] == pytest.approx(again.rows[1]["beta"])
    # Cook (1977): squared shift of all fitted values over terms times the residual variance
    b = [np.array([row["coefficient"] for row in f.rows]) for f in (one, again)]
    shift = one.cases.design @ (b[0] - b[1])
    variance = ((one.cases.response - one.cases.design @ b[0]) ** 2).sum() / one.df
    assert without[4]["cooks_distance"] == pytest.approx(shift @ shift / 3 / variance)
    assert sum(row["leverage"] for row in without) == pytest.approx(3)
    note = checks_row(one)["note"]
    assert "sub-4 alone moves the estimates" in note
    assert "beta changes its sign without one of sub-4" in note


def test_checks_name_what_is_wrong_and_nothing_else():
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, 60)
    assert checks_row(fit(table(60)))["note"] == ""
    skewed = checks_row(fit(table(60, x=x, y=x + rng.exponential(1, 60) ** 2)))
    assert skewed["shapiro_p"] < 0.001
    assert "not normal" in skewed["note"]
    fanned = checks_row(fit(table(60, x=x, y=x + x * rng.normal(0, 1, 60))))
    assert fanned["breusch_pagan_p"] < 0.01
    assert "spread depends on the predictors" in fanned["note"]
    twins = checks_row(fit(table(60, x=x, z=x + rng.normal(0, 0.05, 60), y=x + rng.normal(0, 1, 60))))
    assert twins["max_vif"] > 5
    assert "depends on the other predictors" in twins["note"]
    assert twins["smallest_beta"] > checks_row(fit(table(60)))["smallest_beta"]


def test_checks_of_too_few_and_of_a_perfect_fit():
    few = checks_row(fit(table(6)))
    assert "shapiro_p" not in few
    assert few["power_weak"] < 0.2
    nothing = checks_row(fit(table(3)))
    assert set(nothing) == {"n", "df", "note"}
    x = np.arange(10.0)
    assert "shapiro_p" not in checks_row(fit(table(10, x=x, y=2 * x)))


def test_power_is_what_simulated_patients_find():
    rng, found = np.random.default_rng(2), []
    for _ in range(600):
        x = np.column_stack([np.ones(15), rng.normal(size=(15, 4))])
        y = 0.7 * x[:, 1] + np.sqrt(0.51) * rng.normal(size=15)
        b = np.linalg.lstsq(x, y, rcond=None)[0]
        error = np.sqrt(((y - x @ b) ** 2).sum() / 10 * np.linalg.inv(x.T @ x)[1, 1])
        found.append(abs(b[1] / error) > stats.t.ppf(0.975, 10))
    assert power_of(0.7, df=10, terms=5) == pytest.approx(np.mean(found), abs=0.05)


def test_power_grows_with_people_and_effect_and_falls_with_inflation():
    assert power_of(0.0001, 10, 5) == pytest.approx(0.05, abs=0.001)
    assert power_of(0.3, 10, 5) < power_of(0.3, 60, 5) < power_of(0.7, 60, 5)
    assert power_of(0.7, 10, 5, vif=4.0) < power_of(0.7, 10, 5)
    assert power_of(smallest_beta(13, 5), 13, 5) == pytest.approx(0.8)
    assert power_of(-0.5, 13, 5) == power_of(0.5, 13, 5)
    assert (power_of(0.7, 0, 5), smallest_beta(0, 5)) == (None, None)
