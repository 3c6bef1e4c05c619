"""Demyelinated voxels and change classes by hand."""

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.myelin.curve import Curve
from myelosynth.myelin.maps import change_classes, changed_enough, demyelinated, without_small_clusters

CURVE = Curve(np.array([0.0, 2.0, 4.0]), np.array([100, 100]), np.array([1.2, 1.3]), np.array([0.1, 0.05]))


def test_demyelinated_is_below_the_mean_minus_one_sd_at_the_same_distance() -> None:
    """Thresholds 1.1 up to 2 mm and 1.25 beyond; equality is normal; no lesion or no DVR is not demyelinated."""
    dvr = np.array([1.09, 1.11, 1.24, 1.26, 1.24, 1.09, 0.0])
    distance = np.array([1.0, 1.0, 3.0, 3.0, 30.0, 1.0, 1.0])
    lesions = np.array([1, 1, 1, 1, 1, 0, 1], bool)
    assert demyelinated(dvr, distance, lesions, CURVE).tolist() == [True, False, True, False, True, False, False]
    exact = Curve(np.array([0.0, 1.0]), np.array([9]), np.array([1.25]), np.array([0.25]))
    assert not demyelinated(np.array([1.0]), np.array([0.5]), np.array([True]), exact).any()


def test_one_sd_of_normal_voxels_calls_one_in_six() -> None:
    rng = np.random.default_rng(0)
    dvr = rng.normal(1.2, 0.1, 40_000)
    called = demyelinated(dvr, np.ones(40_000), np.ones(40_000, bool), CURVE)
    np.testing.assert_allclose(called.mean(), 0.1587, atol=0.006)


def test_every_trajectory_has_its_class_inside_lesions_only() -> None:
    baseline = np.array([0, 1, 1, 0, 1, 0], bool)
    followup = np.array([1, 0, 1, 0, 1, 1], bool)
    lesions = np.array([1, 1, 1, 1, 0, 0], bool)
    assert change_classes(baseline, followup, lesions).tolist() == [1, 2, 3, 4, 0, 0]


def test_lesions_beyond_the_controls_read_the_last_bin_or_are_refused() -> None:
    dvr, distance = np.array([1.24, 1.24]), np.array([3.0, 4.0])
    assert demyelinated(dvr, distance, np.ones(2, bool), CURVE).tolist() == [True, True]
    strict = Curve(CURVE.edges, CURVE.n, CURVE.mean, CURVE.sd, extrapolation="refuse")
    with pytest.raises(InputError, match="1 of 2 voxels at 4 mm or farther, up to 4"):
        demyelinated(dvr, distance, np.ones(2, bool), strict)
    assert demyelinated(dvr, distance, np.array([True, False]), strict).tolist() == [True, False]


def test_small_clusters_count_as_normal() -> None:
    """Voxels of 2 ul: a pair over a corner (4 ul), a row of three (6 ul) and a single one (2 ul)."""
    mask = np.zeros((6, 6, 6), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    mask[4, 4, 0:3] = True
    mask[5, 0, 5] = True
    sizes = (1.0, 1.0, 2.0)
    for minimum, left in ((0.0, 6), (0.002, 6), (0.0021, 5), (0.004, 5), (0.005, 3), (0.006, 3), (0.0061, 0)):
        assert without_small_clusters(mask, minimum, sizes).sum() == left, minimum
    assert without_small_clusters(mask, 0.005, sizes)[4, 4].tolist() == [True] * 3 + [False] * 3
    assert not without_small_clusters(np.zeros_like(mask), 0.005, sizes).any()


def test_a_change_within_the_noise_is_none() -> None:
    before, after = np.array([1.0, 1.0, 1.2, 1.2]), np.array([1.25, 1.0625, 0.95, 1.1875])
    assert changed_enough(before, after, 0) is None
    changed = changed_enough(before, after, 0.25)
    assert changed is not None
    assert changed.tolist() == [True, False, True, False]
    t0, t1 = before < 1.1, after < 1.1
    assert change_classes(t0, t1, np.ones(4, bool)).tolist() == [2, 3, 1, 4]
    assert change_classes(before < 1.03, after < 1.03, np.ones(4, bool), changed).tolist() == [2, 3, 1, 4]
    assert change_classes(before < 1.03, after < 1.03, np.ones(4, bool)).tolist() == [2, 2, 1, 4]
