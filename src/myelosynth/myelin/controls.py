"""Who is behind a control curve, so that nobody is measured against a threshold that he helped to set."""

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from myelosynth.bids.names import participant_of
from myelosynth.bids.sidecar import participants_behind
from myelosynth.errors import InputError

_CURE = "fit the curve without the test subjects of the fold"


def named_participants(images: Sequence[Path]) -> list[str]:
    """The participants that the paths name, `sub-LABEL`, in order, without repeats."""
    return list(dict.fromkeys(name for path in images if (name := participant_of(path))))


def distinct_participants(images: Sequence[Path], where: str) -> list[str]:
    """The participants that the paths name, `sub-LABEL`, in order.

    Raises InputError for an image or a participant given twice: one person would count as several.
    """
    names = [participant_of(path) for path in images]
    people = [name for name in names if name]
    for what, given in (("image", [str(path.absolute()) for path in images]), ("participant", people)):
        twice = [one for one, count in Counter(given).items() if count > 1]
        if twice:
            values = f"{twice[0]} {given.count(twice[0])} times"
            raise InputError(f"{what} given twice", where, values, "give each participant once")
    return named_participants(images)


def checked_against(
    participants: Sequence[str], split: Path | None, fold: int | None, where: str, what: str, who: str
) -> dict[str, Any]:
    """`check_controls` where a split is given, else nothing. Raises InputError where split or fold is given alone."""
    if split is None and fold is None:
        return {}
    if split is None or fold is None:
        told = "not given" if fold is None else fold
        values = f"--split {split or 'not given'}, --fold {told}"
        raise InputError("options belong together", where, values, "give both, or neither")
    return check_controls(participants, split, fold, what, who)


def check_controls(
    participants: Sequence[str], split: Path, fold: int, what: str = "control curve", who: str = "controls"
) -> dict[str, Any]:
    """Fold, Roles (how many controls of each role) and SplitSha256 for the sidecar of a curve.

    what, who: the words of the fault. Raises InputError for a split without the fold, and for a control whom the fold
    tests (a leak).
    """
    if not split.is_file():
        raise InputError("file missing", split, "no such file", "run `myelosynth split` first")
    rows = list(csv.DictReader(split.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    roles = {row.get("participant_id"): row.get("role") for row in rows if row.get("fold") == str(fold)}
    if not roles:
        raise InputError("no such fold", split, f"fold {fold} has no row", "give one of the folds")
    tested = [name for name in participants if roles.get(name) == "test"]
    if tested:
        values = f"{', '.join(tested)} among the {who}, test in fold {fold}"
        raise InputError(f"leak: {what} of test subjects", split, values, _CURE.replace("curve", what.split()[-1]))
    found = [str(roles.get(name, "not in the split")) for name in participants]
    counts = {role: found.count(role) for role in sorted(set(found))}
    return {"Fold": fold, "Roles": counts, "SplitSha256": hashlib.sha256(split.read_bytes()).hexdigest()}


def require_no_control(dvr: Path, curve: Path) -> None:
    """Raises InputError when the participant of a DVR is among the controls of the curve it is to be held against."""
    participant = participant_of(dvr.name)
    if participant and participant in participants_behind(curve):
        values = f"{participant} is one of the controls behind {curve.name}"
        raise InputError("leak: control curve saw the subject", dvr, values, _CURE)
