"""Indices in percent points beside age, sex and clinical scores, one row per patient and system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from myelosynth.bids.index import BASELINE, FOLLOW_UP, SessionIndex, read_table
from myelosynth.bids.layout import Layout
from myelosynth.errors import InputError
from myelosynth.evaluation.clinical_flow import FOLLOW_UP as FOLLOWED
from myelosynth.evaluation.scales import LARGEST, require_single_rows, scale_warnings
from myelosynth.evaluation.tables import number
from myelosynth.myelin.indices import COLUMNS as INDICES
from myelosynth.myelin.indices import DESCRIPTIONS

SCORES = {"edss": "EDSS", "msss": "MSSS", "t2_lesion_load_ml": "T2 lesion load"}
DEMOGRAPHY = {"age": "age", "sex": "sex"}
ABSENT = (None, "", "n/a")


@dataclass
class ClinicalTable:
    """Rows participant x system; what was missing, in the words of the gaps of `myelosynth evaluate`; what is odd."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_indices(path: Path) -> dict[str, float | None]:
    """The five indices of one patient and system, as fractions, and their coverage.

    Raises InputError unless the table has one row of them.
    """
    rows = read_table(path, tuple(DESCRIPTIONS))
    if len(rows) != 1:
        raise InputError("one row of indices needed", path, f"{len(rows)} rows", "run `myelosynth indices` again")
    return {name: number(rows[0][name], name, path) for name in DESCRIPTIONS}


def participant_rows(index: Path, raw: Path, results: Path, systems: Sequence[str]) -> ClinicalTable:
    """Every patient of the index beside each system, what was missing, and scores that are odd.

    EDSS and the other scores are those of the baseline session, as in wei2020 section 3.4; the five indices are in
    percent points of the baseline lesion volume, as there. A patient without a follow-up, a score or an index has n/a
    there and is listed. Raises InputError for a participant listed twice and a score outside its scale.
    """
    layout, study = Layout(results), SessionIndex.read(index, results)
    people = _by_participant(raw / "participants.tsv")
    made = ClinicalTable()
    scores = _baseline_scores(raw / "phenotype" / "edss.tsv", made.warnings)
    if scores is None:
        made.gaps.append(_gap("n/a", BASELINE, "n/a", "phenotype/edss.tsv"))
    for label in study.participants("patient"):
        person, score = people.get(label, {}), (scores or {}).get(label, {})
        known = {name: person.get(name) for name in DEMOGRAPHY} | {name: score.get(name) for name in SCORES}
        wanted = DEMOGRAPHY if scores is None else DEMOGRAPHY | SCORES
        if lost := [words for name, words in wanted.items() if known[name] in ABSENT]:
            made.gaps.append(_gap(f"sub-{label}", BASELINE, "n/a", ", ".join(lost)))
        who = {"participant_id": f"sub-{label}", **known, FOLLOWED: FOLLOW_UP in study.sessions(label)}
        for system in systems:
            path = layout.indices(system, label, FOLLOW_UP)
            if path.is_file():
                values = read_indices(path)
                made.rows.append({**who, "system": system, **_in_points(values)})
                if not values["coverage"]:
                    made.gaps.append(_gap(f"sub-{label}", FOLLOW_UP, system, "indices: no lesion voxel with a DVR"))
            else:
                made.gaps.append(_gap(f"sub-{label}", FOLLOW_UP, system, "indices"))
                made.rows.append({**who, "system": system})
    return made


def _in_points(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Fractions to percent points, the coverage as it is."""
    return {name: 100 * value if name in INDICES and value is not None else value for name, value in values.items()}


def _gap(participant_id: str, session: str, system: str, missing: str) -> dict[str, str]:
    return {"participant_id": participant_id, "session_id": session, "system": system, "missing": missing}


def _by_participant(path: Path) -> dict[str, Mapping[str, str]]:
    rows = read_table(path, ("participant_id",))
    require_single_rows(rows, ("participant_id",), path)
    return {row["participant_id"].removeprefix("sub-"): row for row in rows}


def _baseline_scores(path: Path, warnings: list[str]) -> dict[str, Mapping[str, str]] | None:
    """Baseline scores by participant, None without a table; what is odd about any of its scores goes to `warnings`."""
    if not path.is_file():
        return None
    rows = read_table(path, ("participant_id", "session_id", "edss"))
    require_single_rows(rows, ("participant_id", "session_id"), path)
    for column in LARGEST:
        if rows and column in rows[0]:
            warnings += scale_warnings(rows, column, path)
    first = [row for row in rows if row["session_id"].removeprefix("ses-") == BASELINE]
    return {row["participant_id"].removeprefix("sub-"): row for row in first}
