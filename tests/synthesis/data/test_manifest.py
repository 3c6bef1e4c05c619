"""Who may be learned from."""

import pandas as pd
import pytest

from myelosynth.errors import InputError
from myelosynth.synthesis.data.folds import read_fold
from myelosynth.synthesis.data.manifest import read_manifest, select


@pytest.fixture
def table(cohort):
    return pd.read_csv(cohort.manifest, sep="\t", keep_default_na=False)


@pytest.fixture
def fold(cohort):
    return read_fold(cohort.split, 1)


def read(table, tmp_path):
    table.to_csv(tmp_path / "m.tsv", sep="\t", index=False)
    return read_manifest(tmp_path / "m.tsv")


def test_test_participants_never_pass(cohort, fold):
    chosen = select(read_manifest(cohort.manifest), fold, ["t0"], ["MTR", "DVR"], cohort.manifest)
    assert {scan.participant for scan in chosen.training} == set(fold.participants("train"))
    assert {scan.participant for scan in chosen.validation} == set(fold.participants("validation"))
    assert chosen.gaps == []


def test_other_sessions_are_not_learned_from(table, fold, tmp_path):
    later = table.assign(session_id="ses-t1", path=table.path.str.replace(".nii", "_t1.nii"))
    chosen = select(read(pd.concat([table, later]), tmp_path), fold, ["t0"], ["MTR"], tmp_path)
    assert {scan.session for scan in (*chosen.training, *chosen.validation)} == {"ses-t0"}


def test_a_missing_contrast_is_a_gap(table, fold, tmp_path):
    victim = fold.participants("train")[0]
    rest = table[(table.participant_id != victim) | (table.contrast != "FA")]
    chosen = select(read(rest, tmp_path), fold, ["t0"], ["MTR", "FA"], tmp_path)
    assert chosen.gaps == [f"{victim}_ses-t0: no FA"]
    assert victim not in {scan.participant for scan in chosen.training}


def test_nobody_left_is_a_fault(cohort, fold):
    scans = read_manifest(cohort.manifest)
    with pytest.raises(InputError, match="no training scans"):
        select(scans, fold, ["t0"], ["T9"], cohort.manifest)
    with pytest.raises(InputError, match="no training scans"):
        select(scans, fold, ["t1"], ["MTR"], cohort.manifest)


def test_one_participant_to_train_on_is_a_fault(table, fold, tmp_path):
    first, *others = fold.participants("train")
    rest = table[~table.participant_id.isin(others)]
    with pytest.raises(InputError, match=f"one training participant.*{first} alone in fold 1"):
        select(read(rest, tmp_path), fold, ["t0"], ["MTR"], tmp_path)


def test_a_stranger_is_a_fault(table, fold, tmp_path):
    scans = read(table.assign(participant_id=table.participant_id.replace("sub-001", "sub-999")), tmp_path)
    with pytest.raises(InputError, match="sub-999 is in the manifest but not in the split"):
        select(scans, fold, ["t0"], ["MTR"], tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: pd.concat([t, t.iloc[[0]]]), "contrast listed twice"),
        (lambda t: t.assign(mask=""), "mask is empty"),
        (lambda t: t.assign(path=""), "path is empty"),
        (lambda t: t.assign(path=t.path.str.replace("sub-002", "sub-001")), "leak: one image for two participants"),
        (lambda t: t.assign(nawm=[f"{n}.nii" for n in range(len(t))]), "masks of sub-001_ses-t0 differ"),
    ],
)
def test_manifest_faults(table, tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        read(change(table), tmp_path)
