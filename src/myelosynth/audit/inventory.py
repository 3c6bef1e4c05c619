"""Files that should not be there, and files that should: against what the jobs declared and recorded."""

import tempfile
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from myelosynth.audit.files import State, within
from myelosynth.audit.findings import Violation
from myelosynth.audit.lineage import Job, Lineage
from myelosynth.bids.layout import Layout
from myelosynth.images.atomic import PART

# Files that a run leaves beside its results where the working directory is the folder of results.
_OF_RUNS = (".apply.lock", ".myelosynth.lock", "apply.yaml", "participant.yaml", "group.yaml")


def expected(lineage: Lineage) -> set[str]:
    """Outputs with sidecars, files that were seen to be written, logs and benchmarks of all jobs."""
    files = set(lineage.makers)
    for job in lineage.jobs:
        for log in job.log:
            files |= {log, _benchmark(log)}
    return files


def _benchmark(log: str) -> str:
    """Every rule files its benchmark under the name of its log."""
    folder, mark, rest = log.rpartition("logs/")
    return f"{folder}benchmarks/{rest.removesuffix('.log')}.tsv" if mark else log


def unexpected(lineage: Lineage, results: str, now: Collection[str]) -> list[Violation]:
    """Files below the results that no job made; leftovers alone where no record tells what jobs write besides."""
    known, found = expected(lineage), []
    for path in sorted(now):
        inside = within(path, results)
        if inside is None or inside in _OF_RUNS or path in known:
            continue
        if any(part.startswith(PART) for part in Path(path).parts):
            values, cure = "left by a job that was interrupted", "remove it"
            found.append(Violation("leftover of an interrupted job", path, values, cure))
        elif lineage.recorded:
            values = "no job declared, recorded or logged it"
            found.append(Violation("file that no rule made", path, values, "remove it, or keep it elsewhere"))
    return found


def removed(lineage: Lineage, results: str, now: Collection[str]) -> set[str]:
    """Files that `intermediates: remove` may delete and that are gone, their bytes known by the record of their job."""
    layout = Layout(Path(results))
    return {
        path
        for job in lineage.jobs
        for path in job.outputs
        if path not in now and job.record and path in job.record.written and layout.passes(Path(path))
    }


def missing(lineage: Lineage, now: Mapping[str, State], spared: Collection[str] = ()) -> list[Violation]:
    """Files that a job made and that are not there now, but those that are `spared`, and logs that are gone."""
    made: dict[str, Job] = {path: job for job in lineage.jobs for path in job.outputs}
    for job in lineage.jobs:
        made |= {path: job for path in (job.record.written if job.record else ()) if path not in made}
    found = [
        Violation("file missing", path, f"made by rule {job.rule}, not there now", "run its job again")
        for path, job in sorted(made.items())
        if path not in now and path not in spared
    ]
    lost = [(log, job) for job in lineage.jobs for log in job.log if not (lineage.root / log).is_file()]
    return found + [
        Violation("log missing", log, f"of {job.name}, not there now", "put it back, or run the job again")
        for log, job in lost
    ]


def gone(lineage: Lineage) -> list[Violation]:
    """Files that a job read, that no job made, and that are not there now; temporary ones are left out."""
    readers, passing = dict[str, Job](), f"{tempfile.gettempdir()}/"
    for job in lineage.jobs:
        for path in job.read:
            if lineage.maker(path) is None and f"/{PART}" not in path and not path.startswith(passing):
                readers.setdefault(path, job)
    cure = "put it back: what was made from it cannot be checked or made again without it"
    return [
        Violation("input missing", path, f"read by {job.name}, not there now", cure)
        for path, job in sorted(readers.items())
        if not (lineage.root / path).exists()
    ]


def records(lineage: Lineage) -> list[Violation]:
    """Records whose seal is broken; in a study with records, jobs that have none, by rule."""
    cure = "put the log back as it was, or run the job again"
    found = [
        Violation("record edited", job.log[0], fault, cure)
        for job in lineage.jobs
        for fault in dict.fromkeys(job.record.faults if job.record else ())
    ]
    if not lineage.recorded:
        return found
    silent: dict[str, list[Job]] = defaultdict(list)
    for job in lineage.jobs:
        if job.record is not None and not job.record.commands and not job.record.faults:
            silent[job.rule].append(job)
    for rule, jobs in sorted(silent.items()):
        values = f"{len(jobs)} jobs of rule {rule}, though other jobs of the study have one"
        found.append(Violation("no record in the log", jobs[0].log[0], values, cure))
    for job in (job for job in lineage.jobs if job.record and job.record.commands):
        untold = [path for path in job.outputs if path not in job.record.written] if job.record else []
        if untold:
            values = f"{job.name} records {len(job.record.written) if job.record else 0} files, not this output"
            found.append(Violation("output without a record", untold[0], values, cure))
    return found
