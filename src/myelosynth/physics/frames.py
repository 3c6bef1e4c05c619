"""Time frames of a dynamic PET series, from its BIDS sidecar or a TAC table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError

TOLERANCE_S = 0.5
_UNITS = ("Bq/mL", "kBq/mL", "MBq/mL")


@dataclass(frozen=True, eq=False)
class Frames:
    """Contiguous frames from injection: start and duration (F,), seconds.

    >>> Frames(np.array([0.0, 60.0]), np.array([60.0, 120.0])).mid_min.tolist()
    [0.5, 2.0]
    """

    start_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]

    @property
    def mid_min(self) -> NDArray[np.float64]:
        """Mid-frame times (F,), minutes."""
        return (self.start_s + self.duration_s / 2) / 60

    @property
    def edges_min(self) -> NDArray[np.float64]:
        """Frame borders (F + 1,), minutes."""
        return np.append(self.start_s, self.start_s[-1] + self.duration_s[-1]) / 60

    def between(self, from_min: float, to_min: float, where: Path | str = "") -> NDArray[np.bool_]:
        """Frames (F,) that lie wholly in [from_min, to_min]. Raises InputError when there is none."""
        end_s = self.start_s + self.duration_s
        inside = (self.start_s >= from_min * 60 - TOLERANCE_S) & (end_s <= to_min * 60 + TOLERANCE_S)
        if not inside.any():
            values = (
                f"frames run from {self.start_s[0] / 60:g} to {end_s[-1] / 60:g} min, asked {from_min:g}-{to_min:g}"
            )
            raise InputError("no PET frame in the time window", where, values, "widen the window")
        return inside

    def first_after(self, t_star_min: float, where: Path | str = "", minimum: int = 3) -> int:
        """Index of the first frame that starts at or after t*, minutes.

        Raises InputError when fewer than `minimum` frames follow, too few for a line.
        """
        late = np.flatnonzero(self.start_s >= t_star_min * 60 - TOLERANCE_S)
        if late.size < minimum:
            last = self.start_s[-minimum] / 60 if self.start_s.size >= minimum else 0.0
            values = f"{late.size} frames start at or after {t_star_min:g} min, needed {minimum}"
            raise InputError("too few frames after t*", where, values, f"set --t-star to {last:g} or less")
        return int(late[0])

    @classmethod
    def of(cls, start_s: Sequence[float], end_s: Sequence[float], where: Path | str) -> "Frames":
        """Frames from starts and ends, seconds after injection.

        Raises InputError when a frame has no duration, when frames overlap or leave a gap, or when the first does not
        start at the injection: the integral of the curve would be wrong.
        """
        starts, ends = np.asarray(start_s, float), np.asarray(end_s, float)
        if starts.size == 0 or not (np.isfinite(starts).all() and np.isfinite(ends).all()):
            values = f"{starts.size} frames, expected finite numbers"
            raise InputError("frame times unusable", where, values, "write them in seconds")
        if (ends <= starts).any():
            n = int(np.flatnonzero(ends <= starts)[0])
            values = f"frame {n} runs from {starts[n]:g} to {ends[n]:g} s, expected a positive duration"
            raise InputError("frame without duration", where, values, "correct the frame times")
        if abs(starts[0]) > TOLERANCE_S:
            cure = "count frame times from the injection and give every frame since then"
            raise InputError("first frame not at injection", where, f"it starts at {starts[0]:g} s, expected 0", cure)
        jumps = starts[1:] - ends[:-1]
        wrong = np.flatnonzero(np.abs(jumps) > TOLERANCE_S)
        if wrong.size:
            n = int(wrong[0])
            kind = "overlap" if jumps[n] < 0 else "leave a gap"
            values = f"frame {n} ends at {ends[n]:g} s, frame {n + 1} starts at {starts[n + 1]:g} s"
            raise InputError(f"frames {kind}", where, values, "correct the frame times or restore the missing frames")
        return cls(starts, ends - starts)

    @classmethod
    def from_sidecar(cls, record: Mapping[str, Any], volumes: int, where: Path | str) -> "Frames":
        """Frames of a BIDS PET sidecar for a series of `volumes` volumes; times count from InjectionStart.

        Raises InputError when a field is missing, when the numbers of frames and volumes differ, when units are not an
        activity concentration, when the images are not decay corrected, and for all that `Frames.of` refuses.
        """
        for key in ("FrameTimesStart", "FrameDuration", "ImageDecayCorrected", "Units"):
            if key not in record:
                raise InputError(f"PET sidecar lacks {key}", where, "absent, required by BIDS", f"add {key}")
        try:
            starts = np.asarray(record["FrameTimesStart"], float).ravel() - float(record.get("InjectionStart", 0.0))
            durations = np.asarray(record["FrameDuration"], float).ravel()
        except (TypeError, ValueError) as fault:
            raise InputError("frame times unusable", where, str(fault), "write them in seconds") from fault
        for key, times in (("FrameTimesStart", starts), ("FrameDuration", durations)):
            if times.size != volumes:
                cure = f"give {key} one entry per volume"
                raise InputError("frames and volumes differ", where, f"{times.size} {key} for {volumes} volumes", cure)
        if record["Units"] not in _UNITS:
            cure = "convert to an activity concentration and correct Units"
            raise InputError("PET units", where, f"{record['Units']!r}, expected one of {', '.join(_UNITS)}", cure)
        if record["ImageDecayCorrected"] is not True:
            cure = "multiply each frame by its decay factor (to injection time), then set ImageDecayCorrected to true"
            values = f"ImageDecayCorrected is {record['ImageDecayCorrected']!r}, expected true"
            raise InputError("PET is not decay corrected", where, values, cure)
        return cls.of(list(starts), list(starts + durations), where)
