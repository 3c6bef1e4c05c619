"""The indices of a patient on a page: measured beside predicted, each beside its null, judged in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from myelosynth.evaluation.significance import SMALLEST_N
from myelosynth.reports.indices import INDICES, Index, interval_words
from myelosynth.reports.nulls import NullRange
from myelosynth.reports.tables import Table, interval, points

RETEST, NULL = "retest", "null-scan"
INDEX_COLUMNS = ("system", "participant_id", "coverage", *(index.key for index in INDICES))
Nulls = Mapping[str, NullRange]


@dataclass(frozen=True)
class Side:
    """One kind of map on a card: what it is called, the value of the index as text, and lines of small print."""

    words: str
    value: str
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Card:
    """One index: measured and predicted side by side, where they differ in sign, and what to make of it."""

    index: Index
    sides: Sequence[Side]
    verdict: str = ""
    sign: str = ""


def cards(
    indices: pd.DataFrame | None,
    system: str,
    limits: pd.DataFrame | None,
    intervals: pd.DataFrame | None,
    nulls: Mapping[str, Nulls],
    everybody: pd.DataFrame | None = None,
) -> list[Card]:
    """A card for every index; nulls: by system and index; everybody: the table of the cohort, for the ranks."""
    made = []
    for index in INDICES:
        sides = []
        for words, key in (("Measured PET", "true"), ("Predicted from MRI", system)):
            value = value_of(indices, key, index.key)
            lines = null_lines(index, value, nulls.get(key, {}), measured=key == "true", indices=indices)
            if key == system and (told := interval_words(intervals, index)):
                lines.insert(0, told)
            if told := rank_words(everybody, key, index, value):
                lines.append(told)
            sides.append(Side(words, points(value, index.signed), lines))
        judged = verdict(indices, system, index, limits)
        made.append(Card(index, sides, judged, sign_words(indices, system, index, nulls.get("true", {}))))
    return made


def null_lines(
    index: Index, value: float | None, nulls: Nulls, measured: bool = False, indices: pd.DataFrame | None = None
) -> list[str]:
    """What no change at all would give: the interval where there is one, else the one scan that a simulation made.

    Without either, for an index of change, that there is no null. What t1 alone shows has a null too, but it is that of
    the global index over again: the draws start from the baseline's share.
    """
    if value is None or not index.needs_change:
        return []
    if index.key in nulls:
        return [nulls[index.key].words(index)]
    nothing = value_of(indices, NULL, index.key) if measured else None
    if nothing is not None:
        return [f"one scan without change: {points(nothing, index.signed)} (no null interval)"]
    return ["no null: how much of it is noise is not known"]


def rank_words(everybody: pd.DataFrame | None, system: str, index: Index, value: float | None) -> str:
    """The place of a value among all patients, the greatest first; empty with fewer than two."""
    if everybody is None or value is None:
        return ""
    known = everybody[everybody["system"] == system].drop_duplicates("participant_id")[index.key].dropna().astype(float)
    if len(known) < 2:
        return ""
    return f"rank {1 + int((known > value).sum())} of {len(known)} patients, greatest first"


def sign_words(indices: pd.DataFrame | None, system: str, index: Index, nulls: Nulls) -> str:
    """For an index with a sign: in words that measured and predicted disagree about the direction, else empty.

    nulls: of the measured PET; a change inside its null has no direction to be missed.
    """
    pair = [value_of(indices, key, index.key) for key in ("true", system)]
    if not index.signed or None in pair or pair[0] * pair[1] >= 0:  # type: ignore[operator]
        return ""
    if index.key in nulls and not nulls[index.key].outside:
        return "The signs differ, but the measured change is inside its null: neither direction is a finding."
    told = ["demyelination" if value > 0 else "remyelination" for value in pair]  # type: ignore[operator]
    return f"The signs differ: measured PET says that {told[0]} prevails, the prediction says {told[1]}."


def value_of(indices: pd.DataFrame | None, system: str, key: str) -> float | None:
    """The value of an index for a system as a fraction; None where there is none."""
    if indices is None or system not in indices.index:
        return None
    value = float(indices[key].astype(float)[system])
    return None if np.isnan(value) else value


def limits_of(limits: pd.DataFrame | None, system: str, key: str) -> tuple[float | None, float | None]:
    """Limits of agreement of a system with the measured PET over the cohort, fractions."""
    if limits is None:
        return None, None
    rows = limits[(limits["system"] == system) & (limits["index"] == key)]
    if rows.empty or rows[["loa_low", "loa_high"]].isna().any(axis=None):
        return None, None
    return float(rows["loa_low"].iloc[0]), float(rows["loa_high"].iloc[0])


def patients_of(limits: pd.DataFrame | None, system: str, key: str) -> int:
    """How many patients the limits of agreement come from."""
    if limits is None:
        return 0
    found = limits[(limits["system"] == system) & (limits["index"] == key)]["n"]
    return int(found.iloc[0]) if len(found) else 0


def verdict(indices: pd.DataFrame | None, system: str, index: Index, limits: pd.DataFrame | None) -> str:
    """Whether the prediction differs from the measured PET by more than a second PET scan would."""
    truth, predicted = (value_of(indices, key, index.key) for key in ("true", system))
    if predicted is None:
        return "not predicted"
    if truth is None:
        return "no measured PET to compare with"
    low, high = limits_of(limits, RETEST, index.key)
    difference = predicted - truth
    told = f"prediction off by {points(difference, True)} points"
    if low is None or high is None:
        return f"{told}; no retest limits to judge it by"
    patients = patients_of(limits, RETEST, index.key)
    if patients <= SMALLEST_N:
        return f"{told}; the retest limits come from {patients} patients, too few to judge it by"
    inside = low <= difference <= high
    return f"{told}: {'within' if inside else 'beyond'} what a second PET scan would change"


def comparison_table(indices: pd.DataFrame | None, system: str, limits: pd.DataFrame | None) -> Table:
    """All indices, measured and predicted, with the differences and the limits of agreement over the cohort."""
    rows = []
    for index in INDICES:
        truth, predicted, retest = (value_of(indices, key, index.key) for key in ("true", system, RETEST))
        nothing = value_of(indices, NULL, index.key) if index.needs_change else None
        both = [None if None in (truth, other) else other - truth for other in (predicted, retest)]  # type: ignore[operator]
        bounds = [limits_of(limits, key, index.key) for key in (system, RETEST)]
        rows.append(
            [
                f"{index.name} ({index.unit})",
                points(truth, index.signed),
                points(predicted, index.signed),
                points(both[0], True),
                points(nothing, index.signed),
                points(retest, index.signed),
                points(both[1], True),
                interval(*bounds[0], lambda v: points(v, True)),
                interval(*bounds[1], lambda v: points(v, True)),
            ]
        )
    heads = (
        "Index",
        "Measured",
        "Predicted",
        "Predicted − measured",
        "Null scan",
        "Retest",
        "Retest − measured",
        "Limits of agreement, predicted",
        "Limits of agreement, retest",
    )
    patients = max(patients_of(limits, system, index.key) for index in INDICES)
    few = f" With {patients} patients they are too uncertain to rely on." if patients <= SMALLEST_N else ""
    notes = (
        "Values and differences in percent or percent points of the baseline lesion volume. Limits of agreement: "
        f"95 % of the differences from the measured PET (Bland and Altman) lie between them; n = {patients}.{few}",
    )
    return Table(heads, rows, "Indices, measured and predicted, beside null and retest", notes=notes)
