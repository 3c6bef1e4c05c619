"""Regressions of shuffled clinical scores: what the tables say where score and index are unrelated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from myelosynth.evaluation.cases import Cases
from myelosynth.evaluation.clinical import regress

INDEX = 1
"""Column of the index in the design of a regression."""
NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Permuted:
    """One regression beside those of its shuffled scores: t of the index and its p, real and (R,) shuffled."""

    n: int
    real_t: float
    real_p: float
    t: NDArray[np.float64]
    p: NDArray[np.float64]

    @property
    def as_large(self) -> int:
        """Shuffles with a coefficient at least as far from 0, in standard errors, as the real one."""
        return int((np.abs(self.t) >= abs(self.real_t) * (1 - NEGLIGIBLE)).sum())


def permuted_regression(
    table: Sequence[Mapping[str, str]],
    response: str,
    predictor: str,
    covariates: Sequence[str],
    resamples: int,
    seed: int,
    where: object,
) -> Permuted | None:
    """The regression of `regress` with the scores of its participants dealt out anew, `resamples` times.

    Index and covariates of a participant stay together. Same seed and participants, same shuffles, whatever the index.
    None where the regression cannot be estimated. Raises InputError for faults of the table, as `regress` does.
    """
    fit = regress(table, response, predictor, covariates, where)
    if not fit.estimated:
        return None
    random = np.random.default_rng(seed)
    shuffled = np.column_stack([random.permutation(fit.cases.response) for _ in range(resamples)])
    t, p = index_tests(fit.cases, shuffled)
    real = fit.rows[INDEX]
    return Permuted(fit.n, real["t"], real["p"], t, p)


def index_tests(cases: Cases, responses: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """t of the index and its two-sided p (R,) for each column of responses (N, R), by ordinary least squares.

    The design is the same for all, so it is inverted once, which statsmodels would do for every column.
    """
    design = cases.design
    inverse = np.linalg.pinv(design)
    coefficients = inverse @ responses
    variance = ((responses - design @ coefficients) ** 2).sum(axis=0) / cases.df
    error = np.sqrt(variance * (inverse @ inverse.T)[INDEX, INDEX])
    t = coefficients[INDEX] / error
    return t, 2 * stats.t.sf(np.abs(t), cases.df)
