"""Brains unlike those of training are refused or flagged; the others pass."""

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.synthesis.bundle.check import compare, require_range, require_voxels, robust_z
from myelosynth.synthesis.bundle.statistics import MEASURES, Channel, TrainingStatistics, brain_measures

MASK = np.zeros((20, 20, 20), bool)
MASK[2:18, 2:18, 2:18] = True


def brain(level, sd=5.0, seed=0):
    rng = np.random.default_rng(seed)
    return ((level + sd * rng.standard_normal(MASK.shape)) * MASK).astype(np.float32)


@pytest.fixture
def trained():
    measured = [brain_measures(brain(30 + 0.5 * n, seed=n), MASK) for n in range(6)]
    subjects = {name: sorted(one[name] for one in measured) for name in MEASURES}
    return TrainingStatistics((2.0, 2.0, 2.0), "RAS", [1400.0], {"MTR": Channel(31.25, 5.0, subjects, None)})


def test_measures_of_a_brain_by_hand():
    image = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    found = brain_measures(image, np.ones((2, 2, 2), bool))
    assert found["mean"] == 4.0  # 0 has no value
    assert found["median"] == 4.0
    assert found["p05"] == pytest.approx(np.percentile(np.arange(1, 8), 5))
    assert found["coverage"] == 7 / 8


def test_a_brain_like_the_training_ones_passes(trained):
    assert compare({"MTR": brain(31, seed=9)}, MASK, trained) == []


def test_beyond_the_range_is_flagged_and_farther_is_refused(trained):
    flagged = compare({"MTR": brain(35.5, seed=9)}, MASK, trained)
    assert flagged
    assert 3 < flagged[0].z < 6
    require_range(flagged, "mask")
    refused = compare({"MTR": brain(45, seed=9)}, MASK, trained)
    with pytest.raises(
        InputError, match=r"intensity outside the range of training, mask, MTR .*robust z.*--allow-inten"
    ):
        require_range(refused, "mask")
    assert [f.z for f in refused] == sorted((f.z for f in refused), reverse=True)


@pytest.mark.parametrize(("factor", "words"), [(0.01, "x 100 "), (1000, r"/ 1000 "), (1e-6, r"x 1e\+06 ")])
def test_a_wrong_unit_is_named_with_its_cure(trained, factor, words):
    with pytest.raises(InputError, match=f"likely .*: {words}"):
        require_range(compare({"MTR": brain(31, seed=9) * np.float32(factor)}, MASK, trained), "mask")


def test_half_a_brain_without_values_is_refused(trained):
    image = brain(31, seed=9)
    image[:, :, 10:] = 0
    finding = compare({"MTR": image}, MASK, trained)[0]
    assert (finding.measure, finding.value) == ("coverage", 0.5)
    with pytest.raises(InputError, match=r"MTR coverage 0\.5"):
        require_range([finding], "mask")


def test_robust_z_by_hand():
    subjects = {name: [1.0, 2.0, 3.0, 4.0, 10.0] for name in MEASURES}
    channel = Channel(3.0, 0.1, subjects, None)
    assert robust_z(9.0, channel, "mean") == 0.0, "within the range"
    sd = np.std([1, 2, 3, 4, 10], ddof=1)
    assert robust_z(0.0, channel, "mean") == pytest.approx(3 / (sd * np.sqrt(1.2)))
    assert robust_z(11.0, channel, "coverage") == 0.0, "better covered is no fault"
    narrow = Channel(3.0, 50.0, {name: [2.0, 2.0, 2.0] for name in MEASURES}, None)
    assert robust_z(12.0, narrow, "mean") == pytest.approx(10 / (0.1 * 50 * np.sqrt(4 / 3)))


def test_other_voxels_are_refused(trained):
    require_voxels(Grid((5, 5, 5), np.diag([-2.02, 2, 2, 1])), trained, "mask")
    with pytest.raises(
        InputError, match=r"voxel size differs.*1 x 2 x 2 mm, trained on 2 x 2 x 2 mm.*--allow-voxel-size"
    ):
        require_voxels(Grid((5, 5, 5), np.diag([1.0, 2, 2, 1])), trained, "mask")


def test_voxels_are_compared_along_the_bodys_axes(trained):
    tall = TrainingStatistics((1.0, 1.0, 3.0), "PSR", [1400.0], trained.channels)
    stored = np.array([[0, 0, 1.0, 0], [-1.0, 0, 0, 0], [0, -3.0, 0, 0], [0, 0, 0, 1]])
    require_voxels(Grid((5, 5, 5), stored), tall, "mask")
    with pytest.raises(InputError, match="voxel size differs"):
        require_voxels(Grid((5, 5, 5), np.diag([3.0, 1, 1, 1])), tall, "mask")
