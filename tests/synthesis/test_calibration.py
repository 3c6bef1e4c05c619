"""Conformal calibration by subject: coverage on exchangeable subjects, and what few of them allow."""

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.synthesis.calibration import VOXELS, Z, calibrate, subject_score


def test_the_score_covers_its_own_subject():
    random = np.random.default_rng(0)
    std = random.uniform(0.5, 2, 5001)
    error = 3 * std * random.standard_normal(5001)
    factor = subject_score(error, std)
    share = np.mean(np.abs(error) <= Z * factor * std * (1 + 1e-12))
    assert share == pytest.approx(VOXELS, abs=1 / 5000)
    assert factor == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize(("subjects", "rank"), [(5, 5), (9, 9), (10, 10), (19, 18), (20, 19), (39, 36)])
def test_a_new_subject_is_covered_as_promised(subjects, rank):
    """Subjects differ in how wrong the model is on them; the share of new ones covered is rank / (n + 1)."""
    random = np.random.default_rng(subjects)
    covered = []
    for _ in range(600):
        scales = np.exp(0.3 * random.standard_normal(subjects + 1))
        errors = scales[:, None] * random.standard_normal((subjects + 1, 200))
        found = calibrate([subject_score(e, np.ones(200)) for e in errors[:-1]], 0.9)
        covered.append(subject_score(errors[-1], np.ones(200)) <= found.factor)
    assert found.rank == rank
    assert np.mean(covered) == pytest.approx(found.rank_level, abs=0.04)
    assert found.rank_level >= 0.9 or subjects < 9


@pytest.mark.parametrize("std", [[1.0, 0.0], [1.0, -1.0], [1.0, np.nan], []])
def test_a_spread_must_be_positive(std):
    with pytest.raises(InputError, match="no spread to calibrate"):
        subject_score(np.ones(len(std)), np.array(std))


@pytest.mark.parametrize("scores", [[], [1.0, np.nan]])
def test_scores_must_be_there(scores):
    with pytest.raises(InputError, match="calibration impossible"):
        calibrate(scores, 0.9)
