"""Command: index-intervals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.map_options import ChangeThreshold, MinimumCluster, map_rules
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
    lesions: Annotated[Path, typer.Option(help="baseline lesions")],
    distance: Annotated[Path, typer.Option(help="distance to CSF, mm")],
    curve: Annotated[Path, typer.Option(help="control curve, TSV")],
    out: Annotated[Path, typer.Option(help="intervals, TSV")],
    level: Annotated[float, typer.Option(min=0.01, max=0.99, help="share of the draws inside an interval")] = 0.9,
    draws: Annotated[int, typer.Option(min=20, help="number of draws")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="random seed")] = 0,
    minimum_cluster: MinimumCluster = 0.0,
    change_threshold: ChangeThreshold = "0",
) -> None:
    """Intervals of the five fractions from the spread of the predicted DVR and how its errors correlate."""
    from myelosynth import __version__
    from myelosynth.bids.names import sidecar_path
    from myelosynth.bids.sidecar import Provenance, read_json
    from myelosynth.evaluation.tables import cell
    from myelosynth.images.atomic import write_text
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.curve import Curve
    from myelosynth.myelin.indices import COLUMNS, why_no_indices
    from myelosynth.myelin.intervals import Patient
    from myelosynth.myelin.intervals import index_intervals as intervals

    rules, table, ruled = map_rules(minimum_cluster, change_threshold)
    sources = [dvr_t0, dvr_t1, std_t0, std_t1, lesions, distance, curve, *table]
    out, apart = output(out, sources, ".tsv"), load_volume(distance)
    grid = apart.grid
    lesion_mask = load_mask(lesions, grid, distance, allow_empty=True, labels=True)
    patient = Patient(lesion_mask, apart.data, grid.voxel_sizes, Curve.read(curve), rules)
    sessions = [_session(dvr, std, grid, distance) for dvr, std in ((dvr_t0, std_t0), (dvr_t1, std_t1))]
    found: dict[str, tuple[float | None, ...]] = dict.fromkeys(COLUMNS, (None, None, None))
    defined = bool((lesion_mask & (sessions[0].dvr > 0) & (sessions[1].dvr > 0)).any())
    if defined:
        found |= intervals(patient, sessions[0], sessions[1], draws, level, seed)
    rows = ["\t".join((name, *(cell(value) for value in (*values, level)))) for name, values in found.items()]
    write_text(out, "\n".join(("index\tvalue\tlow\thigh\tlevel", *rows)) + "\n")
    calibrations = {t: read_json(sidecar_path(std)).get("Calibration") for t, std in (("t0", std_t0), ("t1", std_t1))}
    columns = {
        "index": {"Description": "one of the five fractions of `myelosynth indices`"},
        "value": {"Description": "from the predicted maps themselves", "Units": "1"},
        "low": {"Description": f"{(1 - level) / 2:g} quantile of the draws", "Units": "1"},
        "high": {"Description": f"{(1 + level) / 2:g} quantile of the draws", "Units": "1"},
        "level": {"Description": "share of the draws between low and high"},
        "Calibration": calibrations,
    }
    settings = {"level": level, "draws": draws, "seed": seed, "sessions": "errors drawn independently", **ruled}
    Provenance("myelin index intervals", "myelosynth", __version__, sources, settings, columns).write(out)
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
