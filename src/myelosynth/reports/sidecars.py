"""Facts out of JSON sidecars."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json


def record_of(path: Path) -> dict[str, Any]:
    """The sidecar of a file; empty when there is none. Raises InputError when it is not JSON."""
    sidecar = sidecar_path(path)
    return read_json(sidecar) if sidecar.is_file() else {}


def engine_of(record: Mapping[str, Any]) -> str:
    """The engine that made a file, with its version: the last entry of GeneratedBy; empty when unknown.

    >>> engine_of({"GeneratedBy": [{"Name": "myelosynth"}, {"Name": "antspyx", "Version": "0.6.3"}]})
    'antspyx 0.6.3'
    """
    made = record.get("GeneratedBy") or []
    return f"{made[-1].get('Name', '')} {made[-1].get('Version', '')}".strip() if made else ""


def partial_volume_of(record: Mapping[str, Any]) -> str:
    """What a DVR that is not corrected for partial volume is worth near CSF, in words.

    >>> partial_volume_of({"BrainVoxelsAboveCSFLimit": 0.213})
    'not corrected; 21 % of the brain has more than 10 % CSF in a voxel (mapped)'
    """
    touched = record.get("BrainVoxelsAboveCSFLimit")
    if touched is None:
        return "not corrected, not mapped"
    return f"not corrected; {100 * touched:.0f} % of the brain has more than 10 % CSF in a voxel (mapped)"
