"""What goes into a bundle, read and held against one another: checkpoints, split, manifest, curve, metrics."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import dataset_root, participants_behind, read_json, sha256
from myelosynth.errors import InputError
from myelosynth.synthesis.checkpoints import Checkpoint, load_checkpoint
from myelosynth.synthesis.config import Task, config_path, load_task
from myelosynth.synthesis.data.folds import ROLES, Fold, read_fold
from myelosynth.synthesis.data.manifest import Scan, read_manifest
from myelosynth.synthesis.systems.registry import find_system


@dataclass(frozen=True)
class Member:
    """One checkpoint of the ensemble with its record and the fold that it was trained on."""

    path: Path
    checkpoint: Checkpoint
    record: dict[str, Any]
    fold: Fold


@dataclass(frozen=True)
class Parts:
    """Everything that a bundle is made of, found to belong together."""

    members: list[Member]
    task: Task
    task_file: Path
    curve: Path
    scans: list[Scan]
    controls: int
    simulated: bool
    null: Path | None = None

    @property
    def system(self) -> str:
        """The system as a study writes it: NAME, or NAME-LOSS where there are several losses."""
        first = self.members[0].checkpoint
        several = len(find_system(first.model).losses) > 1
        return f"{first.model}-{first.loss}" if several else first.model

    @property
    def learned(self) -> dict[str, int]:
        """How many participants of each group any member was trained or validated on."""
        return dict(
            sorted(Counter(self.members[0].fold.groups[p] for p in {s.participant for s in self.scans}).items())
        )

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many participants of each group had each role in any member."""
        groups = self.members[0].fold.groups
        people = {role: {p for m in self.members for p in m.fold.participants(role)} for role in ROLES}
        return {role: dict(sorted(Counter(groups[p] for p in chosen).items())) for role, chosen in people.items()}


def read_parts(
    checkpoints: Sequence[Path], curve: Path, task_name: str, manifest: Path, split: Path, null: Path | None = None
) -> Parts:
    """Read the parts of a bundle.

    Raises InputError for a checkpoint of another task, split or manifest, members of different systems, the same member
    twice, a curve of other controls, or the null of another system.
    """
    task, task_file = load_task(task_name), config_path(task_name, "tasks")
    members = [_read_member(path, task, task_file, manifest, split) for path in checkpoints]
    _require_one_system(members)
    learned = {p for m in members for role in ("train", "validation") for p in m.fold.participants(role)}
    wanted = [f"ses-{session}" for session in task.training_sessions]
    scans = [scan for scan in read_manifest(manifest) if scan.participant in learned and scan.session in wanted]
    absent = sorted(learned - {scan.participant for scan in scans})
    if absent:
        values = f"{absent[0]} and {len(absent) - 1} more have no session {', '.join(wanted)}"
        raise InputError("training images not in the manifest", manifest, values, "give the manifest of training")
    controls = _controls_of(curve, members)
    root = dataset_root(scans[0].paths[task.target].parent)
    simulated = bool(root and read_json(root / "dataset_description.json").get("Simulated"))
    parts = Parts(members, task, task_file, curve, scans, controls, simulated, null)
    if null:
        _require_null(null, parts.system)
    return parts


def _read_member(path: Path, task: Task, task_file: Path, manifest: Path, split: Path) -> Member:
    checkpoint, sidecar = load_checkpoint(path), sidecar_path(path)
    record = read_json(sidecar)
    if record.get("CheckpointSha256") != sha256(path):
        values = f"CheckpointSha256 {str(record.get('CheckpointSha256'))[:12]}..., the file has {sha256(path)[:12]}..."
        raise InputError(
            "record of another checkpoint", sidecar, values, "give checkpoint.pt and .json of one training"
        )
    for what, theirs, ours, where in (
        ("task", checkpoint.task, task.name, task_file),
        ("sources", checkpoint.sources, task.sources, task_file),
        ("target", checkpoint.target, task.target, task_file),
        ("split sha256", checkpoint.split_sha256, sha256(split), split),
    ):
        if theirs != ours:
            values = f"{what} {_short(theirs)} of the checkpoint against {_short(ours)} of {where}"
            raise InputError(
                "checkpoint of another task or split", path, values, f"give the {what.split()[0]} of training"
            )
    if sha256(manifest) not in (record.get("SourcesSHA256") or {}).values():
        values = f"{manifest} is not among the sources in {sidecar.name}"
        raise InputError("checkpoint of another manifest", path, values, "give the manifest of training")
    return Member(path, checkpoint, record, read_fold(split, checkpoint.fold))


def _short(value: object) -> str:
    """Names in a row, a hash by its beginning."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 else text


def _require_one_system(members: Sequence[Member]) -> None:
    first = members[0].checkpoint
    seen: dict[tuple[int, int], Path] = {}
    for member in members:
        this = member.checkpoint
        if (this.model, this.loss) != (first.model, first.loss):
            values = f"{this.model} {this.loss} against {first.model} {first.loss} of {members[0].path}"
            raise InputError("checkpoints of different systems", member.path, values, "give one system's")
        key = this.fold, this.seed
        if key in seen:
            values = f"fold {this.fold}, seed {this.seed}, as {seen[key]}"
            raise InputError("checkpoint given twice", member.path, values, "give each fold and seed once")
        seen[key] = member.path


def _require_null(null: Path, system: str) -> None:
    """Raise InputError unless a null model is known and of the bundle's system."""
    record = read_json(null)
    if record.get("System") != system:
        values = f"system {record.get('System', 'not told')}, the bundle's is {system}"
    elif not record.get("Null"):
        values = "it holds no model: too few pairs had lesions"
    else:
        return
    cure = f"fit it on predictions of {system} (`myelosynth null-fit --system {system}`)"
    raise InputError("null not of this bundle", null, values, cure)


def _controls_of(curve: Path, members: Sequence[Member]) -> int:
    """How many controls the curve was made from; they are the split's, and no test subject of a lone member's fold."""
    made_of = set(participants_behind(curve))
    groups = members[0].fold.groups
    strangers = sorted(sub for sub in made_of if groups.get(sub) != "control")
    cure = "give the curve of this study (`curve_fold-K.tsv`)"
    if strangers or not made_of:
        values = f"{strangers[0]} is no control of the split" if strangers else "its sidecar names no control"
        raise InputError("curve of other participants", curve, values, cure)
    if len(members) == 1:
        tested = sorted(made_of & set(members[0].fold.participants("test")))
        if tested:
            values = f"made from {tested[0]}, test subject in fold {members[0].fold.number} of the checkpoint"
            raise InputError("curve of another fold", curve, values, f"give curve_fold-{members[0].fold.number}.tsv")
    return len(made_of)
