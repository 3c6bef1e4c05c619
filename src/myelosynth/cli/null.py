"""Commands: null-fit and index-null, what noise alone does to the indices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.map_options import (
    ChangeThreshold,
    ControlCurve,
    Distance,
    Draws,
    Lesions,
    Level,
    MinimumCluster,
    Seed,
    map_rules,
)
from myelosynth.cli.paths import output

if TYPE_CHECKING:
    from myelosynth.myelin.curve import Curve
    from myelosynth.myelin.maps import MapRules
    from myelosynth.myelin.null import Pair


@app.command("null-fit")
def null_fit(
    before: Annotated[list[Path], typer.Option(help="DVR of a patient at baseline; repeat per patient")],
    after: Annotated[list[Path], typer.Option(help="the second scan without change, same order and grid")],
    lesions: Annotated[list[Path], typer.Option(help="baseline lesions, same order")],
    distance: Annotated[list[Path], typer.Option(help="distance to CSF, mm, same order")],
    curve: Annotated[Path, typer.Option(help="control curve, TSV: its level cancels, its shape by distance counts")],
    out: Annotated[Path, typer.Option(help="null model, JSON")],
    system: Annotated[str, typer.Option(help="what made the maps: true (measured PET) or a system")] = "true",
    split: Annotated[Path | None, typer.Option(help="split that the patients are checked against")] = None,
    fold: Annotated[int | None, typer.Option(help="its fold: nobody whom it tests may be among the patients")] = None,
) -> None:
    """What a second scan does to the DVR of lesions that did not change, from three patients or more."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance
    from myelosynth.errors import InputError
    from myelosynth.myelin.controls import checked_against, distinct_participants
    from myelosynth.myelin.curve import Curve
    from myelosynth.myelin.maps import PAPER
    from myelosynth.myelin.null import LEAST_PATIENTS
    from myelosynth.myelin.null_checks import require_system
    from myelosynth.myelin.null_fit import fit_null

    sources = [*before, *after, *lesions, *distance, curve, *([split] if split else [])]
    out = output(out, sources, ".json")
    if not len(before) == len(after) == len(lesions) == len(distance):
        values = f"{len(before)} --before, {len(after)} --after, {len(lesions)} --lesions, {len(distance)} --distance"
        raise InputError("pairs are incomplete", "null-fit", values, "give one of each per patient")
    participants = distinct_participants(before, "null-fit")
    distinct_participants(after, "null-fit")
    origin = checked_against(participants, split, fold, "null-fit", "null", "patients")
    require_system([*before, *after], system, "the images")
    controls = Curve.read(curve)
    pairs = [_pair(*paths, controls, PAPER) for paths in zip(before, after, lesions, distance, strict=True)]
    usable = sum(bool(pair.covered.any()) for pair in pairs)
    enough = usable >= LEAST_PATIENTS
    model = fit_null(pairs).record() if enough else None
    sizes = [round(float(size), 3) for size in pairs[0].patient.voxel_sizes]
    fields = {"System": system, "VoxelSize": sizes, "Participants": participants, **origin, "Null": model}
    settings = {"patients": len(pairs)}
    # The model is its own sidecar.
    record = Provenance("null of the indices", "myelosynth", __version__, sources, settings, fields)
    record.write(out.with_suffix(""))
    if not enough:
        told = (
            f"{usable} of {len(pairs)} patients have a lesion voxel with a DVR at both times, needed {LEAST_PATIENTS}"
        )
        typer.echo(f"gap: no null, {out}, {told}", err=True)


@app.command("index-null")
def index_null(
    dvr_t0: Annotated[Path, typer.Argument(metavar="DVR_T0", help="DVR at baseline, measured or predicted")],
    dvr_t1: Annotated[Path, typer.Argument(metavar="DVR_T1", help="DVR at follow-up")],
    null: Annotated[Path, typer.Option(help="null model of the same system, from `myelosynth null-fit`")],
    lesions: Lesions,
    distance: Distance,
    curve: ControlCurve,
    out: Annotated[Path, typer.Option(help="indices beside their null, TSV")],
    level: Level = 0.95,
    draws: Draws = 500,
    seed: Seed = 0,
    new_participant: Annotated[
        bool,
        typer.Option(
            "--new-participant",
            help="neither a patient of the null nor a control of the curve, even where a label is the same",
        ),
    ] = False,
    minimum_cluster: MinimumCluster = 0.0,
    change_threshold: ChangeThreshold = "0",
) -> None:
    """The indices of change beside what they would be had nothing changed, with an interval and a p value."""
    from dataclasses import asdict

    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance, read_json
    from myelosynth.evaluation.tables import write_rows
    from myelosynth.myelin.controls import require_no_control
    from myelosynth.myelin.curve import Curve
    from myelosynth.myelin.indices import why_no_indices
    from myelosynth.myelin.null import CHANGED, COLUMNS, NullModel, index_nulls
    from myelosynth.myelin.null_checks import require_no_patient, require_system, require_voxels

    rules, table, ruled = map_rules(minimum_cluster, change_threshold)
    sources = [dvr_t0, dvr_t1, null, lesions, distance, curve, *table]
    out, record = output(out, sources, ".tsv"), read_json(null)
    if not new_participant:
        require_no_patient(dvr_t0, null, record)
        require_no_control(dvr_t0, curve)
    # A null without a model had too few pairs: a gap, told in the file itself.
    empty = "Null" in record and record["Null"] is None
    model = None if empty else NullModel.of_record(record.get("Null") or {}, null)
    require_system([dvr_t0, dvr_t1], record.get("System"), null)
    pair = _pair(dvr_t0, dvr_t1, lesions, distance, Curve.read(curve), rules)
    require_voxels(pair.patient.voxel_sizes, record.get("VoxelSize"), null, dvr_t0)
    defined = bool(pair.covered.any())
    found = index_nulls(pair, model, draws, level, seed) if model and defined else {}
    rows = [{"index": name, "level": level, **(asdict(found[name]) if name in found else {})} for name in CHANGED]
    write_rows(out, COLUMNS, rows)
    whose = {name: record.get(name) for name in ("System", "Participants", "Fold") if record.get(name)}
    fields = {**COLUMNS, "NullOf": whose}
    settings = {"level": level, "draws": draws, "seed": seed, **ruled}
    Provenance("null of the indices", "myelosynth", __version__, sources, settings, fields).write(out)
    if model is None:
        typer.echo(f"gap: no null, {null}, it was made from too few pairs", err=True)
    elif not defined:
        typer.echo(f"gap: no null, {lesions}, {why_no_indices(pair.patient.lesions)}", err=True)


def _pair(before: Path, after: Path, lesions: Path, distance: Path, controls: "Curve", rules: "MapRules") -> "Pair":
    """One patient's maps; rules: what is asked of a voxel beyond the paper's. Raises InputError for another grid."""
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.intervals import Patient
    from myelosynth.myelin.null import Pair

    apart = load_volume(distance)
    grid = apart.grid
    maps = [load_volume(path) for path in (before, after)]
    for volume in maps:
        grid.require(volume.grid, volume.path, distance)
    mask = load_mask(lesions, grid, distance, allow_empty=True, labels=True)
    return Pair(Patient(mask, apart.data, grid.voxel_sizes, controls, rules), maps[0].data, maps[1].data)


@app.command("null-table")
def null_table(
    results: Annotated[Path, typer.Argument(help="results of the study")],
    system: Annotated[list[str], typer.Option(help="true, null-scan or a system; repeat")],
    sub: Annotated[list[str], typer.Option(help="patient with a follow-up, label; repeat")],
    out: Annotated[Path, typer.Option(help="table, TSV")],
) -> None:
    """All indices of change beside their null, and in the sidecar how many patients lie within it."""
    from myelosynth.bids.index import FOLLOW_UP
    from myelosynth.bids.layout import Layout
    from myelosynth.errors import InputError
    from myelosynth.evaluation.null_table import COLUMNS, inside_shares, null_rows
    from myelosynth.evaluation.tables import write_table

    layout = Layout(results)
    wanted = {(name, label): layout.index_null(name, label, FOLLOW_UP) for name in system for label in sub}
    files = {key: path for key, path in wanted.items() if path.is_file()}
    if not files:
        values = f"none of {len(wanted)} files such as {next(iter(wanted.values())).name}"
        raise InputError("no null", results, values, "run `myelosynth index-null` first")
    out = output(out, list(files.values()), ".tsv")
    rows = null_rows(files)
    empty = {(row["system"], row["participant_id"]) for row in rows if row["outside"] is None}
    empty |= {(name, f"sub-{label}") for name, label in set(wanted) - set(files)}
    gaps = [{"system": name, "participant_id": who, "missing": "null of the indices"} for name, who in sorted(empty)]
    write_table(out, COLUMNS, rows, list(files.values()), Inside=inside_shares(rows), Gaps=gaps)
