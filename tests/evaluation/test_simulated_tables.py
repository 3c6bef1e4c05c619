"""The sign of remyelination against EDSS in simulated tables (a bar of issue 5)."""

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.evaluation.simulated_tables import INDEX, Donors, measured_with, recovery, simulated_table

SEEDS = range(101, 121)


def test_noise_free_truth_shows_the_sign_in_nine_of_ten_tables():
    tables = [simulated_table(18, seed) for seed in SEEDS]
    found = recovery(tables)
    assert found.tables == 20
    assert found.negative >= 18
    assert found.beta == pytest.approx(-0.7, abs=0.15)
    assert recovery(tables) == found, "same seeds, same tables"
    shuffled = []
    for table in tables:
        other = np.random.default_rng(len(shuffled)).permutation([row["edss"] for row in table])
        shuffled.append([{**row, "edss": score} for row, score in zip(table, other, strict=True)])
    assert recovery(shuffled).negative < 18, "scores of other patients show no sign"


def test_an_estimate_that_does_not_follow_the_truth_loses_the_sign():
    random = np.random.default_rng(1)
    truth = random.uniform(0.08, 0.22, 12)
    good = Donors.of(truth, truth + random.normal(0, 0.005, 12))
    blind = Donors.of(truth, random.uniform(0.08, 0.22, 12))
    assert good.slope == pytest.approx(1, abs=0.15)
    tables = [simulated_table(18, seed) for seed in SEEDS]
    seen = [measured_with(t, {"good": good, "blind": blind}, seed) for t, seed in zip(tables, SEEDS, strict=True)]
    assert seen[0] == measured_with(tables[0], {"good": good, "blind": blind}, 101)
    counts = {name: recovery([table[name] for table in seen]).significant for name in ("good", "blind")}
    assert counts["good"] > counts["blind"] + 5
    assert float(seen[0]["good"][0][INDEX]) == pytest.approx(float(tables[0][0][INDEX]), abs=3)


def test_a_line_through_its_donors_is_kept():
    donors = Donors.of([0.1, 0.1, 0.2, 0.2], [0.11, 0.09, 0.16, 0.14])
    assert (donors.slope, donors.intercept) == pytest.approx((0.5, 0.05))
    assert donors.residuals == pytest.approx(np.sqrt(2) * np.array([0.01, -0.01, 0.01, -0.01]))
    assert donors.estimates(np.array([0.3, -0.5]), np.array([0, 1]))[1] == 0


@pytest.mark.parametrize("truth", [[0.1, 0.2, 0.3], [0.1, 0.1, 0.1, 0.1]])
def test_too_few_donors_are_refused(truth):
    with pytest.raises(InputError, match="errors cannot be learned"):
        Donors.of(truth, truth)
