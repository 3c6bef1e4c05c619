"""Demyelinated voxels and change classes by hand."""

import numpy as np

from myelosynth.myelin.curve import Curve
from myelosynth.myelin.maps import change_classes, demyelinated

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
