"""A dry run prints every command of a study before anything exists."""

import shutil
import subprocess

import pytest

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def clone(repository, tmp_path_factory):
    """The tracked and new files of the repository, as a fresh clone would hold them."""
    folder = tmp_path_factory.mktemp("clone") / "myelosynth"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        text=True,
        capture_output=True,
        check=True,
    ).stdout.split("\n")
    for name in filter(None, listed):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (repository / name).exists():
            shutil.copy2(repository / name, target, follow_symlinks=False)
    return folder


@pytest.mark.parametrize("options", [["-n"], ["--profile", "slurm", "-n"]], ids=["plain", "slurm"])
def test_as_typed_from_the_top_folder(clone, options):
    result = subprocess.run(
        ["snakemake", *options], cwd=clone, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert result.returncode == 0, result.stdout[-3000:]
    commands = [line for line in result.stdout.splitlines() if "myelosynth " in line]
    for step in ("simulate", "n4", "register-bbr", "dvr", "train", "predict", "demyelination", "report cohort"):
        assert any(f"myelosynth {step} " in line for line in commands), step
    assert "refiner-cf-sagan-nwl1/fold-3/checkpoint.pt --source MTR=" in result.stdout
    assert not (clone / "data").exists()


def test_a_misspelt_key_stops_with_its_name(clone, tmp_path):
    overlay = tmp_path / "study.yaml"
    overlay.write_text("pet:\n  t_stra: 20\n")
    result = subprocess.run(
        ["snakemake", "-n", "--configfile", str(overlay)],
        cwd=clone,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert result.returncode != 0
    assert "t_stra" in result.stdout
