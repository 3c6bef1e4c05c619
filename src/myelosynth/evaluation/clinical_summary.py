"""The paper's regressions for the measured PET and every system, with what stands behind them (appendix table .2)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from myelosynth.evaluation.clinical import Regression, regress
from myelosynth.evaluation.clinical_checks import checks_row
from myelosynth.evaluation.clinical_flow import flow_rows
from myelosynth.evaluation.cohort import TRUE
from myelosynth.evaluation.diagnostics import RESAMPLES, SEED, described_rows, influence_rows
from myelosynth.evaluation.published import published_term
from myelosynth.evaluation.significance import holm

Row = dict[str, Any]
Cells = Mapping[str, str]
RESPONSES = ("edss", "msss")
PREDICTORS = ("global", "demyelination", "remyelination")
COVARIATES = ("age", "sex", "t2_lesion_load_ml")


@dataclass(frozen=True)
class Model:
    """Which regressions are made, how many resamples their intervals take, and which system stands beside the truth."""

    responses: Sequence[str] = RESPONSES
    predictors: Sequence[str] = PREDICTORS
    covariates: Sequence[str] = COVARIATES
    main: str | None = None
    resamples: int = RESAMPLES
    seed: int = SEED


@dataclass
class Summary:
    """Rows of the four tables: every term, influence, checks, flow."""

    terms: list[Row] = field(default_factory=list)
    influence: list[Row] = field(default_factory=list)
    checks: list[Row] = field(default_factory=list)
    flow: list[Row] = field(default_factory=list)


def summarise(table: Sequence[Cells], model: Model, where: object) -> Summary:
    """Every response x system x index with the covariates.

    table: rows of text cells with `system`. A regression that cannot be estimated (too few patients, an index that
    never changes) keeps its rows with n/a and a note. Raises InputError for faults of the table itself.
    """
    made = Summary()
    systems = list(dict.fromkeys(row["system"] for row in table))
    for response in model.responses:
        tested: list[Row] = []
        for system, predictor in product(systems, model.predictors):
            part = [row for row in table if row["system"] == system]
            fit = regress(part, response, predictor, model.covariates, f"{where} system {system}")
            head = {"response": response, "system": system, "predictor": predictor}
            rows = list(_terms(head, fit, model))
            influence = influence_rows(fit)
            made.terms += rows
            made.influence += [{**head, **row} for row in influence]
            made.checks.append({**head, **checks_row(fit, influence)})
            made.flow += [{**head, **row} for row in flow_rows(part, response, predictor, model.covariates)]
            tested.append(rows[1])
        _correct(tested, model.main)
    return made


def _terms(head: Row, fit: Regression, model: Model) -> Iterator[Row]:
    """The rows of one regression, the published ones of EDSS beside them."""
    for row in described_rows(fit, model.resamples, model.seed):
        found = {**head, **row, "too_small": fit.too_small, "note": fit.note}
        printed = published_term(head["system"], head["predictor"], row["term"]) if head["response"] == "edss" else None
        if printed:
            found |= {"published_beta": printed.beta, "published_p": printed.p, "published_t": printed.t}
            found |= {"published_coefficient": printed.per_unit, "published_standard_error": printed.error_per_unit}
        yield found


def _correct(tested: Sequence[Row], main: str | None) -> None:
    """Holm's correction of the index rows of one response: truth and main system are one family, others their own."""
    families: dict[str, list[Row]] = {}
    for row in tested:
        families.setdefault(TRUE if row["system"] == main else row["system"], []).append(row)
    for family in families.values():
        p_values = [row.get("p") for row in family]
        for row, corrected in zip(family, holm(p_values), strict=True):
            row |= {"p_holm": corrected, "p_holm_tests": sum(p is not None for p in p_values)}
