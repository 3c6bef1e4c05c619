"""What learning needs, known before anything exists; read by the Snakefile, so imports stay light."""

from dataclasses import dataclass
from functools import cached_property

from myelosynth.bids.index import BASELINE, TARGET
from myelosynth.errors import InputError
from myelosynth.study.config import StudyConfig
from myelosynth.study.roster import MADE_OF, Roster
from myelosynth.synthesis.config import Task, load_preset, load_task
from myelosynth.synthesis.data.split import Assignment, assign_folds
from myelosynth.synthesis.names import FLOORS, parse_system


def read_task(config: StudyConfig) -> Task:
    """The task of a study. Raises InputError for one that no rule can serve, or a preset that lacks a network."""
    task = load_task(config.learning.task)
    wanted = (task.target, task.training_sessions)
    unknown = [source for source in task.sources if source not in MADE_OF]
    if unknown or wanted != (TARGET, [BASELINE]):
        values = (
            f"sources {', '.join(task.sources)}, target {task.target}, sessions {', '.join(task.training_sessions)}"
        )
        cure = f"choose sources of {', '.join(MADE_OF)}, target {TARGET}, training_sessions {BASELINE}"
        raise InputError("task without rules", config.learning.task, values, cure)
    preset = load_preset(config.learning.preset)
    for model in (parse_system(name).model for name in config.learning.systems):
        if model not in FLOORS:
            preset.network(model)
    return task


@dataclass(frozen=True)
class Split:
    """Everybody's role in every fold; no rows, and the obstacle in one line, where there can be no split."""

    rows: list[Assignment]
    obstacle: str = ""

    @cached_property
    def fold_of(self) -> dict[str, int]:
        """The fold in which each participant is tested."""
        return {row.participant: row.fold for row in self.rows if row.role == "test"}

    def controls(self, fold: int) -> list[str]:
        """Controls of a fold that are not its test subjects: they make its control curve."""
        return [
            row.participant for row in self.rows if (row.fold, row.group) == (fold, "control") and row.role != "test"
        ]


def plan_split(config: StudyConfig, roster: Roster) -> Split:
    """The split that the rule `split` writes, or why there is none: an error only for those who want to learn."""
    groups = {sub: roster.index.groups[sub] for sub in roster.eligible}
    found = f"{len(groups)} of {len(roster.index.groups)} participants have a baseline {', '.join(roster.mri)} and PET"
    cure = "run the target `preprocessing`, or complete the data set"
    try:
        rows = assign_folds(groups, config.folds.number, config.folds.validation, config.folds.seed)
    except InputError as fault:
        return Split([], f"{fault.what}, {fault.values}; {found} (and lesions and FLAIR where a patient); {cure}")
    split = Split(rows)
    without = [fold for fold in range(1, config.folds.number + 1) if not split.controls(fold)]
    if without:
        controls = list(groups.values()).count("control")
        told = f"no control to make the curve of fold {without[0]} from, {controls} controls in the split"
        return Split([], f"{told}, expected 2 or more; {found}; {cure}")
    return split
