"""One prediction from several members and flips, with systems whose answer is known voxel by voxel."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from myelosynth.images.grid import Grid
from myelosynth.synthesis import ensemble
from myelosynth.synthesis.ensemble import predict_ensemble
from myelosynth.synthesis.systems.base import Prediction, PredictionInputs

CPU = torch.device("cpu")
SHAPE = (3, 4, 5)
RAMP = np.add.outer(np.arange(3.0), np.add.outer(10 * np.arange(4.0), 100 * np.arange(5.0))).astype(np.float32)


class Place:
    """gain x image, and a number that each place of the array has by itself: no flip leaves that as it is."""

    def predict(self, checkpoint, inputs, device):
        mean = (checkpoint.content["gain"] * inputs.images["FA"] + RAMP) * inputs.mask
        std = RAMP * checkpoint.content["sd"] if checkpoint.content["sd"] else None
        return Prediction(mean, std, {"gain": checkpoint.content["gain"]}, {"Calibration": checkpoint.content["gain"]})


def member(gain, sd=0.0):
    return SimpleNamespace(model="place", content={"gain": gain, "sd": sd})


@pytest.fixture
def inputs(monkeypatch):
    monkeypatch.setattr(ensemble, "find_system", lambda _: Place())
    random = np.random.default_rng(0)
    # The world's x runs along the second axis of the array.
    affine = np.array([[0, -2.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 3.0, 0], [0, 0, 0, 1]])
    image = random.standard_normal(SHAPE).astype(np.float32)
    mask = random.random(SHAPE) < 0.7
    return PredictionInputs({"FA": image}, {}, mask, Grid(SHAPE, affine))


def test_one_member_is_itself(inputs):
    found = predict_ensemble([member(2.0)], inputs, CPU)
    np.testing.assert_array_equal(found.mean, (2 * inputs.images["FA"] + RAMP) * inputs.mask)
    assert found.std is None
    assert found.report == {"Members": [{"gain": 2.0}]}
    assert found.spread_record == {"Calibration": 2.0}


def test_members_give_their_mean_and_the_sd_between_them(inputs):
    found = predict_ensemble([member(gain) for gain in (1.0, 2.0, 6.0)], inputs, CPU)
    np.testing.assert_allclose(found.mean, (3 * inputs.images["FA"] + RAMP) * inputs.mask, rtol=1e-5, atol=1e-4)
    between = np.std([1, 2, 6], ddof=1) * np.abs(inputs.images["FA"]) * inputs.mask
    np.testing.assert_allclose(found.std, between, rtol=1e-3, atol=1e-3)
    # The calibration of one member does not hold for three.
    assert found.spread_record == {}


def test_own_spreads_join_as_variances(inputs):
    found = predict_ensemble([member(1.0, 3.0), member(1.0, 4.0)], inputs, CPU)
    np.testing.assert_allclose(found.std, RAMP * np.sqrt((9 + 16) / 2), rtol=1e-5)
    found = predict_ensemble([member(1.0, 3.0), member(5.0, 3.0)], inputs, CPU)
    between = np.std([1, 5], ddof=1) * inputs.images["FA"] * inputs.mask
    np.testing.assert_allclose(found.std, np.hypot(RAMP * 3, between), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("flips", "axes"), [("left-right", [(1,)]), ("all", None)])
def test_flips_are_undone_before_the_mean(inputs, flips, axes):
    axes = axes or [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    places = np.mean([RAMP, *(np.flip(RAMP, along) for along in axes)], 0)
    found = predict_ensemble([member(2.0, 3.0)], inputs, CPU, flips)
    np.testing.assert_allclose(found.mean, (2 * inputs.images["FA"] + places) * inputs.mask, rtol=1e-5, atol=1e-3)
    squares = np.mean([RAMP**2, *(np.flip(RAMP, along) ** 2 for along in axes)], 0)
    np.testing.assert_allclose(found.std, 3 * np.sqrt(squares), rtol=1e-5)
    assert found.spread_record == {"Calibration": 2.0}
