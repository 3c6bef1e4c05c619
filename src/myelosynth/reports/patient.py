"""The page of one patient: indices beside their null, maps, limits, provenance."""

from pathlib import Path

import pandas as pd

from myelosynth.bids.index import BASELINE, FOLLOW_UP, SessionIndex
from myelosynth.bids.layout import Layout
from myelosynth.errors import InputError
from myelosynth.reports.acquisition import acquisition_table
from myelosynth.reports.cards import INDEX_COLUMNS, RETEST, cards, comparison_table, value_of
from myelosynth.reports.indices import INTERVAL_COLUMNS
from myelosynth.reports.lesions import LesionTable, lesion_table
from myelosynth.reports.maps import AGREEMENT, CHANGE, Analysis, agreement_maps, change_maps, dvr_maps
from myelosynth.reports.methods import patient_methods
from myelosynth.reports.names import cohort_page, neighbours, predicted_patients, relative
from myelosynth.reports.nulls import patient_nulls
from myelosynth.reports.overlays import overlays_of
from myelosynth.reports.page import Gap, Picture, write_page
from myelosynth.reports.provenance import independence, provenance_table
from myelosynth.reports.quality import quality
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.slices import CONVENTION
from myelosynth.reports.standing import standing
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import Table, count, number, read_table
from myelosynth.reports.viewer import Viewer, viewer

AGREEMENT_COLUMNS = ("system", "index", "n", "bias", "loa_low", "loa_high")


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
    everybody = read_table(tables / "indices.tsv", INDEX_COLUMNS)
    nulls = {key: patient_nulls(layout, key, sub) for key in ("true", system)}
    placed = standing(indices, system, nulls, everybody)
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
    gaps += [placed] if isinstance(placed, Gap) and indices is not None else []
    acquired = acquisition_table(index, sub)
    last = FOLLOW_UP if layout.lesion_table(system, sub, FOLLOW_UP).is_file() else BASELINE
    measured, predicted = (layout.lesion_table(key, sub, last) for key in ("true", system))
    listed = lesion_table(measured, predicted) if measured.is_file() else lesion_table(predicted)
    gaps += [item for item in (acquired, listed) if isinstance(item, Gap)]
    simulated = is_simulated(layout.root, raw_root)
    sessions = index.sessions(sub)
    if FOLLOW_UP not in sessions:
        gaps.append(Gap("change between scans", f"this patient has no session {FOLLOW_UP}"))
    write_page(
        out,
        "patient.html",
        simulated,
        title=f"Myelin report: sub-{sub}",
        convention=CONVENTION,
        system=named(system),
        group=index.groups[sub],
        sessions=sessions,
        cards=cards(indices, system, limits, intervals, nulls, everybody),
        placed=placed if isinstance(placed, Picture) else None,
        lesions=listed if isinstance(listed, LesionTable) else None,
        acquired=acquired if isinstance(acquired, Table) else None,
        methods=patient_methods(layout, sub, system, simulated),
        cohort=relative(cohort_page(layout), out),
        neighbours=neighbours(layout, predicted_patients(layout, index.groups, system), sub, out),
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
        quality=quality(layout, index, sub, sessions, out),
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


def dice_table(tables: Path, sub: str, system: str) -> Table | None:
    """Overlap of this patient's demyelination maps with the measured PET's."""
    columns = ("system", "participant_id", "session_id", "map", "dice", "n_true", "n_predicted")
    table = read_table(tables / "overlap.tsv", columns)
    if table is None:
        return None
    own = table[table["participant_id"] == f"sub-{sub}"]
    rows, classes = [], []
    order = sorted(own.groupby(["session_id", "map"]), key=lambda pair: (pair[0][0] == "change", pair[0]))
    for (session, which), part in order:
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
