"""Indices beside age, sex and clinical scores, one row per patient and system, and the paper's regressions on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from myelosynth.bids.index import SessionIndex, read_table
from myelosynth.bids.layout import Layout
from myelosynth.errors import InputError
from myelosynth.evaluation.clinical import regress
from myelosynth.evaluation.cohort import BASELINE, FOLLOW_UP
from myelosynth.evaluation.published import published_term
from myelosynth.evaluation.tables import number
from myelosynth.myelin.indices import DESCRIPTIONS as INDICES

SCORES = {"edss": "EDSS", "msss": "MSSS", "t2_lesion_load_ml": "T2 lesion load"}
DEMOGRAPHY = {"age": "age", "sex": "sex"}
ABSENT = (None, "", "n/a")


def read_indices(path: Path) -> dict[str, float | None]:
    """The five indices of one patient and system, and their coverage.

    Raises InputError unless the table has one row of them.
    """
    rows = read_table(path, tuple(INDICES))
    if len(rows) != 1:
        raise InputError("one row of indices needed", path, f"{len(rows)} rows", "run `myelosynth indices` again")
    return {name: number(rows[0][name], name, path) for name in INDICES}


def participant_rows(
    index: Path, raw: Path, results: Path, systems: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Rows participant x system for every patient of the index, and what was missing.

    EDSS and the other scores are those of the baseline session, as in wei2020 section 3.4; indices are fractions of the
    baseline lesion volume. A patient without a follow-up, a score or an index has n/a there and is listed, in the words
    of the gaps of `myelosynth evaluate`.
    """
    layout = Layout(results)
    people = _by_participant(raw / "participants.tsv")
    scores = _baseline_scores(raw / "phenotype" / "edss.tsv")
    gaps = [] if scores is not None else [_gap("n/a", BASELINE, "n/a", "phenotype/edss.tsv")]
    rows = []
    for label in SessionIndex.read(index, results).participants("patient"):
        person, score = people.get(label, {}), (scores or {}).get(label, {})
        known = {name: person.get(name) for name in DEMOGRAPHY} | {name: score.get(name) for name in SCORES}
        wanted = DEMOGRAPHY if scores is None else DEMOGRAPHY | SCORES
        if lost := [words for name, words in wanted.items() if known[name] in ABSENT]:
            gaps.append(_gap(f"sub-{label}", BASELINE, "n/a", ", ".join(lost)))
        who = {"participant_id": f"sub-{label}", **known}
        for system in systems:
            path = layout.indices(system, label, FOLLOW_UP)
            if path.is_file():
                values = read_indices(path)
                rows.append({**who, "system": system, **values})
                if not values["coverage"]:
                    gaps.append(_gap(f"sub-{label}", FOLLOW_UP, system, "indices: no lesion voxel with a DVR"))
            else:
                gaps.append(_gap(f"sub-{label}", FOLLOW_UP, system, "indices"))
                rows.append({**who, "system": system})
    return rows, gaps


def _gap(participant_id: str, session: str, system: str, missing: str) -> dict[str, str]:
    return {"participant_id": participant_id, "session_id": session, "system": system, "missing": missing}


def _by_participant(path: Path) -> dict[str, Mapping[str, str]]:
    return {row["participant_id"].removeprefix("sub-"): row for row in read_table(path, ("participant_id",))}


def _baseline_scores(path: Path) -> dict[str, Mapping[str, str]] | None:
    """Baseline scores by participant; None when there is no table at all."""
    if not path.is_file():
        return None
    rows = read_table(path, ("participant_id", "session_id", "edss"))
    first = [row for row in rows if row["session_id"].removeprefix("ses-") == BASELINE]
    return {row["participant_id"].removeprefix("sub-"): row for row in first}


def regressions(
    table: Sequence[Mapping[str, str]],
    response: str,
    predictors: Sequence[str],
    covariates: Sequence[str],
    where: object,
) -> list[dict[str, Any]]:
    """All terms of every system x predictor regression, the layout of wei2020's appendix table 2.

    table: rows with `system`. A regression that cannot be estimated (too few patients, an index that never changes)
    keeps its rows with n/a and a note. Raises InputError for faults of the table itself.
    """
    rows = []
    for system in dict.fromkeys(row["system"] for row in table):
        part = [row for row in table if row["system"] == system]
        for predictor in predictors:
            fitted = regress(part, response, predictor, covariates, f"{where} system {system}")
            for row in fitted.rows:
                printed = published_term(system, predictor, row["term"])
                extra = {"published_beta": printed.beta, "published_p": printed.p} if printed else {}
                head = {"system": system, "predictor": predictor}
                rows.append({**head, **row, "too_small": fitted.too_small, "note": fitted.note, **extra})
    return rows
