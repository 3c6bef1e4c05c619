"""Agreement of predicted with true indices, subject by subject."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from myelosynth.evaluation.cohort import TRUE
from myelosynth.myelin.indices import COLUMNS as INDICES

Row = dict[str, Any]
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


def pair_figures(pairs: NDArray[np.float64]) -> Row:
    """n, bias, sd, limits and ICC of (predicted, true) values (N, 2): what every table of the agreement tells."""
    limits = bland_altman(pairs[:, 0], pairs[:, 1])
    row: Row = {"n": len(pairs), "bias": limits.bias, "sd": limits.sd, "loa_low": limits.low, "loa_high": limits.high}
    return row | {"icc": icc_agreement(pairs)}


def rows_of_systems(indices: Sequence[Row], further: Callable[[str, NDArray[np.float64]], Row]) -> Iterator[Row]:
    """A row for each system and index of the table of indices: `pair_figures` and what `further` makes of the pairs.

    further: index and its (predicted, true) values (N, 2), those that lack one left out. With replicates every figure
    is the mean over them, each from its own predictions: averaging the predictions first would score an ensemble that
    nobody offers. `n` is the largest.
    """
    truth = {row["participant_id"]: row for row in indices if row["system"] == TRUE}
    for system in dict.fromkeys(row["system"] for row in indices if row["system"] != TRUE):
        own = [row for row in indices if row["system"] == system and row["participant_id"] in truth]
        replicates = list(dict.fromkeys(row["replicate"] for row in own))
        for index in INDICES:
            found = []
            for replicate in replicates:
                both = [(r[index], truth[r["participant_id"]][index]) for r in own if r["replicate"] == replicate]
                known = np.array([pair for pair in both if None not in pair], float).reshape(-1, 2)
                found.append(pair_figures(known) | further(index, known))
            row: Row = {"system": system, "index": index, "replicates": len(replicates)}
            row |= {name: mean_of([one[name] for one in found]) for name in (found[0] if found else {})}
            yield row | {"n": max((one["n"] for one in found), default=0)}


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are there, a single one as it is; None without any.

    >>> mean_of([2, None]), mean_of([1.0, 2.0, None]), mean_of([None])
    (2, 1.5, None)
    """
    known = [value for value in values if value is not None]
    return known[0] if len(known) == 1 else float(np.mean(known)) if known else None
