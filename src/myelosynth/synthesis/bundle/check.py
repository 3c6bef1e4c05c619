"""Whether a patient's images are like those that a bundle was trained on: refused, flagged, or neither."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.upright import Upright
from myelosynth.synthesis.bundle.statistics import COVERAGE, Channel, TrainingStatistics, brain_measures
from myelosynth.synthesis.fitness import require_edges

FLAG, REFUSE = 3.0, 6.0
"""Robust z of a brain beyond the range of the training subjects: above FLAG it is out of distribution, above REFUSE no
prediction is made unless asked for."""
# Few subjects tell little of how much brains vary: no smaller than this share of the SD of a channel's brain voxels.
_LEAST_SPREAD = 0.1
_LEAST_COVERAGE_SPREAD = 0.03
_FACTORS = (1e2, 1e3, 1e6, 1e-2, 1e-3, 1e-6)


@dataclass(frozen=True)
class Finding:
    """One measure of one channel beside the training subjects': their range, and how far beyond it lies (robust z)."""

    channel: str
    measure: str
    value: float
    low: float
    high: float
    z: float
    likely: str = ""

    def __str__(self) -> str:
        told = f"{self.channel} {self.measure} {self.value:.3g}, training subjects {self.low:.3g} to {self.high:.3g}"
        return f"{told} (robust z {self.z:.1f})"

    def record(self) -> dict[str, Any]:
        """As JSON, with the sentence that a reader gets."""
        return {**asdict(self), "words": str(self)}


def compare(
    images: Mapping[str, NDArray[np.float32]], mask: NDArray[np.bool_], trained: TrainingStatistics
) -> list[Finding]:
    """Measures of the images (X, Y, Z) that lie beyond the training subjects by more than FLAG, worst first."""
    found = []
    for name, image in images.items():
        channel = trained.channels[name]
        measures = brain_measures(image, mask)
        likely = _likely_factor(measures["median"], float(np.median(channel.subjects["median"])))
        for measure, value in measures.items():
            z = robust_z(value, channel, measure)
            if z > FLAG:
                values = channel.subjects[measure]
                told = "" if measure == COVERAGE else likely
                found.append(Finding(name, measure, value, values[0], values[-1], z, told))
    return sorted(found, key=lambda finding: -finding.z)


def robust_z(value: float, channel: Channel, measure: str) -> float:
    """Distance of a subject's value from the median of the training subjects in their spread; 0 within their range.

    The spread is the larger of 1.4826 MAD, the SD and a least spread, times sqrt(1 + 1/n) since n subjects only
    estimate the median. A brain covered better than the training's is no fault.
    """
    values = np.asarray(channel.subjects[measure])
    if value >= values.min() and (value <= values.max() or measure == COVERAGE):
        return 0.0
    middle = float(np.median(values))
    deviation = 1.4826 * float(np.median(np.abs(values - middle)))
    sd = float(values.std(ddof=1)) if values.size > 1 else 0.0
    least = _LEAST_COVERAGE_SPREAD if measure == COVERAGE else _LEAST_SPREAD * channel.sd
    spread = max(deviation, sd, least) * np.sqrt(1 + 1 / values.size)
    return abs(value - middle) / float(spread)


def require_range(findings: list[Finding], where: object) -> None:
    """Raise InputError for the worst finding above REFUSE, with the unit that is likely to be wrong."""
    worst = findings[0] if findings else None
    if worst is None or worst.z <= REFUSE:
        return
    cure = worst.likely or "check the image, or predict all the same with --allow-intensity"
    raise InputError("intensity outside the range of training", where, f"{worst}, accepted up to {REFUSE:g}", cure)


def require_voxels(grid: Grid, trained: TrainingStatistics, where: object) -> None:
    """Raise InputError unless the voxels of a grid, in closest RAS order, are those of training."""
    cure = "resample to the trained voxels (`myelosynth analysis-grid`), or give --allow-voxel-size"
    require_edges(Upright(grid).grid.voxel_sizes, trained.voxel_mm, where, cure)


def _likely_factor(found: float, expected: float) -> str:
    """The cure where a median is off by a power of ten that stands between two units; empty elsewhere."""
    if found <= 0 or expected <= 0:
        return ""
    for factor in _FACTORS:
        if abs(np.log10(expected / found) - np.log10(factor)) < 0.2:
            times = f"x {factor:g}" if factor > 1 else f"/ {1 / factor:g}"
            words = {1e2: "a fraction where percent was trained", 1e-2: "percent where a fraction was trained"}
            units = words.get(factor, "another unit than the training's, such as um2/ms for mm2/s")
            return f"likely {units}: {times} (median {found:.3g}, trained {expected:.3g})"
    return ""
