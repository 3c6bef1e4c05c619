"""Whom a regression lost on the way, and to which column."""

from collections.abc import Mapping, Sequence
from typing import Any

from myelosynth.evaluation.cases import labels_of, unknown_sex
from myelosynth.evaluation.tables import MISSING

FOLLOW_UP = "follow_up"
COLUMNS = {
    "stage": {"Description": "what the participants of this row and of those above it have"},
    "n": {"Description": "participants left"},
    "lost": {"Description": "participants lost at this stage"},
    "lost_participants": {"Description": "their names"},
}


def flow_rows(
    table: Sequence[Mapping[str, str]], response: str, predictor: str, covariates: Sequence[str]
) -> list[dict[str, Any]]:
    """Participants of a table of text cells from all of them to the complete ones (columns of COLUMNS).

    A patient without a follow-up is told apart from one without an index where the table has the column `follow_up`.
    """
    left = list(zip(labels_of(table), table, strict=True))
    rows: list[dict[str, Any]] = [{"stage": "in the table", "n": len(left), "lost": 0}]
    stages: list[tuple[str, str, tuple[str, ...]]] = [
        (f"with {name}", name, (*MISSING, *unknown_sex(table, name))) for name in (predictor, response, *covariates)
    ]
    if table and FOLLOW_UP in table[0]:
        stages.insert(0, ("with a follow-up", FOLLOW_UP, ("false", *MISSING)))
    for words, column, absent in stages:
        lost = [label for label, row in left if row[column].strip().lower() in absent]
        left = [(label, row) for label, row in left if label not in lost]
        rows.append({"stage": words, "n": len(left), "lost": len(lost), "lost_participants": ", ".join(lost)})
    return [*rows, {"stage": "in the regression", "n": len(left), "lost": 0}]
