"""residual-context from the command line: what it learns, its spread, subsets of sources, resuming."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from myelosynth.errors import InputError
from myelosynth.images.fields import FieldModel
from myelosynth.images.volume import load_mask, load_volume
from myelosynth.synthesis.calibration import Z
from myelosynth.synthesis.checkpoints import load_checkpoint, load_state, save_state
from myelosynth.synthesis.data.folds import read_fold
from myelosynth.synthesis.systems.residual import _calibrate, _trust
from myelosynth.synthesis.systems.residual_members import HeldOut, key_of

MODEL = "residual-context"
SOURCES = ("MTR", "FA", "RD", "AD")


@pytest.fixture(scope="module")
def folder(cohort, run, tmp_path_factory):
    out = tmp_path_factory.mktemp("own")
    run(cohort.options(MODEL, out))
    return out


@pytest.fixture
def subject(cohort):
    return cohort.folder / read_fold(cohort.split, 1).participants("test")[0]


def predict(run, folder, subject, out, names=SOURCES):
    pairs = [part for name in names for part in ("--source", f"{name}={subject / f'{name}.nii.gz'}")]
    files = ["--mask", str(subject / "mask.nii.gz"), "--out", str(out / "p.nii.gz"), "--out-std", str(out / "s.nii.gz")]
    run(["predict", "--checkpoint", str(folder / "checkpoint.pt"), *pairs, *files, "--device", "cpu"])
    return load_volume(out / "p.nii.gz").data, load_volume(out / "s.nii.gz").data


def test_it_finds_the_relation_and_its_error(folder, subject, run, tmp_path):
    """The target is linear in two sources with noise of 0.02: that is the error, and the spread covers it."""
    predicted, std = predict(run, folder, subject, tmp_path)
    mask, target = load_mask(subject / "mask.nii.gz"), load_volume(subject / "DVR.nii.gz").data
    error = (predicted - target)[mask]
    assert error.std() < 0.03
    assert (std[mask] > 0).all()
    assert not std[~mask].any()
    assert not predicted[~mask].any()
    assert np.mean(np.abs(error) < 1.645 * std[mask]) > 0.85
    record = json.loads((tmp_path / "s.json").read_text())
    assert record["MissingSources"] == []
    assert record["Calibration"]["subjects"] == 4
    assert record["Calibration"]["rank_level"] == pytest.approx(4 / 5)
    assert FieldModel.of_record(record["ErrorCorrelation"], "s.json").common >= 0


def test_nobody_is_calibrated_on_a_member_that_saw_them(folder, cohort):
    record = json.loads((folder / "checkpoint.json").read_text())
    fold = read_fold(cohort.split, 1)
    assert set(record["InnerParts"]) == set(fold.participants("train"))
    members = load_checkpoint(folder / "checkpoint.pt").content["members"]
    assert len(members) == record["Members"] == 2
    for number, member in enumerate(members):
        seen = [p for p, part in record["InnerParts"].items() if part != number + 1]
        voxels = []
        for participant in seen:
            mask = load_mask(cohort.folder / participant / "mask.nii.gz")
            voxels.append(load_volume(cohort.folder / participant / "MTR.nii.gz").data[mask])
        assert float(member["mean"][0]) == pytest.approx(np.concatenate(voxels).mean(dtype=np.float64), rel=1e-5)


def test_a_score_comes_from_the_member_of_ones_own_part(cohort, run, tmp_path, monkeypatch):
    """Of the training people each is scored by the member that did not learn from it, and by no other."""
    asked, made, real = [], {}, HeldOut.of

    def spy(member, subject, *more):
        asked.append((subject.name.split("_")[0], float(member.statistics.mean[0])))
        return real(member, subject, *more)

    monkeypatch.setattr(HeldOut, "of", spy)
    run(cohort.options(MODEL, tmp_path))
    record = json.loads((tmp_path / "checkpoint.json").read_text())
    for number, member in enumerate(load_checkpoint(tmp_path / "checkpoint.pt").content["members"]):
        made[number + 1] = float(member["mean"][0])
    validation = read_fold(cohort.split, 1).participants("validation")
    scored = {participant: mean for participant, mean in asked if participant not in validation}
    assert len(asked) == len(scored) + len(validation)
    assert scored == {participant: made[part] for participant, part in record["InnerParts"].items()}


def test_the_worst_scan_of_a_participant_counts():
    one, two = torch.full((100,), 1.0), torch.full((100,), 3.0)
    scans = [HeldOut(None, {"0": (error, 0 * one, one)}, ()) for error in (one, two)]  # type: ignore[arg-type]
    assert _calibrate({"sub-001": scans}, "0", 1.0, 0.9).factor == pytest.approx(3 / Z)
    assert _calibrate({"sub-001": scans[:1]}, "0", 1.0, 0.9).factor == pytest.approx(1 / Z)


def test_the_correction_is_calibrated_as_far_as_it_is_used():
    error = torch.full((100,), 1.0)
    scans = [HeldOut(None, {"0": (error, -error, error)}, ())]  # type: ignore[arg-type]
    assert _calibrate({"sub-001": scans}, "0", 0.5, 0.9).factor == pytest.approx(0.5 / Z)


def test_the_spread_is_of_members_and_not_between_them(folder, subject, run, tmp_path):
    """Networks that say one scale everywhere: the SD is the members' root mean square, however far apart they are."""
    checkpoint = load_checkpoint(folder / "checkpoint.pt")
    key, scales = key_of((0, 1, 2, 3)), []
    for number, member in enumerate(checkpoint.content["members"]):
        member["network"]["head.weight"].zero_()
        member["network"]["head.bias"].zero_()
        member["weights"][key].zero_()[-1] = number
        scales.append(float(member["network"]["target"][2]))
    checkpoint.save(tmp_path / "apart" / "checkpoint.pt")
    mean, std = predict(run, tmp_path / "apart", subject, tmp_path)
    mask, factor = load_mask(subject / "mask.nii.gz"), checkpoint.content["calibration"][key]["factor"]
    wanted = factor * np.sqrt(np.pi / 2 * np.mean(np.square(scales)))
    np.testing.assert_allclose(std[mask], wanted, rtol=1e-5)
    np.testing.assert_allclose(mean[mask], 0.5, rtol=1e-5)


def test_a_prediction_is_not_negative(folder, subject, run, tmp_path):
    checkpoint = load_checkpoint(folder / "checkpoint.pt")
    for member in checkpoint.content["members"]:
        member["weights"][key_of((0, 1, 2, 3))][-1] -= 5
    checkpoint.save(tmp_path / "low" / "checkpoint.pt")
    out = tmp_path / "p.nii.gz"
    pairs = [part for name in SOURCES for part in ("--source", f"{name}={subject / f'{name}.nii.gz'}")]
    files = ["--mask", str(subject / "mask.nii.gz"), "--out", str(out), "--device", "cpu"]
    run(["predict", "--checkpoint", str(tmp_path / "low" / "checkpoint.pt"), *pairs, *files])
    assert not load_volume(out, allow_empty=True).data.any()


def test_trust_and_factor_are_used(folder, subject, run, tmp_path):
    mean, std = predict(run, folder, subject, tmp_path)
    checkpoint = load_checkpoint(folder / "checkpoint.pt")
    key = key_of((0, 1, 2, 3))
    checkpoint.content["calibration"][key]["factor"] *= 2
    checkpoint.save(tmp_path / "wide" / "checkpoint.pt")
    same, wide = predict(run, tmp_path / "wide", subject, tmp_path / "wide")
    np.testing.assert_array_equal(same, mean)
    np.testing.assert_allclose(wide, 2 * std, rtol=1e-6)
    found = []
    for trust in (0.0, 0.5, 1.0):
        checkpoint.content["trust"][key] = trust
        out = tmp_path / str(trust)
        checkpoint.save(out / "checkpoint.pt")
        found.append(predict(run, out, subject, out)[0])
    assert np.abs(found[2] - found[0]).max() > 1e-5
    np.testing.assert_allclose(found[1], (found[0] + found[2]) / 2, atol=1e-6)


@pytest.mark.parametrize("names", [("MTR",), ("AD", "MTR", "FA")])
def test_any_subset_of_sources(folder, subject, run, tmp_path, names):
    predicted, std = predict(run, folder, subject, tmp_path, names)
    mask, target = load_mask(subject / "mask.nii.gz"), load_volume(subject / "DVR.nii.gz").data
    everything = predict(run, folder, subject, tmp_path / "all")
    # MTR alone leaves the FA term (SD about 0.05 x the field's) unexplained, and the spread says so.
    assert np.isfinite(predicted).all()
    assert np.mean(np.abs(predicted - target)[mask] < 1.645 * std[mask]) > 0.75
    if "FA" not in names:
        assert std[mask].mean() > 1.2 * everything[1][mask].mean()
    record = json.loads((tmp_path / "p.json").read_text())
    assert record["MissingSources"] == [name for name in SOURCES if name not in names]


def test_no_source_at_all_is_refused(folder, subject, run, tmp_path):
    options = ["--mask", str(subject / "mask.nii.gz"), "--out", str(tmp_path / "p.nii.gz")]
    with pytest.raises(InputError, match=r"sources missing.*one of MTR, FA, RD, AD at least"):
        run(["predict", "--checkpoint", str(folder / "checkpoint.pt"), "--source", "template=x.txt", *options])
    assert not (tmp_path / "p.nii.gz").exists()


def test_a_training_goes_on_with_the_members_it_has(folder, cohort, run, tmp_path, same):
    state = load_state(folder / "last.pt")
    half = {**state, "members": state["members"][:1], "log": state["log"][: len(state["log"]) // 2]}
    save_state(tmp_path / "last.pt", half)
    run(cohort.options(MODEL, tmp_path, "--resume"))
    whole, resumed = (load_checkpoint(path / "checkpoint.pt").content for path in (folder, tmp_path))
    assert same(whole, resumed)
    assert (folder / "checkpoint.pt").read_bytes() == (tmp_path / "checkpoint.pt").read_bytes()
    assert (tmp_path / "log.tsv").read_bytes() == (folder / "log.tsv").read_bytes()
    assert set(whole["calibration"]) >= {key_of((0,)), key_of((0, 1, 2, 3))}


def test_members_of_another_training_are_not_taken(folder, cohort, run, tmp_path, same):
    state = load_state(folder / "last.pt")
    for member in state["members"]:
        member["mean"].zero_()
    save_state(tmp_path / "last.pt", {**state, "fingerprint": "of other settings"})
    run(cohort.options(MODEL, tmp_path, "--resume"))
    assert same(*(load_checkpoint(path / "checkpoint.pt").content for path in (folder, tmp_path)))


def test_one_training_participant_is_too_few(cohort, run, tmp_path):
    table = pd.read_csv(cohort.split, sep="\t")
    first = table[(table.fold == 1) & (table.role == "train")].index
    table.loc[first[1:], "role"] = "validation"
    table.to_csv(tmp_path / "split.tsv", sep="\t", index=False)
    options = cohort.options(MODEL, tmp_path / "out")
    options[options.index("--split") + 1] = str(tmp_path / "split.tsv")
    with pytest.raises(InputError, match="one training participant"):
        run(options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("factor", "wanted"), [(-0.5, 0.5), (0.5, 0.0), (-3.0, 1.0)])
def test_a_correction_is_used_as_far_as_it_helps_unseen_people(factor, wanted):
    """The ridge's error is `factor` times the correction, and noise: that share of it is right, within 0 and 1."""
    random = torch.Generator().manual_seed(0)
    residual, noise = torch.randn(2, 20000, generator=random)
    parts = (factor * residual + noise, residual, torch.ones(20000))
    held_out = {"sub-001": [HeldOut(None, {"0": parts}, parts)]}  # type: ignore[arg-type]
    assert _trust(held_out, "0") == pytest.approx(wanted, abs=0.02)
