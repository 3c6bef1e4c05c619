"""What can be said beyond the subjects at hand: bootstrap intervals and paired tests, subjects as the unit."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

SMALLEST_N = 6  # with 6 pairs or fewer no exact test reaches p < .03: nothing is tested


@dataclass(frozen=True)
class PairedTest:
    """Two-sided paired t and Wilcoxon signed-rank tests; None where not tested, and `note` says why."""

    n: int
    mean_difference: float | None
    t: float | None = None
    p_t: float | None = None
    w: float | None = None
    p_wilcoxon: float | None = None
    note: str = ""


def bca_interval(values: ArrayLike, seed: int, resamples: int) -> tuple[float | None, float | None]:
    """95 % bias-corrected and accelerated bootstrap interval of the mean over subjects.

    values: one per subject. (None, None) with fewer than 3 subjects or where all values are equal.
    """
    sample = np.asarray(values, np.float64)
    if len(sample) < 3 or equal(sample):
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (sample,), np.mean, n_resamples=resamples, method="BCa", rng=np.random.default_rng(seed), vectorized=True
        ).confidence_interval
    ends = float(found.low), float(found.high)
    return ends if np.isfinite(ends).all() else (None, None)


def equal(values: NDArray[np.float64]) -> bool:
    """Whether values (N,) differ by rounding at most.

    >>> equal(np.array([0.1 + 0.2, 0.3])), equal(np.array([0.3, 0.31]))
    (True, False)
    """
    return bool(np.ptp(values) <= 1e-9 * np.abs(values).max())


def paired_test(values: ArrayLike, reference: ArrayLike) -> PairedTest:
    """Compare one method with the reference method over the same subjects, in the same order.

    Six or fewer subjects are not tested, since no signed-rank test can reach p < .03 there.
    """
    difference = np.asarray(values, np.float64) - np.asarray(reference, np.float64)
    n = len(difference)
    mean = float(difference.mean()) if n else None
    if n <= SMALLEST_N:
        return PairedTest(n, mean, note=f"not tested: n = {n} is too small to reach p < .03")
    if np.ptp(difference) == 0:
        return PairedTest(n, mean, note=f"not tested: all {n} differences are {difference[0]:g}")
    t = stats.ttest_1samp(difference, 0.0)
    w = stats.wilcoxon(difference)
    return PairedTest(n, mean, float(t.statistic), float(t.pvalue), float(w.statistic), float(w.pvalue))


def gain_p(gain: NDArray[np.float64]) -> float | None:
    """One-sided p of a paired t test that the mean gain (N,), one per subject, is above 0; None where N is too small.

    Equal gains have no spread to judge them by: 0 where they are above 0, else 1.

    >>> gain_p(np.ones(7)), gain_p(np.zeros(7)), gain_p(np.ones(6))
    (0.0, 1.0, None)
    """
    if len(gain) <= SMALLEST_N:
        return None
    if equal(gain):
        return 0.0 if gain[0] > 0 else 1.0
    return float(stats.ttest_1samp(gain, 0.0, alternative="greater").pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction over what was tested; None stays None.

    >>> [p and round(p, 3) for p in holm([0.01, None, 0.04, 0.03])]
    [0.03, None, 0.06, 0.06]
    """
    from statsmodels.stats.multitest import multipletests

    tested = [p for p in p_values if p is not None]
    if not tested:
        return list(p_values)
    corrected = iter(multipletests(tested, method="holm")[1])
    return [None if p is None else float(next(corrected)) for p in p_values]
