"""A dry run of the comparison trains what its preset says, from nobody whom the fold holds out."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from myelosynth.study.config import read_study
from myelosynth.study.plan import plan_split, read_task
from myelosynth.study.roster import Roster, session_index

from .conftest import Study

pytestmark = pytest.mark.workflow
JOB = re.compile(
    r"^rule (train|train_inner|predict(?:_network|_with_spread)?|sketch):\n    input: (.*)\n    output: (.*)\n",
    re.MULTILINE,
)
MODEL = re.compile(r"models/([^/]+)/fold-(\d+)/(?:inner-(\d+)/)?checkpoint.pt")
PERSON = re.compile(r"/sub-([0-9A-Za-z]+)[/_]")


def planned(study, *overlays):
    """(rule, inputs, output) of every job that learns or predicts, and the whole text."""
    result = study.snakemake("-n", "--", "myelin_comparison", overlays=overlays)
    assert result.returncode == 0, result.stdout[-3000:]
    return JOB.findall(result.stdout), result.stdout


def study_of(repository, *overlays):
    """The model of the same configuration and its split."""
    record = yaml.safe_load((repository / "config/config.yaml").read_text())
    for overlay in overlays:
        for key, value in yaml.safe_load(overlay.read_text()).items():
            record[key] = {**record[key], **value} if isinstance(value, dict) and key in record else value
    config = read_study(record)
    return config, plan_split(config, Roster(session_index(config), read_task(config).sources))


@pytest.mark.parametrize("name", ["demo", "cpu"])
def test_every_system_is_trained_on_every_fold_and_predicts_its_test_subjects(repository, tmp_path, monkeypatch, name):
    preset = repository / "config" / "presets" / f"{name}.yaml"
    monkeypatch.chdir(repository)
    config, split = study_of(repository, preset)
    jobs, text = planned(Study(tmp_path / "study", repository, preset))
    systems, folds = config.learning.systems, config.folds.tested
    trained = [MODEL.search(output).groups()[:2] for rule, _, output in jobs if rule == "train"]
    assert sorted(trained) == sorted((system, str(fold)) for system in systems for fold in folds)
    predictions = [output for rule, _, output in jobs if rule.startswith("predict")]
    counts = Counter(output.split("/")[2] for output in predictions)
    assert set(counts) == set(systems)
    # Both sessions of the patients of these folds, one of the controls.
    patients = {row.participant for row in split.rows if row.group == "patient"}
    tested = [sub for sub, fold in split.fold_of.items() if fold in folds]
    assert set(counts.values()) == {sum(2 if sub in patients else 1 for sub in tested)}
    assert {PERSON.search(output)[1] for output in predictions} == set(tested)
    assert not [job for job in jobs if job[0] in ("sketch", "train_inner")]
    assert text.count("\nrule evaluate:") == text.count("\nrule comparison_page:") == 1
    assert "rule patient_page" not in text
    (command,) = [line for line in text.splitlines() if "myelosynth evaluate " in line]
    assert re.findall("--fold ([0-9]+)", command) == list(map(str, config.folds.only or []))


@pytest.fixture(scope="module")
def nested(repository, tmp_path_factory):
    """A plan with everything at once: one fold, two seeds, out-of-fold sketches."""
    folder = tmp_path_factory.mktemp("nested")
    overlay = folder / "overlay.yaml"
    overlay.write_text(
        "simulate: {patients: 9, controls: 6}\nfolds: {only: [2]}\n"
        "learning:\n  replicates: 2\n  sketches: out-of-fold\n  inner_folds: 2\n"
        "  systems: [ridge, cf-sagan-l1, refiner-cf-sagan-nwl1]\n  main: refiner-cf-sagan-nwl1\n"
    )
    jobs, text = planned(Study(folder / "study", repository, overlay))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        return jobs, text, study_of(repository, overlay)[1]


def test_replicates_and_inner_sketchers_are_trained(nested):
    jobs, text, split = nested
    systems = ("ridge", "cf-sagan-l1", "refiner-cf-sagan-nwl1")
    trained = {MODEL.search(output).groups() for rule, _, output in jobs if rule == "train"}
    assert trained == {(f"{system}{more}", "2", None) for system in systems for more in ("", "@2")}
    inner = {MODEL.search(output).groups() for rule, _, output in jobs if rule == "train_inner"}
    assert inner == {(f"cf-sagan-l1{more}", "2", number) for more in ("", "@2") for number in "12"}
    commands = [line for line in text.splitlines() if "myelosynth train " in line]
    for line in commands:
        assert f"--seed {2 if '@2' in line else 1} " in line, line
    (refiner,) = [line for line in commands if "--out results/models/refiner-cf-sagan-nwl1@2/fold-2 " in line]
    assert "--sketches results/models/cf-sagan-l1@2/fold-2 --out-of-fold " in refiner
    (second,) = [line for line in commands if "--out results/models/cf-sagan-l1/fold-2/inner-2 " in line]
    assert "--fold 2 --split results/tables/inner_split_fold-2.tsv " in second
    assert "--fold 2 --replicates 2 " in next(line for line in text.splitlines() if "myelosynth evaluate " in line)
    sketched = {PERSON.search(output)[1] for rule, _, output in jobs if rule == "sketch"}
    assert sketched == set(split.inner_fold_of(2))


def test_nobody_held_out_is_among_the_inputs_of_a_training(nested):
    jobs, _, split = nested
    roles = {row.participant: row.role for row in split.rows if row.fold == 2}
    for rule, inputs, output in jobs:
        people = set(PERSON.findall(inputs))
        if rule == "train":
            assert people
            assert {roles[sub] for sub in people} == {"train", "validation"}, output
        if rule == "train_inner":
            number = int(MODEL.search(output)[3])
            held_out = {sub for sub, inner in split.inner_fold_of(2).items() if inner == number}
            assert people
            assert {roles[sub] for sub in people - held_out} == {"train"}, output
            assert not people & held_out, output
        if rule == "sketch":
            number = int(MODEL.search(inputs)[3])
            assert split.inner_fold_of(2)[PERSON.search(output)[1]] == number


def test_another_list_of_systems_does_not_touch_what_everything_stands_on(repository):
    """Snakemake plans nothing behind `ancient` inputs of a rule that runs again."""
    rules = Path(repository / "workflow/rules/data.smk").read_text()
    body = rules.partition("\nrule describe:")[2].partition("\n\n\nrule ")[0]
    assert "SYSTEMS" not in body
    assert "TRAINED" not in body
