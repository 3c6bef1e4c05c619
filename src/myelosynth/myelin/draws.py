"""How many draws an interval needs; read with the configuration, so imports stay light."""

import math


def least_draws(level: float) -> int:
    """The fewest draws of which one can be left out on each side of `level`.

    >>> least_draws(0.95), least_draws(0.9), least_draws(0.99)
    (39, 19, 199)
    """
    return math.ceil(2 / (1 - level) - 1 - 1e-9)
