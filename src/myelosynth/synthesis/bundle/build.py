"""A bundle is written whole or not at all."""

import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from myelosynth import __version__
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import sha256, write_json
from myelosynth.errors import InputError
from myelosynth.images.atomic import staged
from myelosynth.synthesis.bundle.card import CARD, CURVE, FORMAT, NULL, PREPROCESSING, STATISTICS, TASK, TEXT
from myelosynth.synthesis.bundle.describe import card_text, limits_of
from myelosynth.synthesis.bundle.metrics import Metrics
from myelosynth.synthesis.bundle.parts import Parts
from myelosynth.synthesis.bundle.statistics import training_statistics
from myelosynth.synthesis.checkpoints import export_safetensors
from myelosynth.synthesis.systems.registry import find_system


def write_bundle(
    parts: Parts, out: Path, metrics: Metrics | None = None, preprocessing: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write the folder of a bundle in one step and return its card's record.

    metrics: scores of its evaluation; preprocessing: sections of the study's configuration by which the training images
    were made. Raises InputError where `out` is already there.
    """
    statistics = training_statistics(parts.scans, parts.task)
    with _staged_folder(out) as folder:
        members = [_write_member(parts, number, folder) for number in range(len(parts.members))]
        shutil.copyfile(parts.task_file, folder / TASK)
        shutil.copyfile(parts.curve, folder / CURVE)
        shutil.copyfile(sidecar_path(parts.curve), sidecar_path(folder / CURVE))
        write_json(folder / STATISTICS, statistics.record())
        if parts.null:
            shutil.copyfile(parts.null, folder / NULL)
        if preprocessing is not None:
            text = yaml.safe_dump(dict(preprocessing), sort_keys=False)
            (folder / PREPROCESSING).write_text(text, encoding="utf-8")
        record = _record(parts, members, metrics, statistics.voxel_mm, preprocessing is not None)
        record["Files"] = _digests(folder)
        (folder / TEXT).write_text(card_text(record), encoding="utf-8")
        # The text tells the hashes of all other files, the card the text's too.
        record["Files"] = _digests(folder)
        write_json(folder / CARD, record)
    return record


def _write_member(parts: Parts, number: int, folder: Path) -> dict[str, Any]:
    member = parts.members[number]
    checkpoint = member.checkpoint
    ending = f"_fold-{checkpoint.fold}_seed-{checkpoint.seed}" if len(parts.members) > 1 else ""
    names = f"checkpoint{ending}.pt", f"weights{ending}.safetensors"
    shutil.copyfile(member.path, folder / names[0])
    export_safetensors(checkpoint, folder / names[1])
    return {
        "Checkpoint": names[0],
        "Weights": names[1],
        "Fold": checkpoint.fold,
        "Seed": checkpoint.seed,
        "Training": member.record.get("Settings", {}),
    }


def _record(
    parts: Parts, members: list[dict], metrics: Metrics | None, voxel_mm: tuple[float, ...], preprocessing: bool
) -> dict[str, Any]:
    first = parts.members[0].checkpoint
    system = find_system(first.model)
    return {
        "Format": FORMAT,
        "System": parts.system,
        "Model": first.model,
        "Loss": first.loss,
        "Task": first.task,
        "Sources": first.sources,
        "Target": first.target,
        "Inputs": system.prediction_sources(first.sources),
        "Spread": system.spread or len(members) > 1,
        "VoxelSize": list(voxel_mm),
        "Simulated": parts.simulated,
        "Limits": limits_of(parts, metrics, preprocessing),
        "Members": members,
        "Data": {
            "Scans": len(parts.scans),
            "Learned": parts.learned,
            "Participants": parts.counts,
            "Controls": parts.controls,
        },
        "Training": {
            "Folds": sorted({member["Fold"] for member in members}),
            "Seeds": sorted({member["Seed"] for member in members}),
            "SplitSha256": first.split_sha256,
        },
        "Metrics": metrics.rows if metrics else [],
        "MetricsOf": metrics.record() if metrics else None,
        "Versions": {
            "myelosynth": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}


@contextmanager
def _staged_folder(out: Path) -> Iterator[Path]:
    """An empty folder that takes the name `out` only if the body succeeds. Raises InputError where it exists."""
    out = Path(out)
    if out.exists():
        raise InputError(
            "output exists", out, "a bundle is never written over another", "give a new folder, or move it"
        )
    with staged(out) as (part,):
        part.mkdir()
        yield part
