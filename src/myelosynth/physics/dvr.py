"""One analysis of reference-tissue kinetics: the model, and k2' and t* given or found from the curves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.physics.frames import Frames
from myelosynth.physics.kinetics import (
    K2PRIME_LIMITS,
    LINEAR_FRAMES,
    MAXIMUM_DEVIATION,
    Array,
    linear_from,
    logan_dvr,
    srtm,
    srtm2,
    subject_k2prime,
)

GROUPS = 4
FEW_CURVES = 100
"""Up to so many curves each one must be linear after an automatic t*; voxels are noisy and count by group."""


@dataclass(frozen=True)
class Analysis:
    """What is asked of a set of curves.

    k2prime: per minute, auto, or None to drop the term (logan); t_star_min: minutes or auto (logan); rates: trial
    values of k2a (srtm, srtm2).
    """

    model: Literal["logan", "srtm", "srtm2"]
    k2prime: float | Literal["auto"] | None = None
    t_star_min: float | Literal["auto"] = 20.0
    rates: int = 128

    def fit(
        self, curves: NDArray[Any], brain: NDArray[Any], reference: Array, frames: Frames, where: Path
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """DVR per curve (N, F), with r1 and k2prime for srtm and srtm2, and the settings for the sidecar.

        k2' and t* of `auto` come from the curves `brain` (M, F); reference: (F,); where: the file, for errors. Raises
        InputError when the reference holds no tracer, k2' is missing where the model needs it or cannot be estimated,
        and when no t* leaves a linear plot.
        """
        require_tracer(reference, frames, where)
        if self.model == "srtm":
            fit = srtm(curves, reference, frames, self.rates)
            return {"dvr": fit.dvr, "r1": fit.r1, "k2prime": fit.k2prime}, {"model": "srtm"}
        k2prime, source = self._clearance(brain, reference, frames, where)
        settings: dict[str, Any] = {"model": self.model, "k2prime_source": source, "k2prime_per_min": k2prime}
        if self.model == "srtm2":
            if k2prime is None:
                raise InputError("srtm2 needs k2'", where, "not given", "give --k2prime in 1/min, or auto")
            fit = srtm2(curves, reference, frames, k2prime, self.rates)
            return {"dvr": fit.dvr, "r1": fit.r1, "k2prime": fit.k2prime}, settings
        if self.t_star_min == "auto":
            first = _automatic_start(brain, reference, frames, k2prime, where)
            settings |= {"t_star_source": f"earliest with at most {MAXIMUM_DEVIATION:.0%} deviation from the line"}
            settings |= {"t_star_min": float(frames.start_s[first] / 60)}
        else:
            first = frames.first_after(self.t_star_min, where)
            settings |= {"t_star_source": "given", "t_star_min": self.t_star_min}
        settings |= {"frames_fitted": len(frames.start_s) - first}
        return {"dvr": logan_dvr(curves, reference, frames, first, k2prime)}, settings

    def _clearance(
        self, brain: NDArray[Any], reference: Array, frames: Frames, where: Path
    ) -> tuple[float | None, str]:
        """k2' per minute and where it comes from."""
        if self.k2prime != "auto":
            return self.k2prime, "none" if self.k2prime is None else "given"
        found = subject_k2prime(brain, reference, frames)
        if not np.isfinite(found):
            values = f"no best value between {K2PRIME_LIMITS[0]} and {K2PRIME_LIMITS[1]} per minute"
            raise InputError("k2' cannot be estimated", where, values, "give --k2prime in 1/min")
        return found, "one value for the series, least squares by SRTM2"


def require_tracer(reference: Array, frames: Frames, where: Path) -> None:
    """Raise InputError when the reference (F,) is 0 or less in a frame after the first minute."""
    empty = np.flatnonzero((frames.mid_min > 1) & ~(reference > 0))
    if empty.size:
        values = f"mean activity {reference[empty[0]]:g} at {frames.mid_min[empty[0]]:g} min, expected more than 0"
        raise InputError("reference region holds no tracer", where, values, "check the reference and the units")


def _automatic_start(brain: NDArray[Any], reference: Array, frames: Frames, k2prime: float | None, where: Path) -> int:
    """First frame of an automatic t*: one for all curves, so that their DVR compare."""
    first, deviation = linear_from(group_means(brain, frames), reference, frames, k2prime)
    if first is None:
        values = f"{deviation:.0%} from the line over the last {LINEAR_FRAMES} frames, at most {MAXIMUM_DEVIATION:.0%}"
        raise InputError("Logan plot never becomes linear", where, values, "give --t-star in minutes")
    return first


def group_means(curves: NDArray[Any], frames: Frames) -> Array:
    """Mean curves (4, F) of the quarters of voxels (N, F) by their late activity; few curves stay as they are."""
    if len(curves) <= FEW_CURVES:
        return np.asarray(curves, float)
    late = frames.start_s >= frames.edges_min[-1] * 60 * 2 / 3
    order = np.argsort(curves[:, late].mean(1), kind="stable")
    return np.stack([curves[part].mean(0, dtype=float) for part in np.array_split(order, GROUPS)])
