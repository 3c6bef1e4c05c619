"""JSON sidecars: what made a file, from what, with which settings."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from myelosynth import __version__
from myelosynth.bids.names import participant_of, sidecar_path
from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text

current_call: ContextVar[Mapping[str, Any] | None] = ContextVar("the interface call that is in progress", default=None)
"""Set while an interface runs, so that every sidecar it writes tells its function and arguments."""


@dataclass(frozen=True)
class Provenance:
    """What a step did: engine with version, input files, settings, and further BIDS fields of its output.

    The sidecar also holds the SHA-256 of every input file, and the call of the interface that is running.
    """

    step: str
    engine: str
    engine_version: str
    sources: Sequence[Path]
    settings: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    def write(self, output: Path, **fields: Any) -> None:
        """Write the sidecar of `output`; `fields` add to, or override, the common ones."""
        record = {
            "GeneratedBy": [
                {"Name": "myelosynth", "Version": __version__, "Description": self.step},
                {"Name": self.engine, "Version": self.engine_version},
            ],
            "Description": self.step,
            "Sources": [bids_uri(Path(source), Path(output)) for source in self.sources],
            "SourcesSHA256": {
                bids_uri(Path(source), Path(output)): sha256(Path(source))
                for source in self.sources
                if Path(source).is_file()
            },
            "Settings": dict(self.settings),
            **({"Call": dict(call)} if (call := current_call.get()) else {}),
            **self.fields,
            **fields,
        }
        write_json(sidecar_path(Path(output)), record)


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal; a file that has not changed is read once per process."""
    status = path.stat()
    return _digest(path.absolute(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1024)
def _digest(path: Path, changed_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write JSON in one step, keys in the order given."""
    write_text(path, json.dumps(record, indent=2, default=str) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises InputError when it is missing or not JSON."""
    path = Path(path)
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as fault:
        raise InputError("not valid JSON", path, str(fault), "repair the file") from fault
    if not isinstance(record, dict):
        raise InputError("JSON object needed", path, f"found {type(record).__name__}", "repair the file")
    return record


def participants_behind(image: Path) -> list[str]:
    """The participants that a file's sidecar names, `sub-LABEL`: by Participants, or else by its sources."""
    sidecar = sidecar_path(image)
    record = read_json(sidecar) if sidecar.is_file() else {}
    of_sources = [participant_of(str(uri)) for uri in record.get("Sources") or []]
    named = record.get("Participants") or list(dict.fromkeys(name for name in of_sources if name))
    return [str(name) for name in named]


def skull_stripped(source: Path) -> bool:
    """What the sidecar of `source` says; a raw image that says nothing still has its skull."""
    sidecar = sidecar_path(Path(source))
    return bool(sidecar.is_file() and read_json(sidecar).get("SkullStripped", False))


@lru_cache(maxsize=4096)
def dataset_root(folder: Path) -> Path | None:
    """The nearest folder at or above `folder` that holds a dataset_description.json."""
    for candidate in (folder, *folder.parents):
        if (candidate / "dataset_description.json").is_file():
            return candidate
    return None


def bids_uri(source: Path, output: Path) -> str:
    """A BIDS URI for `source` as seen from the data set of `output`; a relative path outside any data set.

    Within one data set `bids::path`; across data sets `bids:NAME:path`, NAME from DatasetLinks of the output's data set
    where it is listed there, else the folder name.
    """
    source, output = source.absolute(), output.absolute()
    here, there = dataset_root(output.parent), dataset_root(source.parent)
    if there is None:
        return os.path.relpath(source, here or output.parent)
    inside = source.relative_to(there).as_posix()
    if there == here:
        return f"bids::{inside}"
    links = read_json(here / "dataset_description.json").get("DatasetLinks", {}) if here else {}
    for name, link in links.items():
        if here and (here / link).resolve() == there.resolve():
            return f"bids:{name}:{inside}"
    return f"bids:{there.name}:{inside}"


def spatial_reference(image: Path, output: Path) -> str:
    """The image that defines the grid of `image`, as a BIDS URI seen from `output`.

    It is the one that the sidecar of `image` names, in its data set or in one that its data set links to; else `image`.
    """
    sidecar, root = sidecar_path(image), dataset_root(image.absolute().parent)
    named = str(read_json(sidecar).get("SpatialReference", "")) if sidecar.is_file() else ""
    scheme, _, rest = named.partition(":")
    name, _, inside = rest.partition(":")
    if root and scheme == "bids" and inside:
        links = read_json(root / "dataset_description.json").get("DatasetLinks", {})
        if name == "" or name in links:
            return bids_uri(Path(os.path.normpath(root / links.get(name, "") / inside)), output)
    return bids_uri(image, output)


def is_synthetic(image: Path) -> bool:
    """Whether the sidecar of `image` says that it was predicted, or made from a prediction."""
    sidecar = sidecar_path(image)
    return bool(sidecar.is_file() and read_json(sidecar).get("Synthetic", False))
