"""Studies on disk that the workflow tests share."""

import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from myelosynth.images.transform import LinearTransform


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


def placed_by_header(source: Path, transform: Path, target: Path) -> None:
    """A map moved into the T1w's world without interpolation: its affine says where it lies."""
    image = nib.load(source)
    affine = (~LinearTransform.read(transform)).matrix @ image.affine
    target.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32), affine), target)


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Study:
    """The whole line once, on a tiny cohort with every gap."""
    study = Study(tmp_path_factory.mktemp("tiny") / "study", repository, repository / "tests/workflow/tiny.yaml")
    result = study.snakemake("--cores", "2", "--show-failed-logs", "--quiet", "rules")
    assert result.returncode == 0, result.stdout[-8000:]
    return study
