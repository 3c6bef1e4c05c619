"""The lesions of all patients in one table."""

from typing import Any

from myelosynth.bids.index import BASELINE, FOLLOW_UP, read_table
from myelosynth.evaluation.cohort import TRUE, Run, Study
from myelosynth.myelin.lesions import COLUMNS


def lesion_rows(study: Study) -> list[dict[str, Any]]:
    """The tables of `myelosynth lesion-table` one below the other: true, predicted and under the null.

    A patient without a follow-up has the table of the baseline; one without either is a gap. A patient without lesions
    has a table without rows, and no row here.
    """
    rows: list[dict[str, Any]] = []
    for subject in study.patients():
        for run in [Run(TRUE), *study.runs, *map(Run, study.nulls)]:
            paths = [study.layout.lesion_table(run.key, subject.label, ses) for ses in (FOLLOW_UP, BASELINE)]
            path = next((path for path in paths if path.is_file()), paths[0])
            if study.there(path, subject, FOLLOW_UP, run.key, "lesion table"):
                head = {"system": run.system, "replicate": run.replicate, "participant_id": subject.participant_id}
                rows += [{**head, "fold": subject.fold, **row} for row in read_table(path, tuple(COLUMNS))]
    return rows
