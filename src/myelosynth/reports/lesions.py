"""The lesions of one patient as a table of a page."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json
from myelosynth.myelin.lesions import CHANGED, COLUMNS, NEW, SMALLEST_ML
from myelosynth.reports.page import Gap
from myelosynth.reports.tables import MISSING, Table, count, number, points, read_table, word

_COVERED = "Covered: the part of a lesion that has a DVR; shares and state are of that part."
_MOST = 40  # baseline lesions on a page; the file has all


@dataclass(frozen=True)
class LesionTable:
    """The table, where each row lies (RAS mm in the analysis grid's world, for a viewer), and what is new in words."""

    table: Table
    places: tuple[tuple[float, float, float], ...]
    new: str


def lesion_table(
    path: Path, beside: Path | None = None, names: tuple[str, str] = ("measured", "predicted")
) -> LesionTable | Gap:
    """Lesions by a table of `myelosynth lesion-table`; beside: that of another map of the same lesions.

    names: of the first and the second map in the heads. Baseline lesions largest first, then the new ones.
    """
    first = read_table(path, list(COLUMNS))
    if first is None:
        return Gap("lesions one by one", "no table of lesions has been made")
    if first.empty:
        return Gap("lesions one by one", "the baseline mask has no lesion voxel")
    second = read_table(beside, list(COLUMNS)) if beside else None
    tables = [("", first)] if second is None else [(f", {names[0]}", first), (f", {names[1]}", second)]
    maps = [{(row["kind"], row["lesion"]): row for row in frame.to_dict("records")} for _, frame in tables]
    order = first.sort_values(["voxels", "lesion"], ascending=[False, True])
    shown = [order[order["kind"] != NEW].head(_MOST), order[order["kind"] == NEW]]
    rows, places = [], []
    for row in (row for frame in shown for row in frame.to_dict("records")):
        label = f"new {row['lesion']}" if row["kind"] == NEW else str(row["lesion"])
        cells = [label, number(row["volume_ml"], 2), number(row["distance_mm"], 1)]
        key = (row["kind"], row["lesion"])
        rows.append(cells + [cell for known in maps for cell in _map_cells(known.get(key))])
        places.append((float(row["x"]), float(row["y"]), float(row["z"])))
    heads = ["Lesion", "Volume (ml)", "Distance to CSF (mm)"]
    heads += [f"{words}{name}" for name, _ in tables for words in ("Demyelinated t0 (%)", "t1 (%)", "State")]
    record = read_json(sidecar_path(path)) if sidecar_path(path).is_file() else {}
    left = len(order) - len(rows)
    notes = [_state_words(record), *([_COVERED] if any("covered)" in cell for row in rows for cell in row) else [])]
    notes += [f"{left} smaller lesions are in {path.name} only."] if left else []
    caption = "Lesions one by one, largest first; shares are of each lesion's own volume."
    return LesionTable(Table(heads, rows, caption, notes=notes), tuple(places), new_words(record))


def _state_words(record: Mapping[str, Any]) -> str:
    settings = record.get("Settings", {})
    share, smallest = settings.get("least_changed_share", CHANGED), settings.get("smallest_ml", SMALLEST_ML)
    return (
        f"A lesion changes where at least {100 * share:.0f} % of its voxels do: demyelinating or remyelinating where "
        "one direction has at least twice the voxels of the other, else mixed. Noise alone changes as much of lesions "
        f"of which less than {smallest:g} ml is covered by a DVR: they are too small to tell."
    )


def _map_cells(row: Mapping[Hashable, Any] | None) -> list[str]:
    if row is None:  # one map has a follow-up, the other has not
        return [MISSING, MISSING, MISSING]
    return [points(row["percent_t0"]), points(row["percent_t1"]), _state(row)]


def _state(row: Mapping[Hashable, Any]) -> str:
    """The state of a lesion, with the share of it that has a DVR where that is not all of it (rounded down)."""
    if not row["coverage"] < 1:
        return word(row["state"])
    return f"{word(row['state'])} ({floor(round(1000 * row['coverage'], 6)) / 10:g} % covered)"


def new_words(record: Mapping[str, object]) -> str:
    """What the sidecar of a table says of new lesions, in a sentence.

    >>> new_words({"NewLesions": 2, "NewLesionVolumeML": 0.5, "GrownVolumeML": 0.1})
    '2 new lesions at t1 (0.50 ml), in no index; 0.10 ml more beside baseline lesions.'
    """
    found = record.get("NewLesions")
    if found is None:
        return "New lesions at t1 were not looked for: no lesion mask of t1."
    lesions = "1 new lesion" if found == 1 else f"{count(found)} new lesions"
    volumes = [number(record.get(name), 2) for name in ("NewLesionVolumeML", "GrownVolumeML")]
    return f"{lesions} at t1 ({volumes[0]} ml), in no index; {volumes[1]} ml more beside baseline lesions."
