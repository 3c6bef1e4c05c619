"""Sketches for a Refiner: the Sketcher of the same fold, checked for leaks, or its out-of-fold images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError
from myelosynth.images.volume import load_volume
from myelosynth.synthesis.checkpoints import Checkpoint, file_sha256, load_checkpoint
from myelosynth.synthesis.data.subjects import Statistics, Subject
from myelosynth.synthesis.systems.base import TrainingJob


@dataclass(frozen=True)
class Sketches:
    """The Sketcher's checkpoint with its sha256, and out-of-fold sketches by scan name where there are any."""

    checkpoint: Checkpoint
    sha256: str
    images: dict[str, Path]

    @property
    def origin(self) -> str:
        """What the sidecar of the Refiner tells."""
        return "out-of-fold images" if self.images else "frozen Sketcher of the fold"


def find_sketches(job: TrainingJob, statistics: Statistics) -> Sketches:
    """The Sketcher in the job's `sketches` folder, and for an out-of-fold job the images in its `sketches/`.

    Raises InputError for a Sketcher of another split, fold or task, one that saw a test participant or other training
    images, or out-of-fold sketches that do not cover every training scan or whose Sketcher saw who is sketched or held
    out.
    """
    folder = job.sketches or Path()
    path = folder / "checkpoint.pt"
    sketcher = load_checkpoint(path)
    for what, theirs, ours in (
        ("split sha256", sketcher.split_sha256, job.fold.sha256),
        ("fold", sketcher.fold, job.fold.number),
        ("sources", sketcher.sources, job.task.sources),
        ("target", sketcher.target, job.task.target),
    ):
        if theirs != ours:
            values = f"{what} {theirs} of the Sketcher against {ours}"
            raise InputError("leak: Sketcher of another fold or task", path, values, "train the Sketcher on this fold")
    leaked = set(sketcher.participants["train"]) & set(job.fold.participants("test"))
    if leaked:
        values = f"trained on {', '.join(sorted(leaked))}, test in fold {job.fold.number}"
        raise InputError("leak: test participant in the training data", path, values, "train the Sketcher again")
    if sketcher.content.get("architecture", {"sketcher": sketcher.model})["sketcher"] is not None:
        raise InputError("not a Sketcher", path, f"model {sketcher.model}", "give the folder of a single generator")
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
    return Sketches(sketcher, file_sha256(path), images)


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
