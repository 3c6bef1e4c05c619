"""What everybody said of a file while the study ran, held against the file as it is now."""

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from myelosynth.audit.bookkeeping import grows
from myelosynth.audit.files import State, role, short
from myelosynth.audit.findings import Violation
from myelosynth.audit.lineage import THREADS, Job, Lineage
from myelosynth.audit.record import UNREAD
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import dataset_root

_PRESET = re.compile(r"--preset[ =]'?([^\s']+)")


class Claim(NamedTuple):
    """A checksum that somebody took: `written` by its job, or `read` by one, with who said so."""

    sha256: str
    kind: str
    by: str


def sidecars(lineage: Lineage, now: Mapping[str, State]) -> dict[str, dict[str, Any]]:
    """The JSON sidecars of outputs, by the path of the output; unreadable ones are left out."""
    outputs = [path for job in lineage.jobs for path in job.outputs]
    beside = {path: str(sidecar_path(Path(path))) for path in outputs}
    wanted = {path: name for path, name in beside.items() if name in now and name not in outputs}
    with ThreadPoolExecutor(THREADS) as pool:
        texts = pool.map(lambda name: (lineage.root / name).read_bytes(), wanted.values())
        return {path: record for path, text in zip(wanted, texts, strict=True) if (record := _object(text))}


def _object(text: bytes) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def claims(lineage: Lineage, records: Mapping[str, Mapping[str, Any]], results: str) -> dict[str, list[Claim]]:
    """By file: of the logs' records, of Snakemake (inputs below 1 MB), of the sidecars.

    No reader is held to a benchmark (run times are others when a job is made again), to an index or names of data sets
    (they grow with the participants), or to a preset (its numbers are parameters of the jobs): see `presets_changed`.
    """
    free = presets(lineage)

    def held(path: str) -> bool:
        return role(path, results) != "benchmark" and path not in free and not grows(path, results)

    found: dict[str, list[Claim]] = defaultdict(list)
    for job in lineage.jobs:
        if job.record:
            for path, digest in job.record.written.items():
                found[path].append(Claim(digest, "written", job.name))
            for path, digest in job.record.read.items():
                if digest != UNREAD:
                    found[path].append(Claim(digest, "read", job.name))
        for path, digest in job.checksums.items():
            found[path].append(Claim(digest, "read", job.name))
    for path, record in records.items():
        for source, digest in sources(record).items():
            if (there := _resolved(str(source), path, lineage)) is not None:
                found[there].append(Claim(str(digest), "read", f"sidecar of {path}"))
        for other, claim in _named(path, record, lineage.makers.get(path)):
            found[other].append(claim)
    kept = {path: [one for one in said if one.kind == "written" or held(path)] for path, said in found.items()}
    return {path: said for path, said in kept.items() if said}


def sources(record: Mapping[str, Any]) -> dict[str, Any]:
    """The sources that a sidecar names; none where they are no mapping (see `malformed`)."""
    told = record.get("SourcesSHA256")
    return told if isinstance(told, dict) else {}


_SHAPES: dict[str, tuple[type, ...]] = {
    "SourcesSHA256": (dict,),
    "Participants": (dict, list),
    "TrainingScans": (list,),
    "ValidationScans": (list,),
    "GeneratedBy": (list,),
}


def malformed(records: Mapping[str, Mapping[str, Any]]) -> list[Violation]:
    """Sidecars with a field of ours that is of another kind than ours."""
    found = []
    for path, record in sorted(records.items()):
        for key, kinds in _SHAPES.items():
            value = record.get(key)
            if value is not None and not isinstance(value, kinds):
                names = " or ".join(kind.__name__ for kind in kinds)
                values = f"{key} is a {type(value).__name__}, expected a {names}"
                where = str(sidecar_path(Path(path)))
                found.append(Violation("sidecar malformed", where, values, "put it back, or run the job again"))
    return found


def presets(lineage: Lineage) -> set[str]:
    """Presets of trainings, as the commands name them."""
    return {lineage.told(path) for job in lineage.jobs for path in _PRESET.findall(job.command)}


def presets_changed(lineage: Lineage, now: Mapping[str, State]) -> list[str]:
    """Presets that are others than their trainings read, for the gaps: maybe in a comment alone."""
    found = []
    for path in sorted(presets(lineage) & now.keys()):
        read = {job.record.read[path] for job in lineage.jobs if job.record and path in job.record.read}
        if read - {now[path].sha256}:
            found.append(f"{path} is another file than trainings read: whether in more than a comment is not known")
    return found


def _named(path: str, record: Mapping[str, Any], job: Job | None) -> Iterator[tuple[str, Claim]]:
    """Checkpoint and split that a sidecar names by checksum alone: the job's only inputs of that kind."""
    if path.endswith(".pt") and "CheckpointSha256" in record:
        yield path, Claim(str(record["CheckpointSha256"]), "written", f"sidecar of {path}")
    inputs = job.inputs if job else ()
    for key, names in (("CheckpointSha256", (".pt",)), ("SplitSha256", ("split.tsv",))):
        files = [one for one in inputs if one.endswith(names)]
        if key in record and len(files) == 1 and not (key == "CheckpointSha256" and path.endswith(".pt")):
            yield files[0], Claim(str(record[key]), "read", f"sidecar of {path}")


def _resolved(uri: str, sidecar_of: str, lineage: Lineage) -> str | None:
    """The file that a BIDS URI, or a relative path, of a sidecar names; None for a data set that is not linked."""
    here = (lineage.root / sidecar_of).parent
    root = dataset_root(here)
    scheme, _, rest = uri.partition(":")
    if scheme != "bids":
        return lineage.told((root or here) / uri)
    name, _, inside = rest.partition(":")
    if root is None:
        return None
    if not name:
        return lineage.told(root / inside)
    link = _links(root).get(name)
    return lineage.told(os.path.join(root, link, inside)) if link else None


@lru_cache(maxsize=1024)
def _links(root: Path) -> dict[str, str]:
    """The data sets that a data set links to."""
    links = _object((root / "dataset_description.json").read_bytes()).get("DatasetLinks")
    return links if isinstance(links, dict) else {}


def changed(now: Mapping[str, State], said: Mapping[str, list[Claim]]) -> list[Violation]:
    """One violation for every file that is not what somebody wrote or read, or that is gone and was not as written."""
    found = []
    for path, all_said in sorted(said.items()):
        state = now.get(path)
        written = {claim.sha256 for claim in all_said if claim.kind == "written"}
        right = {state.sha256} if state else written
        wrong = [claim for claim in all_said if right and claim.sha256 not in right]
        if wrong:
            found.append(_violation(path, state, all_said, wrong))
    return found


def _violation(path: str, state: State | None, said: list[Claim], wrong: list[Claim]) -> Violation:
    written = [claim for claim in said if claim.kind == "written"]
    kinds = {claim.kind for claim in wrong}
    if "written" in kinds:
        what = "file changed after it was written"
    elif written:
        what = "file was another when it was read"
    else:
        what = "file changed after it was read"
    words = [f"SHA-256 now {short([state.sha256])}" if state else f"written as {short(one.sha256 for one in written)}"]
    for kind in ("written", "read"):
        these = [claim for claim in wrong if claim.kind == kind]
        if these:
            by = Counter(claim.by for claim in these)
            more = f" and {len(by) - 1} more" if len(by) > 1 else ""
            words.append(f"{kind} as {short(claim.sha256 for claim in these)} by {these[0].by}{more}")
    cure = "put the file back as it was, or run what made it and what depends on it again"
    return Violation(what, path, "; ".join(words), cure)
