"""Multiple linear regression of a clinical score on an index of myelin change (wei2020, section 3.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.evaluation.significance import SMALLEST_N
from myelosynth.evaluation.tables import MISSING, number

SEX_CODES = {"m": 1.0, "male": 1.0, "f": 0.0, "female": 0.0}
COLUMNS = {
    "term": {"Description": "intercept or column; `male` is sex coded male = 1, female = 0"},
    "coefficient": {"Description": "ordinary least-squares coefficient", "Units": "response per unit of the term"},
    "standard_error": {"Description": "standard error of the coefficient", "Units": "response per unit of the term"},
    "t": {"Description": "coefficient over its standard error"},
    "p": {"Description": "two-sided p-value of t"},
    "beta": {"Description": "standardised coefficient, b sd(x) / sd(y); n/a for the intercept"},
    "ci_low": {"Description": "lower end of the 95 % interval of the coefficient"},
    "ci_high": {"Description": "upper end of the 95 % interval of the coefficient"},
    "n": {"Description": "participants in the regression"},
    "df": {"Description": "residual degrees of freedom"},
    "r2": {"Description": "fraction of the response's variance explained"},
}


@dataclass(frozen=True)
class Regression:
    """A regression: one row per term (columns of COLUMNS), who was dropped, and what limits it.

    `fault` is set, and the estimates are None, where a column is constant or columns depend on one another: an error to
    a person who names the columns, a row without estimates in a table over many systems.
    """

    rows: list[dict[str, Any]]
    n: int
    df: int
    dropped: list[str] = field(default_factory=list)
    note: str = ""
    fault: InputError | None = None

    @property
    def too_small(self) -> bool:
        return self.df <= 0 or self.n <= SMALLEST_N


def regress(
    table: Sequence[Mapping[str, str]],
    response: str,
    predictor: str,
    covariates: Sequence[str] = (),
    where: object = "table",
) -> Regression:
    """Ordinary least squares of `response` on an intercept, `predictor` and `covariates`, complete rows only.

    table: one row of text cells per participant. wei2020 prints t = -2.75 with p = .021, which fits 10 residual degrees
    of freedom and so n = 15 with its four terms. Without a residual degree of freedom every estimate is None and `note`
    says so. Raises InputError for a missing or repeated column, a participant listed twice or a cell that is no number.
    """
    wanted = [response, predictor, *covariates]
    _require_columns(table, wanted, where)
    columns = {name: _column(table, name, where) for name in wanted}
    terms = ["intercept", *(_term(table, name) for name in wanted[1:])]
    labels = [row.get("participant_id", f"row {number_}") for number_, row in enumerate(table, start=1)]
    _require_unique(labels, where)
    complete = [all(columns[name][i] is not None for name in wanted) for i in range(len(table))]
    dropped = [label for label, keep in zip(labels, complete, strict=True) if not keep]
    values = np.array([[columns[name][i] for name in wanted] for i, keep in enumerate(complete) if keep], float)
    n, df = len(values), len(values) - len(terms)
    empty = [{"term": term, "n": n, "df": df} for term in terms]
    if df <= 0:
        note = f"n = {n} is too small for {len(terms)} terms: no residual degree of freedom, nothing estimated"
        return Regression(empty, n, df, dropped, note)
    fault = _not_estimable(values, wanted, where)
    if fault:
        return Regression(empty, n, df, dropped, f"{fault.what}: {fault.values}", fault)
    note = f"n = {n} with {df} residual degrees of freedom is too small for a conclusion" if n <= SMALLEST_N else ""
    return Regression(_fit(values[:, 0], values[:, 1:], terms), n, df, dropped, note)


def _fit(response: NDArray, predictors: NDArray, terms: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the fitted model; response (N,), predictors (N, K), terms with the intercept first."""
    from statsmodels.api import OLS

    fit = OLS(response, np.column_stack([np.ones(len(response)), predictors])).fit()
    intervals = fit.conf_int(0.05)
    spread = predictors.std(axis=0) / response.std()
    rows = []
    for i, term in enumerate(terms):
        rows.append(
            {
                "term": term,
                "coefficient": float(fit.params[i]),
                "standard_error": float(fit.bse[i]),
                "t": float(fit.tvalues[i]),
                "p": float(fit.pvalues[i]),
                "beta": float(fit.params[i] * spread[i - 1]) if i else None,
                "ci_low": float(intervals[i][0]),
                "ci_high": float(intervals[i][1]),
                "n": len(response),
                "df": int(fit.df_resid),
                "r2": float(fit.rsquared),
            }
        )
    return rows


def _coded(table: Sequence[Mapping[str, str]], name: str) -> bool:
    """Whether a column holds sex as letters or words."""
    present = [row[name].strip().lower() for row in table if row[name].strip().lower() not in MISSING]
    return bool(present) and all(text in SEX_CODES for text in present)


def _term(table: Sequence[Mapping[str, str]], name: str) -> str:
    return "male" if _coded(table, name) else name


def _column(table: Sequence[Mapping[str, str]], name: str, where: object) -> list[float | None]:
    if _coded(table, name):
        return [SEX_CODES.get(row[name].strip().lower()) for row in table]
    return [number(row[name], name, where) for row in table]


def _require_columns(table: Sequence[Mapping[str, str]], wanted: Sequence[str], where: object) -> None:
    if not table:
        raise InputError("table is empty", where, "0 rows, expected at least 1", "check how it was made")
    missing = [name for name in wanted if name not in table[0]]
    if missing:
        values = f"no {', '.join(missing)}; found {', '.join(table[0])}"
        raise InputError("columns missing", where, values, "name columns that are in the table")
    twice = sorted({name for name in wanted if wanted.count(name) > 1})
    if twice:
        raise InputError("column named twice", where, ", ".join(twice), "name every column once")


def _require_unique(labels: Sequence[str], where: object) -> None:
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        values = f"{', '.join(twice)} more than once, expected one row per participant"
        raise InputError("participant listed twice", where, values, "keep one row each, see --where")


def _not_estimable(values: NDArray, names: Sequence[str], where: object) -> InputError | None:
    """What keeps the model from being estimated; values: (N, 1 + K), response first."""
    constant = [name for name, column in zip(names, values.T, strict=True) if np.ptp(column) == 0]
    if constant:
        told = f"{', '.join(constant)} has one value in all {len(values)} complete rows"
        return InputError("column is constant", where, told, "leave the column out")
    predictors = values[:, 1:]
    scaled = (predictors - predictors.mean(axis=0)) / predictors.std(axis=0)
    rank = int(np.linalg.matrix_rank(scaled))
    if rank == scaled.shape[1]:
        return None
    told = f"{', '.join(names[1:])} have rank {rank}, expected {scaled.shape[1]}"
    return InputError("columns depend on one another", where, told, "leave one of them out")
