"""Every patient's indices of change beside their null, in one table, and how often they lie within it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from myelosynth.bids.index import read_table
from myelosynth.evaluation.tables import number

FOLLOW_UP = "t1"
_NUMBERS = ("value", "null", "low", "high", "level", "p")
COLUMNS = {
    "system": {"Description": "true (measured PET), null-scan (a second scan of the baseline's tissue), or a system"},
    "participant_id": {"Description": "participant"},
    "index": {"Description": "index of change, a fraction of the baseline lesion volume"},
    "value": {"Description": "from the maps themselves", "Units": "1"},
    "null": {"Description": "mean of what noise alone gives", "Units": "1"},
    "low": {"Description": "lower bound of what noise alone gives", "Units": "1"},
    "high": {"Description": "upper bound of what noise alone gives", "Units": "1"},
    "level": {"Description": "share of the drawn follow-ups between low and high"},
    "p": {"Description": "share of the drawn follow-ups at least as far from their mean as the value"},
    "outside": {"Description": "whether the value lies beyond low and high, true or false"},
}


def null_rows(files: Mapping[tuple[str, str], Path]) -> list[dict[str, Any]]:
    """The rows of the `*_null.tsv` of each (system, label). Raises InputError for a file that is not such a table."""
    rows: list[dict[str, Any]] = []
    for (system, sub), path in files.items():
        for row in read_table(path, ("index", *_NUMBERS, "outside")):
            values: dict[str, Any] = {name: number(row[name], name, path) for name in _NUMBERS}
            outside = {"true": True, "false": False}.get(row["outside"])
            head = {"system": system, "participant_id": f"sub-{sub}", "index": row["index"]}
            rows.append({**head, **values, "outside": outside})
    return rows


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
