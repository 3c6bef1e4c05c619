"""Who is evaluated: test subjects of all folds with their groups and sessions."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from myelosynth.bids.index import SessionIndex, read_table
from myelosynth.bids.layout import Layout
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError

TRUE, NOISE_FREE, ORACLE, RETEST = "true", "noise-free", "oracle", "retest"


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


@dataclass(frozen=True)
class Run:
    """One training of a system, or a ceiling: system, replicate from 1, and the name of its derivative folder."""

    system: str
    replicate: int = 1

    @property
    def key(self) -> str:
        """Replicate 1 has the bare name of the system.

        >>> Run("unet-l1", 2).key, Run("unet-l1").key
        ('unet-l1@2', 'unet-l1')
        """
        return self.system if self.replicate == 1 else f"{self.system}@{self.replicate}"


@dataclass
class Study:
    """Results on disk, whom to score, and the gaps met on the way.

    systems: methods; ceilings: pseudo-systems with the same file names, such as `retest` and `noise-free`; nulls:
    follow-ups without any change of the tissue, whose indices are what noise and processing alone give; replicates:
    trainings of each method with seeds of their own.
    """

    layout: Layout
    subjects: list[Subject]
    systems: list[str]
    ceilings: list[str]
    nulls: list[str] = field(default_factory=list)
    split_sha256: str = ""
    replicates: int = 1
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
        """Raises InputError unless the sidecar of a prediction names this split and the fold that tests the subject.

        One that lists the subject as training or validation participant is a leak, whatever its fold says.
        """
        record = read_json(sidecar_path(prediction))
        for role, what in (("train", "learned from"), ("validation", "chose its weights by")):
            people = {str(name).removeprefix("sub-") for name in (record.get("Participants") or {}).get(role, [])}
            if subject.label in people:
                values = f"the model {what} {subject.participant_id}, test in fold {subject.fold}"
                cure = "train on the folds of the split, then predict again"
                raise InputError("leak: the model has seen the subject", prediction, values, cure)
        found = (record.get("Fold"), str(record.get("SplitSha256"))[:12])
        wanted = (subject.fold, self.split_sha256[:12])
        if found != wanted:
            values = f"fold {found[0]}, split {found[1]}; the subject is test in fold {wanted[0]}, split {wanted[1]}"
            cure = "predict with the checkpoint of that fold, trained on this split"
            raise InputError("prediction is not held out", prediction, values, cure)

    def require_all_held_out(self) -> None:
        """`require_held_out` for every prediction of a method for a patient; one that is not there is a gap."""
        for subject in self.patients():
            for run in (run for run in self.runs if run.system in self.systems):
                for session in subject.sessions:
                    path = self.layout.prediction(run.key, subject.label, session)
                    if self.there(path, subject, session, run.key, "predicted DVR"):
                        self.require_held_out(path, subject)

    def require_fair_map(self, mask: Path, subject: Subject) -> None:
        """Raises InputError where the control curve behind a demyelination map was fitted with the subject or with
        another test subject of its fold; maps without a record of their curve pass."""
        sidecar = sidecar_path(mask)
        record = read_json(sidecar) if sidecar.is_file() else {}
        controls = {str(name).removeprefix("sub-") for name in record.get("CurveParticipants") or []}
        tested = sorted(
            other.label for other in self.subjects if other.fold == subject.fold and other.label in controls
        )
        if tested:
            values = f"fitted with sub-{', sub-'.join(tested)}, test in fold {subject.fold} as {subject.participant_id}"
            cure = "fit the curve of the fold without its test controls (`myelin-curve --split --fold`), map again"
            raise InputError("leak: control curve saw test subjects", mask, values, cure)

    @cached_property
    def runs(self) -> list[Run]:
        """What is scored: every training of the methods that left something behind, then the ceilings.

        A method without any file of a replicate (a regression has no seed) is noted once.
        """
        found = []
        for system in self.systems:
            for replicate in range(1, self.replicates + 1):
                run = Run(system, replicate)
                if replicate == 1 or self.layout.system(run.key).is_dir():
                    found.append(run)
                else:
                    self.note_gap("n/a", "n/a", run.key, f"replicate {replicate}: none of its files")
        return [*found, *(Run(name) for name in self.ceilings)]

    def patients(self) -> Iterator[Subject]:
        return (subject for subject in self.subjects if subject.group == "patient")


def open_study(
    results: Path,
    index: Path,
    split: Path,
    systems: list[str],
    ceilings: list[str],
    nulls: list[str],
    replicates: int = 1,
    only: Sequence[int] = (),
) -> Study:
    """The study under `results`; subjects without a fold, or of a fold that is not among `only`, are noted as gaps.

    only: folds of the run; all of them where it is empty. Raises InputError for results that are not there, a system
    that is also a ceiling, named twice or with its replicate, a fold that the split has not, tables that disagree, and
    a participant that is test in more than one fold, or test and training in one fold (leakage).
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
    seeded = [name for name in names if "@" in name]
    if seeded:
        cure = "name systems without their replicate and give --replicates"
        raise InputError("replicate named as a system", "--system", ", ".join(seeded), cure)
    roster = SessionIndex.read(index, results)
    folds = test_folds(split)
    strangers = sorted(set(only) - set(folds.values()))
    if strangers:
        values = f"{', '.join(map(str, strangers))}, the split has {', '.join(map(str, sorted(set(folds.values()))))}"
        raise InputError("no such fold", "--fold", values, "give folds of the split")
    unknown = sorted(label for label in folds if label not in roster.groups)
    if unknown:
        values = f"{', '.join(unknown)} in {split}, not in {index}"
        raise InputError("split and index disagree", split, values, "make both from one data set")
    sha256 = hashlib.sha256(split.read_bytes()).hexdigest()
    study = Study(Layout(results), [], systems, ceilings, nulls, sha256, replicates)
    for label, group in roster.groups.items():
        if label in folds and only and folds[label] not in only:
            study.note_gap(f"sub-{label}", "n/a", "n/a", f"test in fold {folds[label]}, which is not in the run")
        elif label in folds:
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
