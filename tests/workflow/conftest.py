"""Studies on disk that the workflow tests share."""

import os
import subprocess
from pathlib import Path

import pytest


class Study:
    """A folder with the repository's configuration in which Snakemake runs."""

    def __init__(self, folder: Path, repository: Path, configfile: Path | None) -> None:
        self.folder, self.repository, self.configfile = folder, repository, configfile
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config", "profiles", "slurm"):
            (folder / name).symlink_to(repository / name)

    def snakemake(self, *arguments: str, overlays: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run Snakemake here, its configuration changed by `overlays`; stdout and stderr come back together."""
        command = ["snakemake", "-s", str(self.repository / "Snakefile")]
        if self.configfile is not None:
            command += ["--configfile", str(self.configfile), *map(str, overlays)]
        command += arguments
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
        return subprocess.run(
            command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Study:
    """The whole line once, on a tiny cohort with every gap."""
    study = Study(tmp_path_factory.mktemp("tiny") / "study", repository, repository / "tests/workflow/tiny.yaml")
    result = study.snakemake("--cores", "2", "--show-failed-logs", "--quiet", "rules")
    assert result.returncode == 0, result.stdout[-8000:]
    return study
