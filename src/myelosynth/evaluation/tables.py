"""Result tables: one writer, so that every table has its columns described beside it."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from myelosynth import __version__
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import bids_uri, write_json
from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text

MISSING = ("", "n/a", "na", "nan", "null", "none")
Row = Mapping[str, Any]


def cell(value: Any) -> str:
    """One cell of a table: `n/a` for None, NaN and infinity, shortest exact digits for a number.

    >>> cell(None), cell(float("nan")), cell(0.1), cell(True), cell("ses-t0")
    ('n/a', 'n/a', '0.1', 'true', 'ses-t0')
    """
    if value is None or value == "":
        return "n/a"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(float(value)) if isfinite(value) else "n/a"
    return str(value).replace("\t", " ").replace("\n", " ")


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[Row]) -> None:
    """Write a TSV with the given columns, which a sidecar beside it must describe; what a row lacks is n/a."""
    names = list(columns)
    lines = ["\t".join(names), *("\t".join(cell(row.get(name)) for name in names) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def write_table(
    path: Path, columns: Mapping[str, Mapping[str, str]], rows: Iterable[Row], sources: Sequence[Path], **fields: Any
) -> None:
    """Write a TSV with the given columns, and its sidecar: a description per column, what it was made from, `fields`.

    columns: name to description, in the order they are written; a column that a row lacks is n/a.
    """
    path = Path(path)
    write_rows(path, columns, rows)
    record = {
        "GeneratedBy": [{"Name": "myelosynth", "Version": __version__}],
        "Sources": [bids_uri(Path(source), path) for source in sources],
        **fields,
        **columns,
    }
    write_json(sidecar_path(path), record)


def number(text: str, column: str, where: object) -> float | None:
    """The number in a cell, None where it is missing. Raises InputError for text or an infinite value."""
    if text.strip().lower() in MISSING:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("inf")
    if not isfinite(value):
        values = f"{column} holds {text!r}, expected a number or n/a"
        raise InputError("not a number", where, values, "correct the cell, or choose another column")
    return value
