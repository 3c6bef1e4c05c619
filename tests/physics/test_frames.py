"""PET frames: what is accepted, and what every fault says."""

from typing import Any

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.physics.frames import Frames


def record(**changes: Any) -> dict[str, Any]:
    good = {
        "FrameTimesStart": [0, 60, 180],
        "FrameDuration": [60, 120, 300],
        "ImageDecayCorrected": True,
        "Units": "kBq/mL",
    }
    return {key: value for key, value in {**good, **changes}.items() if value is not None}


def test_times_in_minutes() -> None:
    frames = Frames.from_sidecar(record(), 3, "pet.json")
    np.testing.assert_allclose(frames.mid_min, [0.5, 2.0, 5.5])
    np.testing.assert_allclose(frames.edges_min, [0, 1, 3, 8])


def test_times_count_from_injection() -> None:
    late = record(FrameTimesStart=[30, 90, 210], InjectionStart=30)
    np.testing.assert_allclose(Frames.from_sidecar(late, 3, "pet.json").start_s, [0, 60, 180])


@pytest.mark.parametrize(
    ("changes", "volumes", "said"),
    [
        ({"FrameTimesStart": None}, 3, "lacks FrameTimesStart"),
        ({"Units": None}, 3, "lacks Units"),
        ({"FrameTimesStart": [0, 60]}, 3, "2 FrameTimesStart for 3 volumes"),
        ({"FrameDuration": [60, 120, 300, 9]}, 3, "4 FrameDuration for 3 volumes"),
        ({}, 4, "3 FrameTimesStart for 4 volumes"),
        ({"FrameTimesStart": [0, 50, 180]}, 3, "overlap.*frame 0 ends at 60 s, frame 1 starts at 50 s"),
        ({"FrameTimesStart": [0, 60, 200]}, 3, "gap.*frame 1 ends at 180 s, frame 2 starts at 200 s"),
        ({"FrameDuration": [60, 0, 300]}, 3, "without duration"),
        ({"FrameTimesStart": [20, 80, 200]}, 3, "not at injection.*20 s"),
        ({"FrameTimesStart": ["a", 60, 180]}, 3, "unusable"),
        ({"ImageDecayCorrected": False}, 3, "not decay corrected.*decay factor"),
        ({"ImageDecayCorrected": "true"}, 3, "not decay corrected"),
        ({"Units": "SUV"}, 3, "'SUV'.*kBq/mL"),
    ],
)
def test_sidecar_faults(changes: dict[str, Any], volumes: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Frames.from_sidecar(record(**changes), volumes, "pet.json")


def test_t_star_is_the_first_frame_that_starts_at_or_after_it(frames: Frames) -> None:
    assert frames.start_s[frames.first_after(20.0)] == 20 * 60
    assert frames.start_s[frames.first_after(20.1)] == 25 * 60
    with pytest.raises(InputError, match="too few frames after t"):
        frames.first_after(75)


def test_window_takes_whole_frames(frames: Frames) -> None:
    inside = frames.between(0, 10)
    assert frames.duration_s[inside].sum() == 600
    with pytest.raises(InputError, match="no PET frame"):
        frames.between(95, 100)
