"""Intervals and tests against scipy and statsmodels called directly."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from myelosynth.evaluation.significance import bca_interval, holm, paired_test


def test_paired_test_equals_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 1, 12), rng.normal(0, 1, 12)
    found = paired_test(a, b)
    t, w = stats.ttest_rel(a, b), stats.wilcoxon(a, b)
    assert (found.n, found.mean_difference) == (12, pytest.approx((a - b).mean()))
    assert (found.t, found.p_t) == (pytest.approx(t.statistic), pytest.approx(t.pvalue))
    assert (found.w, found.p_wilcoxon) == (pytest.approx(w.statistic), pytest.approx(w.pvalue))
    assert found.note == ""


def test_six_subjects_are_not_tested_and_seven_are():
    six = paired_test(np.arange(6.0) + 1, np.zeros(6))
    assert six.p_t is six.p_wilcoxon is None
    assert "n = 6 is too small to reach p < .03" in six.note
    assert paired_test(np.arange(7.0) + 1, np.zeros(7)).p_wilcoxon == pytest.approx(2 / 2**7)


def test_equal_methods_are_not_tested():
    assert "all 8 differences are 0" in paired_test(np.ones(8), np.ones(8)).note


def test_holm_equals_statsmodels_and_skips_the_untested():
    p = [0.001, 0.04, 0.03, 0.005]
    expected = multipletests(p, method="holm")[1]
    assert holm([p[0], None, *p[1:]]) == [pytest.approx(expected[0]), None, *map(pytest.approx, expected[1:])]
    assert holm([None]) == [None]


def test_bca_interval_is_repeatable_and_near_the_normal_one():
    values = np.random.default_rng(1).normal(10, 2, 200)
    low, high = bca_interval(values, seed=3, resamples=2000)
    assert (low, high) == bca_interval(values, seed=3, resamples=2000)
    half = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert low == pytest.approx(values.mean() - half, abs=0.05)
    assert high == pytest.approx(values.mean() + half, abs=0.05)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [3.0, 3.0, 3.0]])
def test_no_interval_from_too_little(values):
    assert bca_interval(values, seed=0, resamples=100) == (None, None)
