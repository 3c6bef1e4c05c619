"""All tables of an evaluation."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import track

from myelosynth.evaluation import columns
from myelosynth.evaluation.ceilings import ceiling_notes, ceiling_rows, oracle_faults
from myelosynth.evaluation.cohort import Study, Subject
from myelosynth.evaluation.ranking import ranking_rows, statements
from myelosynth.evaluation.scores import all_scores
from myelosynth.evaluation.study import image_rows, index_rows, overlap_rows
from myelosynth.evaluation.summary import agreement_rows, comparison_rows, summary_rows


@dataclass(frozen=True)
class Evaluation:
    """Table name to its columns and rows, and what they come to in words.

    faults: scores that pass the oracle, by more than chance, where it is a bound; notes: other scores that pass a
    ceiling; statements: whether the reference method beats the floors.
    """

    tables: dict[str, tuple[columns.Columns, list[dict[str, Any]]]]
    faults: list[str]
    notes: list[str]
    statements: list[str]


def evaluate_study(study: Study, against: str, seed: int, resamples: int) -> Evaluation:
    """Scores per subject first, then what they say together.

    against: the method that the others are tested against. Progress is shown on a terminal only.
    """
    console = Console(stderr=True)

    def shown(subjects: list[Subject]) -> Any:
        return track(subjects, "Scoring", console=console, disable=not console.is_terminal)

    images, overlaps, indices = image_rows(study, shown), overlap_rows(study, shown), index_rows(study)
    scores = all_scores(images, overlaps, indices, study.nulls)
    estimates = [row for row in indices if row["system"] not in study.nulls]
    comparisons = comparison_rows(scores, study.systems, against)
    ceilings = ceiling_rows(scores, study.systems, seed, resamples)
    ranking = ranking_rows(scores, comparisons, study.systems, against, seed, resamples)
    tables = {
        "image_metrics": (columns.IMAGE_METRICS, images),
        "overlap": (columns.OVERLAP, overlaps),
        "indices": (columns.INDICES, indices),
        "agreement": (columns.AGREEMENT, agreement_rows(estimates)),
        "summary": (columns.SUMMARY, summary_rows(scores, seed, resamples)),
        "comparisons": (columns.COMPARISONS, comparisons),
        "ceilings": (columns.CEILINGS, ceilings),
        "ranking": (columns.RANKING, ranking),
    }
    return Evaluation(tables, oracle_faults(ceilings), ceiling_notes(ceilings), statements(ranking, against))
