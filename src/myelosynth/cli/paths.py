"""Paths given on the command line: absolute, with a suffix that the writer knows, and never an input."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from myelosynth.errors import InputError

FollowSymlinks = Annotated[
    bool, typer.Option("--follow-symlinks", help="follow links that lead out of the data set and its derivatives")
]


def given(path: Path | None) -> Path | None:
    """An input path made absolute; raises InputError when it names no file."""
    if path is None:
        return None
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path or run the step that makes it")
    return path.absolute()


def output(path: Path, inputs: Sequence[Path | None], *suffixes: str) -> Path:
    """An output path made absolute, checked before any work starts.

    Raises InputError for a suffix that is not one of `suffixes` (default: NIfTI), for a folder, for a place below a
    file, and for an output that would overwrite one of the command's inputs or the sidecar of one.
    """
    allowed = suffixes or (".nii.gz", ".nii")
    if not path.name.endswith(allowed):
        values = f"name {path.name}, expected a name ending in {' or '.join(allowed)}"
        raise InputError("output name unknown", path, values, "change the output's suffix")
    if path.is_dir():
        raise InputError("output is a folder", path, "expected the name of a file", "change the output's name")
    folder(path.parent)
    for source in inputs:
        if source is not None and _overwrites(path, source):
            values = f"{path.name}, or its JSON sidecar, is the input {source} or belongs to it"
            raise InputError("output overwrites an input", path, values, "change the output's name")
    return path.absolute()


def folder(path: Path) -> Path:
    """An output folder made absolute, which need not exist; raises InputError where a file stands in its way."""
    nearest = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise InputError("not a folder", path, f"{nearest} is a file", "give another folder")
    return path.absolute()


def _overwrites(path: Path, source: Path) -> bool:
    """Whether writing `path` and its sidecar would change `source` or its sidecar."""
    from myelosynth.bids.names import sidecar_path

    sidecar = sidecar_path(path)
    if sidecar.resolve() == sidecar_path(source).resolve():
        return True
    return any(ours.exists() and source.exists() and ours.samefile(source) for ours in (path, sidecar))


def distinct(*outputs: Path | None) -> None:
    """Raise InputError when two outputs would share one JSON sidecar."""
    from myelosynth.bids.names import sidecar_path

    seen: dict[Path, Path] = {}
    for path in outputs:
        if path is None:
            continue
        other = seen.setdefault(sidecar_path(path), path)
        if other is not path:
            values = f"{path.name} and {other.name} would both have {sidecar_path(path).name}"
            raise InputError("outputs share a sidecar", path, values, "give one of them another name")
