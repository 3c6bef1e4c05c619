"""Options that commands of maps and indices share, among them what is asked of a voxel beyond the paper's rule."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myelosynth.errors import InputError

if TYPE_CHECKING:
    from myelosynth.myelin.maps import MapRules

Lesions = Annotated[Path, typer.Option(help="baseline lesions")]
Distance = Annotated[Path, typer.Option(help="distance to CSF, mm")]
ControlCurve = Annotated[Path, typer.Option(help="control curve, TSV")]
Level = Annotated[float, typer.Option(min=0.01, max=0.99, help="share of the draws inside an interval")]
Draws = Annotated[int, typer.Option(min=20, help="number of draws")]
Seed = Annotated[int, typer.Option(min=0, help="random seed")]
MinimumCluster = Annotated[
    float, typer.Option(min=0, help="ml; smaller clusters of demyelinated voxels count as normal")
]
ChangeThreshold = Annotated[
    str,
    typer.Option(help="a voxel whose DVR changed by less keeps its state: DVR, or the table of `retest-noise`"),
]


def map_rules(minimum_cluster: float, change_threshold: str) -> tuple["MapRules", list[Path], dict[str, float]]:
    """The rules, the files behind them, and what stands in Settings of a sidecar.

    Raises InputError for a threshold that is neither a number from 0 on nor a table of retest noise.
    """
    from myelosynth.myelin.maps import MapRules

    read: list[Path] = []
    try:
        value = float(change_threshold)
    except ValueError:
        read = [Path(change_threshold)]
        value = _threshold_in(read[0])
    if not 0 <= value < float("inf"):
        values = f"got {change_threshold}, expected a DVR of 0 or more"
        raise InputError("change threshold not usable", "--change-threshold", values, "correct it, or leave it out")
    settings = {"minimum_cluster_ml": minimum_cluster, "change_threshold": value}
    return MapRules(minimum_cluster, value), read, settings


def _threshold_in(table: Path) -> float:
    if not table.is_file():
        values = "neither a number nor a file"
        raise InputError("change threshold unknown", table, values, "give a DVR, or the table of `retest-noise`")
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    try:
        (value,) = [float(row["change_threshold"]) for row in rows]
    except (KeyError, ValueError, TypeError) as fault:
        values = f"{len(rows)} rows, expected one with a number in the column change_threshold"
        raise InputError("not a table of retest noise", table, values, "run `myelosynth retest-noise` again") from fault
    return value
