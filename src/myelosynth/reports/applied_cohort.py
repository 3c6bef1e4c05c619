"""The page of everybody to whom a bundle was applied: a row each, and the way to their pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from myelosynth.bids.index import BASELINE, FOLLOW_UP, SessionIndex, read_table
from myelosynth.bids.layout import Layout
from myelosynth.errors import InputError
from myelosynth.myelin.lesions import COLUMNS, NEW
from myelosynth.reports.applied import missing_sources
from myelosynth.reports.indices import DYNAMIC, INDICES, INTERVAL_COLUMNS
from myelosynth.reports.names import patient_page, qc_page, relative
from myelosynth.reports.nulls import patient_nulls
from myelosynth.reports.page import Gap, write_page
from myelosynth.reports.sidecars import record_of
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import MISSING, interval, points
from myelosynth.reports.tables import read_table as read_frame
from myelosynth.synthesis.bundle.card import Card

_MOST = 20  # names in one sentence


@dataclass(frozen=True)
class Member:
    """One participant: links, the indices as text in the order of INDICES, and what to mind."""

    sub: str
    group: str
    page: str
    quality: Sequence[tuple[str, str]]
    values: Sequence[str]
    null: str
    alarms: Sequence[str]


def write_applied_cohort_page(
    layout: Layout, indices: Sequence[SessionIndex], card: Card, out: Path, raw_root: Path | None
) -> None:
    """Write the page of all participants of the indices; who has no prediction is listed as a gap.

    raw_root: its participants.tsv tells who else there is. Raises InputError where nobody has a prediction at baseline.
    """
    groups = {sub: (group, index) for index in indices for sub, group in index.groups.items()}
    members, gaps = list[Member](), list[Gap]()
    for sub, (group, index) in groups.items():
        if layout.prediction(card.system, sub, BASELINE).is_file():
            members.append(_member(layout, index, sub, group, card, out))
            gaps += _gaps(layout, card.system, sub)
        else:
            gaps.append(Gap(f"sub-{sub}", f"there is no prediction at {BASELINE}: refused, or not made yet"))
    if not members:
        values = f"0 of {len(groups)} participants have a prediction of {card.system} at {BASELINE}"
        raise InputError("prediction missing", layout.root, values, "run `myelosynth apply` first")
    gaps += _others(raw_root, list(groups))
    simulated = is_simulated(layout.root, raw_root)
    write_page(
        out,
        "applied_cohort.html",
        simulated,
        title="Predicted myelin: all participants",
        system=named(card.system),
        members=members,
        indices=INDICES,
        followed=sum(layout.prediction(card.system, one.sub, FOLLOW_UP).is_file() for one in members),
        flagged=sum(bool(one.alarms) for one in members),
        has_null=card.null is not None,
        calibrated=card.calibrated,
        unreal=card.simulated and not simulated,
        limits=card.limits,
        bundle=f"{card.folder.name}, sha256 {card.sha256}",
        gaps=gaps,
    )


def _member(layout: Layout, index: SessionIndex, sub: str, group: str, card: Card, page: Path) -> Member:
    system = card.system
    sessions = [ses for ses in index.sessions(sub) if layout.prediction(system, sub, ses).is_file()]
    alarms = []
    for ses in sessions:
        if record_of(layout.prediction(system, sub, ses)).get("OutOfDistribution"):
            alarms.append(f"{ses}: out of distribution")
        if absent := missing_sources(layout, sub, system, ses):
            alarms.append(f"{ses}: without {', '.join(absent)}")
    quality = [(ses, relative(qc_page(layout, sub, ses), page)) for ses in sessions]
    link = relative(patient_page(layout, sub), page)
    return Member(sub, group, link, quality, _values(layout, system, sub), _null(layout, system, sub), alarms)


def _values(layout: Layout, system: str, sub: str) -> list[str]:
    """Every index as text, its interval on a second line where there is one; of one scan the share at baseline."""
    table = read_frame(layout.indices(system, sub, FOLLOW_UP), [index.key for index in INDICES])
    if table is None:
        first = baseline_share(read_frame(layout.lesion_table(system, sub, BASELINE), list(COLUMNS)))
        return [points(first if index.key == "percent_t0" else None) for index in INDICES]
    intervals = read_frame(layout.index_intervals(system, sub, FOLLOW_UP), INTERVAL_COLUMNS)
    ends = {} if intervals is None else {row["index"]: row for row in intervals.to_dict("records")}
    shown = []
    for index in INDICES:
        text = points(table[index.key].astype(float).iloc[0], index.signed)
        if index.key in ends:
            low, high = (points(ends[index.key][end], index.signed) for end in ("low", "high"))
            told = interval(low, high, str)
            text += "" if told == MISSING else f"\n({told})"
        shown.append(text)
    return shown


def baseline_share(lesions: pd.DataFrame | None) -> float | None:
    """The demyelinated share of all covered baseline lesion voxels, from a table of lesions; None without any."""
    if lesions is None:
        return None
    known = lesions[(lesions["kind"] != NEW) & lesions["percent_t0"].notna()]
    covered = known["voxels"] * known["coverage"]
    return float((known["percent_t0"] * covered).sum() / covered.sum()) if covered.sum() > 0 else None


def _null(layout: Layout, system: str, sub: str) -> str:
    """Which indices of change are more than noise explains, in words; a dash without a null."""
    found = patient_nulls(layout, system, sub)
    if not found:
        return MISSING
    beyond = [index.name for index in DYNAMIC if index.key in found and found[index.key].outside]
    return f"beyond: {', '.join(beyond)}" if beyond else "inside"


def _gaps(layout: Layout, system: str, sub: str) -> list[Gap]:
    """What a row lacks: the lesions, or else the second scan."""
    if not layout.demyelinated(system, sub, BASELINE).is_file():
        return [Gap(f"indices of sub-{sub}", "there is no lesion mask, or it is empty")]
    if not layout.prediction(system, sub, FOLLOW_UP).is_file():
        return [Gap(f"change of sub-{sub}", f"there is no prediction of {FOLLOW_UP}")]
    return []


def _others(raw_root: Path | None, known: Sequence[str]) -> list[Gap]:
    """One gap for those of participants.tsv to whom the bundle was not applied."""
    if raw_root is None:
        return []
    rows = read_table(raw_root / "participants.tsv", ("participant_id",))
    names = [row["participant_id"] for row in rows if row["participant_id"].removeprefix("sub-") not in known]
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    why = 'not asked for, or images are missing; "myelosynth apply --dry-run" tells which'
    return [Gap(", ".join(names[:_MOST]) + more, why)] if names else []
