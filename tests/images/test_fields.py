"""Error fields: the fit finds what was drawn, draws have the correlation that was asked for."""

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.fields import LENGTHS_MM, FieldModel, fit_field

VOXEL = (2.0, 2.0, 3.0)


def model(shares: dict[float, float], common: float) -> FieldModel:
    return FieldModel(LENGTHS_MM, tuple(shares.get(length, 0.0) for length in LENGTHS_MM), common)


def test_draws_have_unit_variance_and_the_stated_correlation():
    wanted = model({0.0: 0.3, 4.0: 0.5}, 0.2)
    pairs = wanted.pairs(np.random.default_rng(0), (24, 20, 16), VOXEL)
    fields = np.stack([field for _ in range(150) for field in next(pairs)])
    assert fields.var() == pytest.approx(1, abs=0.06)
    for axis, lag in ((1, 1), (1, 3), (3, 2)):
        first = fields.take(np.arange(fields.shape[axis] - lag), axis)
        second = fields.take(np.arange(lag, fields.shape[axis]), axis)
        distance = np.array([lag * VOXEL[axis - 1]])
        assert (first * second).mean() == pytest.approx(wanted.correlation(distance)[0], abs=0.06)
    # The two fields of a pair are strangers.
    assert abs((fields[::2] * fields[1::2]).mean()) < 0.05


@pytest.mark.parametrize("length", [4.0, 8.0, 16.0])
def test_opposite_faces_do_not_know_of_each_other(length):
    pairs = model({length: 1.0}, 0.0).pairs(np.random.default_rng(1), (60, 1, 1), VOXEL)
    fields = np.stack([field for _ in range(4000) for field in next(pairs)])
    assert abs((fields[:, 0] * fields[:, -1]).mean()) < 0.05
    assert fields.var() == pytest.approx(1, abs=0.05)


def test_the_fit_finds_the_mixture():
    wanted = model({0.0: 0.4, 4.0: 0.4}, 0.2)
    pairs = wanted.pairs(np.random.default_rng(2), (32, 32, 24), VOXEL)
    errors = [2.5 * field for _ in range(20) for field in next(pairs)]
    mask = np.ones((32, 32, 24), bool)
    mask[:4] = False
    found = fit_field(errors, [mask] * len(errors), VOXEL)
    distance = np.array([0.0, 2, 4, 8, 16, 30])
    np.testing.assert_allclose(found.correlation(distance), wanted.correlation(distance), atol=0.08)
    assert FieldModel.of_record(found.record(), "here") == found
    assert found.scale == pytest.approx(2.5, rel=0.05)


def test_the_same_seed_draws_the_same():
    fields = [next(model({2.0: 1.0}, 0.0).pairs(np.random.default_rng(5), (9, 8, 7), VOXEL))[0] for _ in range(2)]
    assert fields[0].tobytes() == fields[1].tobytes()


@pytest.mark.parametrize("record", [{}, {"lengths_mm": [0], "shares": [0.5], "common": 0.1}, {"lengths_mm": 3}])
def test_a_record_that_is_no_model(record):
    with pytest.raises(InputError, match="error correlation unknown"):
        FieldModel.of_record(record, "x.json")


def test_errors_that_are_all_0():
    with pytest.raises(InputError, match="errors are all 0"):
        fit_field([np.zeros((5, 5, 5))], [np.ones((5, 5, 5), bool)], VOXEL)
