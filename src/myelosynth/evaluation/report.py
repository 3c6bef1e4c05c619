"""All tables of an evaluation."""

from typing import Any

from rich.console import Console
from rich.progress import track

from myelosynth.evaluation import columns
from myelosynth.evaluation.cohort import Study, Subject
from myelosynth.evaluation.study import image_rows, index_rows, overlap_rows
from myelosynth.evaluation.summary import agreement_rows, all_scores, comparison_rows, summary_rows


def evaluation_tables(
    study: Study, against: str, seed: int, resamples: int
) -> dict[str, tuple[columns.Columns, list[dict[str, Any]]]]:
    """Table name to its columns and rows: scores per subject first, then what they say together.

    against: the method that the others are tested against. Progress is shown on a terminal only.
    """
    console = Console(stderr=True)

    def shown(subjects: list[Subject]) -> Any:
        return track(subjects, "Scoring", console=console, disable=not console.is_terminal)

    images, overlaps, indices = image_rows(study, shown), overlap_rows(study, shown), index_rows(study)
    scores = all_scores(images, overlaps, indices, study.nulls)
    estimates = [row for row in indices if row["system"] not in study.nulls]
    return {
        "image_metrics": (columns.IMAGE_METRICS, images),
        "overlap": (columns.OVERLAP, overlaps),
        "indices": (columns.INDICES, indices),
        "agreement": (columns.AGREEMENT, agreement_rows(estimates)),
        "summary": (columns.SUMMARY, summary_rows(scores, seed, resamples)),
        "comparisons": (columns.COMPARISONS, comparison_rows(scores, study.systems, against)),
    }
