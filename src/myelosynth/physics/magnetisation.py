"""Magnetisation transfer ratio."""

import numpy as np
from numpy.typing import NDArray


def magnetisation_transfer_ratio(
    on: NDArray[np.floating], off: NDArray[np.floating], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """MTR = 100 (off - on) / off inside the mask, limited to 0-100 %; 0 outside and where `off` is not positive.

    on, off: images of one shape with and without the saturation pulse; mask: the same shape.

    >>> magnetisation_transfer_ratio(np.array([54.0]), np.array([100.0]), np.array([True])).tolist()
    [46.0]
    """
    ratio = np.zeros(on.shape, np.float32)
    inside = mask & (off > 0)
    ratio[inside] = np.clip(100 * (off[inside] - on[inside]) / off[inside], 0, 100)
    return ratio
