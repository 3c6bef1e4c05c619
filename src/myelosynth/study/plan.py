"""What learning needs, known before anything exists; read by the Snakefile, so imports stay light."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from myelosynth.bids.index import BASELINE, TARGET
from myelosynth.errors import InputError
from myelosynth.study.config import StudyConfig
from myelosynth.study.roster import MADE_OF, Roster
from myelosynth.synthesis.config import Task, load_preset, load_task
from myelosynth.synthesis.data.split import Assignment, assign_folds, assign_within
from myelosynth.synthesis.names import CALIBRATED, FLOORS, parse_system


def read_task(config: StudyConfig) -> Task:
    """The task of a study.

    Raises InputError for a task that no rule can serve, a preset that lacks a network or whose batch its GPUs cannot
    share, or a configuration whose `training` is not that of its preset.
    """
    task = load_task(config.learning.task)
    wanted = (task.target, task.training_sessions)
    unknown = [source for source in task.sources if source not in MADE_OF]
    if unknown or wanted != (TARGET, [BASELINE]):
        values = (
            f"sources {', '.join(task.sources)}, target {task.target}, sessions {', '.join(task.training_sessions)}"
        )
        cure = f"choose sources of {', '.join(MADE_OF)}, target {TARGET}, training_sessions {BASELINE}"
        raise InputError("task without rules", config.learning.task, values, cure)
    if config.apply is not None:
        return task  # nothing is trained: no preset is read
    preset = load_preset(config.learning.preset)
    if config.training not in (None, preset):
        values = f"`training` differs from that of learning.preset, {config.learning.preset}"
        raise InputError("two training settings", "configuration", values, "change a copy of the preset, and name that")
    for model in (parse_system(name).model for name in config.learning.systems):
        if model in CALIBRATED:
            _ = preset.own
        elif model not in FLOORS:
            preset.network(model)
            if preset.batch % config.learning.gpus:
                values = f"batch {preset.batch} of {config.learning.preset}, learning.gpus {config.learning.gpus}"
                raise InputError(
                    "batch cannot be shared", "learning.gpus", values, "make `batch` a multiple of the GPUs"
                )
    return task


@dataclass(frozen=True)
class Split:
    """Everybody's role in every fold; no rows, and the obstacle in one line, where there can be no split.

    inner: for each fold with out-of-fold sketches, the same over its inner folds. curve_roles: of the controls who make
    the curve of a fold.
    """

    rows: list[Assignment]
    obstacle: str = ""
    inner: dict[int, list[Assignment]] = field(default_factory=dict)
    curve_roles: tuple[str, ...] = ("train",)

    @cached_property
    def fold_of(self) -> dict[str, int]:
        """The fold in which each participant is tested."""
        return {row.participant: row.fold for row in self.rows if row.role == "test"}

    @cached_property
    def _folds(self) -> dict[int, list[Assignment]]:
        found: dict[int, list[Assignment]] = {}
        for row in self.rows:
            found.setdefault(row.fold, []).append(row)
        return found

    def tested(self, sessions: Sequence[tuple[str, str]], folds: Sequence[int]) -> list[tuple[str, str]]:
        """The (sub, ses) whose participant some of these folds test; all of them where there is no split."""
        return [(sub, ses) for sub, ses in sessions if self.obstacle or self.fold_of[sub] in folds]

    def learned(self, fold: int, inner: int | None = None) -> list[str]:
        """Training participants of a fold, then those who choose its weights; or the same of an inner fold."""
        rows = self._folds.get(fold, [])
        if inner is not None:
            rows = [row for row in self.inner[fold] if row.fold == inner]
        return [row.participant for role in ("train", "validation") for row in rows if row.role == role]

    def inner_fold_of(self, fold: int) -> dict[str, int]:
        """Each training participant of a fold, and the inner fold that holds it out."""
        return {row.participant: row.fold for row in self.inner[fold] if row.role == "test"}

    def controls(self, fold: int) -> list[str]:
        """Controls of a fold that make its control curve; nobody whom it tests."""
        return self._of(fold, "control", self.curve_roles)

    def scanned_twice(self, fold: int) -> list[str]:
        """Training patients of a fold: what their second scan differs by is noise."""
        return self._of(fold, "patient", ("train",))

    def _of(self, fold: int, group: str, roles: Sequence[str]) -> list[str]:
        rows = self._folds.get(fold, [])
        return [row.participant for row in rows if row.group == group and row.role in roles]


def plan_split(config: StudyConfig, roster: Roster) -> Split:
    """The split that the rule `split` writes, or why there is none: an error only for those who want to learn."""
    groups = {sub: roster.index.groups[sub] for sub in roster.eligible}
    found = f"{len(groups)} of {len(roster.index.groups)} participants have a baseline {', '.join(roster.mri)} and PET"
    cure = "run the target `preprocessing`, or complete the data set"
    folds, learning = config.folds, config.learning
    refines = any(parse_system(system).sketcher for system in learning.systems)
    nested = folds.tested if refines and learning.sketches == "out-of-fold" else []
    where = ""
    try:
        rows = assign_folds(groups, folds.number, folds.validation, folds.seed)
        where = ", for out-of-fold sketches"
        options = (learning.inner_folds, learning.inner_validation, folds.seed)
        inner = {fold: assign_within(rows, fold, *options) for fold in nested}
    except InputError as fault:
        told = f"{fault.what}, {fault.values}{where}"
        return Split([], f"{told}; {found} (and lesions and FLAIR where a patient); {cure}")
    roles = ("train",) if config.curve.roles == "train" else ("train", "validation")
    split = Split(rows, inner=inner, curve_roles=roles)
    without = [fold for fold in range(1, folds.number + 1) if not split.controls(fold)]
    if without:
        controls = list(groups.values()).count("control")
        told = f"no control to make the curve of fold {without[0]} from, {controls} controls in the split"
        return Split([], f"{told}, expected 2 or more; {found}; {cure}")
    return split
