"""Snakemake as a command of ours starts it: `myelosynth apply` and `myelosynth run`."""

import fcntl
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text
from myelosynth.synthesis.config import read_yaml

LOCK = Path(".snakemake", "run.lock")
"""In a folder of results: who writes there, here and where Snakemake is called by hand (`study.runs`)."""


@dataclass(frozen=True)
class WorkflowRun:
    """One target of a checkout's workflow, made in a folder of results.

    name: the settings are kept as OUT/NAME.yaml; they lie over the configuration files, the shipped one first.
    options: for Snakemake.
    """

    name: str
    target: str
    workflow: Path
    out: Path
    settings: dict[str, Any]
    configfiles: list[Path] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    @property
    def checkout(self) -> Path:
        """The folder with Snakefile and config/, absolute. Raises InputError where it has no workflow."""
        return find_checkout(self.workflow)

    @property
    def all_configfiles(self) -> list[Path]:
        """The shipped configuration, then the overlays, absolute."""
        return [_shipped(self.checkout), *(path.absolute() for path in self.configfiles)]

    def start(self, dry: bool) -> None:
        """Run Snakemake in `out`; a dry run writes nothing.

        Each folder of results is a working directory of its own, with Snakemake's records in it, so that runs into
        different ones do not meet, and the checkout is only read. Raises InputError for a folder without the workflow,
        a configuration that Snakemake would run code of (a bundle brings one along), results that another run is
        writing, or when the run fails.
        """
        checkout = self.checkout
        for path in self.configfiles:
            read_yaml(path)
        with tempfile.TemporaryDirectory(prefix="myelosynth-") as scratch, _alone(None if dry else self) as held:
            command = self.command(Path(scratch) if dry else self.out, dry)
            done = subprocess.run(command, cwd=checkout, env=self.environment(), pass_fds=held, check=False)
        if done.returncode:
            values = f"Snakemake ended with {done.returncode}; what was refused or failed is told above"
            raise InputError("workflow did not finish", self.out, values, "mend it and run the same command again")

    def command(self, keep: Path, dry: bool) -> list[str]:
        """Snakemake's command line, to be started in the checkout; the settings are written into the folder `keep`."""
        file = keep / f"{self.name}.yaml"
        write_text(file, yaml.safe_dump(self.settings, sort_keys=False))
        # A dry run looks at the records of earlier ones.
        where = keep if dry and not (self.out / ".snakemake").is_dir() else self.out
        command = [sys.executable, "-m", "snakemake", "--snakefile", "Snakefile", "--directory", str(where)]
        command += [*self.options, *(["--dry-run"] if dry else [])]
        # Snakemake's own lock outlives a run that was killed; `_alone` does not.
        command += ["--nolock", "--keep-going", "--rerun-incomplete", "--show-failed-logs", "--configfile"]
        return [*command, *map(str, [*self.all_configfiles, file.absolute()]), "--", self.target]

    def environment(self) -> dict[str, str]:
        """The environment of a run: one thread a job, since Snakemake fills the cores; the checkout's conda."""
        single = {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
        prefix = self.checkout / ".snakemake" / "conda"
        # Snakemake makes the folder that it is told, with conda or without.
        conda = {"SNAKEMAKE_CONDA_PREFIX": str(prefix)} if prefix.is_dir() else {}
        # The rules call `myelosynth`: the one that runs here.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**single, **conda, **os.environ, "PATH": path, "MYELOSYNTH_CHECKOUT": str(self.checkout)}


def parallel(cores: int | None, profile: Path | None) -> list[str]:
    """Options for how many jobs run at a time: one, unless a profile or the user says more.

    Snakemake takes `--cores` of a cluster as the most that it may ask for there, so a profile is left alone.
    """
    chosen = ["--profile", str(profile.absolute())] if profile else []
    return [*chosen, *(["--cores", str(cores or 1)] if cores or not profile else [])]


def find_checkout(workflow: Path) -> Path:
    """A folder with Snakefile and config/config.yaml, absolute. Raises InputError for any other."""
    checkout = workflow.absolute()
    if not (checkout / "Snakefile").is_file() or not _shipped(checkout).is_file():
        cure = "run in a checkout of myelosynth, or name one with --workflow"
        raise InputError("workflow missing", workflow, "no Snakefile with config/config.yaml", cure)
    return checkout


def _shipped(checkout: Path) -> Path:
    return checkout / "config" / "config.yaml"


@contextmanager
def _alone(run: WorkflowRun | None) -> Iterator[tuple[int, ...]]:
    """Hold a folder of results for one run; the system lets it go when the run ends, however it ends.

    Yields the open files that a child must inherit to hold it too. Raises InputError while another run holds it.
    """
    if run is None:
        yield ()
        return
    (run.out / LOCK).parent.mkdir(parents=True, exist_ok=True)
    with (run.out / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            lock.seek(0)
            values = f"another run writes there ({lock.read().strip() or 'process not known'})"
            raise InputError("results in use", run.out, values, "wait for it, or give another folder") from fault
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {platform.node()}")
        lock.flush()
        yield (lock.fileno(),)
