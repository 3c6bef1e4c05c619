"""Every patient's indices of change beside their null, in one table, and how often they lie within it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from myelosynth.bids.index import read_table
from myelosynth.evaluation.tables import number
from myelosynth.myelin.null import COLUMNS as OF_PATIENT

NULL_SCAN = "null-scan"
"""The system that is a second scan of the baseline's tissue: nothing changed."""
_NUMBERS = tuple(name for name in OF_PATIENT if name not in ("index", "outside"))
COLUMNS = {
    "system": {"Description": "true (measured PET), null-scan (a second scan of the baseline's tissue), or a system"},
    "participant_id": {"Description": "participant"},
    **OF_PATIENT,
}


def null_rows(files: Mapping[tuple[str, str], Path]) -> list[dict[str, Any]]:
    """The rows of the `*_null.tsv` of each (system, label). Raises InputError for a file that is not such a table."""
    rows: list[dict[str, Any]] = []
    for (system, sub), path in files.items():
        head = {"system": system, "participant_id": f"sub-{sub}"}
        rows += [{**head, **_values(row, path)} for row in read_table(path, tuple(OF_PATIENT))]
    return rows


def read_null_table(path: Path) -> list[dict[str, Any]]:
    """The rows of the table of a whole study. Raises InputError for a file that is not such a table."""
    rows = read_table(path, tuple(COLUMNS))
    return [{name: row[name] for name in ("system", "participant_id")} | _values(row, path) for row in rows]


def _values(row: Mapping[str, str], path: Path) -> dict[str, Any]:
    """The columns of one patient's table as numbers, None where they are n/a."""
    values: dict[str, Any] = {name: number(row[name], name, path) for name in _NUMBERS}
    return {"index": row["index"], **values, "outside": {"true": True, "false": False}.get(row["outside"])}


def inside_shares(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """System to index to n, the patients with a null, and inside, the share of them within their interval.

    >>> inside_shares([{"system": "true", "index": "global", "outside": False}])
    {'true': {'global': {'n': 1, 'inside': 1.0}}}
    """
    held: dict[str, dict[str, list[bool]]] = {}
    for row in rows:
        if row["outside"] is not None:
            held.setdefault(row["system"], {}).setdefault(row["index"], []).append(not row["outside"])
    return {
        system: {name: {"n": len(found), "inside": sum(found) / len(found)} for name, found in indices.items()}
        for system, indices in held.items()
    }
