"""Multiple linear regression of a clinical score on an index of myelin change (wei2020, section 3.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from myelosynth.errors import InputError
from myelosynth.evaluation.cases import Cases, complete_cases, not_estimable
from myelosynth.evaluation.significance import SMALLEST_N

COLUMNS = {
    "term": {"Description": "intercept or column; `male` is sex coded male = 1, female = 0"},
    "coefficient": {"Description": "ordinary least-squares coefficient", "Units": "response per unit of the term"},
    "standard_error": {"Description": "standard error of the coefficient", "Units": "response per unit of the term"},
    "t": {"Description": "coefficient over its standard error"},
    "p": {"Description": "two-sided p-value of t"},
    "beta": {"Description": "standardised coefficient, b sd(x) / sd(y); n/a for the intercept"},
    "beta_low": {
        "Description": "lower end of the 95 % BCa bootstrap interval of beta, participants resampled whole; n/a where "
        "fewer than 80 % of the resamples, or not every sample without one participant, can be estimated"
    },
    "beta_high": {"Description": "upper end of that interval"},
    "ci_low": {"Description": "lower end of the 95 % interval of the coefficient"},
    "ci_high": {"Description": "upper end of the 95 % interval of the coefficient"},
    "vif": {"Description": "variance inflation factor of the term; n/a for the intercept"},
    "spearman": {
        "Description": "Spearman's rank correlation of the index with the response over the same participants, not "
        "adjusted for the covariates; index row only"
    },
    "spearman_p": {"Description": "its two-sided p-value, by the t approximation"},
    "n": {"Description": "participants in the regression"},
    "df": {"Description": "residual degrees of freedom"},
    "r2": {"Description": "fraction of the response's variance explained"},
}


@dataclass(frozen=True)
class Regression:
    """A regression: one row per term (columns of COLUMNS), its cases, and what limits it.

    `fault` is set, and the estimates are None, where a column is constant or columns depend on one another: an error to
    a person who names the columns, a row without estimates in a table over many systems.
    """

    rows: list[dict[str, Any]]
    cases: Cases
    note: str = ""
    fault: InputError | None = None

    @property
    def n(self) -> int:
        return len(self.cases.values)

    @property
    def df(self) -> int:
        return self.cases.df

    @property
    def dropped(self) -> list[str]:
        return list(self.cases.dropped)

    @property
    def estimated(self) -> bool:
        """Whether there are estimates at all."""
        return self.df > 0 and self.fault is None

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
    return regress_cases(complete_cases(table, response, predictor, covariates, where), where)


def regress_cases(cases: Cases, where: object = "table") -> Regression:
    """The regression over complete cases; see `regress`."""
    n, df = len(cases.values), cases.df
    empty: list[dict[str, Any]] = [{"term": term, "n": n, "df": df} for term in cases.terms]
    if df <= 0:
        note = f"n = {n} is too small for {len(cases.terms)} terms: no residual degree of freedom, nothing estimated"
        return Regression(empty, cases, note)
    fault = not_estimable(cases, where)
    if fault:
        return Regression(empty, cases, f"{fault.what}: {fault.values}", fault)
    note = f"n = {n} with {df} residual degrees of freedom is too small for a conclusion" if n <= SMALLEST_N else ""
    return Regression(_fit(cases), cases, note)


def fitted(cases: Cases) -> Any:
    """The fit of statsmodels over complete cases."""
    from statsmodels.api import OLS

    return OLS(cases.response, cases.design).fit()


def _fit(cases: Cases) -> list[dict[str, Any]]:
    """Rows of the fitted model."""
    fit = fitted(cases)
    intervals = fit.conf_int(0.05)
    spread = cases.values[:, 1:].std(axis=0) / cases.response.std()
    rows = []
    for i, term in enumerate(cases.terms):
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
                "n": len(cases.values),
                "df": int(fit.df_resid),
                "r2": float(fit.rsquared),
            }
        )
    return rows
