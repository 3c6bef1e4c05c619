"""An audit as a Provenance Run Crate (RO-Crate 1.1): which job made which file from what, for other programs to read.

Soiland-Reyes et al., Data Science 5:97 (2022); Leo et al., PLOS ONE 19:e0309210 (2024), profile 0.5.
"""

import mimetypes
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from rocrate.model import ComputationalWorkflow, ContextEntity, File
from rocrate.rocrate import ROCrate

from myelosynth.audit.signed_plan import PLAN
from myelosynth.bids.sidecar import read_json, sha256
from myelosynth.errors import InputError

AUDIT = Path("audit", "audit.json")
"""Below the folder of results: what `myelosynth audit` writes."""
_PROFILES = {
    "Process Run Crate": "https://w3id.org/ro/wfrun/process/0.5",
    "Workflow Run Crate": "https://w3id.org/ro/wfrun/workflow/0.5",
    "Provenance Run Crate": "https://w3id.org/ro/wfrun/provenance/0.5",
    "Workflow RO-Crate": "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
}
# Tells what `sha256` means.
_TERMS = "https://w3id.org/ro/terms/workflow-run/context"


def write_crate(results: Path, checkout: Path, out: Path, title: str, terms: str) -> int:
    """Write the crate of audited results into a new folder, and say how many files it describes.

    The workflow's own text, the audit and the plan are copied. All other files are described alone, by path, size and
    SHA-256, under names (arcp:) that lead nowhere: no image leaves its place. terms: of use, in words or as an address.
    Raises InputError without an audit, or where `out` exists.
    """
    audit = read_json(results / AUDIT)
    if audit.get("format") != 1:
        values = f"format {audit.get('format')}, expected 1"
        raise InputError("not an audit", results / AUDIT, values, "make it with `myelosynth audit`")
    if out.exists():
        raise InputError("folder exists", out, "a crate is a folder of its own", "give a new one")
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(_TERMS)
    crate.name, crate.license = title, terms
    crate.description = (
        f"Provenance of a myelosynth study; its audit: {audit['verdict']}. Images are described, not held."
    )
    crate.datePublished = audit["created"]
    writer = _Writer(crate, audit, f"arcp://uuid,{uuid5(NAMESPACE_URL, sha256(results / AUDIT))}/")
    writer.describe(checkout, [path for path in (results / AUDIT, results / PLAN) if path.is_file()])
    crate.write(out)
    return len(writer.files)


class _Writer:
    """Adds a study's entities to a crate."""

    def __init__(self, crate: ROCrate, audit: dict[str, Any], base: str) -> None:
        self.crate, self.audit = crate, audit
        self.paths = [file["path"] for file in audit["files"]]
        self.files = {file["path"]: self._described(file, base) for file in audit["files"]}
        self.rules = list(dict.fromkeys(job["rule"] for job in audit["jobs"]))

    def describe(self, checkout: Path, held: Sequence[Path]) -> None:
        """Everything: profiles, texts, tools and steps, then every job."""
        self._conform()
        for path in held:
            about = {"name": path.name, "encodingFormat": "application/json", "sha256": sha256(path)}
            self.crate.add_file(path, f"audit/{path.name}", properties=about)
        software = self._software()
        workflow = self._workflow(checkout)
        tools = {rule: self._tool(rule, software) for rule in self.rules}
        steps = {rule: self._step(rule, place, tools[rule]) for place, rule in enumerate(self.rules)}
        workflow["hasPart"], workflow["step"] = list(tools.values()), list(steps.values())
        jobs = [self._job(number, job, tools, steps) for number, job in enumerate(self.audit["jobs"])]
        self._run(workflow, jobs)

    def _described(self, file: dict[str, Any], base: str) -> File:
        """A file that stays where it is."""
        kind, packed = mimetypes.guess_type(file["path"])
        about = {
            "name": file["path"],
            "description": file["role"],
            "sha256": file["sha256"],
            "contentSize": str(file["size"]),
            "encodingFormat": "application/gzip" if packed == "gzip" else kind or "application/octet-stream",
        }
        return self.crate.add(File(self.crate, base + quote(file["path"].lstrip("/")), properties=about))

    def _entity(self, identifier: str, kind: str | list[str], **properties: Any) -> ContextEntity:
        about = {"@type": kind, **{key: value for key, value in properties.items() if value is not None}}
        return self.crate.add(ContextEntity(self.crate, identifier, properties=about))

    def _conform(self) -> None:
        made = [
            self._entity(address, ["CreativeWork"], name=name, version=address.rsplit("/", 1)[-1])
            for name, address in _PROFILES.items()
        ]
        self.crate.root_dataset["conformsTo"] = made

    def _software(self) -> list[ContextEntity]:
        """Every version of every library and engine that was seen at work."""
        return [
            self._entity(
                f"#{quote(one['name'])}-{quote(one['version'])}",
                "SoftwareApplication",
                name=one["name"],
                softwareVersion=one["version"],
            )
            for one in self.audit["software"]
        ]

    def _workflow(self, checkout: Path) -> ComputationalWorkflow:
        """The Snakefile, and beside it the rules and the configuration that it starts from, as they are now."""
        about = {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": "myelosynth",
            "version": self.audit["myelosynth"],
            "encodingFormat": "text/plain",
            "sha256": sha256(checkout / "Snakefile"),
        }
        workflow = self.crate.add_workflow(
            checkout / "Snakefile", "Snakefile", properties=about, main=True, lang="snakemake"
        )
        for path in [checkout / "config" / "config.yaml", *sorted((checkout / "workflow" / "rules").glob("*.smk"))]:
            name = path.relative_to(checkout).as_posix()
            about = {"name": name, "encodingFormat": "text/plain", "sha256": sha256(path)}
            self.crate.add_file(path, name, properties=about)
        return workflow

    def _tool(self, rule: str, software: list[ContextEntity]) -> ContextEntity:
        version = self.audit["myelosynth"]
        about = {"name": rule, "softwareVersion": version, "softwareRequirements": _one(software)}
        return self._entity(f"#rule-{rule}", "SoftwareApplication", **about)

    def _step(self, rule: str, place: int, tool: ContextEntity) -> ContextEntity:
        return self._entity(f"Snakefile#{rule}", "HowToStep", name=rule, position=str(place), workExample=tool)

    def _job(
        self, number: int, job: dict[str, Any], tools: dict[str, ContextEntity], steps: dict[str, ContextEntity]
    ) -> ContextEntity:
        """The action of a job's command, and the one of the engine that started it, which is returned."""
        action = self._entity(
            f"#job-{number}",
            "CreateAction",
            name=f"{job['rule']} {number}",
            description=job["command"],
            instrument=tools[job["rule"]],
            object=_one(self._read(job)),
            result=_one(self._files(job["outputs"])),
            startTime=job["start"],
            endTime=job["end"],
            actionStatus="http://schema.org/CompletedActionStatus",
        )
        self.crate.root_dataset.append_to("mentions", action)
        return self._entity(
            f"#start-{number}",
            "ControlAction",
            name=f"start of {job['rule']} {number}",
            instrument=steps[job["rule"]],
            object=action,
        )

    def _read(self, job: dict[str, Any]) -> list[File]:
        """Inputs, and what the job was seen to open besides."""
        return self._files([*job["inputs"], *job["opened"]])

    def _files(self, places: Iterable[int | str]) -> list[File]:
        """Files of a job, which the audit tells by their place in its list; one that is gone has no sha256."""
        paths = [self.paths[place] if isinstance(place, int) else place for place in places]
        return [self.files[path] for path in paths if path in self.files]

    def _run(self, workflow: ComputationalWorkflow, jobs: list[ContextEntity]) -> None:
        """The run as a whole: what went in, and what came out."""
        done = self.audit["jobs"]
        made = {file.id for job in done for file in self._files(job["outputs"])}
        read = {file.id for job in done for file in self._read(job)}
        starts, ends = [job["start"] for job in done if job["start"]], [job["end"] for job in done if job["end"]]
        run = self._entity(
            "#run",
            "CreateAction",
            name="run of the workflow",
            description="from files that no job made to files that no job read",
            instrument=workflow,
            object=_one([file for file in self.files.values() if file.id in read - made]),
            result=_one([file for file in self.files.values() if file.id in made - read]),
            startTime=min(starts, default=None),
            endTime=max(ends, default=None),
            actionStatus="http://schema.org/CompletedActionStatus",
        )
        self.crate.root_dataset.append_to("mentions", run)
        engine = self._entity("#snakemake", "SoftwareApplication", name="Snakemake", url="https://snakemake.github.io")
        about = {"name": "work of Snakemake", "instrument": engine, "object": _one(jobs), "result": run}
        self._entity("#engine-run", "OrganizeAction", **about)


def _one(entities: list[Any]) -> Any:
    """A list, its only member, or None for none: RO-Crate wants no list of one."""
    return entities if len(entities) > 1 else next(iter(entities), None)
