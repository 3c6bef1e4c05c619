"""The tensors of a checkpoint for other programs: safetensors, which holds no code."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from myelosynth.images.atomic import staged
from myelosynth.synthesis.checkpoints import Checkpoint


def export_safetensors(checkpoint: Checkpoint, path: Path) -> None:
    """Write every tensor of a checkpoint under the path of its keys, and what it is as metadata, in one step."""
    from safetensors.torch import save

    tensors = {name: tensor.contiguous().clone() for name, tensor in _tensors(checkpoint.content)}
    facts = asdict(replace(checkpoint, content={}, participants={}))
    facts = {name: value for name, value in facts.items() if name not in ("content", "participants")}
    # One entry: the order of several is not the same in every process, and neither are the bytes.
    metadata = {"checkpoint": json.dumps(facts)}
    with staged(Path(path)) as (part,):
        part.write_bytes(save(tensors, metadata))


def _tensors(content: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(content, torch.Tensor):
        yield name, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))
    elif isinstance(content, list | tuple):
        for number, value in enumerate(content):
            yield from _tensors(value, f"{name}.{number}" if name else str(number))
