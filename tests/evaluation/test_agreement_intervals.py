"""Intervals of the agreement against published examples and by their coverage."""

import numpy as np
import pytest

from myelosynth.evaluation.agreement import icc_agreement
from myelosynth.evaluation.agreement_intervals import icc_interval, interval_rows, limits_intervals

# Shrout and Fleiss (1979), Table 2; the interval of ICC(2,1) is .02 to .76 (R psych, ICC2: 0.019 to 0.761)
RATINGS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def test_icc_interval_of_shrout_and_fleiss():
    assert icc_interval(RATINGS) == (pytest.approx(0.019, abs=5e-4), pytest.approx(0.761, abs=5e-4))


def test_icc_interval_covers_the_true_icc():
    """Subjects of variance 3 and errors of variance 1: the ICC is .75. Ten subjects, 400 studies."""
    random, inside = np.random.default_rng(7), 0
    for _ in range(400):
        ratings = random.normal(0, np.sqrt(3), (10, 1)) + random.normal(0, 1, (10, 2))
        low, high = icc_interval(ratings)
        assert low < icc_agreement(ratings) < high
        inside += low < 0.75 < high
    assert 0.92 <= inside / 400 <= 0.98


def test_limits_have_the_intervals_of_bland_and_altman():
    """Bland and Altman (1986), 17 subjects: bias -2.1 l/min (-22.0 to 17.8), sd 38.8; each limit +- 34.6, with the
    error sqrt(3 / n) sd of 1986, which the form of 1999 makes a little wider."""
    z = np.linspace(-1, 1, 17)
    difference = -2.1 + 38.8 * (z - z.mean()) / z.std(ddof=1)
    found = limits_intervals(difference, np.zeros(17))
    assert found["bias"] == (pytest.approx(-22.0, abs=0.1), pytest.approx(17.8, abs=0.1))
    for name, limit in (("loa_low", -2.1 - 1.96 * 38.8), ("loa_high", -2.1 + 1.96 * 38.8)):
        low, high = found[name]
        assert (low + high) / 2 == pytest.approx(limit)
        assert (high - low) / 2 == pytest.approx(34.6, abs=0.3)


@pytest.mark.parametrize(
    "ratings",
    [np.ones((2, 2)), np.arange(4.0).reshape(2, 2), np.ones((5, 2)), np.repeat(np.arange(5.0)[:, None], 2, 1)],
)
def test_no_interval_where_none_is_defined(ratings):
    assert icc_interval(ratings) == (None, None)


def test_two_pairs_have_no_interval():
    assert set(limits_intervals([1.0, 2.0], [0.0, 0.0]).values()) == {(None, None)}


def row(system, sub, value, replicate=1):
    five = dict.fromkeys(("percent_t0", "percent_t1", "global", "demyelination", "remyelination"), value)
    return {"system": system, "replicate": replicate, "participant_id": sub, **five}


def test_rows_are_means_over_replicates_and_leave_gaps_out():
    truth = {"a": 0.1, "b": 0.2, "c": 0.4, "d": None}
    rows = [row("true", sub, value) for sub, value in truth.items()]
    rows += [row("x", sub, (value or 0.3) + 0.1, 1) for sub, value in truth.items()]
    rows += [row("x", sub, (value or 0.3) + 0.3 * n, 2) for n, (sub, value) in enumerate(truth.items())]
    found = interval_rows(rows)
    assert [(r["system"], r["n"], r["replicates"]) for r in found] == 5 * [("x", 3, 2)]
    assert found[0]["bias"] == pytest.approx(0.2)  # .1 by the first training, .3 by the second
    second = limits_intervals([0.1, 0.5, 1.0], [0.1, 0.2, 0.4])["bias"]
    ends = (found[0]["bias_ci_low"], found[0]["bias_ci_high"])
    assert ends == pytest.approx(tuple((0.1 + end) / 2 for end in second))
