"""Overlap of demyelination maps."""

import numpy as np
from numpy.typing import NDArray


def dice(pred: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float | None:
    """DICE coefficient, 2 abs(A and B) / (abs(A) + abs(B)); None (undefined) where both masks are empty.

    pred, truth: boolean, one shape and space. Raises ValueError for shapes that differ.

    >>> dice(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    if pred.shape != truth.shape:
        raise ValueError(f"masks of shape {pred.shape} and {truth.shape}")
    total = int(pred.sum()) + int(truth.sum())
    return 2.0 * int((pred & truth).sum()) / total if total else None


def all_positive_dice(prevalence: float) -> float:
    """DICE of calling every voxel positive when a fraction `prevalence` is: 2p / (1 + p), the floor of any map.

    >>> all_positive_dice(0.5)
    0.6666666666666666
    """
    return 2.0 * prevalence / (1.0 + prevalence)
