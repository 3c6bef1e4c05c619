"""Checkpoints: one format for networks and baselines, loaded without running code."""

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import torch

from myelosynth.errors import InputError
from myelosynth.images.atomic import staged

FORMAT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A trained system: where it comes from, and `content`, which only its system reads (tensors, numbers, text).

    participants: role -> participants of the fold; sources and target: contrast names of the task.
    """

    model: str
    loss: str
    task: str
    sources: list[str]
    target: str
    fold: int
    seed: int
    split_sha256: str
    participants: dict[str, list[str]]
    content: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write in one step."""
        save_state(path, {"format": FORMAT, **asdict(self)})


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU. Raises InputError when it is missing, damaged or of another format."""
    record = load_state(path)
    if record.pop("format", None) != FORMAT or set(record) != set(Checkpoint.__dataclass_fields__):
        values = f"format is not {FORMAT} or fields differ"
        raise InputError("not a myelosynth checkpoint", path, values, "give a checkpoint.pt of `myelosynth train`")
    return Checkpoint(**record)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors, numbers and text in one step."""
    with staged(Path(path)) as (part,):
        torch.save(dict(state), part)


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote, onto the CPU, unpickling tensors and plain values only. Raises InputError."""
    path = Path(path)
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path or run `myelosynth train` first")
    if not is_zipfile(path):  # torch would take it for an older format and fail in many ways
        values = "not a whole zip archive, as torch writes them"
        raise InputError("not a readable checkpoint", path, values, "give a checkpoint.pt, or train it again")
    try:
        record = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, BadZipFile, OSError) as fault:
        reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise InputError("not a readable checkpoint", path, reason, "train it again") from fault
    if not isinstance(record, dict):
        raise InputError("not a myelosynth checkpoint", path, f"found {type(record).__name__}", "train it again")
    return record


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, hexadecimal. Raises InputError when it is missing."""
    path = Path(path)
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
