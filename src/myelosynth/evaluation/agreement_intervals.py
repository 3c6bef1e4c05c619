"""How surely the agreement of an index is known: intervals of the bias, of the limits of agreement and of the ICC."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from myelosynth.evaluation.agreement import LIMIT, bland_altman, icc_agreement, rows_of_systems

Row = dict[str, Any]
Ends = tuple[float | None, float | None]
NO_ENDS: Ends = (None, None)


def limits_intervals(pred: ArrayLike, truth: ArrayLike, level: float = 0.95) -> dict[str, Ends]:
    """Intervals of `bias`, `loa_low` and `loa_high` of paired values (N,), after Bland and Altman (1999, section 2.2).

    Student's t with N - 1 degrees of freedom; standard errors s / sqrt(N) of the bias and
    s sqrt(1 / N + 1.96^2 / (2 (N - 1))) of a limit. No interval with fewer than 3 pairs.

    >>> ends = limits_intervals(np.arange(12.0), np.zeros(12))["bias"]
    >>> round(ends[0], 3), round(ends[1], 3)
    (3.209, 7.791)
    """
    found, n = bland_altman(pred, truth), np.asarray(pred).size
    if n < 3 or found.bias is None or found.sd is None or found.low is None or found.high is None:
        return dict.fromkeys(("bias", "loa_low", "loa_high"), NO_ENDS)
    t = float(stats.t.ppf((1 + level) / 2, n - 1))
    of_bias = t * found.sd / np.sqrt(n)
    of_limit = t * found.sd * np.sqrt(1 / n + LIMIT**2 / (2 * (n - 1)))
    middles = {"bias": (found.bias, of_bias), "loa_low": (found.low, of_limit), "loa_high": (found.high, of_limit)}
    return {name: (float(middle - half), float(middle + half)) for name, (middle, half) in middles.items()}


def icc_interval(ratings: ArrayLike, level: float = 0.95) -> Ends:
    """Interval of ICC(2,1) by F quantiles with Satterthwaite's degrees of freedom (Shrout and Fleiss 1979, p. 424).

    ratings: (N subjects, K raters). No interval with fewer than 3 subjects, or where a mean square that it divides by
    is 0 (raters that agree to the last digit).
    """
    x = np.asarray(ratings, np.float64)
    n, k = x.shape
    icc = icc_agreement(x)
    if n < 3 or icc is None:
        return NO_ENDS
    grand = x.mean()
    rows = k * ((x.mean(axis=1) - grand) ** 2).sum()
    columns = n * ((x.mean(axis=0) - grand) ** 2).sum()
    residual = ((x - grand) ** 2).sum() - rows - columns
    between, raters, error = rows / (n - 1), columns / (k - 1), residual / ((n - 1) * (k - 1))
    if error <= 1e-12 * max(between, raters):
        return NO_ENDS
    ratio = raters / error
    spread = k * icc * ratio + n * (1 + (k - 1) * icc) - k * icc
    upper = (k - 1) * (n - 1) * spread**2
    lower = (n - 1) * (k * icc * ratio) ** 2 + (n * (1 + (k - 1) * icc) - k * icc) ** 2
    freedom = upper / lower
    tail = (1 + level) / 2
    above, below = stats.f.ppf(tail, n - 1, freedom), stats.f.ppf(tail, freedom, n - 1)
    scale = k * raters + (k * n - k - n) * error
    low = n * (between - above * error) / (above * scale + n * between)
    high = n * (below * between - error) / (scale + n * below * between)
    return (float(low), float(high)) if np.isfinite([low, high]).all() else NO_ENDS


def interval_rows(indices: Sequence[Row]) -> list[Row]:
    """Intervals of each system's agreement with the true PET, per index: the rows of `agreement_rows`, one to one.

    With replicates each end is the mean over them, as the figures themselves are.
    """
    return list(rows_of_systems(indices, lambda _, pairs: _intervals(pairs)))


def _intervals(pairs: NDArray[np.float64]) -> Row:
    """Both ends of every interval, of (predicted, true) values (N, 2)."""
    row: Row = {}
    for name, (low, high) in {**limits_intervals(pairs[:, 0], pairs[:, 1]), "icc": icc_interval(pairs)}.items():
        row |= {f"{name}_ci_low": low, f"{name}_ci_high": high}
    return row
