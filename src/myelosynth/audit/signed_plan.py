"""The plan that is signed off before a run: every job of a dry run, in RESULTS/audit/plan.json."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from myelosynth import __version__
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError
from myelosynth.images.atomic import staged
from myelosynth.study.config import config_sha256
from myelosynth.study.workflow_run import WorkflowRun

FORMAT = 1
PLAN = Path("audit", "plan.json")
"""Below the folder of results."""


@dataclass(frozen=True)
class Plan:
    """What a dry run told: the study as the Snakefile read it; its jobs, with paths from the working directory on."""

    config: dict[str, Any]
    working_directory: Path
    checkout: Path
    jobs: list[dict[str, Any]]

    @property
    def results(self) -> Path:
        """The folder of results, absolute."""
        return self.working_directory / self.config["output"]

    @property
    def targets(self) -> list[str]:
        """What nothing else needs: the target rules by name, else the files that were asked for."""
        needed = {path for job in self.jobs for path in job["inputs"]}
        last = [job for job in self.jobs if not needed.intersection(job["outputs"])]
        return sorted(name for job in last for name in job["outputs"] or [job["rule"]])

    def file(self, signed_off_by: str | None, replace: bool) -> Path:
        """Write the plan into the folder of results, and say where.

        Raises InputError where one is filed already, unless it is to be replaced: then the old one is kept beside the
        new one, with its date in its name.
        """
        path = self.results / PLAN
        refuse_filed(self.results, replace)
        kept = _beside(path) if path.exists() else None
        head = {
            "format": FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "myelosynth": __version__,
            **_version_control(self.checkout),
            "signed_off_by": signed_off_by,
            "config_sha256": config_sha256(self.config),
            "config": self.config,
            "targets": self.targets,
        }
        with staged(path) as (part,):
            with part.open("w", encoding="utf-8") as stream:
                # One job a line: two plans can be compared by `diff`.
                stream.write(f"{json.dumps(head)[:-1]},\n" + '"jobs": [\n')
                stream.write(",\n".join(sorted(json.dumps(job) for job in self.jobs)))
                stream.write("\n]}\n")
            if kept:
                shutil.copy2(path, kept)
        return path


def refuse_filed(results: Path, replace: bool) -> None:
    """Raise InputError where a plan is filed already, unless it is to be replaced."""
    path = results / PLAN
    if path.exists() and not replace:
        filed = read_json(path)
        values = f"of {filed.get('created')}, signed off by {filed.get('signed_off_by') or 'nobody'}"
        raise InputError("a plan is filed", path, values, "keep it, or give --replace: the old one stays beside it")


def plan_run(run: WorkflowRun) -> Plan:
    """All jobs of a run of ours, those that are done included. Raises InputError when the dry run fails."""
    with tempfile.TemporaryDirectory(prefix="myelosynth-") as scratch:
        command = run.command(Path(scratch), dry=True)
        found = _dry_run(command, run.checkout, run.environment())
    # The dry run of results that do not exist yet works elsewhere, with absolute paths.
    return Plan(found.config, run.out.absolute(), found.checkout, _relative(found.jobs, run.out.absolute()))


def plan_snakemake(options: list[str]) -> Plan:
    """All jobs of `snakemake OPTIONS` in the working directory. Raises InputError when the dry run fails."""
    found = _dry_run([sys.executable, "-m", "snakemake", *options], Path.cwd(), dict(os.environ))
    return Plan(found.config, found.working_directory, found.checkout, _relative(found.jobs, found.working_directory))


def _dry_run(command: list[str], where: Path, environment: dict[str, str]) -> Plan:
    """Have our logger plugin of Snakemake write down every job, whether its outputs exist or not."""
    python, module, name, *options = command
    with _journal() as journal:
        planned = ["--dry-run", "--forceall", "--quiet", "rules", "--logger", "myelosynth"]
        planned += ["--logger-myelosynth-jobs", str(journal)]
        # A terminal of any width gets the table of jobs, not a line for each; options of the user's own win.
        done = subprocess.run([python, module, name, *planned, *options], cwd=where, env=environment, check=False)
        lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    studies, jobs = (
        [line["study"] for line in lines if "study" in line],
        [line["job"] for line in lines if "job" in line],
    )
    if done.returncode or not studies or not jobs:
        values = f"Snakemake ended with {done.returncode}, {len(jobs)} jobs; what was refused is told above"
        raise InputError("nothing could be planned", where, values, "mend it and plan again")
    study = studies[0]
    return Plan(study["configuration"], Path(study["working_directory"]), Path(study["checkout"]), jobs)


@contextmanager
def _journal() -> Iterator[Path]:
    """An empty file for the plugin's lines."""
    with tempfile.TemporaryDirectory(prefix="myelosynth-") as folder:
        path = Path(folder) / "jobs.jsonl"
        path.touch()
        yield path


def _relative(jobs: list[dict[str, Any]], root: Path) -> list[dict[str, Any]]:
    """The jobs with files below `root` named from there; the commands stay as they are run."""
    prefix = f"{root}/"
    lists = ("inputs", "outputs", "log")
    return [job | {key: [path.removeprefix(prefix) for path in job[key]] for key in lists} for job in jobs]


def _version_control(checkout: Path) -> dict[str, Any]:
    """The commit of a checkout, and whether tracked files differ from it; both None where git knows nothing of it."""
    unknown = {"commit": None, "uncommitted": None}
    try:
        top, commit, changed = (
            subprocess.run(["git", *words], cwd=checkout, text=True, capture_output=True, check=True).stdout.strip()
            for words in (
                ("rev-parse", "--show-toplevel"),
                ("rev-parse", "HEAD"),
                ("status", "--porcelain", "--untracked-files=no"),
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return unknown
    return {"commit": commit, "uncommitted": bool(changed)} if Path(top) == checkout.resolve() else unknown


def _beside(path: Path) -> Path:
    """Where the plan that is filed will be kept."""
    created = str(read_json(path).get("created", "unknown"))
    stem = f"plan-{created.replace(':', '').replace('+0000', 'Z')}"
    names = (f"{stem}{f'-{number}' if number else ''}.json" for number in count())
    return next(kept for kept in map(path.with_name, names) if not kept.exists())
