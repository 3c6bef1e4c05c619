"""`predict`: paths and their gate, flips, ensembles, and inputs that do not fit the checkpoint."""

import json

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.synthesis.checkpoints import export_safetensors, load_checkpoint
from myelosynth.synthesis.data.folds import read_fold
from myelosynth.synthesis.ensemble import flip_axes

SOURCES = ("MTR", "FA", "RD", "AD")


@pytest.fixture
def subject(cohort):
    return cohort.folder / read_fold(cohort.split, 1).participants("test")[0]


@pytest.fixture
def predict(run, subject, tmp_path):
    """Run `predict` on the test subject; returns the image and its sidecar."""

    def invoke(*checkpoints, more=(), folder=subject, sources=SOURCES):
        out = tmp_path / "p.nii.gz"
        pairs = [part for name in sources for part in ("--source", f"{name}={folder / f'{name}.nii.gz'}")]
        pairs += ["--source", f"template={folder / 'xfm.txt'}"]
        given = [part for path in checkpoints for part in ("--checkpoint", str(path))]
        mask = ["--mask", str(folder / "mask.nii.gz")]
        run(["predict", *given, *pairs, *mask, "--out", str(out), "--device", "cpu", *map(str, more)])
        return load_volume(out, allow_empty=True).data, json.loads((tmp_path / "p.json").read_text())

    return invoke


@pytest.fixture
def edited(trained, tmp_path):
    """A copy of a checkpoint with changed content or fields."""

    def write(model="unet", name="edited.pt", content=None, **fields):
        record = load_checkpoint(trained[model] / "checkpoint.pt")
        path = tmp_path / name
        type(record)(**{**vars(record), "content": {**record.content, **(content or {})}, **fields}).save(path)
        return path

    return write


def louder(checkpoint, gain):
    """The weights with a head that gives `gain` times the output."""
    weights = dict(load_checkpoint(checkpoint).content["weights"])
    return {"weights": {**weights, **{key: weights[key] * gain for key in ("head.weight", "head.bias")}}}


@pytest.mark.parametrize("model", ["unet", "cf-sagan", "refiner-cf-sagan"])
def test_a_trained_network_knows_its_gate_and_its_voxels(model, trained):
    content = load_checkpoint(trained[model] / "checkpoint.pt").content
    gate = content["fast_path"]
    assert gate["subjects"] == 1
    assert gate["allowed"] == (gate["loss_db"] <= 0.1)
    assert set(gate["paths"]) == {"few", "whole"}
    assert content["voxel_mm"] == [5.0, 5.0, 5.0]
    assert json.loads((trained[model] / "checkpoint.json").read_text())["FastPath"] == gate


@pytest.mark.parametrize(("gate", "path"), [({"allowed": True, "path": "few"}, "few"), ({"allowed": False}, "window")])
def test_auto_follows_the_gate(predict, edited, gate, path):
    checkpoint = edited(content={"fast_path": {"path": None, "reason": "told by the test", **gate}})
    auto, record = predict(checkpoint)
    assert (record["Path"], record["PathReason"]) == (path, "told by the test")
    asked, record = predict(checkpoint, more=("--path", path))
    assert record["PathReason"] == "asked for"
    assert asked.tobytes() == auto.tobytes()


def test_a_checkpoint_without_gate_takes_windows(predict, trained, tmp_path):
    record = load_checkpoint(trained["unet"] / "checkpoint.pt")
    del record.content["fast_path"]
    record.save(tmp_path / "old.pt")
    assert predict(tmp_path / "old.pt")[1]["PathReason"] == "the checkpoint has no gate on fast paths"


def test_safetensors_predict_as_their_checkpoint(predict, trained, tmp_path):
    checkpoint, weights = trained["refiner-cf-sagan"] / "checkpoint.pt", tmp_path / "weights.safetensors"
    export_safetensors(load_checkpoint(checkpoint), weights)
    image, record = predict(weights)
    expected, told = predict(checkpoint)
    assert image.tobytes() == expected.tobytes()
    assert record["Participants"] == told["Participants"]


def test_flips_are_the_mean_of_flipped_predictions(predict, trained, subject, tmp_path):
    checkpoint = trained["cf-sagan"] / "checkpoint.pt"
    plain, _ = predict(checkpoint, more=("--path", "window"))
    for name in (*SOURCES, "mask"):
        volume = load_volume(subject / f"{name}.nii.gz")
        save_volume(tmp_path / "flipped" / f"{name}.nii.gz", volume.data[::-1], volume.grid)
    (tmp_path / "flipped" / "xfm.txt").write_text((subject / "xfm.txt").read_text())
    mirrored, _ = predict(checkpoint, more=("--path", "window"), folder=tmp_path / "flipped")
    both, record = predict(checkpoint, more=("--path", "window", "--flips", "left-right"))
    np.testing.assert_allclose(both, (plain + mirrored[::-1]) / 2, atol=1e-6)
    assert record["Settings"]["flips"] == "left-right"


def test_the_left_right_axis_is_found_in_the_header():
    turned = Grid((4, 4, 4), np.array([[0.1, 2.0, 0, 0], [-1.0, 0.1, 0, 0], [0, 0, 3.0, 0], [0, 0, 0, 1]]))
    assert flip_axes(turned, "left-right") == [(), (1,)]
    assert len(flip_axes(turned, "all")) == len(set(flip_axes(turned, "all"))) == 8


def test_an_ensemble_is_mean_and_sd_of_its_members(predict, trained, edited, subject, tmp_path):
    first = edited(name="a.pt")
    others = [edited(name=f"{gain}.pt", content=louder(first, gain), seed=gain) for gain in (2, 4)]
    members = [predict(path, more=("--path", "window"))[0] for path in (first, *others)]
    out_std = tmp_path / "std.nii.gz"
    mean, record = predict(first, *others, more=("--path", "window", "--out-std", out_std))
    np.testing.assert_allclose(mean, np.mean(members, 0), atol=1e-6)
    np.testing.assert_allclose(load_volume(out_std).data, np.std(members, 0, ddof=1), atol=1e-6)
    assert not load_volume(out_std).data[~load_mask(subject / "mask.nii.gz")].any()
    assert [member["Seed"] for member in record["Members"]] == [3, 2, 4]
    assert len({member["CheckpointSha256"] for member in record["Members"]}) == 3
    assert record["Seed"] == [3, 2, 4]
    assert (record["Fold"], record["Model"]) == (1, "unet")


def test_an_own_spread_joins_the_one_between_members(predict, trained, tmp_path, edited):
    std, both = tmp_path / "own.nii.gz", tmp_path / "both.nii.gz"
    atlas = trained["mean-atlas"] / "checkpoint.pt"
    first, _ = predict(atlas, more=("--out-std", std))
    second, _ = predict(edited("ridge"))
    predict(atlas, edited("ridge"), more=("--out-std", both))
    between = np.var([first, second], 0, ddof=1)
    np.testing.assert_allclose(load_volume(both).data, np.sqrt(between + load_volume(std).data ** 2), atol=1e-5)


def test_members_of_two_folds_are_no_held_out_prediction(predict, edited):
    participants = load_checkpoint(edited()).participants
    moved = {"train": participants["test"], "validation": [], "test": participants["train"]}
    _, record = predict(edited(), edited(name="b.pt", fold=2, participants=moved))
    assert record["Fold"] == [1, 2]
    assert record["Participants"]["test"] == []
    assert set(record["Participants"]["train"]) == {*participants["train"], *participants["test"]}


@pytest.mark.parametrize("role", ["train", "validation"])
def test_a_member_that_has_seen_the_participant_is_a_leak(predict, edited, subject, tmp_path, role):
    seen = {"train": [], "validation": [], "test": [], role: [subject.name]}
    named = tmp_path / "named"
    for name in (*SOURCES, "mask"):
        file = subject / f"{name}.nii.gz"
        save_volume(named / f"{name}.nii.gz", load_volume(file).data, load_volume(file).grid)
    (named / f"{subject.name}_mask.nii.gz").symlink_to(named / "mask.nii.gz")
    (named / "xfm.txt").write_text((subject / "xfm.txt").read_text())
    mask = ("--mask", named / f"{subject.name}_mask.nii.gz")
    members = (edited(), edited(name="seen.pt", fold=2, participants=seen))
    with pytest.raises(InputError, match=rf"leak: member has seen the participant.*seen\.pt.*{subject.name}.*{role}"):
        predict(*members, folder=named, more=mask)
    assert not (tmp_path / "p.nii.gz").exists()
    predict(*members, folder=named, more=(*mask, "--new-participant"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"task": "water"}, r"checkpoint of another task.*b\.pt.*task water against myelin"),
        ({"sources": ["FA", "MTR", "RD", "AD"]}, "sources FA, MTR, RD, AD against MTR, FA, RD, AD"),
        ({"target": "MWF"}, "target MWF against DVR"),
    ],
)
def test_members_must_agree(predict, edited, fields, words):
    with pytest.raises(InputError, match=words):
        predict(edited(), edited(name="b.pt", **fields))


def test_a_member_counts_once(predict, edited):
    with pytest.raises(InputError, match="member given twice"):
        predict(edited(), edited())


def test_the_task_may_be_demanded(predict, edited, cohort):
    predict(edited(), more=("--task", cohort.task))
    with pytest.raises(
        InputError, match=r"checkpoint of another task.*sources AD, FA, RD, MTR against MTR, FA, RD, AD"
    ):
        predict(edited(sources=["AD", "FA", "RD", "MTR"]), more=("--task", cohort.task))


def test_other_voxels_than_the_trainings(predict, edited):
    with pytest.raises(
        InputError,
        match=r"voxel size differs from training.*5 x 5 x 5 mm, trained on 5 x 5 x 2\.5 mm.*--any-voxel-size",
    ):
        predict(edited(content={"voxel_mm": [5.0, 5.0, 2.5]}))
    predict(edited(content={"voxel_mm": [5.0, 5.0, 2.5]}), more=("--any-voxel-size",))
    predict(edited(content={"voxel_mm": [5.0, 5.0, 4.8]}))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_that_are_not_finite(predict, edited, subject, tmp_path, value):
    volume = load_volume(subject / "FA.nii.gz")
    data = volume.data.copy()
    data[18, 18, 18] = value
    save_volume(tmp_path / "FA.nii.gz", data, volume.grid)
    sources = [part for part in SOURCES if part != "FA"]
    with pytest.raises(InputError, match=r"NaN or infinite voxels.*1 of"):
        predict(edited(), sources=sources, more=("--source", f"FA={tmp_path / 'FA.nii.gz'}"))


def test_a_channel_that_is_missing(predict, edited):
    with pytest.raises(InputError, match=r"sources missing.*no RD"):
        predict(edited(), sources=("MTR", "FA", "AD"))


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        ("unet", ("--path", "fast"), "unknown path.*auto, window, few, whole"),
        ("unet", ("--flips", "both"), "unknown flips.*none, left-right, all"),
        ("ridge", ("--path", "few"), "option means nothing to the model, --path"),
        ("ridge", ("--flips", "all"), "option means nothing to the model, --flips"),
        ("mean-atlas", ("--bf16",), "option means nothing to the model, --bf16"),
        ("unet", ("--out-std", "s.nii.gz"), "model offers no spread"),
    ],
)
def test_options_that_cannot_be(predict, edited, model, more, words):
    with pytest.raises(InputError, match=words):
        predict(edited(model), more=more)


def test_bfloat16_is_an_option(predict, edited):
    exact, _ = predict(edited(), more=("--path", "few"))
    rough, record = predict(edited(), more=("--path", "few", "--bf16"))
    assert record["Settings"]["bf16"] is True
    assert 0 < np.abs(rough - exact).max() < 0.1
