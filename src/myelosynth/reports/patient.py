"""The page of one patient: indices beside their null, maps, limits, provenance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from myelosynth.bids.index import SessionIndex
from myelosynth.bids.layout import Layout
from myelosynth.errors import InputError
from myelosynth.evaluation.significance import SMALLEST_N
from myelosynth.reports.indices import INDICES, INTERVAL_COLUMNS, Index, interval_words
from myelosynth.reports.maps import AGREEMENT, CHANGE, FOLLOW_UP, Analysis, agreement_maps, change_maps, dvr_maps
from myelosynth.reports.names import qc_page, relative
from myelosynth.reports.overlays import overlays_of
from myelosynth.reports.page import Gap, Picture, write_page
from myelosynth.reports.provenance import independence, provenance_table
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.slices import CONVENTION
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import Table, count, interval, number, points, read_table
from myelosynth.reports.viewer import Viewer, viewer

RETEST, NULL = "retest", "null-scan"
AGREEMENT_COLUMNS = ("system", "index", "n", "bias", "loa_low", "loa_high")
INDEX_COLUMNS = ("system", "participant_id", "coverage", *(index.key for index in INDICES))


@dataclass(frozen=True)
class Card:
    """One headline number: index, its value by system (ready text), and the difference from the measured PET."""

    index: Index
    values: Sequence[tuple[str, str]]
    verdict: str


def write_patient_page(
    layout: Layout, index: SessionIndex, sub: str, system: str, tables: Path, out: Path, raw_root: Path | None
) -> None:
    """Write the page of a patient for one system; gaps are listed on it.

    Raises InputError for a participant that the index does not list, or unreadable files.
    """
    if sub not in index.groups:
        values = f"sub-{sub}; the index lists {len(index.groups)} participants"
        raise InputError("participant not in the index", index.root, values, "check --sub and --index")
    indices, gaps = _indices(tables, sub)
    analysis = Analysis.of(layout, sub, system)
    pictures: dict[str, Picture | None] = {"dvr": None, "agreement": None, "change": None}
    planes: Viewer | None = None
    if analysis is None:
        gaps.append(Gap("maps", "no DVR, measured or predicted, at baseline"))
    else:
        drawn = {
            "dvr": dvr_maps(analysis, system),
            "agreement": agreement_maps(analysis, [system, RETEST]),
            "change": change_maps(analysis, ["true", system, RETEST]),
        }
        gaps += [item for item in drawn.values() if isinstance(item, Gap)]
        pictures = {name: item if isinstance(item, Picture) else None for name, item in drawn.items()}
        made = viewer(analysis, overlays_of(analysis, system))
        gaps += [made] if isinstance(made, Gap) else []
        planes = made if isinstance(made, Viewer) else None
    limits = read_table(tables / "agreement.tsv", AGREEMENT_COLUMNS)
    intervals = read_table(layout.index_intervals(system, sub, FOLLOW_UP), INTERVAL_COLUMNS)
    gaps += _uncovered(indices, system)
    sessions = index.sessions(sub)
    if FOLLOW_UP not in sessions:
        gaps.append(Gap("change between scans", f"this patient has no session {FOLLOW_UP}"))
    write_page(
        out,
        "patient.html",
        is_simulated(layout.root, raw_root),
        title=f"Myelin report: sub-{sub}",
        convention=CONVENTION,
        system=named(system),
        group=index.groups[sub],
        sessions=sessions,
        cards=[_card(item, indices, system, limits, intervals) for item in INDICES],
        comparison=comparison_table(indices, system, limits),
        dice=dice_table(tables, sub, system),
        images=image_table(tables, sub, system),
        pictures=pictures,
        shown_in_planes=planes,
        agreement_key=AGREEMENT,
        change_key=CHANGE,
        gaps=gaps,
        independence=independence(layout, sub, system),
        provenance=provenance_table(layout, sub, system, sessions),
        quality=[(ses, relative(qc_page(layout, sub, ses), out)) for ses in sessions],
    )


def _indices(tables: Path, sub: str) -> tuple[pd.DataFrame | None, list[Gap]]:
    """Rows of this patient by system; None with a gap when there are none."""
    table = read_table(tables / "indices.tsv", INDEX_COLUMNS)
    if table is None:
        return None, [Gap("indices", "the table indices.tsv has not been made")]
    rows = table[table["participant_id"] == f"sub-{sub}"].drop_duplicates("system").set_index("system")
    if rows.empty:
        return None, [Gap("indices", "this patient has none: lesions, follow-up or predictions are missing")]
    return rows, []


def _uncovered(indices: pd.DataFrame | None, system: str) -> list[Gap]:
    """One gap for each kind of map that leaves lesions out: percentages are then of the rest."""
    gaps = []
    for key in ("true", system):
        share = value_of(indices, key, "coverage")
        if indices is not None and key in indices.index and not share:
            why = "no baseline lesion has a DVR at both scans" if share == 0 else "the baseline lesion mask is empty"
            gaps.append(Gap(f"indices, {named(key).name}", f"{why}: there is nothing to count"))
        elif share is not None and share < 1:
            words = (
                f"{1 - share:.1%} of the baseline lesion volume has no DVR at both scans: percentages are of the rest"
            )
            gaps.append(Gap(f"lesions, {named(key).name}", words))
    return gaps


def value_of(indices: pd.DataFrame | None, system: str, key: str) -> float | None:
    """The value of an index for a system as a fraction; None where there is none."""
    if indices is None or system not in indices.index:
        return None
    value = float(indices[key].astype(float)[system])
    return None if np.isnan(value) else value


def _limits_of(limits: pd.DataFrame | None, system: str, key: str) -> tuple[float | None, float | None]:
    """Limits of agreement of a system with the measured PET over the cohort, fractions."""
    if limits is None:
        return None, None
    rows = limits[(limits["system"] == system) & (limits["index"] == key)]
    if rows.empty or rows[["loa_low", "loa_high"]].isna().any(axis=None):
        return None, None
    return float(rows["loa_low"].iloc[0]), float(rows["loa_high"].iloc[0])


def _patients_of(limits: pd.DataFrame | None, system: str, key: str) -> int:
    """How many patients the limits of agreement come from."""
    if limits is None:
        return 0
    found = limits[(limits["system"] == system) & (limits["index"] == key)]["n"]
    return int(found.iloc[0]) if len(found) else 0


def _card(
    index: Index,
    indices: pd.DataFrame | None,
    system: str,
    limits: pd.DataFrame | None,
    intervals: pd.DataFrame | None,
) -> Card:
    values = [("Measured PET", "true"), ("Predicted from MRI", system)]
    values += [("Null: no change", NULL)] if index.needs_change else []
    shown = [(words, points(value_of(indices, key, index.key), index.signed)) for words, key in values]
    if told := interval_words(intervals, index):
        words, bounds = told.split(": ")
        shown.insert(2, (words, bounds))
    return Card(index, shown, verdict(indices, system, index, limits))


def verdict(indices: pd.DataFrame | None, system: str, index: Index, limits: pd.DataFrame | None) -> str:
    """Whether the prediction differs from the measured PET by more than a second PET scan would."""
    truth, predicted = (value_of(indices, key, index.key) for key in ("true", system))
    if predicted is None:
        return "not predicted"
    if truth is None:
        return "no measured PET to compare with"
    low, high = _limits_of(limits, RETEST, index.key)
    difference = predicted - truth
    told = f"prediction off by {points(difference, True)} points"
    if low is None or high is None:
        return f"{told}; no retest limits to judge it by"
    patients = _patients_of(limits, RETEST, index.key)
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
        bounds = [_limits_of(limits, key, index.key) for key in (system, RETEST)]
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
        "Null",
        "Retest",
        "Retest − measured",
        "Limits of agreement, predicted",
        "Limits of agreement, retest",
    )
    patients = max(_patients_of(limits, system, index.key) for index in INDICES)
    few = f" With {patients} patients they are too uncertain to rely on." if patients <= SMALLEST_N else ""
    notes = (
        "Values and differences in percent or percent points of the baseline lesion volume. Limits of agreement: "
        f"95 % of the differences from the measured PET (Bland and Altman) lie between them; n = {patients}.{few}",
    )
    return Table(heads, rows, "Indices, measured and predicted, beside null and retest", notes=notes)


def dice_table(tables: Path, sub: str, system: str) -> Table | None:
    """Overlap of this patient's demyelination maps with the measured PET's."""
    columns = ("system", "participant_id", "session_id", "map", "dice", "n_true", "n_predicted")
    table = read_table(tables / "overlap.tsv", columns)
    if table is None:
        return None
    own = table[table["participant_id"] == f"sub-{sub}"]
    rows, classes = [], []
    for (session, which), part in own.groupby(["session_id", "map"], sort=True):
        by = part.drop_duplicates("system").set_index("system")
        keys = [system, *(key for key in by.index if named(key).kind in ("floor", "ceiling"))]
        for key in keys:
            if key in by.index:
                row = by.loc[key]
                cells = [number(row["dice"]), count(row["n_true"]), count(row["n_predicted"])]
                when = str(session).removeprefix("ses-").replace("change", "t0 to t1")
                rows.append([f"{which}, {when}", named(key).name, *cells])
                classes.append("main" if key == system else named(key).kind)
    heads = ("Map", "Against measured PET", "DICE", "Voxels, measured", "Voxels, predicted")
    notes = ("DICE: 1 is perfect overlap, 0 is none. A dash: undefined, since both maps are empty.",)
    return Table(heads, rows, "Overlap of the maps", classes, notes, text_columns=2)


def image_table(tables: Path, sub: str, system: str) -> Table | None:
    """Image metrics of this patient: the system beside floors and ceilings."""
    columns = ("system", "participant_id", "session_id", "reference", "mae_masked", "psnr_masked", "lesion_mae")
    table = read_table(tables / "image_metrics.tsv", columns)
    if table is None:
        return None
    own = table[(table["participant_id"] == f"sub-{sub}") & (table["reference"] == "measured")]
    rows, classes = [], []
    for session, part in own.groupby("session_id", sort=True):
        for _, row in part.drop_duplicates("system").iterrows():  # the maps of this page are of the first replicate
            kind = named(row["system"]).kind
            if row["system"] != system and kind == "candidate":
                continue
            cells = [number(row["mae_masked"], 4), number(row["psnr_masked"], 2), number(row["lesion_mae"], 4)]
            rows.append([str(session).removeprefix("ses-"), named(row["system"]).name, *cells])
            classes.append("main" if row["system"] == system else kind)
    heads = ("Session", "System", "MAE, brain (DVR)", "PSNR, brain (dB)", "MAE, lesions (DVR)")
    return Table(heads, rows, "Predicted against measured DVR (MAE: mean absolute error)", classes, text_columns=2)
