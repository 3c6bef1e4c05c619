"""What stands behind one regression: bootstrap of beta, inflation of variance, rank correlation, influence."""

import dataclasses
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from myelosynth.evaluation.cases import Cases
from myelosynth.evaluation.clinical import Regression, fitted, regress_cases

RESAMPLES, SEED = 2000, 1
_ESTIMABLE = 0.8  # share of the resamples that must have an estimate
_Interval = tuple[float | None, float | None]

INFLUENCE = {
    "left_out": {"Description": "participant without whom the regression is fitted again; n/a: all of them"},
    "n": {"Description": "participants in the regression"},
    "coefficient": {"Description": "coefficient of the index", "Units": "response per unit of the index"},
    "beta": {"Description": "standardised coefficient of the index; n/a where nothing can be estimated without them"},
    "p": {"Description": "two-sided p-value of the coefficient"},
    "sign_changed": {"Description": "true where beta has another sign than over all participants"},
    "cooks_distance": {"Description": "Cook's distance of the participant in the regression over all"},
    "leverage": {"Description": "diagonal of the hat matrix, 0 to 1; it sums to the number of terms"},
    "residual": {"Description": "externally studentised residual of the participant in the regression over all"},
}


def described_rows(fit: Regression, resamples: int = RESAMPLES, seed: int = SEED) -> list[dict[str, Any]]:
    """The rows of a regression with the bootstrap interval of beta, VIF and Spearman's correlation.

    resamples: 0 leaves the interval out.
    """
    if not fit.estimated:
        return fit.rows
    nothing: list[_Interval] = [(None, None)] * (len(fit.rows) - 1)
    intervals = beta_intervals(fit.cases, resamples, seed) if resamples else nothing
    rows = [dict(row) for row in fit.rows]
    for row, (low, high), vif in zip(rows[1:], intervals, vifs(fit.cases), strict=True):
        row |= {"beta_low": low, "beta_high": high, "vif": vif}
    ranks = stats.spearmanr(fit.cases.values[:, 1], fit.cases.response)
    rows[1] |= {"spearman": float(ranks.statistic), "spearman_p": float(ranks.pvalue)}
    return rows


def beta_intervals(cases: Cases, resamples: int, seed: int) -> list[_Interval]:
    """95 % BCa intervals (Efron 1987) of the K standardised coefficients, from resamples of whole participants.

    A resample with no more distinct participants than terms, a constant column or dependent columns has no estimate
    and is left out. (None, None) where more than a fifth of them are, or where a sample without one participant has no
    estimate, since the acceleration needs them all.
    """
    values = cases.values

    def betas(rows: NDArray, axis: int = -1) -> NDArray:
        """rows (..., N) of participants to (K, ...)."""
        return np.moveaxis(_betas(values[rows.astype(np.int64)], rows), -1, 0)

    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        everybody = (np.arange(len(values)),)
        drawn = stats.bootstrap(
            everybody, betas, n_resamples=resamples, method="percentile", rng=np.random.default_rng(seed)
        )
        found = drawn.bootstrap_distribution
        known = np.isfinite(found).all(axis=0)
        if known.mean() < _ESTIMABLE:
            return [(None, None)] * found.shape[0]
        kept = dataclasses.replace(drawn, bootstrap_distribution=found[:, known])
        ends = stats.bootstrap(everybody, betas, n_resamples=0, method="BCa", bootstrap_result=kept).confidence_interval
    return [
        (float(low), float(high)) if np.isfinite([low, high]).all() else (None, None)
        for low, high in zip(ends.low, ends.high, strict=True)
    ]


def _betas(samples: NDArray, rows: NDArray) -> NDArray:
    """Standardised coefficients (..., K) of samples (..., N, 1 + K), response first; NaN where there is no estimate.

    rows (..., N): which participants they are.
    """
    centred = samples - samples.mean(axis=-2, keepdims=True)
    spread = centred.std(axis=-2, keepdims=True)
    scaled = centred / np.where(spread > 0, spread, np.nan)
    correlation = np.swapaxes(scaled, -1, -2) @ scaled / samples.shape[-2]
    distinct = 1 + (np.diff(np.sort(rows, axis=-1), axis=-1) != 0).sum(axis=-1)
    usable = np.isfinite(correlation).all(axis=(-1, -2)) & (distinct > samples.shape[-1])
    safe = np.where(usable[..., None, None], correlation, np.eye(samples.shape[-1]))
    usable &= np.linalg.eigvalsh(safe[..., 1:, 1:])[..., 0] > 1e-9
    safe = np.where(usable[..., None, None], safe, np.eye(samples.shape[-1]))
    betas = np.linalg.solve(safe[..., 1:, 1:], safe[..., 1:, :1])[..., 0]
    return np.where(usable[..., None], betas, np.nan)


def vifs(cases: Cases) -> list[float]:
    """Variance inflation factors of the index and the covariates, in order."""
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    design = cases.design
    return [float(variance_inflation_factor(design, place)) for place in range(1, design.shape[1])]


def influence_rows(fit: Regression) -> list[dict[str, Any]]:
    """The regression over everybody, then without each participant in turn (columns of INFLUENCE); none without it."""
    from statsmodels.stats.outliers_influence import OLSInfluence

    if not fit.estimated:
        return []
    whole = fit.rows[1]
    rows = [{"n": fit.n, **{name: whole[name] for name in ("coefficient", "beta", "p")}}]
    with np.errstate(invalid="ignore", divide="ignore"):
        influence = OLSInfluence(fitted(fit.cases))
        told = {
            "cooks_distance": influence.cooks_distance[0],
            "leverage": influence.hat_matrix_diag,
            "residual": influence.resid_studentized_external,
        }
    for place, label in enumerate(fit.cases.labels):
        part = regress_cases(fit.cases.without(place)).rows[1]
        row = {"left_out": label, "n": fit.n - 1, **{name: part.get(name) for name in ("coefficient", "beta", "p")}}
        if row["beta"] is not None:
            row["sign_changed"] = bool(np.sign(row["beta"]) != np.sign(whole["beta"]))
        rows.append({**row, **{name: float(values[place]) for name, values in told.items()}})
    return rows
