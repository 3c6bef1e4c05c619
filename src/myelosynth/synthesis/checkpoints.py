"""Checkpoints: one format for networks and baselines, loaded without running code."""

import hashlib
import io
import json
import pickle
import re
import sys
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from myelosynth.errors import InputError
from myelosynth.images.atomic import write_bytes
from myelosynth.images.opened import opened

FORMAT = 2
# One key, since the order of several would change the bytes; within it, a tensor stands as {_TENSOR: its name}.
_METADATA, _TENSOR = "myelosynth", "tensor"


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
    """Read a checkpoint.pt, or the .safetensors of one, onto the CPU.

    Raises InputError when it is missing, damaged or of another format.
    """
    record = _load_safetensors(path) if Path(path).suffix == ".safetensors" else load_state(path)
    if record.pop("format", None) != FORMAT or set(record) != set(Checkpoint.__dataclass_fields__):
        values = f"format is not {FORMAT} or fields differ"
        cure = "give a checkpoint.pt of `myelosynth train`, or the weights.safetensors of a bundle"
        raise InputError("not a myelosynth checkpoint", path, values, cure)
    return Checkpoint(**record)


def export_safetensors(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint as safetensors: tensors by dotted names (`weights.head.bias`), all else as JSON metadata."""
    tensors: dict[str, Tensor] = {}
    record = {"format": FORMAT, **asdict(checkpoint)}
    record["content"] = _without_tensors(checkpoint.content, "", tensors)
    write_bytes(path, save(tensors, {_METADATA: json.dumps(record, sort_keys=True)}))


def _load_safetensors(path: Path) -> dict[str, Any]:
    """What `export_safetensors` wrote, as `load_state` gives it; empty for a foreign file."""
    if not Path(path).is_file():
        raise InputError("file missing", path, "no such file", "check the path")
    opened(path)
    try:
        with safe_open(path, "pt") as stream:
            told = (stream.metadata() or {}).get(_METADATA)
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a mapping)
        return _with_tensors(json.loads(told), tensors) if told else {}
    except (SafetensorError, OSError, json.JSONDecodeError) as fault:
        raise InputError("not a readable safetensors file", path, str(fault), "export or copy it again") from fault
    except KeyError as fault:
        values = f"its record names the tensor {fault}, which is not there"
        raise InputError("not a readable safetensors file", path, values, "export or copy it again") from fault


def _without_tensors(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """The value with each tensor moved to `tensors`; in its place stands the name."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        prefix = f"{name}." if name else ""
        return {key: _without_tensors(item, f"{prefix}{key}", tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_tensors(item, f"{name}.{number}", tensors) for number, item in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_TENSOR} and isinstance(value[_TENSOR], str):
            return tensors[value[_TENSOR]]
        return {key: _with_tensors(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_tensors(item, tensors) for item in value]
    return value


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors, numbers and text in one step; equal states give equal bytes, computed or read from a file."""
    content = io.BytesIO()
    torch.save(_interned(dict(state)), content)
    write_bytes(path, content.getbuffer())


def _interned(value: Any) -> Any:
    """The same with one object for equal texts: pickle writes a text again unless it meets the very same object."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        copy: dict[Any, Any] = (OrderedDict if isinstance(value, OrderedDict) else dict)()
        copy.update((_interned(key), _interned(item)) for key, item in value.items())
        if isinstance(copy, OrderedDict):  # what torch notes of versions
            copy.__dict__.update(_interned(value.__dict__))
        return copy
    return type(value)(_interned(item) for item in value) if type(value) in (list, tuple) else value


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote, onto the CPU, unpickling tensors and plain values only. Raises InputError."""
    path = Path(path)
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path or run `myelosynth train` first")
    cure = "delete it and run the same again: it is trained anew"
    try:
        if not is_zipfile(path):  # torch would take it for an older format and fail in many ways
            values = "not a whole zip archive, as torch writes them"
            another = f"give a checkpoint.pt; if it is one, {cure}"
            raise InputError("not a readable checkpoint", path, values, another)
        with ZipFile(path) as archive:
            damaged = archive.testzip()  # torch does not compare the checksums
        if damaged:
            values = f"the checksum of {damaged} is not that of its writing"
            raise InputError("checkpoint damaged", path, values, cure)
        record = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as fault:
        asked = re.search(r"(?:GLOBAL|function) (\S+)", str(fault))
        values = f"it asks for {asked[1] if asked else 'code'}, expected tensors, numbers and text; nothing was run"
        raise InputError("checkpoint asks to run code", path, values, "do not open it by other means") from fault
    except (RuntimeError, EOFError, BadZipFile, OSError, ValueError, zlib.error) as fault:
        reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise InputError("not a readable checkpoint", path, reason, cure) from fault
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
