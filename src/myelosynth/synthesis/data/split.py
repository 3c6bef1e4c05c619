"""Folds over subjects, stratified by group; pure Python, since the Snakefile asks it before anything exists."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from myelosynth.errors import InputError


class Assignment(NamedTuple):
    """The role (train, validation, test; excluded in an inner split) of one participant in one fold (from 1)."""

    participant: str
    group: str
    fold: int
    role: str


def assign_folds(groups: Mapping[str, str], folds: int, validation: int, seed: int) -> list[Assignment]:
    """Deal the participants of each group in turn over the folds; all sessions of a participant follow it.

    groups: participant to group. Everyone is test in exactly one fold; of the others of a fold, `validation`
    participants watch the training (patients and controls in turn, never the last one of a group). Sorted by fold, then
    in the order given. Raises InputError for an empty group name, fewer participants than folds, or too few to train.

    >>> rows = assign_folds({"a": "patient", "b": "patient", "c": "control", "d": "control"}, 2, 0, seed=0)
    >>> [row.participant for row in rows if row.fold == 1 and row.role == "test"]
    ['a', 'c']
    """
    for participant, group in groups.items():
        if group in ("", "n/a"):
            values = f"{participant} has group {group or 'n/a'!r}, expected patient or control"
            raise InputError("participant without a group", "participants table", values, "fill in the column `group`")
    if folds < 2 or len(groups) < folds:
        values = f"{len(groups)} participants, {folds} folds"
        raise InputError("too few participants for the folds", "split", values, "use 2 folds or more, or add people")
    random = Random(seed)
    fold_of: dict[str, int] = {}
    for group in dict.fromkeys(groups.values()):
        members = [participant for participant, its in groups.items() if its == group]
        random.shuffle(members)
        for participant in members:
            fold_of[participant] = len(fold_of) % folds + 1
    rows = []
    for fold in range(1, folds + 1):
        held = _validation({p: groups[p] for p in groups if fold_of[p] != fold}, validation, random)
        for participant, group in groups.items():
            role = "test" if fold_of[participant] == fold else "validation" if participant in held else "train"
            rows.append(Assignment(participant, group, fold, role))
    return rows


def assign_within(outer: Sequence[Assignment], fold: int, folds: int, validation: int, seed: int) -> list[Assignment]:
    """An inner split: the training participants of one fold dealt over inner folds, for predictions within that fold.

    outer: rows of the split. Whoever the fold validates or tests is `excluded` in every inner fold. Raises InputError
    as `assign_folds` does for the training participants alone, and for an inner fold with less than two to train.

    >>> outer = assign_folds({"a": "patient", "b": "patient", "c": "patient", "d": "control", "e": "control"}, 2, 0, 0)
    >>> [f"{row.participant} {row.role}" for row in assign_within(outer, 2, 3, 0, seed=0) if row.fold == 1]
    ['a test', 'b train', 'c excluded', 'd train', 'e excluded']
    """
    people = {row.participant: row for row in outer if row.fold == fold}
    groups = {name: row.group for name, row in people.items() if row.role == "train"}
    roles = {(row.participant, row.fold): row for row in assign_folds(groups, folds, validation, seed)}
    for inner in range(1, folds + 1):
        learned = [name for name in groups if roles[name, inner].role == "train"]
        if len(learned) < 2:
            values = f"{len(learned)} left to train inner fold {inner} of fold {fold}, expected 2 or more"
            raise InputError(
                "too few participants for inner folds", "split", values, "validate with less or add people"
            )
    return [
        roles.get((name, inner), Assignment(name, row.group, inner, "excluded"))
        for inner in range(1, folds + 1)
        for name, row in people.items()
    ]


def _validation(candidates: Mapping[str, str], number: int, random: Random) -> set[str]:
    pools = {}
    for group in dict.fromkeys(candidates.values()):
        pools[group] = [participant for participant, its in candidates.items() if its == group]
        random.shuffle(pools[group])
    held: set[str] = set()
    while len(held) < number:
        before = len(held)
        for pool in pools.values():
            if len(pool) > 1 and len(held) < number:
                held.add(pool.pop())
        if len(held) == before:
            values = f"{len(candidates)} in the training part, {number} wanted for validation"
            raise InputError("too few participants to validate", "split", values, "lower --validation or add people")
    return held
