"""Command: index-intervals."""

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
    from myelosynth.images.grid import Grid
    from myelosynth.myelin.intervals import Session


@app.command("index-intervals")
def index_intervals(
    dvr_t0: Annotated[Path, typer.Argument(metavar="DVR_T0", help="predicted DVR at baseline")],
    dvr_t1: Annotated[Path, typer.Argument(metavar="DVR_T1", help="predicted DVR at follow-up")],
    std_t0: Annotated[Path, typer.Option(help="SD of DVR_T0, from `predict --out-std` of residual-context")],
    std_t1: Annotated[Path, typer.Option(help="SD of DVR_T1")],
    lesions: Lesions,
    distance: Distance,
    curve: ControlCurve,
    out: Annotated[Path, typer.Option(help="intervals, TSV")],
    level: Level = 0.9,
    draws: Draws = 500,
    seed: Seed = 0,
    new_participant: Annotated[
        bool, typer.Option("--new-participant", help="none of the curve's controls, even where a label is the same")
    ] = False,
    minimum_cluster: MinimumCluster = 0.0,
    change_threshold: ChangeThreshold = "0",
) -> None:
    """Intervals of the five fractions from the spread of the predicted DVR and how its errors correlate."""
    from myelosynth import __version__
    from myelosynth.bids.names import sidecar_path
    from myelosynth.bids.sidecar import Provenance, read_json
    from myelosynth.evaluation.tables import write_rows
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.controls import require_no_control
    from myelosynth.myelin.curve import Curve
    from myelosynth.myelin.indices import COLUMNS, why_no_indices
    from myelosynth.myelin.intervals import Patient
    from myelosynth.myelin.intervals import index_intervals as intervals

    rules, table, ruled = map_rules(minimum_cluster, change_threshold)
    sources = [dvr_t0, dvr_t1, std_t0, std_t1, lesions, distance, curve, *table]
    out, apart = output(out, sources, ".tsv"), load_volume(distance)
    if not new_participant:
        require_no_control(dvr_t0, curve)
    grid = apart.grid
    lesion_mask = load_mask(lesions, grid, distance, allow_empty=True, labels=True)
    patient = Patient(lesion_mask, apart.data, grid.voxel_sizes, Curve.read(curve), rules)
    sessions = [_session(dvr, std, grid, distance) for dvr, std in ((dvr_t0, std_t0), (dvr_t1, std_t1))]
    found: dict[str, tuple[float | None, ...]] = dict.fromkeys(COLUMNS, (None, None, None))
    defined = bool((lesion_mask & (sessions[0].dvr > 0) & (sessions[1].dvr > 0)).any())
    if defined:
        found |= intervals(patient, sessions[0], sessions[1], draws, level, seed)
    calibrations = {t: read_json(sidecar_path(std)).get("Calibration") for t, std in (("t0", std_t0), ("t1", std_t1))}
    columns = {
        "index": {"Description": "one of the five fractions of `myelosynth indices`"},
        "value": {"Description": "from the predicted maps themselves", "Units": "1"},
        "low": {"Description": f"{(1 - level) / 2:g} quantile of the draws", "Units": "1"},
        "high": {"Description": f"{(1 + level) / 2:g} quantile of the draws", "Units": "1"},
        "level": {"Description": "share of the draws between low and high"},
    }
    rows = [dict(zip(columns, (name, *values, level), strict=True)) for name, values in found.items()]
    write_rows(out, columns, rows)
    fields = {**columns, "Calibration": calibrations}
    settings = {"level": level, "draws": draws, "seed": seed, "sessions": "errors drawn independently", **ruled}
    Provenance("myelin index intervals", "myelosynth", __version__, sources, settings, fields).write(out)
    if not defined:
        typer.echo(f"gap: no intervals, {lesions}, {why_no_indices(lesion_mask)}", err=True)


def _session(dvr: Path, std: Path, grid: "Grid", where: Path) -> "Session":
    """DVR, SD and error correlation of a session. Raises InputError for another grid or an SD that does not tell it."""
    from myelosynth.bids.names import sidecar_path
    from myelosynth.bids.sidecar import read_json
    from myelosynth.errors import InputError
    from myelosynth.images.fields import FieldModel
    from myelosynth.images.volume import load_volume
    from myelosynth.myelin.intervals import Session

    volumes = [load_volume(path) for path in (dvr, std)]
    for volume in volumes:
        grid.require(volume.grid, volume.path, where)
    record = read_json(sidecar_path(std)).get("ErrorCorrelation")
    if not isinstance(record, dict):
        cure = "give the --out-std of a system that knows it, such as residual-context"
        raise InputError("error correlation unknown", sidecar_path(std), "no ErrorCorrelation", cure)
    return Session(volumes[0].data, volumes[1].data, FieldModel.of_record(record, sidecar_path(std)))
