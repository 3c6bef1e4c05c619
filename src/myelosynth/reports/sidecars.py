"""Facts out of JSON sidecars: engines, settings, flags."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json


def record_of(path: Path) -> dict[str, Any]:
    """The sidecar of a file; empty when there is none. Raises InputError when it is not JSON."""
    sidecar = sidecar_path(path)
    return read_json(sidecar) if sidecar.is_file() else {}


def engine_of(record: Mapping[str, Any]) -> str:
    """The engine that made a file, with its version: the last entry of GeneratedBy; empty when unknown."""
    made = record.get("GeneratedBy") or []
    return f"{made[-1].get('Name', '')} {made[-1].get('Version', '')}".strip() if made else ""


def facts(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a record as (dotted key, value); lists are leaves.

    >>> list(facts({"a": 1, "b": {"c": [2]}}))
    [('a', 1), ('b.c', [2])]
    """
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from facts(value, f"{name}.")
        else:
            yield name, value


def fact(record: Mapping[str, Any], *words: str) -> Any:
    """The first leaf whose last key part contains all the words, in any case; None when there is none.

    >>> fact({"Settings": {"cost_before": 2.0}}, "cost", "before")
    2.0
    """
    for name, value in facts(record):
        last = name.rsplit(".", 1)[-1].lower().replace("_", "")
        if all(word in last for word in words):
            return value
    return None
