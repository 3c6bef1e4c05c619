"""The split file: written by `split`, read with every leak named."""

import hashlib
import json

import pandas as pd
import pytest

from myelosynth.errors import InputError
from myelosynth.synthesis.data.folds import read_fold, read_groups
from myelosynth.synthesis.data.manifest import read_manifest, select


@pytest.fixture
def table(cohort):
    return pd.read_csv(cohort.split, sep="\t")


def test_the_command_writes_what_train_reads(cohort, run, tmp_path):
    out = tmp_path / "split.tsv"
    run(
        ["split", str(cohort.folder / "participants.tsv"), str(out), "--folds", "3", "--validation", "1", "--seed", "0"]
    )
    assert out.read_bytes() == cohort.split.read_bytes()
    assert list(pd.read_csv(out, sep="\t").columns) == ["participant_id", "group", "fold", "role"]
    assert json.loads((tmp_path / "split.json").read_text())["Settings"] == {"folds": 3, "validation": 1, "seed": 0}
    fold = read_fold(out, 2)
    assert fold.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert {role for role in fold.roles.values()} == {"train", "validation", "test"}


def test_an_inner_split_excludes_whom_the_fold_holds_out(cohort, run, tmp_path):
    out = tmp_path / "inner.tsv"
    run(["inner-split", str(cohort.split), str(out), "--fold", "1", "--folds", "3", "--validation", "0", "--seed", "4"])
    outer, inner = read_fold(cohort.split, 1), read_fold(out, 2)
    assert sorted(inner.participants("train") + inner.participants("test")) == sorted(outer.participants("train"))
    assert set(inner.participants("excluded")) == {*outer.participants("validation"), *outer.participants("test")}
    told = json.loads((tmp_path / "inner.json").read_text())
    assert told["Settings"]["outer_split"] == outer.sha256
    assert "excluded" in told["role"]["Levels"]
    chosen = select(read_manifest(cohort.manifest), inner, ["t0"], ["DVR"], cohort.manifest)
    assert [scan.participant for scan in chosen.training] == inner.participants("train")
    assert chosen.validation == []


def test_nobody_is_excluded_from_some_folds_and_tested_never(table, tmp_path):
    first = table.participant_id.iloc[0]
    table.loc[(table.participant_id == first) & (table.role == "test"), "role"] = "excluded"
    table.to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match=f"{first} is test in 0 folds"):
        read_fold(tmp_path / "s.tsv", 1)


def test_two_roles_in_a_fold(table, tmp_path):
    row = table[(table.fold == 1) & (table.role == "train")].iloc[[0]].assign(role="validation")
    pd.concat([table, row]).to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="two roles in one fold"):
        read_fold(tmp_path / "s.tsv", 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(role=t.role.replace("test", "train")), "test in 0 folds"),
        (lambda t: t.assign(role=t.role.replace("train", "test")), "not a cross-validation"),
        (lambda t: t.assign(role="exam"), "unknown role"),
        (lambda t: t[t.fold != 1], "no such fold"),
        (lambda t: t.drop(columns="group"), "columns missing"),
        (lambda t: t.iloc[:0], "table is empty"),
    ],
)
def test_split_faults(table, tmp_path, change, words):
    change(table).to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match=words):
        read_fold(tmp_path / "s.tsv", 1)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("sub-001\tn/a\n", "row 2, sub-001: got 'n/a'"),
        ("sub-001\tpatient\nsub-001\tpatient\n", "listed twice"),
        ("001\tpatient\n", "write it as sub-LABEL"),
    ],
)
def test_participant_faults(tmp_path, rows, words):
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tgroup\n" + rows)
    with pytest.raises(InputError, match=words):
        read_groups(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="file missing"):
        read_groups(tmp_path / "nothing.tsv")
