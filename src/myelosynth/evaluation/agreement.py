"""Agreement of predicted with true indices, subject by subject."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

LIMIT = 1.96  # Bland and Altman (1986): 95 % limits of agreement under normality


@dataclass(frozen=True)
class Limits:
    """Bland-Altman bias (prediction minus truth), SD of the differences (n - 1) and 95 % limits of agreement."""

    bias: float | None
    sd: float | None
    low: float | None
    high: float | None


def bland_altman(pred: ArrayLike, truth: ArrayLike) -> Limits:
    """Bias and limits of agreement of paired values (N,); None without a pair, limits None with one pair."""
    difference = np.asarray(pred, np.float64) - np.asarray(truth, np.float64)
    if difference.size == 0:
        return Limits(None, None, None, None)
    bias = float(difference.mean())
    if difference.size == 1:
        return Limits(bias, None, None, None)
    sd = float(difference.std(ddof=1))
    return Limits(bias, sd, bias - LIMIT * sd, bias + LIMIT * sd)


def icc_agreement(ratings: ArrayLike) -> float | None:
    """ICC(2,1) of Shrout and Fleiss (1979): two-way random effects, absolute agreement, single rating.

    ratings: (N subjects, K raters); here the raters are the true and the predicted PET. A constant offset lowers it, as
    it should: an index is read by its value. None with fewer than 2 subjects or without any variance.
    """
    x = np.asarray(ratings, np.float64)
    n, k = x.shape
    if n < 2:
        return None
    grand = x.mean()
    rows = k * ((x.mean(axis=1) - grand) ** 2).sum()
    columns = n * ((x.mean(axis=0) - grand) ** 2).sum()
    residual = ((x - grand) ** 2).sum() - rows - columns
    between, raters, error = rows / (n - 1), columns / (k - 1), residual / ((n - 1) * (k - 1))
    denominator = between + (k - 1) * error + k * (raters - error) / n
    return float((between - error) / denominator) if denominator > 0 else None


def sign_errors(pred: ArrayLike, truth: ArrayLike) -> tuple[int, int]:
    """Subjects put on the wrong side of zero by the predicted global index, and subjects that have a true side.

    wei2020, section 3.3: positive is prevailing demyelination, negative remyelination. A predicted zero is an error
    where the truth is not zero; a true zero has no side and is left out.
    """
    pred_sign, true_sign = np.sign(np.asarray(pred, np.float64)), np.sign(np.asarray(truth, np.float64))
    sided = true_sign != 0
    return int((pred_sign != true_sign)[sided].sum()), int(sided.sum())


def spearman(pred: ArrayLike, truth: ArrayLike) -> float | None:
    """Spearman's rank correlation; None with fewer than 3 pairs or where either side is constant."""
    a, b = np.asarray(pred, np.float64), np.asarray(truth, np.float64)
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(stats.spearmanr(a, b).statistic)
