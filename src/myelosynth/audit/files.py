"""Files of a study: what they are now, SHA-256 and size, and what each of them is."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from myelosynth.audit.lineage import THREADS, Lineage

OWN = "audit"
"""The folder of the audit itself, below the results."""


@dataclass(frozen=True)
class State:
    """A file as it is now."""

    sha256: str
    size: int


def states(lineage: Lineage, results: str) -> dict[str, State]:
    """Every file that a job read or made, and every file below the results, that is there now; sorted by path."""
    known = {path for job in lineage.jobs for path in (*job.outputs, *job.read)}
    known |= {path for job in lineage.jobs if job.record for path in job.record.written}
    paths = sorted(known | set(below(lineage.root, results)))
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda path: _state(lineage.root / path), paths)
        return {path: state for path, state in zip(paths, found, strict=True) if state is not None}


def _state(path: Path) -> State | None:
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return State(hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size)


def below(root: Path, results: str) -> Iterator[str]:
    """Files below the results, from the working directory on, without the audit's own and Snakemake's records."""
    top = root / results
    for place, folders, names in os.walk(top):
        skipped = {".snakemake"} | ({OWN} if Path(place) == top else set())
        folders[:] = sorted(set(folders) - skipped)
        for name in sorted(names):
            yield os.path.join(place, name).removeprefix(f"{root}/")


def role(path: str, results: str) -> str:
    """What a file is: raw, checkpoint, image, transform, table, page, log, benchmark, sidecar or other.

    >>> role("results/models/ridge/fold-1/checkpoint.pt", "results"), role("data/sub-01/sub-01_T1w.nii.gz", "results")
    ('checkpoint', 'raw')
    """
    inside = within(path, results)
    if inside is None:
        return "raw" if "sub-" in path else "other"
    if (first := inside.split("/")[0]) in ("logs", "benchmarks"):
        return first.removesuffix("s")
    ends = {".pt": "checkpoint", ".nii.gz": "image", "_xfm.txt": "transform", ".html": "page", ".tsv": "table"}
    ends |= {".json": "sidecar"}
    return next((kind for end, kind in ends.items() if path.endswith(end)), "other")


def within(path: str, results: str) -> str | None:
    """The path from the results on; None for one that lies elsewhere."""
    if results in ("", "."):
        return None if path.startswith(("/", "..")) else path
    return path.removeprefix(f"{results}/") if path.startswith(f"{results}/") else None


def short(digests: Iterable[str]) -> str:
    """Checksums for people: their first twelve digits."""
    return ", ".join(sorted({digest[:12] for digest in digests}))
