"""Negative controls are planned on request alone, from the PET of people whom the same fold tests."""

import re

import pytest

from .conftest import Study

pytestmark = pytest.mark.workflow


def planned(repository, folder, *targets, overlay="{}"):
    (folder / "overlay.yaml").write_text(overlay + "\n")
    study = Study(folder / "study", repository, repository / "tests/workflow/tiny.yaml")
    result = study.snakemake("-n", "-p", *targets, overlays=(folder / "overlay.yaml",))
    assert result.returncode == 0, result.stdout[-3000:]
    return [line.strip() for line in result.stdout.splitlines() if re.search(r"myelosynth [a-z]", line)]


def of(commands, name):
    return [line for line in commands if f"myelosynth {name} " in line]


def test_permuted_pairs_never_learn_from_the_pet_of_whom_the_fold_tests(repository, tmp_path):
    commands = planned(repository, tmp_path, "negative_controls")
    tests = {
        re.search(r"/(sub-\w+)/", line)[1]: re.search(r"/fold-(\d)/", line)[1]
        for line in of(commands, "predict")
        if re.search(r"--out \S*/derivatives/ridge/", line)
    }
    partners = {}
    for line in of(commands, "transform"):
        if found := re.search(
            r"transform \S*/(sub-\w+)_ses-t0\S*dvr_pet.nii.gz \S+ \S*/(sub-\w+)/ses-t0/permuted", line
        ):
            partners[found[2]] = found[1]
            steps = re.findall(r"--transform (\S+)", line)
            assert found[1] in steps[0]
            assert steps[1].startswith("inverse:")
            assert found[2] in steps[1]
    assert len(partners) == 7
    assert sorted(partners) == sorted(partners.values())
    assert all(who != other for who, other in partners.items())
    assert all(tests[who] == tests[other] for who, other in partners.items() if {who, other} <= set(tests))
    trained = [line for line in of(commands, "train") if "/permuted " in line]
    assert len(trained) == 2
    assert all("--model residual-context" in line and "permuted_manifest.tsv" in line for line in trained)
    (scores,) = of(commands, "permuted-scores")
    assert "--floor mean-atlas" in scores
    (table,) = of(commands, "negative-controls")
    assert "--pairs" in table
    assert "--clinical" in table
    assert "--response edss" in table


def test_they_are_made_with_everything_else_where_the_configuration_asks(repository, tmp_path):
    assert not of(planned(repository, tmp_path), "negative-controls")


def test_a_study_asks_for_them_and_a_cheap_system_learns_them(repository, tmp_path):
    systems = "learning: {systems: [ridge, cf-sagan-l1], main: cf-sagan-l1}\nnegative_controls: true"
    commands = planned(repository, tmp_path, overlay=systems)
    trained = [line for line in of(commands, "train") if "/permuted " in line]
    assert len(trained) == 2
    assert all("--model ridge" in line for line in trained)
    (scores,) = of(commands, "permuted-scores")
    assert "--floor" not in scores
    assert of(commands, "negative-controls")


def test_without_a_cheap_system_the_other_controls_are_left(repository, tmp_path):
    systems = "learning: {systems: [mean-atlas], main: mean-atlas}"
    commands = planned(repository, tmp_path, "negative_controls", overlay=systems)
    assert not of(commands, "permuted-scores")
    (table,) = of(commands, "negative-controls")
    assert "--pairs" not in table
