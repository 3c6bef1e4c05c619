"""The control curve against bins counted by hand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myelosynth.errors import InputError
from myelosynth.myelin.curve import Curve, fit_curve, merged_edges


def control(values: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """DVR, distance and white matter of a control with the given (distance, DVR) voxels, each in its own voxel."""
    pairs = np.array(values, float).reshape(-1, 1, 1, 2)
    return pairs[..., 1], pairs[..., 0], np.ones(pairs.shape[:3], bool)


def test_voxels_of_all_controls_are_pooled_by_distance() -> None:
    a = control([(0.5, 1.0), (0.9, 1.2), (1.5, 1.3)])
    b = control([(0.1, 1.4), (1.0, 1.5), (1.9, 1.4)])
    curve = fit_curve(*zip(a, b, strict=True), bin_width=1.0, minimum_voxels=3)
    np.testing.assert_allclose(curve.edges, [0, 1, 2])
    assert curve.n.tolist() == [3, 3]
    np.testing.assert_allclose(curve.mean, [1.2, 1.4])
    np.testing.assert_allclose(curve.sd, [0.2, 0.1])
    np.testing.assert_allclose(curve.threshold(np.array([0.0, 0.99, 1.0, 50.0])), [1.0, 1.0, 1.3, 1.3])


def test_only_white_matter_with_dvr_and_distance_counts() -> None:
    dvr, distance, wm = control([(1, 1.2), (1, 1.4), (1, 9.0), (1, 0.0), (0, 9.0), (1, 1.3)])
    wm[2] = False
    curve = fit_curve([dvr], [distance], [wm], minimum_voxels=2)
    assert curve.n.tolist() == [3]
    np.testing.assert_allclose(curve.mean, [1.3])


def test_thin_bins_merge_outward_and_the_rest_joins_the_last() -> None:
    distance = np.array([0.5] * 5 + [1.5] * 2 + [2.5] * 3 + [3.5] * 5 + [6.5] * 1)
    np.testing.assert_allclose(merged_edges(distance, 1.0, 5), [0, 1, 3, 7])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.floats(0.01, 40), min_size=20, max_size=300), st.integers(2, 20), st.sampled_from([0.5, 1.0, 2.0]))
def test_every_bin_is_full_and_no_voxel_is_lost(distance: list[float], minimum: int, width: float) -> None:
    values = [(d, 1.2) for d in distance]
    dvr, apart, wm = control(values)
    curve = fit_curve([dvr], [apart], [wm], width, minimum)
    assert curve.n.sum() == len(distance)
    assert (curve.n >= minimum).all()
    assert curve.edges[0] == 0
    assert curve.edges[-1] >= max(distance)


def test_a_table_comes_back_as_it_went(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    curve = fit_curve(*[[x] for x in control(list(zip(rng.uniform(0.1, 9, 500), rng.normal(1.2, 0.1, 500))))])  # noqa: B905
    curve.write(tmp_path / "curve.tsv")
    again = Curve.read(tmp_path / "curve.tsv")
    for name in ("edges", "n", "mean", "sd", "distance"):
        np.testing.assert_array_equal(getattr(again, name), getattr(curve, name))
    head = "distance_low distance_high n mean sd distance smoothing extrapolation"
    assert (tmp_path / "curve.tsv").read_text().splitlines()[0].split() == head.split()


def test_linear_goes_straight_between_the_voxels_mean_distances(tmp_path: Path) -> None:
    """Bins at a mean of 1.5 and 3 mm: half way between them both mean and SD are half way, outside they hold."""
    near, far = [(1.0, 1.0), (2.0 - 1e-9, 1.2), (1.5, 1.1)], [(2.5, 1.4), (3.0, 1.6), (3.5, 1.5)]
    curve = fit_curve(*[[x] for x in control(near + far)], 2.0, 3, "linear", "refuse")  # type: ignore[arg-type]
    curve.write(tmp_path / "curve.tsv")
    for read in (curve, Curve.read(tmp_path / "curve.tsv")):
        mean, sd = read.at(np.array([0.1, 1.5, 2.25, 3.0, 3.9]))
        np.testing.assert_allclose(mean, [1.1, 1.1, 1.3, 1.5, 1.5])
        np.testing.assert_allclose(sd, 0.1)
        np.testing.assert_allclose(read.threshold(np.array([2.25]), 2), [1.1])
        np.testing.assert_allclose(read.z(np.array([1.2]), np.array([2.25])), [-1])
        with pytest.raises(InputError, match="voxels beyond the control curve"):
            read.threshold(np.array([4.0]))
    steps = fit_curve(*[[x] for x in control(near + far)], 2.0, 3)  # type: ignore[arg-type]
    np.testing.assert_allclose(steps.threshold(np.array([1.99, 2.0, 99.0])), [1.0, 1.4, 1.4])


def test_all_distances_in_one_bin(tmp_path: Path) -> None:
    for smoothing in ("none", "linear"):
        curve = fit_curve(*[[x] for x in control([(1.2, 1.1), (1.7, 1.3), (1.4, 1.2)])], 2.0, 2, smoothing)
        curve.write(tmp_path / "curve.tsv")
        again = Curve.read(tmp_path / "curve.tsv")
        assert (again.edges.tolist(), again.n.tolist()) == ([0, 2], [3])
        np.testing.assert_allclose(again.threshold(np.array([0.0, 1.0, 50.0])), 1.1)


def test_a_curve_of_before_has_no_smoothing_and_holds(tmp_path: Path) -> None:
    (tmp_path / "curve.tsv").write_text(
        "distance_low\tdistance_high\tn\tmean\tsd\n0\t2\t9\t1.2\t.1\n2\t4\t9\t1.4\t.1\n"
    )
    curve = Curve.read(tmp_path / "curve.tsv")
    np.testing.assert_allclose(curve.threshold(np.array([1.9, 2.0, 99.0])), [1.1, 1.3, 1.3])
    assert curve.beyond(np.array([3.9, 4.0])).tolist() == [False, True]
    assert np.isnan(Curve(curve.edges, curve.n, curve.mean, curve.sd * 0).z(np.array([1.0]), np.array([1.0]))).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("distance_low\tdistance_high\tn\tmean\n0\t1\t5\t1.2\n", "'sd'"),
        ("distance_low\tdistance_high\tn\tmean\tsd\n0\t1\t5\tx\t.1\n", "'x'"),
        ("distance_low\tdistance_high\tn\tmean\tsd\n", "0 bins"),
        ("distance_low\tdistance_high\tn\tmean\tsd\n0\t1\t5\t1.2\t.1\n2\t3\t5\t1.2\t.1\n", "contiguous"),
        ("distance_low\tdistance_high\tn\tmean\tsd\n0\t1\t5\t1.2\t-.1\n", "sd of 0 or more"),
        ("distance_low\tdistance_high\tn\tmean\tsd\n0\t1\t5\t1.2\n", "not a control curve"),
        ("distance_low\tdistance_high\tn\tmean\tsd\tsmoothing\n0\t1\t5\t1.2\t.1\tspline\n", "smoothing is spline"),
        ("distance_low\tdistance_high\tn\tmean\tsd\tsmoothing\n0\t1\t5\t1.2\t.1\tlinear\n", "`distance` is missing"),
    ],
)
def test_curve_file_faults(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "curve.tsv").write_text(text)
    with pytest.raises(InputError, match=said):
        Curve.read(tmp_path / "curve.tsv")


def test_curve_faults(tmp_path: Path) -> None:
    dvr, distance, wm = control([(1, 1.2), (1, 1.4)])
    with pytest.raises(InputError, match=r"2 white-matter voxels.*needed 100"):
        fit_curve([dvr], [distance], [wm])
    with pytest.raises(InputError, match="1 DVR, 2 distance"):
        fit_curve([dvr], [distance, distance], [wm])
    with pytest.raises(InputError, match="bins are impossible"):
        fit_curve([dvr], [distance], [wm], bin_width=0)
    with pytest.raises(InputError, match="unknown smoothing, --smoothing, got 'spline'"):
        fit_curve([dvr], [distance], [wm], smoothing="spline")
    with pytest.raises(InputError, match="unknown extrapolation"):
        fit_curve([dvr], [distance], [wm], extrapolation="none")
    with pytest.raises(InputError, match="file missing"):
        Curve.read(tmp_path / "absent.tsv")
