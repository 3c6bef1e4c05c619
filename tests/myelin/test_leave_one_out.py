"""Controls against the curve of the others, by hand and against the normal distribution."""

import numpy as np
import pytest

import myelosynth.myelin.leave_one_out as leave_one_out_module
from myelosynth.errors import InputError
from myelosynth.myelin.curve import CurveSettings
from myelosynth.myelin.leave_one_out import COLUMNS, leave_one_out

TWO = CurveSettings(bin_width=2.0, minimum_voxels=2)


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check in the bins of the curve."""
    monkeypatch.setattr(leave_one_out_module, "PARTS", 1)


@pytest.mark.usefixtures("coarse")
def test_by_hand() -> None:
    """a is held against b: 1.1 +- .1 near, 1.3 +- .1 far; b against the one bin of a, who has one voxel far."""
    a = np.array([1.0, 1.5, 1.8, 3.0]), np.array([0.9, 1.05, 1.15, 1.25])
    b = np.array([0.5, 1.0, 1.9, 2.5, 2.6, 3.9]), np.array([1.0, 1.1, 1.2, 1.2, 1.3, 1.4])
    rows = leave_one_out({"sub-a": a, "sub-b": b}, TWO)
    found = {(row["control"], row["part"], row["distance_low"]): row for row in rows}
    near, far, everywhere = (found["sub-a", part, low] for part, low in (("bin", 0), ("bin", 2), ("all", 0)))
    assert (near["n"], near["share"]) == (3, pytest.approx(1 / 3))
    assert near["share_z1.645"] == pytest.approx(1 / 3)
    assert near["mean_z"] == pytest.approx((-2 - 0.5 + 0.5) / 3)
    assert (far["n"], far["share"], far["mean_z"]) == (1, 0, pytest.approx(-0.5))
    assert (everywhere["n"], everywhere["share"]) == (4, 0.25)
    pooled = found["all", "all", 0]
    assert pooled["n"] == 10
    others = found["sub-b", "all", 0]
    assert pooled["share"] == pytest.approx((4 * everywhere["share"] + 6 * others["share"]) / 10)
    assert all(list(row) == list(COLUMNS) for row in rows)


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("smoothing", ["none", "linear"])
def test_controls_alike_are_called_as_often_as_the_normal_distribution_says(smoothing: str) -> None:
    rng = np.random.default_rng(1)
    controls = {f"sub-{n}": (rng.uniform(0.5, 12, 20_000), rng.normal(1.2, 0.05, 20_000)) for n in range(4)}
    rows = leave_one_out(controls, CurveSettings(2.0, 200, smoothing))
    for row in rows:
        assert row["share"] == pytest.approx(0.1587, abs=0.02)
        assert row["share_z1.645"] == pytest.approx(0.05, abs=0.015)
        assert row["mean_z"] == pytest.approx(0, abs=0.06)
    assert len({row["control"] for row in rows}) == 5


@pytest.mark.parametrize("smoothing", ["none", "linear"])
def test_all_distances_in_one_bin(smoothing: str) -> None:
    """One distance for every voxel: one bin, whose rows are those of all voxels."""
    at = np.full(4, 1.5)
    low, high = np.array([0.9, 1.0, 1.1, 1.2]), np.array([1.0, 1.1, 1.2, 1.3])
    rows = leave_one_out({"sub-a": (at, low), "sub-b": (at, high)}, CurveSettings(2.0, 2, smoothing))
    assert [(row["control"], row["part"], row["n"]) for row in rows] == [
        (name, part, n) for name, n in (("sub-a", 4), ("sub-b", 4), ("all", 8)) for part in ("bin", "all")
    ]
    for one, whole in zip(rows[::2], rows[1::2], strict=True):
        assert {**one, "part": "all"} == whole
    # below 1.15 - .129: two of a; below 1.05 - .129: none of b
    assert [row["share"] for row in rows[::2]] == [0.5, 0, 0.25]


def test_one_control_who_lies_low_stands_out() -> None:
    rng = np.random.default_rng(2)
    controls = {f"sub-{n}": (rng.uniform(0.5, 9, 5000), rng.normal(1.2, 0.05, 5000)) for n in range(3)}
    controls["sub-low"] = (controls["sub-0"][0], controls["sub-0"][1] - 0.05)
    shares = {row["control"]: row["share"] for row in leave_one_out(controls, TWO) if row["part"] == "all"}
    assert shares["sub-low"] == pytest.approx(0.5, abs=0.03)
    assert max(shares[f"sub-{n}"] for n in range(3)) < 0.16


def test_a_slope_within_a_bin_of_the_curve_is_seen() -> None:
    """DVR rises with distance: in a bin of 2 mm its near end is called and its far end never."""
    rng = np.random.default_rng(4)
    distance = rng.uniform(0.01, 4, (3, 8000))
    controls = {f"sub-{n}": (x, 1 + 0.1 * x + rng.normal(0, 0.02, 8000)) for n, x in enumerate(distance)}

    def shares(width: float) -> list[float]:
        rows = leave_one_out(controls, CurveSettings(width, 200))
        return [row["share"] for row in rows if (row["control"], row["part"]) == ("all", "bin")]

    steps = shares(2.0)
    assert len(steps) == 8
    assert steps[0] > 0.5
    assert steps[3] == 0
    assert max(shares(0.25)) < 0.35
    assert min(shares(0.25)) > 0.03


def test_who_reaches_farther_than_the_others_is_no_fault() -> None:
    far = CurveSettings(2.0, 2, "none", "refuse")
    near = np.array([1.0, 1.2]), np.array([1.2, 1.3])
    rows = leave_one_out({"sub-a": near, "sub-b": (np.array([1.0, 9.0, 9.5]), np.array([1.2, 1.2, 1.3]))}, far)
    assert [row["n"] for row in rows if row["control"] == "sub-b" and row["part"] == "all"] == [3]


def test_faults() -> None:
    one = np.array([1.0, 1.2]), np.array([1.2, 1.3])
    with pytest.raises(InputError, match=r"nobody to compare a control with.*1 control, expected 2"):
        leave_one_out({"sub-a": one}, TWO)
    with pytest.raises(InputError, match="2 white-matter voxels with DVR and distance, needed 3"):
        leave_one_out({"sub-a": one, "sub-b": one}, CurveSettings(2.0, 3))
