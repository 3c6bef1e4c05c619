"""What a study leaves for its readers, by name: lists of tests/golden, written anew by `pytest --renew-golden`."""

import re

import pytest

from .conftest import Study

pytestmark = pytest.mark.workflow
KEPT = ("derivatives", "tables", "reports")


def test_the_tiny_study_leaves_the_files_of_its_list(tiny_study, golden):
    results = tiny_study.folder / "results"
    golden("tiny-study", (str(path.relative_to(results)) for top in KEPT for path in files_in(results / top)))


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_demo_plans_the_files_of_its_list(repository, tmp_path, golden):
    """The outputs of its rules; each has its sidecar beside it, as in the list of the tiny study."""
    result = Study(tmp_path / "study", repository, None).snakemake("-n")
    assert result.returncode == 0, result.stdout[-3000:]
    outputs = re.findall(r"^    output: (.*)$", result.stdout, re.MULTILINE)
    names = [name.split(" ")[0] for line in outputs for name in line.split(", ")]
    kept = tuple(f"results/{top}/" for top in KEPT)
    golden("demo-plan", (name.removeprefix("results/") for name in names if name.startswith(kept)))
