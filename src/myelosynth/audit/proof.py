"""That nothing was learned from a test subject: who is behind every learned file, by walking its inputs back."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from myelosynth.audit.bookkeeping import book_of, is_roster, read_rows
from myelosynth.audit.files import State, within
from myelosynth.audit.findings import Violation
from myelosynth.audit.lineage import Job, Lineage
from myelosynth.bids.names import participant_of
from myelosynth.errors import InputError
from myelosynth.synthesis.data.folds import COLUMNS as OF_SPLIT

_FOLD = re.compile(r"(?:^|[/_])fold-(\d+)(?=[/_.])")
_KINDS = (
    (r"models/.*/inner-\d+/checkpoint\.pt", "checkpoint of an inner fold"),
    (r"models/.*/checkpoint\.pt", "checkpoint"),
    (r"models/.*/sketches/.*", "sketch for a Refiner"),
    (r"models/.*/controls/.*", "prediction of a control, for a curve"),
    (r"tables/(predicted_)?curve_check_.*", "check of a control curve"),
    (r"tables/(predicted_)?curve_.*", "control curve"),
    (r"tables/retest_noise_.*", "threshold of change"),
    (r"tables/null_.*", "null of the indices"),
)
_RERUN = "find where the subject came in (jobs of audit.json), repair it, and run the fold again"


@dataclass(frozen=True)
class Evidence:
    """Who is behind one learned file of one fold.

    reached: by its inputs, back to the raw images; opened: participants whose files its job was seen to open (None
    without a record); told: who its sidecar, and a checkpoint itself, say it learned from; fitted, chosen: of a
    checkpoint, whose scans made weights and normalisation, and whose ended the training; overlap: test subjects of the
    fold among all of these.
    """

    fold: int
    kind: str
    file: str
    reached: list[str]
    opened: list[str] | None
    told: list[str]
    fitted: list[str]
    chosen: list[str]
    overlap: list[str]


@dataclass
class Split:
    """Everybody's role by fold, from the split on disk."""

    roles: dict[int, dict[str, str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def test(self, fold: int) -> set[str]:
        return {who for who, role in self.roles.get(fold, {}).items() if role == "test"}

    @classmethod
    def read(cls, path: Path) -> "Split":
        """Read a split; two roles in one fold, or other than one test fold, are faults of it."""
        split, tests = cls(), defaultdict[str, list[int]](list)
        for number, row in enumerate(_rows(path, split.faults), 2):
            if not re.fullmatch(r"\d+", row["fold"], re.ASCII):
                split.faults.append(f"row {number}: fold {row['fold']!r}, expected a number")
                continue
            fold, who, role = int(row["fold"]), row["participant_id"], row["role"]
            roles = split.roles.setdefault(fold, {})
            if roles.setdefault(who, role) != role:
                split.faults.append(f"{who} is {roles[who]} and {role} in fold {fold}")
            if role == "test":
                tests[who].append(fold)
        people = {who for roles in split.roles.values() for who in roles}
        split.faults += [
            f"{who} is tested in {len(tests[who])} folds" for who in sorted(people) if len(tests[who]) != 1
        ]
        return split


def _rows(path: Path, faults: list[str]) -> list[dict[str, str]]:
    """The rows of a split; none where it cannot be read as one."""
    try:
        columns, rows = read_rows(path)
    except ValueError as fault:
        faults.append(f"not a table: {fault}")
        return []
    if missing := [name for name in OF_SPLIT if name not in columns]:
        faults.append(f"columns {', '.join(columns)}, without {', '.join(missing)}")
        return []
    return rows


class Walk:
    """The participants behind a job: those that its inputs name, and those behind the jobs that made them.

    Bookkeeping is left out (audit/bookkeeping.py).
    """

    def __init__(self, lineage: Lineage, results: str, everybody: frozenset[str]) -> None:
        self._lineage, self._results, self._everybody = lineage, results, everybody
        self._read: dict[int, list[str]] = {}
        self._named: dict[int, frozenset[str]] = {}
        self._jobs: dict[int, list[Job]] = {}

    def jobs(self, job: Job) -> list[Job]:
        """The job, and every job that it depends on; a job that reads what it writes is met once."""
        if id(job) not in self._jobs:
            found, left = {id(job): job}, [job]
            while left:
                makers = map(self._lineage.maker, self._paths(left.pop()))
                more = {id(maker): maker for maker in makers if maker is not None and id(maker) not in found}
                found |= more
                left += more.values()
            self._jobs[id(job)] = list(found.values())
        return self._jobs[id(job)]

    def _paths(self, job: Job) -> list[str]:
        """What a job read, tables that list everybody left out."""
        if id(job) not in self._read:
            self._read[id(job)] = sorted(path for path in job.read if book_of(path, self._results) is None)
        return self._read[id(job)]

    def behind(self, job: Job) -> set[str]:
        """Participants behind a job; a table of people outside the results, opened by one that learns, is everybody."""
        rosters = any(is_roster(path, self._results) for path in job.read)
        named = {name for one in self.jobs(job) for name in self._of(one)}
        return named | (self._everybody if rosters else frozenset())

    def _of(self, job: Job) -> frozenset[str]:
        """Participants whom the inputs of one job name."""
        if id(job) not in self._named:
            names = {name for path in self._paths(job) if (name := participant_of(path))}
            rosters = any(is_roster(path, self._results) for path in self._paths(job))
            self._named[id(job)] = frozenset(names | (self._everybody if rosters else frozenset()))
        return self._named[id(job)]

    def unknown(self, job: Job) -> set[str]:
        """Files anywhere behind a job of which nobody can say whose they are: of no participant, and made by no job."""
        return {path for one in self.jobs(job) for path in self._paths(one) if self._is_unknown(path)}

    def _is_unknown(self, path: str) -> bool:
        if participant_of(path) or self._lineage.maker(path) or is_roster(path, self._results):
            return False
        return not path.endswith((".yaml", ".yml"))  # a task or a preset, in words


def learned_files(lineage: Lineage, results: str) -> Iterator[tuple[int, str, Job]]:
    """Fold, path and job of everything that is learned in a fold: models and tables with a fold in their name."""
    for job in lineage.jobs:
        for path in job.outputs:
            inside = within(path, results)
            fold = _FOLD.search(inside or "")
            if inside and fold and inside.startswith(("models/", "tables/")) and book_of(path, results) is None:
                yield int(fold[1]), path, job


def kind_of(path: str, results: str) -> str:
    """What a learned file is, in words."""
    inside = within(path, results) or path
    return next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, inside)), "learned file")


def evidence(
    lineage: Lineage, results: str, split: Split, sidecars: Mapping[str, Mapping[str, Any]], now: Mapping[str, State]
) -> tuple[list[Evidence], list[Violation]]:
    """For every learned file, who is behind it and whether the fold tests one of them; and every leak."""
    everybody = frozenset(who for roles in split.roles.values() for who in roles)
    walk, found, leaks = Walk(lineage, results, everybody), list[Evidence](), list[Violation]()
    for fold, path, job in sorted(learned_files(lineage, results), key=lambda item: item[:2]):
        record, reached, test = sidecars.get(path, {}), walk.behind(job), split.test(fold)
        told = _told(record)
        if path.endswith("checkpoint.pt") and path in now:
            itself, faults = _of_checkpoint(lineage.root / path, path, fold)
            told, leaks = told | itself, leaks + faults
        if unknown := sorted(walk.unknown(job)):
            values = f"{len(unknown)} files behind it of no participant and made by no job, such as {unknown[0]}"
            cure = "give the learning jobs files of participants, or of the study, alone; then run the fold again"
            leaks.append(Violation("origin not known", path, values, cure))
        opened = _opened(job)
        overlap = (reached | told | (opened or set())) & test
        one = Evidence(
            fold,
            kind_of(path, results),
            path,
            sorted(reached),
            None if opened is None else sorted(opened),
            sorted(told),
            _of_scans(record.get("TrainingScans")),
            _of_scans(record.get("ValidationScans")),
            sorted(overlap),
        )
        found.append(one)
        if overlap:
            who = (
                "walk and records" if told & overlap and reached & overlap else "walk" if reached & overlap else "claim"
            )
            values = f"{', '.join(sorted(overlap))} (by {who}), test in fold {fold}"
            leaks.append(Violation(f"leak: {one.kind} of test subjects", path, values, _RERUN))
    return found, leaks + _results_of_their_own(lineage, results, split, walk)


def _results_of_their_own(lineage: Lineage, results: str, split: Split, walk: Walk) -> list[Violation]:
    """Results of a participant made with what was learned from the same one, or in a fold that does not test them."""
    makers = {path: (fold, job) for fold, path, job in learned_files(lineage, results)}
    found = []
    for job in lineage.jobs:
        own = sorted({name for path in job.outputs if (name := participant_of(path))})
        for path in sorted(job.read & makers.keys()) if own else ():
            fold, maker = makers[path]
            for who in own:
                inside = within(job.outputs[0], results) or ""
                if "/controls/" in inside:  # by the model of the fold whose curve they make: meant
                    continue
                if who in walk.behind(maker):
                    values = f"depends on {path}, which learned from {who}"
                    found.append(
                        Violation("leak: result of a subject who was learned from", job.outputs[0], values, _RERUN)
                    )
                elif who not in split.test(fold) and not inside.startswith("models/"):
                    values = f"{who} by {path}, not tested in fold {fold}"
                    found.append(Violation("result by another fold", job.outputs[0], values, _RERUN))
    return found


def _opened(job: Job) -> set[str] | None:
    """Participants whose files a job was seen to open; None without a record."""
    if job.record is None or not job.record.commands:
        return None
    return {name for path in job.record.read if (name := participant_of(path))}


def _told(record: Mapping[str, Any]) -> set[str]:
    """Whom a sidecar names as learned from: participants of the roles train and validation, or all it lists."""
    named = record.get("Participants") or []
    if isinstance(named, Mapping):
        named = [who for role in ("train", "validation") for who in _listed(named.get(role))]
    scans = [*_listed(record.get("TrainingScans")), *_listed(record.get("ValidationScans"))]
    return {str(who) for who in _listed(named)} | set(_of_scans(scans))


def _listed(value: Any) -> list[Any]:
    """A list; what is none is told as a malformed sidecar (audit/checksums.py)."""
    return value if isinstance(value, list) else []


def _of_scans(scans: Any) -> list[str]:
    return sorted({str(scan).split("_ses-")[0] for scan in _listed(scans)})


def _of_checkpoint(file: Path, path: str, fold: int) -> tuple[set[str], list[Violation]]:
    """Whom a checkpoint itself says it learned from; a file of another fold, or no checkpoint, is a violation."""
    from myelosynth.synthesis.checkpoints import load_checkpoint

    cure = "put the checkpoint of this fold back, or train it again"
    try:
        checkpoint = load_checkpoint(file)
    except InputError as fault:
        return set(), [Violation("checkpoint cannot be read", path, fault.values, cure)]
    told = {who for role in ("train", "validation") for who in checkpoint.participants.get(role, [])}
    inner = re.search(r"/inner-(\d+)/", path)
    expected = int(inner[1]) if inner else fold
    if checkpoint.fold == expected:
        return told, []
    values = f"says fold {checkpoint.fold}, lies in fold {expected}"
    return told, [Violation("checkpoint of another fold", path, values, cure)]
