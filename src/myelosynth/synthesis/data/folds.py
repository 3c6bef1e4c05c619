"""The split on disk: written from the assignment, read back with every leak named."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from myelosynth.errors import InputError
from myelosynth.synthesis.data.split import Assignment
from myelosynth.synthesis.data.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("participant_id", "group", "fold", "role")
EXCLUDED = "excluded"
"""In an inner split: who the outer fold validates or tests, in every inner fold."""
ROLES = ("train", "validation", "test")
_KNOWN = (*ROLES, EXCLUDED)
_AGAIN = "make the split again with `myelosynth split`"


@dataclass(frozen=True)
class Fold:
    """The roles of all participants in one fold, their groups, and the sha256 of the split file they come from."""

    number: int
    roles: dict[str, str]
    groups: dict[str, str]
    sha256: str

    def participants(self, role: str) -> list[str]:
        """Participants of a role, in the order of the file."""
        return [participant for participant, other in self.roles.items() if other == role]


def read_groups(path: Path) -> dict[str, str]:
    """Participant to group from a participants table, in the order of the file.

    Raises InputError for a participant_id without `sub-`, a row without a group, or a participant listed twice.
    """
    table = read_table(path, ("participant_id", "group"))
    groups: dict[str, str] = {}
    for number, row in enumerate(table.itertuples(index=False), 2):
        participant, group = str(row.participant_id), str(row.group)
        if not participant.startswith("sub-") or len(participant) == 4:
            values = f"row {number}: got {participant!r}"
            raise InputError("participant_id needed", path, values, "write it as sub-LABEL")
        if group in ("", "n/a"):
            values = f"row {number}, {participant}: got {group!r}, expected a group such as patient or control"
            raise InputError("participant without a group", path, values, "fill in the group column")
        if participant in groups:
            raise InputError("participant listed twice", path, f"row {number}: {participant}", "keep one row of it")
        groups[participant] = group
    return groups


def split_table(rows: list[Assignment]) -> "pd.DataFrame":
    """The assignment as a table: participant_id, group, fold, role."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_fold(path: Path, number: int) -> Fold:
    """Read one fold of a split file.

    Raises InputError for a fold that is not there, an unknown role, a participant with two roles in the fold, or a
    participant who is not test in exactly one fold, unless excluded from all of them (an inner split).
    """
    table = read_table(path, COLUMNS)
    unknown = table[~table.role.isin(_KNOWN)]
    if len(unknown):
        values = f"{unknown.participant_id.iloc[0]}: got {unknown.role.iloc[0]!r}, expected {', '.join(_KNOWN)}"
        raise InputError("unknown role", path, values, _AGAIN)
    rows = table[table.fold == str(number)]
    if rows.empty:
        values = f"fold {number}, the file has {', '.join(sorted(table.fold.unique()))}"
        raise InputError("no such fold", path, values, "give one of the folds")
    twice = rows.participant_id[rows.participant_id.duplicated()]
    if len(twice):
        both = ", ".join(rows.role[rows.participant_id == twice.iloc[0]])
        raise InputError("leak: two roles in one fold", path, f"{twice.iloc[0]} in fold {number}: {both}", _AGAIN)
    learned = table[~(table.role == EXCLUDED).groupby(table.participant_id).transform("all")]
    tests = (learned.role == "test").groupby(learned.participant_id).sum()
    if (tests != 1).any():
        participant = tests.index[tests != 1][0]
        values = f"{participant} is test in {tests[participant]} folds, expected 1"
        raise InputError("not a cross-validation", path, values, _AGAIN)
    roles = dict(zip(rows.participant_id, rows.role, strict=True))
    groups = dict(zip(rows.participant_id, rows.group, strict=True))
    return Fold(number, roles, groups, hashlib.sha256(Path(path).read_bytes()).hexdigest())
