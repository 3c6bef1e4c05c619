"""The indices of myelin content as readers meet them: names, units, plain words."""

from dataclasses import dataclass

import pandas as pd

from myelosynth.reports.tables import points

INTERVAL_COLUMNS = ("index", "low", "high", "level")


@dataclass(frozen=True)
class Index:
    """A column of indices.tsv: name, unit, what it means, whether it carries a sign, and whether it needs two scans."""

    key: str
    name: str
    unit: str
    meaning: str
    signed: bool = False
    needs_change: bool = False


INDICES = (
    Index(
        "percent_t0",
        "Demyelinated at t0",
        "% of baseline lesion volume",
        "How much of the lesions had, at the first scan, a myelin signal more than one standard deviation below "
        "that of healthy controls at the same distance from the CSF.",
    ),
    Index(
        "percent_t1",
        "Demyelinated at t1",
        "% of baseline lesion volume",
        "The same at the follow-up scan, within the same lesions.",
    ),
    Index(
        "global",
        "Global index of change",
        "percent points, t1 minus t0",
        "The balance. Positive: demyelination prevails between the scans; negative: remyelination prevails.",
        signed=True,
        needs_change=True,
    ),
    Index(
        "demyelination",
        "Demyelination",
        "% of baseline lesion volume",
        "How much of the lesions was normal at t0 and demyelinated at t1.",
        needs_change=True,
    ),
    Index(
        "remyelination",
        "Remyelination",
        "% of baseline lesion volume",
        "How much of the lesions was demyelinated at t0 and normal at t1. Noise alone gives some: read it beside "
        "the null.",
        needs_change=True,
    ),
)
DYNAMIC = tuple(index for index in INDICES if index.needs_change)


def interval_words(intervals: pd.DataFrame | None, index: Index) -> str:
    """The interval of one index of a table of `index-intervals`, as `90 % interval 10.0 to 12.0`; empty without one."""
    if intervals is None:
        return ""
    row = intervals[intervals["index"] == index.key].iloc[0]
    if pd.isna(row["low"]):
        return ""
    bounds = " to ".join(points(row[end], index.signed) for end in ("low", "high"))
    return f"{100 * row['level']:.0f} % interval for a measured PET: {bounds}"
