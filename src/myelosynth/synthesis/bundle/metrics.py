"""The scores on a model card: which rows, between which floors and ceilings, and whose they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from myelosynth.synthesis.names import FLOORS

SUMMARY = ("system", "metric", "reference", "session_id", "map", "group", "n", "mean", "ci_low", "ci_high")
"""Columns of a summary table that are read."""
_FLOORS = (*FLOORS, "all-positive", "no-change")
_CEILINGS = ("retest", "noise-free", "oracle")
_TOLD = ("mse_masked", "psnr_masked", "ssim_masked", "lesion_mae", "lesion_mean_difference", "nawm_mae", "dice")
_ERROR = "_error"
OWN, POOLED = "test subjects of the members' folds", "pooled over folds"


@dataclass(frozen=True)
class Metrics:
    """Rows of a card, and whose they are.

    own: of the test subjects of the members' folds alone, each under the checkpoint of its fold; else of all folds that
    were evaluated together. folds: the folds behind the rows, empty where the table does not tell; subjects: how many
    test subjects, None where it does not tell; trainings: how many seeds a subject's score is the mean of.
    """

    rows: list[dict[str, Any]]
    own: bool
    folds: list[int]
    subjects: int | None
    trainings: int = 1

    def record(self) -> dict[str, Any]:
        """Whose the rows are, as JSON."""
        return {
            "Scope": OWN if self.own else POOLED,
            "Folds": self.folds,
            "TestSubjects": self.subjects,
            "Trainings": self.trainings,
        }


def parts_of(system: str) -> dict[str, str]:
    """The systems that a card tells of: the model itself, floors and ceilings."""
    return {system: "model"} | {s: "floor" for s in _FLOORS if s != system} | {s: "ceiling" for s in _CEILINGS}


def is_told(metric: str, reference: str) -> bool:
    """Whether a card tells a metric: errors and overlaps against the measured target."""
    return (metric in _TOLD or metric.endswith(_ERROR)) and reference == "measured"


def metric_rows(table: Sequence[Mapping[str, str]], system: str) -> list[dict[str, Any]]:
    """Rows of a summary, as text, about the system, floors and ceilings, against the measured target."""
    kinds = parts_of(system)
    rows = []
    for row in table:
        if row["system"] in kinds and is_told(row["metric"], row["reference"]):
            numbers = {key: _number(row[key]) for key in ("n", "mean", "ci_low", "ci_high")}
            words = {key: row[key] for key in ("system", "metric", "session_id", "map", "group")}
            rows.append({"part": kinds[row["system"]], **words, **numbers})
    order = ("model", "floor", "ceiling")
    return sorted(
        rows, key=lambda row: (row["metric"], row["session_id"], row["map"], row["group"], order.index(row["part"]))
    )


def _number(text: str) -> float | None:
    return None if text in ("", "n/a") else float(text)
