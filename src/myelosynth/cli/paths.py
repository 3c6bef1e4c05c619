"""Paths given on the command line: absolute, and with a suffix that the writer knows."""

from pathlib import Path

from myelosynth.errors import InputError


def given(path: Path | None) -> Path | None:
    """An input path made absolute; raises InputError when it names no file."""
    if path is None:
        return None
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path or run the step that makes it")
    return path.absolute()


def output(path: Path, *suffixes: str) -> Path:
    """An output path made absolute; raises InputError for a suffix that is not one of `suffixes` (default: NIfTI)."""
    allowed = suffixes or (".nii.gz", ".nii")
    if not path.name.endswith(allowed):
        values = f"name {path.name}, expected a name ending in {' or '.join(allowed)}"
        raise InputError("output name unknown", path, values, "change the output's suffix")
    return path.absolute()


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
