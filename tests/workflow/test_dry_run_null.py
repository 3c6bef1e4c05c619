"""The null of the indices is planned: fold by fold without its test patients, for measured maps and named models."""

import re

import pytest

from .conftest import Study

pytestmark = pytest.mark.workflow


def planned(repository, folder, *overlays):
    overlay = folder / "overlay.yaml"
    overlay.write_text("\n".join(["simulate: {scenario: default, patients: 6}", *overlays, ""]))
    study = Study(folder / "study", repository, repository / "tests/workflow/tiny.yaml")
    result = study.snakemake("-n", "-p", overlays=(overlay,))
    assert result.returncode == 0, result.stdout[-3000:]
    return [line.strip() for line in result.stdout.splitlines() if "myelosynth " in line]


def test_the_null_of_a_fold_is_made_without_its_test_patients(repository, tmp_path):
    commands = planned(repository, tmp_path)
    fits = [line for line in commands if "myelosynth null-fit " in line]
    assert len(fits) == 2
    judged = [line for line in commands if "myelosynth index-null " in line]
    assert len(judged) == 12  # six patients, measured follow-up and null-scan
    assert all("--minimum-cluster 0.0 --change-threshold 0.0" in line for line in judged)
    for line in fits:
        fold = re.search(r"--fold (\d)", line)[1]
        behind = set(re.findall(r"--before \S*/(sub-\d+)/", line))
        of_fold = [other for other in judged if f"null_true_fold-{fold}.json" in other]
        tested = {re.search(r"/(sub-\d+)/", other)[1] for other in of_fold}
        assert behind
        assert tested
        assert not behind & tested
        assert all("/null-scan/" in path for path in re.findall(r"--after (\S+)", line))
    assert any("myelosynth null-table " in line for line in commands)
    assert not any("--new-participant" in line for line in judged)


def test_a_model_from_elsewhere_gives_a_system_its_null(repository, tmp_path):
    model = tmp_path / "null.json"
    model.write_text("{}")
    commands = planned(repository, tmp_path, f"nulls: {{models: {{ridge: {model}}}, draws: 40}}")
    of_ridge = [line for line in commands if "myelosynth index-null " in line and "/ridge/" in line]
    assert len(of_ridge) == 6
    assert all(f"--null {model}" in line and "--draws 40 --new-participant" in line for line in of_ridge)
