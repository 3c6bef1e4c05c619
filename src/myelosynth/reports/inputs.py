"""What the cohort page is made from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from myelosynth.bids.index import COVERS, TARGET, SessionIndex
from myelosynth.bids.layout import Layout
from myelosynth.evaluation import clinical_columns, columns, detail_columns
from myelosynth.reports.systems import System, ordered, system
from myelosynth.reports.tables import read_table

_WITHOUT_MODEL = ("all-positive", "no-change")
TABLES = {
    "image_metrics": columns.IMAGE_METRICS,
    "overlap": columns.OVERLAP,
    "indices": columns.INDICES,
    "agreement": columns.AGREEMENT,
    "summary": columns.SUMMARY,
    "comparisons": columns.COMPARISONS,
    "clinical_table": clinical_columns.TABLE,
    "clinical": clinical_columns.SUMMARY,
    "clinical_influence": clinical_columns.INFLUENCE,
    "clinical_checks": clinical_columns.CHECKS,
    "clinical_flow": clinical_columns.FLOW,
}


DETAILS = {
    "agreement_intervals": detail_columns.AGREEMENT_INTERVALS,
    "agreement_strata": detail_columns.AGREEMENT_STRATA,
    "hallucination": detail_columns.HALLUCINATION,
    "hallucination_summary": detail_columns.HALLUCINATION_SUMMARY,
    "lesions": detail_columns.LESIONS,
}
"""What `myelosynth agreement` writes besides."""
VERDICTS = {"ceilings": columns.CEILINGS, "ranking": columns.RANKING}
"""What the comparison page needs besides."""


@dataclass(frozen=True)
class CohortInputs:
    """A study's results, its roster, the folder of its tables, the systems to show, the one of the figures, and
    the raw data set; sources: the maps that models see, by the task."""

    layout: Layout
    index: SessionIndex
    tables: Path
    systems: tuple[str, ...]
    main: str
    raw: Path | None
    sources: tuple[str, ...] = tuple(name for name in COVERS if name != TARGET)

    def table(self, name: str) -> pd.DataFrame:
        """A table of the evaluation, limited to the systems shown; without rows where it has not been made.

        Scores of several replicates come as their mean. Raises InputError for a table that lacks columns.
        """
        known = list((TABLES | DETAILS | VERDICTS)[name])
        frame = read_table(self.tables / f"{name}.tsv", known)
        if frame is None:
            return pd.DataFrame(columns=known)
        return over_replicates(frame.loc[[self.shows(str(key)) for key in frame["system"]]])

    def missing_tables(self) -> list[str]:
        return [name for name in TABLES if not (self.tables / f"{name}.tsv").is_file()]

    def shows(self, key: str) -> bool:
        """Whether a system is on the page: asked for, truth, ceiling, null, or a floor that needs no model."""
        return key in (*self.systems, *_WITHOUT_MODEL) or system(key).kind in ("truth", "ceiling", "null")

    def ordered(self, keys: Iterable[object]) -> list[System]:
        """Systems of a table in the order of the page."""
        return ordered([str(key) for key in keys], self.main)

    def row_class(self, one: System) -> str:
        return "main" if one.key == self.main else one.kind


def over_replicates(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with one row per subject and system: the mean over replicates; other tables as they are."""
    if "replicate" not in scores or not (scores["replicate"] > 1).any():
        return scores
    names = ("system", "participant_id", "session_id", "map", "group", "fold", "reference")
    keys = [name for name in names if name in scores]
    values = [name for name in scores.select_dtypes(["number", "bool"]) if name not in (*keys, "replicate")]
    merged = scores.groupby(keys, sort=False, dropna=False, as_index=False)[values].mean()
    return merged.reindex(columns=scores.columns).assign(replicate=1)


def patients_sorted(indices: pd.DataFrame, by: str) -> list[str]:
    """Participants with a measured value of an index, sorted by it, as figure 5 of wei2020."""
    true = indices[(indices["system"] == "true") & indices[by].notna()]
    return list(true.sort_values([by, "participant_id"])["participant_id"])
