"""Jobs that were executed, from Snakemake's records and the logs: who made which file from what."""

import base64
import binascii
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from myelosynth.audit.record import Record, parse
from myelosynth.bids.names import sidecar_path
from myelosynth.errors import InputError

THREADS = min(16, 4 * (os.cpu_count() or 1))
"""Files are read side by side: on a network disk each of them waits."""
METADATA = Path(".snakemake", "metadata")


@dataclass
class Job:
    """One job. Paths as the workflow writes them: from the working directory on where they lie below it.

    inputs: those that were declared, of the files that `record` adds; checksums: of small inputs, by Snakemake; start,
    end: seconds since 1970; touched: outputs whose job took no time, as `snakemake --touch` leaves them.
    """

    rule: str
    command: str
    log: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: list[str] = field(default_factory=list)
    checksums: dict[str, str] = field(default_factory=dict)
    start: float | None = None
    end: float | None = None
    touched: list[str] = field(default_factory=list)
    record: Record | None = None

    @property
    def read(self) -> set[str]:
        """Declared inputs and files that the job was seen to open."""
        return {*self.inputs, *(self.record.read if self.record else ())}

    @property
    def name(self) -> str:
        """The rule with its first output, for people."""
        return f"{self.rule} ({self.outputs[0]})"


@dataclass(frozen=True)
class Lineage:
    """All jobs of a working directory; `maker` finds the job behind a file; old: where the directory was in the run."""

    root: Path
    jobs: list[Job]
    makers: Mapping[str, Job]
    old: Path

    @classmethod
    def read(cls, root: Path) -> "Lineage":
        """Read `.snakemake/metadata` and the logs below a working directory.

        Raises InputError where Snakemake has left no records, or one that cannot be read.
        """
        root = Path(os.path.abspath(root))
        jobs, old = _jobs(root)
        with ThreadPoolExecutor(THREADS) as pool:
            for job, record in zip(jobs, pool.map(lambda job: _record_of(job, root), jobs), strict=True):
                job.record = record
        return cls(root, jobs, _makers(jobs), old)

    def maker(self, path: str) -> Job | None:
        """The job that made a file; a sidecar belongs to the job of its file."""
        return self.makers.get(path)

    @property
    def recorded(self) -> bool:
        """Whether the study was run with records at all."""
        return any(job.record and job.record.commands for job in self.jobs)

    def told(self, path: str | Path) -> str:
        """A path as the workflow writes it."""
        return _inside(os.path.normpath(path), self.root, self.old)


def _inside(path: str, *roots: Path) -> str:
    """A path from the first root on below which it lies."""
    return next((path.removeprefix(f"{root}/") for root in roots if path.startswith(f"{root}/")), path)


def _jobs(root: Path) -> tuple[list[Job], Path]:
    """All jobs, and where the working directory was when they ran."""
    folder = root / METADATA
    if not folder.is_dir():
        cure = "name the folder in which snakemake was run with --workdir"
        raise InputError("no records of Snakemake", folder, "no such folder", cure)
    found: dict[tuple[str, str], Job] = {}
    paths = sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names)
    with ThreadPoolExecutor(THREADS) as pool:
        texts = pool.map(Path.read_bytes, paths)
        records = {
            _output(path.relative_to(folder), path): _loaded(path, text)
            for path, text in zip(paths, texts, strict=True)
        }
    old = _old_root(root, records)
    for output, record in records.items():
        _add(found, output, record, (root, old))
    return [found[key] for key in sorted(found)], old


def _old_root(root: Path, outputs: Iterable[str]) -> Path:
    """The folder that now is `root`, where its outputs are absolute and lie below none of that name: it was moved.

    It is the folder above the outputs from which on most of them are found below `root`.
    """
    away = list(outputs)
    if not all(os.path.isabs(path) and not path.startswith(f"{root}/") for path in away):
        return root
    found = Counter(
        place for path in away for place in Path(path).parents if (root / Path(path).relative_to(place)).exists()
    )
    place, count = next(iter(found.most_common(1)), (root, 0))
    return place if 2 * count > len(away) else root


def _output(name: Path, path: Path) -> str:
    """The output that a record is of: its path in base 64, in folders that begin with @ where it is long."""
    try:
        return base64.urlsafe_b64decode("".join(part.lstrip("@") for part in name.parts)).decode()
    except (binascii.Error, UnicodeDecodeError) as fault:
        raise InputError("not a record of Snakemake", path, str(fault), "remove what does not belong there") from fault


def _loaded(path: Path, text: bytes) -> dict[str, Any]:
    try:
        record = json.loads(text)
        return {"rule": str(record["rule"]), **record}
    except (ValueError, KeyError, TypeError) as fault:
        cure = "run the job again: snakemake --forcerun on its output"
        raise InputError("not a record of Snakemake", path, f"{type(fault).__name__}: {fault}", cure) from fault


def _add(found: dict[tuple[str, str], Job], output: str, record: dict[str, Any], roots: Sequence[Path]) -> None:
    def told(path: str) -> str:
        return _inside(path, *roots)

    command = record.get("shellcmd") or ""
    job = found.get((record["rule"], command))
    if job is None:
        inputs, log = record.get("input") or [], record.get("log") or []
        job = Job(record["rule"], command, tuple(map(told, log)), tuple(map(told, inputs)))
        found[record["rule"], command] = job
    job.outputs.append(told(output))
    if record.get("starttime") is not None and record["starttime"] == record.get("endtime"):
        job.touched.append(told(output))
    checksums = record.get("input_checksums") or {}
    job.checksums |= {told(path): str(value).removeprefix("sha256:") for path, value in checksums.items()}
    times = [time for time in (job.start, record.get("starttime")) if time is not None]
    job.start = min(times, default=None)
    job.end = max((time for time in (job.end, record.get("endtime")) if time is not None), default=None)


def _record_of(job: Job, root: Path) -> Record | None:
    """What the job's own log records; None without a log."""
    logs = [root / log for log in job.log if (root / log).is_file()]
    if not logs:
        return None
    whole = Record()
    for log in logs:
        one = parse(log.read_bytes())
        whole.read |= one.read
        whole.written |= one.written
        whole.ran += one.ran
        whole.software += one.software
        whole.faults += one.faults
    return whole


def _makers(jobs: Iterable[Job]) -> dict[str, Job]:
    """File to job: declared outputs first, then what was seen to be written, then sidecars."""
    makers = {output: job for job in jobs for output in job.outputs}
    for job in jobs:
        for path in _also(job):
            makers.setdefault(path, job)
    return makers


def _also(job: Job) -> Iterator[str]:
    yield from job.record.written if job.record else ()
    yield from (str(sidecar_path(Path(output))) for output in job.outputs)
