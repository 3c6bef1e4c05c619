"""Sketches for a Refiner: the Sketcher of the same fold, checked for leaks, or its out-of-fold images."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError
from myelosynth.images.volume import load_volume
from myelosynth.synthesis.checkpoints import Checkpoint, file_sha256, load_checkpoint
from myelosynth.synthesis.data.subjects import Statistics, Subject
from myelosynth.synthesis.names import stages
from myelosynth.synthesis.systems.base import TrainingJob


@dataclass(frozen=True)
class Sketches:
    """The checkpoint of the stage before with its sha256, and out-of-fold sketches by scan name if there are any."""

    checkpoint: Checkpoint
    sha256: str
    images: dict[str, Path]

    @property
    def origin(self) -> str:
        """What the sidecar of the Refiner tells."""
        return "out-of-fold images" if self.images else "frozen Sketcher of the fold"

    @property
    def lineage(self) -> list[dict[str, Any]]:
        """What every frozen stage learned from, the first one first: plain values for the next checkpoint."""
        its = self.checkpoint
        own = {
            "model": its.model,
            "loss": its.loss,
            "task": its.task,
            "sources": its.sources,
            "target": its.target,
            "fold": its.fold,
            "seed": its.seed,
            "split sha256": its.split_sha256,
            "participants": its.participants,
        }
        return [*its.content["lineage"], own]


def find_sketches(job: TrainingJob, statistics: Statistics) -> Sketches:
    """The Sketcher in the job's `sketches` folder, and for an out-of-fold job the images in its `sketches/`.

    A third stage's Sketcher is a Refiner behind its own Sketcher, and so on: every stage is checked. Raises InputError
    for one of another split, fold or task or with another number of stages, one that saw a test participant or other
    training images, or out-of-fold sketches that do not cover every training scan or whose Sketcher saw who is sketched
    or held out.
    """
    folder = job.sketches or Path()
    path = folder / "checkpoint.pt"
    sketcher = load_checkpoint(path)
    found, needed = len(sketcher.content.get("architecture", {}).get("stages", [])), stages(job.model) - 1
    if found != needed:
        values = f"model {sketcher.model} of {found} network stages, {job.model} refines {needed}"
        raise InputError("not a Sketcher", path, values, "give the training folder of the stage before")
    sketches = Sketches(sketcher, file_sha256(path), {})
    for stage in sketches.lineage:
        _require_own_fold(job, stage, path)
    if not np.allclose(sketcher.content["mean"].numpy(), statistics.mean, rtol=1e-4):
        values = f"means {sketcher.content['mean'].tolist()} against {statistics.mean.tolist()}"
        raise InputError("Sketcher saw other images", path, values, "train the Sketcher again")
    names = [scan.name for scan in job.scans.training]
    images = {name: file for name in names if (file := folder / "sketches" / f"{name}.nii.gz").is_file()}
    images = images if job.out_of_fold else {}
    if job.out_of_fold and len(images) < len(names):
        missing = next(name for name in names if name not in images)
        values = f"{len(images)} of {len(names)} training scans, {missing} is missing"
        raise InputError("out-of-fold sketches incomplete", folder / "sketches", values, "predict the others too")
    for name, file in images.items():
        _require_held_out(job, name, file)
    return replace(sketches, images=images)


def _require_own_fold(job: TrainingJob, stage: dict[str, Any], path: Path) -> None:
    """Raises InputError unless a frozen stage learned this task on this fold, without its test participants."""
    for what, ours in (
        ("split sha256", job.fold.sha256),
        ("fold", job.fold.number),
        ("task", job.task.name),
        ("sources", job.task.sources),
        ("target", job.task.target),
    ):
        if stage[what] != ours:
            values = f"{what} {stage[what]} of {stage['model']} against {ours}"
            raise InputError("leak: Sketcher of another fold or task", path, values, "train the Sketcher on this fold")
    learned = {*stage["participants"]["train"], *stage["participants"]["validation"]}
    leaked = sorted(learned & set(job.fold.participants("test")))
    if leaked:
        values = f"{stage['model']} learned from {', '.join(leaked)}, test in fold {job.fold.number}"
        raise InputError("leak: test participant in the training data", path, values, "train the Sketcher again")


def _require_held_out(job: TrainingJob, scan: str, sketch: Path) -> None:
    """Raises InputError unless the record of the Sketcher behind an out-of-fold sketch lists who it learned from, and
    neither the sketched participant nor one that this fold validates or tests is among them."""
    sidecar = sidecar_path(sketch)
    roles = (read_json(sidecar).get("Participants") if sidecar.is_file() else None) or {}
    learned = {str(name) for role in ("train", "validation") for name in roles.get(role, [])}
    cure = "make it with a Sketcher trained on this fold's other training participants"
    if not learned:
        raise InputError("sketch without its training record", sketch, "no Participants in the sidecar", cure)
    held_out = {scan.split("_")[0], *job.fold.participants("validation"), *job.fold.participants("test")}
    leaked = sorted(learned & held_out)
    if leaked:
        values = f"its Sketcher learned from {', '.join(leaked)}, held out from {scan} in fold {job.fold.number}"
        raise InputError("leak: sketch made with held-out participants", sketch, values, cure)


def load_sketch(path: Path, subject: Subject) -> NDArray[np.float32]:
    """An out-of-fold sketch (X, Y, Z) in target units, 0 outside the brain. Raises InputError for another grid."""
    volume = load_volume(path)
    subject.grid.require(volume.grid, path, subject.name)
    return volume.data * subject.mask
