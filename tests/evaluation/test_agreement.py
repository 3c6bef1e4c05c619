"""Agreement against published examples."""

import numpy as np
import pytest

from myelosynth.evaluation.agreement import bland_altman, icc_agreement, sign_errors, spearman

# Shrout and Fleiss (1979), Table 2: six targets rated by four judges; ICC(2,1) is .29
RATINGS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def test_icc_of_shrout_and_fleiss():
    assert icc_agreement(RATINGS) == pytest.approx(0.2898, abs=5e-5)


def test_icc_punishes_an_offset_and_not_only_disorder():
    truth = np.arange(6.0)
    assert icc_agreement(np.column_stack([truth, truth])) == pytest.approx(1)
    assert icc_agreement(np.column_stack([truth + 3, truth])) < 0.5
    assert icc_agreement([[1.0, 1.0]]) is None
    assert icc_agreement([[1.0, 1.0], [1.0, 1.0]]) is None


def test_bland_altman_by_hand():
    limits = bland_altman([1.0, 3.0, 5.0], [0.0, 3.0, 3.0])
    assert (limits.bias, limits.sd) == (1.0, 1.0)
    assert (limits.low, limits.high) == (pytest.approx(1 - 1.96), pytest.approx(1 + 1.96))
    assert bland_altman([2.0], [1.0]).sd is None
    assert bland_altman([], []).bias is None


def test_sign_errors_count_wrong_sides_only():
    assert sign_errors([0.1, -0.1, 0.1, 0.0, 0.2, 0.0], [0.2, -0.3, -0.1, 0.1, 0.0, -0.1]) == (3, 5)


def test_spearman_sees_order_and_needs_variance():
    assert spearman([1, 2, 9], [10, 20, 30]) == pytest.approx(1)
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert spearman([1, 2], [1, 2]) is None
