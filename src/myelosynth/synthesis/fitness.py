"""Whether a checkpoint fits what it is asked to predict: task, channel order, voxel size, and who it has seen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid, edges_in_words
from myelosynth.synthesis.checkpoints import Checkpoint
from myelosynth.synthesis.config import Task
from myelosynth.synthesis.data.subjects import Subject

VOXEL_TOLERANCE = 0.05
"""Share by which each voxel edge may differ from the training's."""


def voxel_mm(subjects: Sequence[Subject]) -> list[float]:
    """The mean voxel edges of training subjects, mm, one an axis."""
    return [float(edge) for edge in np.mean([subject.grid.voxel_sizes for subject in subjects], 0)]


def require_voxel_size(checkpoint: Checkpoint, grid: Grid, where: object) -> None:
    """Raise InputError where a voxel edge is more than VOXEL_TOLERANCE off the training's.

    Checkpoints of systems that do not look at neighbours hold no voxel size and take any.
    """
    trained = checkpoint.content.get("voxel_mm")
    if trained is not None:
        require_edges(grid.voxel_sizes, trained, where, "resample the images, or add --any-voxel-size")


def require_edges(found: Sequence[float], trained: Sequence[float], where: object, cure: str) -> None:
    """Raise InputError unless voxel edges, mm, are those of training within VOXEL_TOLERANCE, in the same order."""
    if np.abs(np.array(found) / np.array(trained) - 1).max() > VOXEL_TOLERANCE:
        values = f"{edges_in_words(found)}, trained on {edges_in_words(trained)}, tolerance {VOXEL_TOLERANCE:.0%}"
        raise InputError("voxel size differs from training", where, values, cure)


def require_task(checkpoint: Checkpoint, task: Task, where: object) -> None:
    """Raise InputError unless the checkpoint has the task's name, target, and sources in its order."""
    wanted = (task.name, list(task.sources), task.target)
    _require_same(_of(checkpoint), wanted, where, f"task {task.name}", "give a checkpoint of this task")


def require_agreement(checkpoints: Sequence[Checkpoint], paths: Sequence[Path]) -> None:
    """Raise InputError unless the members of an ensemble agree in task, target and order of the sources, and none is
    given twice."""
    for number, (path, member) in enumerate(zip(paths, checkpoints, strict=True)):
        if path.absolute() in [other.absolute() for other in paths[:number]]:
            raise InputError("member given twice", path, "the same --checkpoint again", "give each member once")
        _require_same(_of(member), _of(checkpoints[0]), path, str(paths[0]), "give members of one task")


def require_not_learned(checkpoints: Sequence[Checkpoint], paths: Sequence[Path], participant: str) -> None:
    """Raise InputError when a member of an ensemble was trained on the participant, or chose its weights by them."""
    for path, member in zip(paths, checkpoints, strict=True):
        roles = [role for role in ("train", "validation") if participant in member.participants.get(role, [])]
        if roles:
            values = f"{participant} is in `{roles[0]}` of fold {member.fold}"
            cure = "leave this member out, or add --new-participant if this is somebody else of the same label"
            raise InputError("leak: member has seen the participant", path, values, cure)


def _of(checkpoint: Checkpoint) -> tuple[str, list[str], str]:
    return checkpoint.task, list(checkpoint.sources), checkpoint.target


def _require_same(
    found: tuple[str, list[str], str], wanted: tuple[str, list[str], str], where: object, of: str, cure: str
) -> None:
    for what, theirs, ours in zip(("task", "sources", "target"), found, wanted, strict=True):
        if theirs != ours:
            values = f"{what} {_listed(theirs)} against {_listed(ours)} of {of}"
            raise InputError("checkpoint of another task", where, values, cure)


def _listed(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)
