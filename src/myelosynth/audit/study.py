"""The audit of a study: everything that its records show, as one object that becomes audit.json."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from myelosynth import __version__
from myelosynth.audit import bookkeeping, checksums, commands, inventory, planned
from myelosynth.audit.files import State, role, states, within
from myelosynth.audit.findings import Violation
from myelosynth.audit.lineage import Job, Lineage
from myelosynth.audit.proof import Evidence, Split, evidence, learned_files
from myelosynth.bids.names import entities_of, participant_of
from myelosynth.errors import InputError
from myelosynth.images.atomic import staged

FORMAT = 1
_MEASURED = {"T1w", "T2w", "FLAIR", "MTR", "MTRmap", "FA", "dwi", "dwimap", "pet"}
# Ground truth of a simulated cohort, and predictions: two people may share these.
_SHARED = ("/sourcedata/", "desc-pred")


@dataclass(frozen=True)
class Audit:
    """What `audit` found; gaps: what could not be proven, and why."""

    results: str
    lineage: Lineage
    files: Mapping[str, State]
    software: Mapping[str, Mapping[str, int]]
    split: Split | None
    proof: list[Evidence]
    plan: planned.Comparison | None
    checks: Mapping[str, int]
    gaps: list[str]
    violations: list[Violation]

    def record(self) -> dict[str, Any]:
        """Everything but files and jobs, for audit.json."""
        plan = self.plan
        return {
            "format": FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "myelosynth": __version__,
            "results": self.results,
            "verdict": "violations" if self.violations else "clean",
            "violations": [violation._asdict() for violation in self.violations],
            "gaps": self.gaps,
            "checks": dict(self.checks),
            "software": [
                {"name": name, "version": version, "commands": count}
                for name, versions in sorted(self.software.items())
                for version, count in sorted(versions.items())
            ],
            "split": _roles(self.split),
            "proof": [asdict(one) for one in self.proof],
            "bookkeeping": self._bookkeeping(),
            "plan": plan
            and {**plan.plan, "planned": plan.planned, "executed": plan.executed, "agreeing": plan.agreeing},
        }

    def _bookkeeping(self) -> list[dict[str, str]]:
        known = ((path, bookkeeping.book_of(path, self.results)) for path in self.files if path.endswith(".tsv"))
        return [{"path": path, "read": book.read} for path, book in known if book]

    def write(self, out: Path) -> None:
        """audit.json in one step, a file and a job a line; jobs name their files by their place in `files`."""
        place = {path: number for number, path in enumerate(self.files)}
        with staged(out) as (part,), part.open("w", encoding="utf-8") as stream:
            stream.write(f"{json.dumps(self.record(), indent=1)[:-2]},\n" + '"files": [\n')
            stream.write(",\n".join(self._file(path, state) for path, state in self.files.items()))
            stream.write('\n],\n"jobs": [\n')
            stream.write(",\n".join(_job(job, place) for job in self.lineage.jobs))
            stream.write("\n]\n}\n")

    def _file(self, path: str, state: State) -> str:
        maker = self.lineage.maker(path)
        kind = role(path, self.results)
        return json.dumps(
            {"path": path, "sha256": state.sha256, "size": state.size, "rule": maker and maker.rule, "role": kind}
        )


def _roles(split: Split | None) -> dict[str, dict[str, list[str]]]:
    """Fold to role to participants."""
    found: dict[str, dict[str, list[str]]] = {}
    for fold, roles in sorted(split.roles.items()) if split else ():
        for who, kind in sorted(roles.items()):
            found.setdefault(str(fold), {}).setdefault(kind, []).append(who)
    return found


def _job(job: Job, place: Mapping[str, int]) -> str:
    """A job; paths that are there no more stand as text."""
    opened = sorted(set(job.record.read) - set(job.inputs)) if job.record else []
    lists = {"inputs": job.inputs, "opened": opened, "outputs": job.outputs}
    numbered = {key: [place.get(path, path) for path in paths] for key, paths in lists.items()}
    times = {"start": _iso(job.start), "end": _iso(job.end)}
    return json.dumps({"rule": job.rule, "command": job.command, "log": list(job.log), **numbered, **times})


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def audit(results: Path, root: Path) -> Audit:
    """Audit the results of a study that ran in `root`.

    Raises InputError where Snakemake left no records in `root`, or the results do not belong to them.
    """
    lineage = Lineage.read(root)
    top = lineage.told(results.absolute())
    top = "" if top == str(lineage.root) else top
    if not any(within(path, top) is not None for job in lineage.jobs for path in job.outputs):
        values = f"no job of {root} made a file below it"
        raise InputError("not the results of this run", results, values, "name the folder of the run with --workdir")
    now = states(lineage, top)
    records = checksums.sidecars(lineage, now)
    said = checksums.claims(lineage, records, top)
    plan = planned.compare(lineage, results / planned.PLAN)
    gaps = [*plan.gaps] if plan else ["no plan is filed: what was executed is compared with nothing"]
    if not lineage.recorded:
        gaps.append(
            "the study ran without records: what its jobs opened, and wrote besides their outputs, is not known"
        )
    gaps += checksums.presets_changed(lineage, now)
    removed = inventory.removed(lineage, top, now)
    if removed:
        gaps.append(f"{len(removed)} intermediate files are not kept: of their bytes the recorded checksums tell")
    split, proof, leaks = _proof(lineage, top, records, now, gaps)
    parts = {
        "files as they were written and read": checksums.changed(now, said),
        "no test subject in anything learned": [*leaks, *_twins(now, top)],
        "bookkeeping tables": bookkeeping.faults(now, lineage.root, top),
        "planned against executed": plan.violations if plan else [],
        "no unexpected files": inventory.unexpected(lineage, top, now),
        "no file missing": [*inventory.missing(lineage, now, removed), *inventory.gone(lineage)],
        "records whole": [*inventory.records(lineage), *checksums.malformed(records)],
        "commands as recorded": commands.not_run(lineage),
    }
    checks = {name: len(found) for name, found in parts.items() if plan or name != "planned against executed"}
    violations = [violation for found in parts.values() for violation in found]
    return Audit(top, lineage, now, _software(lineage, records), split, proof, plan, checks, gaps, violations)


def _proof(
    lineage: Lineage, results: str, records: Mapping[str, Mapping[str, Any]], now: Mapping[str, State], gaps: list[str]
) -> tuple[Split | None, list[Evidence], list[Violation]]:
    path = f"{results}/tables/split.tsv".lstrip("/")
    if path not in now:
        if learned := sorted(name for _, name, _ in learned_files(lineage, results)):
            values = f"{len(learned)} learned files, such as {learned[0]}; who is tested is not known"
            cure = "put the split back as it was, or run the study again"
            return None, [], [Violation("learned without a split", path, values, cure)]
        gaps.append(f"no {path}: nothing was learned here, so there is nothing to prove of it")
        return None, [], []
    split = Split.read(lineage.root / path)
    cure = "put the split back as it was, or run the study again"
    faults = [Violation("split does not keep subjects apart", path, fault, cure) for fault in split.faults]
    proof, leaks = evidence(lineage, results, split, records, now)
    return split, proof, faults + leaks


def _twins(now: Mapping[str, State], results: str) -> list[Violation]:
    """Measured images with the same bytes under two participants: one of them may be a test subject in disguise."""
    owners: dict[str, dict[str, str]] = defaultdict(dict)
    for path, state in now.items():
        who = participant_of(path)
        if who and path.endswith((".nii", ".nii.gz")) and not any(mark in path for mark in _SHARED):
            inside = within(path, results)
            if (inside is None or inside.startswith("derivatives/myelosynth/")) and entities_of(path)[
                "suffix"
            ] in _MEASURED:
                owners[state.sha256].setdefault(who, path)
    cure = "find out whose image it is; if it is one person, merge the participants and split again"
    return [
        Violation("one image under two participants", paths[min(paths)], f"same bytes as {paths[max(paths)]}", cure)
        for paths in owners.values()
        if len(paths) > 1
    ]


def _software(lineage: Lineage, records: Mapping[str, Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Name to version to how many commands, or outputs of an engine, were made with it."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for job in lineage.jobs:
        for loaded in job.record.software if job.record else []:
            for name, version in loaded.items():
                found["myelosynth code" if name == "code" else name][version] += 1
    recorded = set(found)
    for name, version in _engines(records.values()):
        if name not in recorded:
            found[name][version] += 1
    return found


def _engines(records: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    for record in records:
        makers = record.get("GeneratedBy")
        for maker in [one for one in makers if isinstance(one, dict)] if isinstance(makers, list) else []:
            yield str(maker.get("Name")), str(maker.get("Version"))
