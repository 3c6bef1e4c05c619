"""The page of a patient without PET: what a bundle predicts, how far to trust it, and what it cannot tell."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myelosynth.bids.index import BASELINE, FOLLOW_UP, SessionIndex
from myelosynth.bids.layout import Layout
from myelosynth.errors import InputError
from myelosynth.reports.acquisition import acquisition_table
from myelosynth.reports.cards import Card as IndexCard
from myelosynth.reports.cards import Side, null_lines
from myelosynth.reports.indices import INDICES, INTERVAL_COLUMNS, interval_words
from myelosynth.reports.lesions import LesionTable, lesion_table
from myelosynth.reports.maps import CHANGE, DEMYELINATED, Analysis, change_maps, dvr_maps
from myelosynth.reports.methods import patient_methods
from myelosynth.reports.mosaic import Bar, Row, mosaic
from myelosynth.reports.names import applied_cohort_page, neighbours, relative
from myelosynth.reports.nulls import patient_nulls
from myelosynth.reports.overlays import overlays_of
from myelosynth.reports.page import Gap, Picture, write_page
from myelosynth.reports.provenance import provenance_table
from myelosynth.reports.quality import quality
from myelosynth.reports.sidecars import record_of
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.slices import CONVENTION, Layer, box_of
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import Table, number, points, read_table
from myelosynth.reports.viewer import Viewer, viewer
from myelosynth.synthesis.bundle.card import Card


def write_applied_page(
    layout: Layout, index: SessionIndex, sub: str, card: Card, out: Path, raw_root: Path | None
) -> None:
    """Write the page of a participant to whom a bundle was applied; gaps are listed on it.

    Raises InputError for a participant that the index does not list, or without a prediction at baseline.
    """
    if sub not in index.groups:
        values = f"sub-{sub}; the index lists {len(index.groups)} participants"
        raise InputError("participant not in the index", index.root, values, "check --sub and --index")
    system = card.system
    analysis = Analysis.of(layout, sub, system)
    if analysis is None:
        where = layout.prediction(system, sub, BASELINE)
        raise InputError("prediction missing", where, "no such file", "run `myelosynth apply` first")
    sessions = [ses for ses in index.sessions(sub) if layout.prediction(system, sub, ses).is_file()]
    pictures: dict[str, Picture | None] = {}
    gaps: list[Gap] = []
    for name, drawn in (
        ("dvr", dvr_maps(analysis, system)),
        ("demyelinated", demyelinated_maps(analysis, system, sessions)),
        ("change", change_maps(analysis, [system])),
        ("spread", spread_maps(analysis, system, sessions) if card.spread else None),
    ):
        gaps += [drawn] if isinstance(drawn, Gap) else []
        pictures[name] = drawn if isinstance(drawn, Picture) else None
    planes = viewer(analysis, overlays_of(analysis, system))
    gaps += [planes] if isinstance(planes, Gap) else []
    gaps += uncovered(analysis, system, sessions)
    if FOLLOW_UP not in sessions:
        gaps.append(Gap("change between scans", f"there is no prediction of {FOLLOW_UP}"))
    acquired = acquisition_table(index, sub)
    last = FOLLOW_UP if layout.lesion_table(system, sub, FOLLOW_UP).is_file() else BASELINE
    listed = lesion_table(layout.lesion_table(system, sub, last))
    gaps += [item for item in (acquired, listed) if isinstance(item, Gap)]
    simulated = is_simulated(layout.root, raw_root)
    people = [other for other in index.groups if layout.prediction(system, other, BASELINE).is_file()]
    shown = estimates(layout, analysis, system, sessions)
    write_page(
        out,
        "applied.html",
        simulated,
        title=f"Predicted myelin: sub-{sub}",
        convention=CONVENTION,
        system=named(system),
        group=index.groups[sub],
        sessions=sessions,
        warnings=beyond_training(layout, sub, system, sessions),
        without=without_sources(layout, sub, system, sessions),
        unreal=card.simulated and not simulated,
        cards=shown,
        has_null=bool(patient_nulls(layout, system, sub)),
        lesions=listed if isinstance(listed, LesionTable) else None,
        acquired=acquired if isinstance(acquired, Table) else None,
        methods=patient_methods(layout, sub, system, simulated, measured=False),
        cohort=relative(applied_cohort_page(layout), out),
        neighbours=neighbours(layout, people, sub, out),
        values=value_table(analysis, system, sessions),
        pictures=pictures,
        shown_in_planes=planes if isinstance(planes, Viewer) else None,
        demyelinated_key=DEMYELINATED,
        change_key=CHANGE,
        gaps=gaps,
        limits=card.limits,
        bundle=f"{card.folder.name}, sha256 {card.sha256}",
        provenance=provenance_table(layout, sub, system, sessions),
        quality=quality(layout, index, sub, sessions, out),
    )


def beyond_training(layout: Layout, sub: str, system: str, sessions: Sequence[str]) -> list[str]:
    """One sentence for every measure that lies beyond the training subjects, from the predictions' sidecars."""
    told = []
    for ses in sessions:
        for finding in record_of(layout.prediction(system, sub, ses)).get("BeyondTraining", []):
            told.append(f"{ses}: {finding['words']}{'; ' + finding['likely'] if finding['likely'] else ''}")
    return told


def missing_sources(layout: Layout, sub: str, system: str, ses: str) -> list[str]:
    """The sources that a prediction was made without, from its sidecar."""
    return [str(name) for name in record_of(layout.prediction(system, sub, ses)).get("MissingSources", [])]


def without_sources(layout: Layout, sub: str, system: str, sessions: Sequence[str]) -> list[str]:
    """One sentence for every session that was predicted without some source, and one where sessions differ in them."""
    missing = {ses: missing_sources(layout, sub, system, ses) for ses in sessions}
    told = [f"{ses}: predicted without {', '.join(names)}" for ses, names in missing.items() if names]
    if len({tuple(names) for names in missing.values()}) > 1:
        told.append("the sessions were predicted from different sources: part of the change between them comes of that")
    return told


def estimates(layout: Layout, analysis: Analysis, system: str, sessions: Sequence[str]) -> list[IndexCard]:
    """Every index of the prediction beside its null; without a follow-up the share at each scan alone."""
    path = layout.indices(system, analysis.sub, FOLLOW_UP)
    table = read_table(path, [index.key for index in INDICES])
    row = table.iloc[0] if table is not None and len(table) else None
    intervals = read_table(layout.index_intervals(system, analysis.sub, FOLLOW_UP), INTERVAL_COLUMNS)
    nulls, found = patient_nulls(layout, system, analysis.sub), []
    for index in INDICES:
        if row is not None:
            share = float(row[index.key]) if pd.notna(row[index.key]) else None
        else:
            share = None if index.needs_change else _share(analysis, system, index.key.removeprefix("percent_"))
        lines = [interval_words(intervals, index), *null_lines(index, share, nulls)]
        lines += [] if share is not None else [_why(analysis, sessions)]
        side = Side("Predicted from MRI", points(share, index.signed), [line for line in lines if line])
        found.append(IndexCard(index, [side]))
    return found


def _share(analysis: Analysis, system: str, ses: str) -> float | None:
    """The demyelinated share of the baseline lesion voxels that have a predicted DVR in the session.

    Those without one count neither above nor below the line, as in the indices of two scans.
    """
    mask = analysis.labels(analysis.layout.demyelinated(system, analysis.sub, ses))
    covered = _covered(analysis, system, [ses])
    if mask is None or covered is None or not covered.any():
        return None
    return float((mask[covered] > 0).mean())


def _covered(analysis: Analysis, system: str, sessions: Sequence[str]) -> NDArray[np.bool_] | None:
    """Lesion voxels (X, Y, Z) with a predicted DVR in each of the sessions; None where there is no lesion."""
    if not analysis.lesions.any():
        return None
    covered = analysis.lesions.copy()
    for ses in sessions:
        dvr = analysis.volume(analysis.layout.prediction(system, analysis.sub, ses))
        covered &= dvr > 0 if dvr is not None else False
    return covered


def uncovered(analysis: Analysis, system: str, sessions: Sequence[str]) -> list[Gap]:
    """A gap where lesion voxels have no predicted DVR in some session: percentages are then of the rest."""
    covered = _covered(analysis, system, sessions)
    share = 1.0 if covered is None else float(covered[analysis.lesions].mean())
    if share == 1:
        return []
    scans = f"at {' and '.join(sessions)}"
    words = f"{1 - share:.1%} of the baseline lesion volume has no predicted DVR {scans}: percentages are of the rest"
    return [Gap("lesions", words)]


def _why(analysis: Analysis, sessions: Sequence[str]) -> str:
    if not analysis.lesions.any():
        return "no lesion mask, or an empty one"
    return "no lesion inside the predicted map" if FOLLOW_UP in sessions else "one scan only"


def value_table(analysis: Analysis, system: str, sessions: Sequence[str]) -> Table:
    """Predicted DVR in lesions and in the rest of the brain, with the mean SD of a voxel where there is one."""
    rows = []
    for ses in sessions:
        mean = analysis.volume(analysis.layout.prediction(system, analysis.sub, ses))
        std = analysis.volume(analysis.layout.prediction(system, analysis.sub, ses, desc="predDvrStd"))
        for words, where in (
            ("lesions", analysis.lesions & analysis.brain),
            ("brain without lesions", analysis.brain & ~analysis.lesions),
        ):
            if mean is not None and where.any():
                cells = [_mean(mean, where), _mean(std, where) if std is not None else number(None)]
                without = missing_sources(analysis.layout, analysis.sub, system, ses)
                rows.append([ses, words, *cells, ", ".join(without) or "none"])
    heads = ("Session", "Region", "Mean predicted DVR", "Mean SD of a voxel", "Missing sources")
    notes = ("DVR: ratio without unit. A dash: the model gives no SD.",)
    return Table(heads, rows, "Predicted DVR", notes=notes, text_columns=2)


def _mean(data: NDArray, where: NDArray[np.bool_]) -> str:
    return number(float(data[where].mean()))


def demyelinated_maps(analysis: Analysis, system: str, sessions: Sequence[str]) -> Picture | Gap:
    """Demyelinated lesion voxels of the prediction, one row a session."""
    if not analysis.lesions.any():
        return Gap("demyelinated voxels", "there is no lesion mask, or it is empty")
    box = box_of(analysis.lesions, analysis.sizes, 12)
    cuts = analysis.cuts(box, 4)
    rows = [Row(f"{analysis.background_name} of {BASELINE}", cuts, [analysis.base(box)])]
    for ses in sessions:
        found = analysis.labels(analysis.layout.demyelinated(system, analysis.sub, ses))
        if found is not None:
            classes = np.where(found > 0, 1, 2 * analysis.lesions).astype(np.uint8)
            layer = Layer("labels", classes[box], palette=tuple(colour for colour, _ in DEMYELINATED))
            rows.append(Row(f"Predicted, {ses}", cuts, [analysis.base(box, 1.8), layer]))
    if len(rows) == 1:
        return Gap("demyelinated voxels", "they have not been mapped")
    return Picture(mosaic(rows, analysis.sizes, highest=2.2), "demyelinated lesion voxels of the prediction")


def spread_maps(analysis: Analysis, system: str, sessions: Sequence[str]) -> Picture | Gap:
    """The SD of the predicted DVR, one row a session."""
    paths = {ses: analysis.layout.prediction(system, analysis.sub, ses, desc="predDvrStd") for ses in sessions}
    images = {ses: data for ses, path in paths.items() if (data := analysis.volume(path)) is not None}
    if not images:
        return Gap("spread of the prediction", "its images are not there")
    box = box_of(analysis.brain, analysis.sizes, 3)
    cuts = analysis.cuts(box, 5)
    high = max(0.01, float(np.percentile(np.concatenate([d[analysis.brain] for d in images.values()]), 98)))
    shown, outline = analysis.brain[box], analysis.outline(box)
    rows = [
        Row(f"SD of the predicted DVR, {ses}", cuts, [Layer("image", data[box], "magma", 0, high, shown), outline])
        for ses, data in images.items()
    ]
    made_of = record_of(next(iter(paths.values()))).get("SpreadOf", "")
    bars = [Bar("SD of DVR", "magma", 0, high, 0, len(rows) - 1)]
    return Picture(mosaic(rows, analysis.sizes, bars=bars), "spread of the prediction", f"Made of: {made_of}.")
