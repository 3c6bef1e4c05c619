"""The smallest change of DVR that a second scan of the same tissue does not show as well."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError

LIMIT = 1.96
COLUMNS: dict[str, dict[str, str]] = {
    "n": {"Description": "voxels with a DVR in both scans"},
    "bias": {"Description": "mean of second - first DVR of a voxel", "Units": "1"},
    "sd": {"Description": "standard deviation (n - 1) of these differences", "Units": "1"},
    "change_threshold": {
        "Description": f"{LIMIT} x sd: noise alone changes one voxel in twenty by more (the repeatability coefficient)",
        "Units": "1",
    },
}


@dataclass(frozen=True)
class RetestNoise:
    """What two scans of the same tissue differ by, voxel by voxel: number of voxels, mean, SD, and 1.96 x SD."""

    n: int
    bias: float
    sd: float
    change_threshold: float

    def row(self) -> dict[str, float]:
        """The one row of its table."""
        return asdict(self)


def retest_noise(
    first: Sequence[NDArray], second: Sequence[NDArray], masks: Sequence[NDArray[np.bool_]]
) -> RetestNoise:
    """Differences of DVR between two scans, over the voxels of all masks.

    first, second, masks: one (X, Y, Z) array per participant, each triple on its own grid; 0 is no DVR. Raises
    InputError for lists of different length or fewer than two voxels.
    """
    if not len(first) == len(second) == len(masks):
        values = f"{len(first)} first, {len(second)} second DVR, {len(masks)} masks"
        raise InputError("scans are incomplete", "retest-noise", values, "give one of each per participant")
    pairs = [
        (a[here], b[here]) for a, b, m in zip(first, second, masks, strict=True) for here in [m & (a > 0) & (b > 0)]
    ]
    differences = np.concatenate([np.asarray(b, float) - a for a, b in pairs])
    if differences.size < 2:
        values = f"{differences.size} voxels with a DVR in both scans, needed 2"
        raise InputError("too few voxels", "retest-noise", values, "check the masks")
    sd = float(differences.std(ddof=1))
    return RetestNoise(int(differences.size), float(differences.mean()), sd, LIMIT * sd)
