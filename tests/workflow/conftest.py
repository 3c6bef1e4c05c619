"""Studies on disk that the workflow tests share."""

import json
import os
import subprocess
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from myelosynth.images.transform import LinearTransform

WARNINGS = {"TOO_FEW_AUTHORS": "the one author is the group of developers"}
"""Warnings of bids-validator that a derivative may have, each with its reason."""


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


@pytest.fixture
def golden(request: pytest.FixtureRequest, repository: Path) -> Callable[[str, Iterable[str]], None]:
    """Holds names against a list of tests/golden; with `--renew-golden` the list is written first."""

    def compare(name: str, names: Iterable[str]) -> None:
        kept, found = repository / "tests" / "golden" / f"{name}.txt", sorted(set(names))
        if request.config.getoption("--renew-golden"):
            kept.write_text("\n".join(found) + "\n")
        expected = kept.read_text().splitlines()
        assert expected == sorted(set(expected)), f"{kept} is not sorted, renew it"
        lines = [f"missing: {line}" for line in expected if line not in set(found)]
        lines += [f"unexpected: {line}" for line in found if line not in set(expected)]
        told = "\n".join([f"{len(lines)} names differ from {kept.name}; if they should: pytest --renew-golden", *lines])
        assert not lines, told

    return compare


def bids_issues(folder: Path, allowed: Collection[str]) -> list[str]:
    """What bids-validator finds in a data set: every error, and the warnings whose code is not allowed."""
    command = ["bids-validator-deno", str(folder), "--format", "json"]
    report = json.loads(subprocess.run(command, text=True, capture_output=True).stdout)
    issues = [one for one in report["issues"]["issues"] if one["severity"] == "error" or one["code"] not in allowed]
    return [" ".join(str(one.get(key, "")) for key in ("severity", "code", "subCode", "location")) for one in issues]
