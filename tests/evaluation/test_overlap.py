"""DICE by hand."""

import numpy as np
import pytest

from myelosynth.evaluation.overlap import all_positive_dice, dice


def test_dice_by_hand():
    truth = np.array([1, 1, 1, 1, 0, 0, 0, 0], bool)
    pred = np.array([1, 1, 1, 0, 1, 1, 0, 0], bool)
    assert dice(pred, truth) == pytest.approx(2 * 3 / (4 + 5))


def test_both_empty_is_undefined_and_one_empty_is_zero():
    nothing, something = np.zeros(5, bool), np.ones(5, bool)
    assert dice(nothing, nothing) is None
    assert dice(nothing, something) == dice(something, nothing) == 0


def test_all_positive_line_is_the_dice_of_every_voxel():
    truth = np.zeros(100, bool)
    truth[:37] = True
    assert dice(np.ones(100, bool), truth) == pytest.approx(all_positive_dice(0.37))


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="shape"):
        dice(np.ones(1, bool), np.ones((2, 2), bool))
