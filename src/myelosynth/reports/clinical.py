"""The clinical part of the cohort page: figure 7 and tables .2 (a) and (b) of wei2020, and what stands behind them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from numpy.typing import NDArray

from myelosynth.evaluation.published import CLINICAL, REFINER
from myelosynth.evaluation.significance import SMALLEST_N
from myelosynth.reports.indices import DYNAMIC
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.page import Gap, Picture, plotting, svg_uri
from myelosynth.reports.systems import PREDICTED_COLOUR, TRUE_COLOUR, System
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import MISSING, Table, count, interval, number, p_value

TRUE = "true"
SCORES = {"edss": "EDSS", "msss": "MSSS"}
TERMS = {
    "intercept": "intercept",
    "age": "age (per year)",
    "male": "sex (male)",
    "t2_lesion_load_ml": "T2 lesion load (per ml)",
    "global": "global index (per point)",
    "demyelination": "index of demyelination (per point)",
    "remyelination": "index of remyelination (per point)",
}
_UNIT = "Indices in percent points of the baseline lesion volume, so a coefficient is {score} points per percent point."
_HEADS = ("Term", "Coefficient", "SE", "t", "p", "p (Holm)", "β", "β, 95 % bootstrap interval", "n", "df")


@dataclass(frozen=True)
class ClinicalPart:
    """One clinical score: the scatter, measured and predicted side by side, other systems, and what stands behind."""

    response: str
    scatter: Picture | Gap
    sides: Sequence[Table]
    others: Table
    influence: Table
    checks: Table
    flow: Table


def clinical_part(cohort: CohortInputs, response: str = "edss") -> ClinicalPart:
    """Everything about one score; tables without rows where their TSV has not been made."""
    return ClinicalPart(
        response,
        edss_scatter(cohort, response),
        regression_tables(cohort, response),
        clinical_table(cohort, lambda key: key not in (TRUE, cohort.main), response),
        influence_table(cohort, response),
        checks_table(cohort, response),
        flow_table(cohort, response),
    )


def _sides(cohort: CohortInputs) -> list[tuple[System, str]]:
    """Measured PET and the main system, each with what it is called beside the other."""
    return [(named(TRUE), "measured PET"), (named(cohort.main), f"PET predicted by {named(cohort.main).name}")]


def _rows(cohort: CohortInputs, name: str, response: str) -> pd.DataFrame:
    table = cohort.table(name)
    return table[table["response"] == response]


def edss_scatter(cohort: CohortInputs, response: str = "edss") -> Picture | Gap:
    """A score against the dynamic indices, measured and predicted; figure 7.

    Beta and p are those of the regression with its covariates. With 6 or fewer patients there is neither a line nor p.
    """
    table, score = cohort.table("clinical_table"), SCORES[response]
    table = table[table[response].notna()]
    if table.empty:
        return Gap(f"{score} against indices", f"no patient has both an {score} and indices")
    fitted = _rows(cohort, "clinical", response)
    with plotting():
        chosen = [index for index in DYNAMIC if not index.signed]
        figure, axes = pyplot.subplots(1, len(chosen), figsize=(9.0, 3.8), sharey=True)
        for ax, index in zip(axes, chosen, strict=True):
            sides = ((TRUE, TRUE_COLOUR, "D", "measured"), (cohort.main, PREDICTED_COLOUR, "o", "predicted"))
            for name, colour, marker, words in sides:
                rows = table[(table["system"] == name) & table[index.key].notna()]
                told = f"{words}, n = {len(rows)}{_beside_scatter(fitted, name, index.key, len(rows))}"
                _scatter(ax, rows[index.key].to_numpy(float), rows[response].to_numpy(float), colour, marker, told)
            ax.set_xlabel(f"{index.name.lower()} (% of lesion volume)")
            ax.legend(fontsize=8, loc="upper right")
        axes[0].set_ylabel(f"{score} at t0 (points)")
        figure.tight_layout()
        caption = (
            f"{score} against the dynamic indices from measured PET and from {named(cohort.main).name}. Lines are "
            "least squares with a 95 % confidence band; β and p are of the regressions below, which adjust for age, "
            "sex and lesion load, of fewer patients (n beside p) where one of these lacks. "
            f"No line and no p with {SMALLEST_N} or fewer patients. After figure 7."
        )
        return Picture(svg_uri(figure), f"scatter of {score} against demyelination and remyelination", caption)


def _beside_scatter(fitted: pd.DataFrame, system: str, index: str, points: int) -> str:
    """Beta and p of an index as the legend tells them, and of how many patients where a covariate lacks for some of the
    points; empty where there is no test worth reading."""
    found = fitted[(fitted["system"] == system) & (fitted["predictor"] == index) & (fitted["term"] == index)]
    if found.empty or bool(found.iloc[0]["too_small"]) or pd.isna(found.iloc[0]["beta"]):
        return ""
    p = p_value(found.iloc[0]["p"])
    n = int(found.iloc[0]["n"])
    of = "" if n == points else f" (n = {n})"
    return f": β {number(found.iloc[0]['beta'], 2)}, p {p if p.startswith('<') else f'= {p}'}{of}"


def _scatter(ax: Axes, x: NDArray, y: NDArray, colour: str, marker: str, words: str) -> None:
    ax.plot(x, y, marker, color=colour, alpha=0.75, label=words, linestyle="none", markersize=5)
    if x.size <= SMALLEST_N or np.ptp(x) == 0:
        return
    from statsmodels.api import OLS, add_constant

    along = np.linspace(x.min(), x.max(), 50)
    line = OLS(y, add_constant(x)).fit().get_prediction(add_constant(along))
    low, high = line.conf_int(alpha=0.05).T
    ax.plot(along, line.predicted_mean, color=colour, linewidth=1.5)
    ax.fill_between(along, low, high, color=colour, alpha=0.12, linewidth=0)


def regression_tables(cohort: CohortInputs, response: str = "edss") -> list[Table]:
    """Tables .2 (a) and (b): every term from measured and from predicted PET, and the published pair beside EDSS."""
    table, score = _rows(cohort, "clinical", response), SCORES[response]
    made = []
    for letter, (side, words) in zip("ab", _sides(cohort), strict=True):
        part = table[table["system"] == side.key]
        rows, classes, notes = [], [], [_UNIT.format(score=score)]
        for row in part[part["term"] != "intercept"].to_dict("records"):
            rows.append([TERMS.get(row["term"], row["term"]), *_term_cells(row)])
            classes.append(cohort.row_class(side) if row["term"] == row["predictor"] else "")
            if pd.notna(row["note"]) and str(row["note"]):
                notes.append(f"{TERMS.get(row['predictor'], row['predictor'])}: {row['note']}.")
        tests = part["p_holm_tests"].max()
        if pd.notna(tests):
            notes.append(f"p (Holm): corrected over the {count(tests)} tests of both tables.")
        caption = f"({letter}) {score} and the indices from {words}, with age, sex and T2 lesion load"
        made.append(Table(_HEADS, rows, caption, classes, list(dict.fromkeys(notes))))
    return [*made, *(published_regressions() if response == "edss" else [])]


def published_regressions() -> list[Table]:
    """Both parts of the printed table .2, in our units."""
    made = []
    for letter, key, words in (("a", TRUE, "measured PET"), ("b", REFINER, "predicted PET")):
        rows = []
        for term in (one for one in CLINICAL if one.system == key):
            cells = [number(term.per_unit, 4), number(term.error_per_unit, 4), number(term.t, 2), p_value(term.p)]
            rows.append([TERMS[term.term], *cells, number(term.beta)])
        caption = f"Published, ({letter}) EDSS and the indices from {words}: n = 15, other data, not comparable"
        heads = ("Term", "Coefficient", "SE", "t", "p", "β")
        made.append(Table(heads, rows, caption, ["published"] * len(rows)))
    return made


def _term_cells(row: dict) -> list[str]:
    """Cells of a term after its name; of so few patients that nothing can be concluded, the estimates alone."""
    size = [count(row["n"]), count(row["df"])]
    if row["too_small"]:
        return [number(row["coefficient"]), *[MISSING] * 4, number(row["beta"]), MISSING, *size]
    tests = [number(row["t"], 2), p_value(row["p"]), p_value(row["p_holm"]) if pd.notna(row["p_holm"]) else ""]
    ends = interval(row["beta_low"], row["beta_high"], lambda value: number(value, 2))
    return [number(row["coefficient"]), number(row["standard_error"]), *tests, number(row["beta"]), ends, *size]


def clinical_table(cohort: CohortInputs, keep: Callable[[str], bool], response: str = "edss") -> Table:
    """The index rows of the regressions of the systems that `keep` accepts, other than the truth and the main one, with
    Spearman's correlation."""
    table, score = _rows(cohort, "clinical", response), SCORES[response]
    table = table[table["term"] == table["predictor"]]
    rows, classes, notes = [], [], [_UNIT.format(score=score)]
    for predictor in dict.fromkeys(table["predictor"]):
        part = table[table["predictor"] == predictor]
        for one in (side for side in cohort.ordered(part["system"]) if keep(side.key)):
            row = part[part["system"] == one.key].to_dict("records")[0]
            ranks = number(row["spearman"], 2)
            ends = MISSING if row["too_small"] else interval(row["ci_low"], row["ci_high"])
            rows.append([one.name, TERMS.get(predictor, predictor), *_term_cells(row), ends, ranks])
            classes.append(cohort.row_class(one))
            if pd.notna(row["note"]) and str(row["note"]):
                notes.append(f"{one.name}, {predictor}: {row['note']}.")
    heads = ("Indices from", *_HEADS, "Coefficient, 95 % interval", "Spearman")
    tests = sorted(set(table[table["system"].map(keep).astype(bool)]["p_holm_tests"].dropna().astype(int)))
    if tests:
        notes.append(f"p (Holm): corrected over the {' or '.join(map(str, tests))} tests of the row's own system.")
    caption = f"{score} regressed on the index, age, sex and T2 lesion load: the index's row"
    return Table(heads, rows, caption, classes, list(dict.fromkeys(notes)), text_columns=2)


def influence_table(cohort: CohortInputs, response: str = "edss") -> Table:
    """How far one patient moves beta of each index, measured and predicted."""
    table, rows, classes = _rows(cohort, "clinical_influence", response), [], []
    for side, words in _sides(cohort):
        part = table[table["system"] == side.key]
        for predictor in dict.fromkeys(part["predictor"]):
            own = part[part["predictor"] == predictor]
            whole, without = own[own["left_out"].isna()], own[own["left_out"].notna()]
            known = without[without["beta"].notna()]
            changed = without[without["sign_changed"].astype(str).str.lower() == "true"]
            cells = [number(whole["beta"].iloc[0], 2) if len(whole) else MISSING, MISSING, MISSING]
            if len(known):
                cells[1:] = [
                    _with_name(known.loc[known["beta"].idxmin()]),
                    _with_name(known.loc[known["beta"].idxmax()]),
                ]
            signs = f"{len(changed)} of {len(known)}"
            worst = without[without["cooks_distance"].notna()]
            cook = MISSING
            if len(worst):
                row = worst.loc[worst["cooks_distance"].idxmax()]
                cook = f"{number(row['cooks_distance'], 2)} ({row['left_out']})"
            rows.append([words, TERMS.get(predictor, predictor), *cells, signs, cook])
            classes.append(cohort.row_class(side))
    heads = ("Indices from", "Index", "β of all", "least β without one", "greatest β without one", "sign changes")
    caption = f"{SCORES[response]}: the regressions without each patient in turn"
    return Table((*heads, "largest Cook's distance"), rows, caption, classes, text_columns=2)


def _with_name(row: pd.Series) -> str:
    return f"{number(row['beta'], 2)} ({row['left_out']})"


def checks_table(cohort: CohortInputs, response: str = "edss") -> Table:
    """Assumptions and power of each regression, measured and predicted; doubts in words below."""
    table, rows, classes, notes = _rows(cohort, "clinical_checks", response), [], [], []
    for side, words in _sides(cohort):
        for row in table[table["system"] == side.key].to_dict("records"):
            index = TERMS.get(row["predictor"], row["predictor"])
            hidden = TERMS.get(row["max_vif_term"], str(row["max_vif_term"])).split(" (")[0]
            worst = MISSING if pd.isna(row["max_vif"]) else f"{number(row['max_vif'], 1)} ({hidden})"
            tests = [p_value(row["shapiro_p"]), p_value(row["breusch_pagan_p"]), worst, number(row["max_leverage"], 2)]
            power = [number(row[name], 2) for name in ("power_strong", "power_weak", "smallest_beta")]
            rows.append([words, index, count(row["n"]), *tests, *power])
            classes.append(cohort.row_class(side))
            if pd.notna(row["note"]) and str(row["note"]):
                notes.append(f"{words}, {index}: {row['note']}.")
    heads = [
        "Indices from",
        "Index",
        "n",
        "residuals normal, p",
        "residuals even, p",
        "largest VIF",
        "largest leverage",
    ]
    heads += ["power at β .7", "power at β .3", "β found with 80 %"]
    notes.insert(0, "Shapiro-Wilk and Breusch-Pagan tests: a small p speaks against the assumption. Power at p < .05.")
    caption = f"{SCORES[response]}: assumptions of the regressions, and what {_patients(table)} could have shown"
    return Table(heads, rows, caption, classes, notes, text_columns=2)


def _patients(checks: pd.DataFrame) -> str:
    numbers = sorted(set(checks["n"].dropna().astype(int)))
    return f"{' to '.join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))} patients" if numbers else "they"


def flow_table(cohort: CohortInputs, response: str = "edss") -> Table:
    """Patients on their way into the regression on remyelination, and to what they were lost."""
    table = _rows(cohort, "clinical_flow", response)
    table = table[table["predictor"] == "remyelination"]
    rows, classes = [], []
    for side, words in _sides(cohort):
        for row in table[table["system"] == side.key].to_dict("records"):
            lost = str(row["lost_participants"]) if pd.notna(row["lost_participants"]) else ""
            rows.append(
                [words, str(row["stage"]).replace("t2_lesion_load_ml", "T2 lesion load"), lost, count(row["n"])]
            )
            classes.append("warn" if lost else cohort.row_class(side) if side.kind != "truth" else "")
    caption = f"Patients in the {SCORES[response]} regressions"
    return Table(("Indices from", "Stage", "Lost here", "Left"), rows, caption, classes, text_columns=3)
