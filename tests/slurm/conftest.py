"""A cluster for the tests of this folder, and a folder to run Snakemake in beside it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .cluster import ASKED, Cluster, obstacle

CI = ("--workflow-profile", "profiles/ci-slurm")
"""Squeue, small jobs and short waits, on top of `--profile slurm`."""


PARTITIONS = "profiles/slurm/partitions.yaml"
"""The example of the repository names the partitions of this cluster."""


@dataclass(frozen=True)
class Place:
    """A folder from which `snakemake --profile slurm` goes to a cluster."""

    folder: Path
    cluster: Cluster
    snakefile: Path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Snakemake as typed, in a process group of its own; stdout and stderr come back together."""
        command = ["snakemake", "--profile", "slurm", "-s", str(self.snakefile), *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**self.cluster.environment, "SNAKEMAKE_SLURM_PARTITIONS": PARTITIONS, **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A shell in the background ignores interrupts, and its children with it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str, seconds: float = 300, **environment: str) -> str:
        """What a run that ends well said."""
        process = self.start(*arguments, **environment)
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            said, _ = process.communicate()
            pytest.fail(f"not done after {seconds:.0f} s\n{said[-6000:]}\n{self.cluster.jobs()}")
        assert process.returncode == 0, said[-6000:]
        return said


def place(folder: Path, repository: Path, cluster: Cluster, snakefile: Path) -> Place:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config", "profiles", "slurm"):
        (folder / name).symlink_to(repository / name)
    return Place(folder, cluster, snakefile)


@pytest.fixture(scope="session")
def slurm_here() -> None:
    """Skips where no cluster can run; `make test-slurm` says why."""
    if why := obstacle():
        (pytest.fail if ASKED else pytest.skip)(f"no Slurm can run here: {why}")


@pytest.fixture(scope="module")
def cluster(slurm_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes without accounting."""
    with Cluster(tmp_path_factory.mktemp("slurm")) as one:
        yield one


@pytest.fixture
def small(cluster: Cluster, repository: Path, tmp_path: Path) -> Place:
    """The short rules of this folder beside the cluster without accounting."""
    return place(tmp_path / "study", repository, cluster, repository / "tests" / "slurm" / "Snakefile")
