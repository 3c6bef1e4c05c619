"""Who is evaluated: test subjects of all folds with their groups and sessions."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from myelosynth.bids.index import SessionIndex, read_table
from myelosynth.bids.layout import Layout
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError

BASELINE, FOLLOW_UP = "t0", "t1"
TRUE, NOISE_FREE = "true", "noise-free"


@dataclass(frozen=True)
class Subject:
    """A test subject: bare label, group, fold in which it was test, bare session labels."""

    label: str
    group: str
    fold: int
    sessions: tuple[str, ...]

    @property
    def participant_id(self) -> str:
        return f"sub-{self.label}"


@dataclass
class Study:
    """Results on disk, whom to score, and the gaps met on the way.

    systems: methods; ceilings: pseudo-systems with the same file names, such as `retest` and `noise-free`; nulls:
    follow-ups without any change of the tissue, whose indices are what noise and processing alone give.
    """

    layout: Layout
    subjects: list[Subject]
    systems: list[str]
    ceilings: list[str]
    nulls: list[str] = field(default_factory=list)
    split_sha256: str = ""
    gaps: list[dict[str, str]] = field(default_factory=list)

    def there(self, path: Path, subject: Subject, session: str, system: str, what: str) -> bool:
        """Whether a file is there; a missing one is noted as a gap."""
        if path.is_file():
            return True
        self.note_gap(subject.participant_id, session, system, what)
        return False

    def note_gap(self, participant_id: str, session: str, system: str, what: str) -> None:
        gap = {"participant_id": participant_id, "session_id": session, "system": system, "missing": what}
        if gap not in self.gaps:
            self.gaps.append(gap)

    def require_held_out(self, prediction: Path, subject: Subject) -> None:
        """Raises InputError unless the sidecar of a prediction names this split and the fold that tests the subject."""
        record = read_json(sidecar_path(prediction))
        found = (record.get("Fold"), str(record.get("SplitSha256"))[:12])
        wanted = (subject.fold, self.split_sha256[:12])
        if found != wanted:
            values = f"fold {found[0]}, split {found[1]}; the subject is test in fold {wanted[0]}, split {wanted[1]}"
            cure = "predict with the checkpoint of that fold, trained on this split"
            raise InputError("prediction is not held out", prediction, values, cure)

    @property
    def scored(self) -> list[str]:
        """Methods first, then ceilings."""
        return [*self.systems, *self.ceilings]

    def patients(self) -> Iterator[Subject]:
        return (subject for subject in self.subjects if subject.group == "patient")


def open_study(
    results: Path, index: Path, split: Path, systems: list[str], ceilings: list[str], nulls: list[str]
) -> Study:
    """The study under `results`; subjects without a fold are noted as gaps.

    Raises InputError for results that are not there, a system that is also a ceiling or named twice, tables that
    disagree, and a participant that is test in more than one fold, or test and training in one fold (leakage).
    """
    if not results.is_dir():
        raise InputError("results missing", results, "no such folder", "give the output folder of the study")
    names = [*systems, *ceilings, *nulls]
    twice = sorted({name for name in names if names.count(name) > 1 or name == TRUE})
    if twice:
        values = f"{', '.join(twice)} in {', '.join(names)}"
        raise InputError(
            "system named twice or reserved", "--system, --ceiling, --null", values, "name each system once"
        )
    roster = SessionIndex.read(index, results)
    folds = test_folds(split)
    unknown = sorted(label for label in folds if label not in roster.groups)
    if unknown:
        values = f"{', '.join(unknown)} in {split}, not in {index}"
        raise InputError("split and index disagree", split, values, "make both from one data set")
    sha256 = hashlib.sha256(split.read_bytes()).hexdigest()
    study = Study(Layout(results), [], systems, ceilings, nulls, sha256)
    for label, group in roster.groups.items():
        if label in folds:
            study.subjects.append(Subject(label, group, folds[label], tuple(roster.sessions(label))))
        else:
            study.note_gap(f"sub-{label}", "n/a", "n/a", "not in the split: never a test subject")
    return study


def test_folds(split: Path) -> dict[str, int]:
    """Bare participant label to the fold in which it was test.

    Raises InputError for a fold that is not a number, or a participant with several roles in a fold or several test
    folds: its score would come from a model that has seen it.
    """
    roles: dict[tuple[str, int], str] = {}
    tested: dict[str, int] = {}
    for line, row in enumerate(read_table(split, ("participant_id", "fold", "role")), start=2):
        if not row["fold"].isdigit():
            raise InputError("fold is not a number", f"{split} line {line}", repr(row["fold"]), "number folds from 1")
        label, fold, role = row["participant_id"].removeprefix("sub-"), int(row["fold"]), row["role"]
        if (label, fold) in roles:
            values = f"{label} is {roles[label, fold]} and {role} in fold {fold}"
            raise InputError("leakage: participant on both sides", f"{split} line {line}", values, "split again")
        roles[label, fold] = role
        if role == "test":
            if label in tested:
                values = f"{label} is test in folds {tested[label]} and {fold}"
                raise InputError("participant tested twice", f"{split} line {line}", values, "split again")
            tested[label] = fold
    if not tested:
        raise InputError("no test participant", split, "no row with role `test`", "split again")
    return tested
