"""Conformal calibration of a spread by subject."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError

Z = 1.6449
"""Half width, in SD, of the interval that holds 90 % of a normal distribution."""
VOXELS = 0.9
"""Share of a subject's brain voxels that should lie inside mean +- Z SD."""


@dataclass(frozen=True)
class Calibration:
    """The factor of the SD after which a new subject is covered, and how sure that is.

    A subject is covered when at least 90 % of its brain voxels lie inside mean +- 1.645 SD. With n calibration subjects
    that nobody learned from, exchangeable with a new one, the k-th smallest of their scores covers the new subject with
    probability at least k / (n + 1) (split conformal prediction; the unit is the subject, since voxels of one subject
    are not exchangeable with those of another). k = ceil((1 - alpha)(n + 1)) keeps that at 1 - alpha where it is n or
    less: 90 % needs 9 subjects. With fewer the largest score is taken, and `rank_level` says what it allows (5: 83 %).

    That is exact for one model and subjects it never saw. Scores out of the folds of one training are not independent
    (each one's model learned from the others), a new subject gets the mean of the members where single members were
    scored, and a choice made on the same subjects leans on them: for those `rank_level` is an approximation without a
    theorem. The nearest one, of K-fold CV+ (Barber 2021, Annals of Statistics 49:486, theorem 4), bounds the coverage
    of its own intervals by 1 - 2 alpha - min(2 (1 - 1/K) / (n/K + 1), (1 - K/n) / (K + 1)), .69 for n = 16, K = 5 and
    alpha = .1; in practice CV+ gives about 1 - alpha.
    """

    factor: float
    subjects: int
    rank: int
    confidence: float

    @property
    def rank_level(self) -> float:
        """rank / (subjects + 1): the coverage of a new subject, exact for one held-out model alone."""
        return self.rank / (self.subjects + 1)

    def record(self) -> dict[str, Any]:
        """Plain values for a checkpoint or a sidecar."""
        return {**asdict(self), "rank_level": self.rank_level}


def subject_score(error: NDArray[np.floating], std: NDArray[np.floating]) -> float:
    """The factor by which this subject's SD must grow (or may shrink) until 90 % of its voxels are inside.

    error, std: (V,), target units. Raises InputError for an SD that is not positive.
    """
    if not len(std) or not (std > 0).all():
        values = f"{int((~(std > 0)).sum())} of {len(std)} voxels have an SD of 0 or less"
        raise InputError("no spread to calibrate", "calibration", values, "train the system again")
    ratios = np.sort(np.abs(error) / (Z * std))
    return float(ratios[math.ceil(VOXELS * len(ratios)) - 1])


def calibrate(scores: Sequence[float], confidence: float) -> Calibration:
    """The conformal factor of subjects' scores. Raises InputError without any, or for one that is not finite."""
    if not scores or not np.isfinite(scores).all():
        values = f"{len(scores)} scores: {', '.join(f'{score:.3g}' for score in scores) or 'none'}"
        raise InputError("calibration impossible", "calibration", values, "check the training scans")
    rank = min(math.ceil(confidence * (len(scores) + 1) - 1e-9), len(scores))
    return Calibration(float(np.sort(scores)[rank - 1]), len(scores), rank, confidence)
