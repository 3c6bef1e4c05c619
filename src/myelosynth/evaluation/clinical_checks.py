"""Whether a regression's assumptions hold, and what its size could have found."""

from typing import Any

import numpy as np
from scipy import stats

from myelosynth.evaluation.cases import Cases
from myelosynth.evaluation.clinical import Regression, fitted
from myelosynth.evaluation.diagnostics import influence_rows, vifs
from myelosynth.evaluation.power import power_of, smallest_beta

LARGE_VIF, LARGE_COOK, LARGE_LEVERAGE, LEVEL = 5.0, 1.0, 0.9, 0.05
COLUMNS = {
    "n": {"Description": "participants in the regression"},
    "df": {"Description": "residual degrees of freedom"},
    "shapiro_w": {"Description": "Shapiro-Wilk statistic of the residuals; n/a with 6 or fewer participants"},
    "shapiro_p": {"Description": "its p-value: small where the residuals are not normal"},
    "breusch_pagan_f": {"Description": "Breusch-Pagan F statistic; n/a with 6 or fewer participants"},
    "breusch_pagan_p": {
        "Description": "its p-value: small where the spread of the residuals depends on the predictors"
    },
    "condition_number": {"Description": "largest over smallest singular value of the standardised predictors"},
    "max_vif": {"Description": "largest variance inflation factor; above 5 predictors hide one another"},
    "max_vif_term": {"Description": "term that has it"},
    "max_leverage": {
        "Description": "largest leverage, 0 to 1; above .9 a participant stands alone among the predictors"
    },
    "max_leverage_participant": {"Description": "participant who has it"},
    "max_cooks_distance": {"Description": "largest Cook's distance; above 1 one participant makes the result"},
    "max_cooks_distance_participant": {"Description": "participant who has it"},
    "sign_changes": {"Description": "how many participants there are without whom beta of the index has another sign"},
    "sign_changes_participants": {"Description": "their names"},
    "power_strong": {
        "Description": "power of the test of the index at .05 for a population beta of .7, the size published for "
        "remyelination, with this n and the index's share of variance with the covariates"
    },
    "power_weak": {"Description": "the same for a beta of .3"},
    "smallest_beta": {"Description": "beta of the index that is found with 80 % power"},
    "note": {"Description": "what limits the regression, in words"},
}
STRONG, WEAK = 0.7, 0.3


def checks_row(fit: Regression, influence: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The checks of one regression (columns of COLUMNS); n, df and the note alone where nothing is estimated.

    influence: its rows of `influence_rows`, where they are at hand. Checks say what to doubt and change no estimate.
    """
    row: dict[str, Any] = {"n": fit.n, "df": fit.df, "note": fit.note}
    if not fit.estimated:
        return row
    inflation = vifs(fit.cases)
    row |= _collinearity(fit.cases, inflation) | _influence(influence_rows(fit) if influence is None else influence)
    if not fit.too_small:
        row |= _residuals(fit.cases)
    size = (fit.df, len(fit.cases.terms), inflation[0])
    row |= {"power_strong": power_of(STRONG, *size), "power_weak": power_of(WEAK, *size)}
    row["smallest_beta"] = smallest_beta(*size)
    return row | {"note": "; ".join(filter(None, [fit.note, *_doubts(row)]))}


def _collinearity(cases: Cases, inflation: list[float]) -> dict[str, Any]:
    worst = int(np.argmax(inflation))
    predictors = cases.values[:, 1:]
    condition = np.linalg.cond((predictors - predictors.mean(axis=0)) / predictors.std(axis=0))
    return {"condition_number": float(condition), "max_vif": inflation[worst], "max_vif_term": cases.terms[1 + worst]}


def _influence(rows: list[dict[str, Any]]) -> dict[str, Any]:
    without = rows[1:]
    turned = [row["left_out"] for row in without if row.get("sign_changed")]
    found: dict[str, Any] = {"sign_changes": len(turned), "sign_changes_participants": ", ".join(turned)}
    for name in ("leverage", "cooks_distance"):
        known = [row for row in without if np.isfinite(row[name])]
        if known:
            worst = max(known, key=lambda row: row[name])
            found |= {f"max_{name}": worst[name], f"max_{name}_participant": worst["left_out"]}
    return found


def _residuals(cases: Cases) -> dict[str, Any]:
    """Tests of the residuals; none where they are zero but for rounding."""
    from statsmodels.stats.diagnostic import het_breuschpagan

    residuals = np.asarray(fitted(cases).resid)
    if np.ptp(residuals) <= 1e-9 * np.ptp(cases.response):
        return {}
    w, p = stats.shapiro(residuals)
    *_, f, f_p = het_breuschpagan(residuals, cases.design)
    return {"shapiro_w": float(w), "shapiro_p": float(p), "breusch_pagan_f": float(f), "breusch_pagan_p": float(f_p)}


def _doubts(row: dict[str, Any]) -> list[str]:
    """What the checks found, in words."""
    found = []
    if row.get("shapiro_p", 1.0) < LEVEL:
        found.append(f"residuals are not normal (Shapiro-Wilk p = {row['shapiro_p']:.3f})")
    if row.get("breusch_pagan_p", 1.0) < LEVEL:
        found.append(
            f"the residuals' spread depends on the predictors (Breusch-Pagan p = {row['breusch_pagan_p']:.3f})"
        )
    if row["max_vif"] > LARGE_VIF:
        found.append(f"{row['max_vif_term']} depends on the other predictors (VIF {row['max_vif']:.1f})")
    if row.get("max_leverage", 0.0) > LARGE_LEVERAGE:
        who = row["max_leverage_participant"]
        found.append(f"{who} stands alone among the predictors (leverage {row['max_leverage']:.2f})")
    if row.get("max_cooks_distance", 0.0) > LARGE_COOK:
        who = row["max_cooks_distance_participant"]
        found.append(f"{who} alone moves the estimates (Cook's distance {row['max_cooks_distance']:.1f})")
    if row["sign_changes"]:
        found.append(f"beta changes its sign without one of {row['sign_changes_participants']}")
    return found
