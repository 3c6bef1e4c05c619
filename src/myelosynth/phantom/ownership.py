"""Whether `simulate` may write into a folder; read by the Snakefile, so imports stay light."""

from pathlib import Path

from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError

DESCRIPTION = "dataset_description.json"
GENERATOR = {"Name": "myelosynth", "Description": "simulate"}
"""What GeneratedBy of a simulated data set names; a sidecar may say more, such as the version."""


def require_simulated(root: Path, cure: str) -> None:
    """Raise InputError when a folder holds files and its description does not say that `simulate` wrote them."""
    if (root / DESCRIPTION).is_file():
        record = read_json(root / DESCRIPTION)
        generators = record.get("GeneratedBy")
        known = isinstance(generators, list) and any(
            isinstance(entry, dict) and entry.items() >= GENERATOR.items() for entry in generators
        )
        if record.get("Simulated") is True and known:
            return
        values = f"{DESCRIPTION} names {record.get('Name', 'no data set')!r}, not one that myelosynth simulated"
    elif found := _first_file(root):
        values = f"holds {found.relative_to(root)} and no {DESCRIPTION} that says it was simulated"
    else:
        return
    raise InputError("data set is not simulated", root, values, cure)


def _first_file(root: Path) -> Path | None:
    """Any file that is not hidden; empty folders are free."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return next(files, None)
