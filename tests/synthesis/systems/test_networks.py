"""Networks as systems: one line for a new one, no mask among their inputs, checkpoints that do not fit."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume
from myelosynth.models.generator import Generator
from myelosynth.synthesis.checkpoints import load_checkpoint
from myelosynth.synthesis.config import load_preset
from myelosynth.synthesis.data.folds import read_fold
from myelosynth.synthesis.data.subjects import Statistics, Subject
from myelosynth.synthesis.systems import registry
from myelosynth.synthesis.systems.networks import NetworkSystem, _Data, _gate, _Validation

SOURCES = ["MTR", "FA", "RD", "AD"]


@pytest.fixture
def subject(cohort):
    return cohort.folder / read_fold(cohort.split, 1).participants("test")[0]


def prediction(checkpoint, subject, out, **instead):
    files = {name: subject / f"{name}.nii.gz" for name in SOURCES} | instead
    pairs = [part for name, path in files.items() for part in ("--source", f"{name}={path}")]
    files = ["--mask", str(subject / "mask.nii.gz"), "--out", str(out), "--device", "cpu"]
    return ["predict", "--checkpoint", str(checkpoint), *pairs, *files]


def rewritten(cohort, tmp_path, change):
    """The manifest after `change` of its table."""
    table = pd.read_csv(cohort.manifest, sep="\t", keep_default_na=False)
    change(table)
    table.to_csv(tmp_path / "manifest.tsv", sep="\t", index=False)
    return ["--data", str(tmp_path / "manifest.tsv")]


class Pointwise(nn.Module):
    """What a newcomer would write: one file with one class."""

    def __init__(self, channels_in: int, width: int, slope: float = 0.0) -> None:
        super().__init__()
        self.hidden, self.head, self.slope = nn.Conv3d(channels_in, width, 1), nn.Conv3d(width, 1, 1), slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.leaky_relu(self.hidden(x), self.slope)
        return torch.relu(self.head(hidden)) * (x != 0).any(1, keepdim=True)


def test_a_new_network_is_one_class_and_one_line(cohort, run, subject, tmp_path, monkeypatch, repository):
    monkeypatch.setitem(registry.SYSTEMS, "pointwise", NetworkSystem(Pointwise, ("l1",), settings={"slope": 0.1}))
    text = (repository / "config" / "presets" / "tiny.yaml").read_text()
    entry = "  networks:\n    pointwise: {steps: 2, learning_rate: 1e-3}\n"
    (tmp_path / "preset.yaml").write_text(text.replace("  networks:\n", entry))
    run(cohort.options("pointwise", tmp_path / "out", "--preset", str(tmp_path / "preset.yaml")))
    checkpoint = load_checkpoint(tmp_path / "out" / "checkpoint.pt")
    width = load_preset(str(tmp_path / "preset.yaml")).width
    (stage,) = checkpoint.content["architecture"]["stages"]
    assert stage == {"network": "pointwise", "settings": {"channels_in": 4, "width": width, "slope": 0.1}}
    run(prediction(tmp_path / "out" / "checkpoint.pt", subject, tmp_path / "p.nii.gz"))
    assert load_volume(tmp_path / "p.nii.gz").data.any()


@pytest.mark.parametrize("model", ["unet", "refiner-cf-sagan"])
def test_generators_see_sources_and_sketch_only(model, cohort, trained, run, tmp_path, monkeypatch):
    """What enters any generator in training is spied upon: no channel is a mask, in the place of one or on top."""
    sketches = str(trained["cf-sagan"])
    seen, forward = [], Generator.forward

    def spy(self, x):
        seen.append(x.detach().clone())
        return forward(self, x)

    monkeypatch.setattr(Generator, "forward", spy)
    more = ["--loss", "nwl1"] + (["--sketches", sketches] if model.startswith("refiner") else [])
    run(cohort.options(model, tmp_path / "out", *more))
    channels = {x.shape[1] for x in seen}
    assert channels == ({4} if model == "unet" else {4, 5})
    for x in seen:
        for channel in x[:, :4].flatten(2).transpose(0, 1):
            assert len(torch.unique(channel)) > 100


@pytest.mark.parametrize("column", ["lesions", "nawm", "mask"])
def test_a_mask_in_the_manifest_is_no_source(cohort, run, tmp_path, column):
    def change(table):
        row = table.index[(table.contrast == "FA") & (table.lesions != "")][0]
        table.loc[row, "path"] = table.loc[row, column]

    with pytest.raises(InputError, match="leak: mask as an image"):
        run(cohort.options("ridge", tmp_path / "out", *rewritten(cohort, tmp_path, change)))


@pytest.mark.parametrize("name", ["lesions", "mask"])
def test_a_mask_is_no_source_wherever_it_lies(cohort, trained, subject, run, tmp_path, name):
    copy = tmp_path / "FA.nii.gz"
    copy.write_bytes((subject / f"{name}.nii.gz").read_bytes())
    told = {
        "lesions": "leak: mask in the place of an image.*FA has the two values 0 and 1",
        "mask": "source is constant",
    }
    with pytest.raises(InputError, match=told[name]):
        run(prediction(trained["ridge"] / "checkpoint.pt", subject, tmp_path / "p.nii.gz", FA=copy))
    training = read_fold(cohort.split, 1).participants("train")[0]

    def change(table):
        table.loc[(table.participant_id == training) & (table.contrast == "FA"), "path"] = str(copy)

    with pytest.raises(InputError, match=told[name].split(".*")[0]):
        run(cohort.options("ridge", tmp_path / "out", *rewritten(cohort, tmp_path, change)))


def test_lesions_are_no_name_for_a_source(trained, subject, run, tmp_path):
    more = {"lesions": subject / "lesions.nii.gz"}
    with pytest.raises(InputError, match=r"source not understood.*NAME of MTR, FA, RD, AD"):
        run(prediction(trained["unet"] / "checkpoint.pt", subject, tmp_path / "p.nii.gz", **more))


def test_channels_go_by_name_not_by_place(trained, subject, run, tmp_path):
    """A checkpoint of another task refuses by names; the order on the command line does not matter."""
    checkpoint = load_checkpoint(trained["ridge"] / "checkpoint.pt")
    object.__setattr__(checkpoint, "sources", ["T1w", "FA", "RD", "AD"])
    checkpoint.save(tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"source not understood.*'MTR=.*NAME of T1w, FA, RD, AD"):
        run(prediction(tmp_path / "other.pt", subject, tmp_path / "p.nii.gz"))


def test_a_network_of_other_channels_is_told(trained, subject, run, tmp_path):
    checkpoint = load_checkpoint(trained["unet"] / "checkpoint.pt")
    object.__setattr__(checkpoint, "sources", SOURCES[:3])
    checkpoint.save(tmp_path / "three.pt")
    options = prediction(tmp_path / "three.pt", subject, tmp_path / "p.nii.gz")
    place = options.index(f"AD={subject / 'AD.nii.gz'}")
    with pytest.raises(InputError, match=r"checkpoint of another task.*takes 4 channels, sources are MTR, FA, RD"):
        run(options[: place - 1] + options[place + 1 :])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["weights"].pop("head.bias"), "weights do not fit the network.*head.bias"),
        (lambda c: c["architecture"]["stages"][0].update(network="future"), "unknown model.*future"),
        (lambda c: c["architecture"]["stages"][0].update(network="ridge"), "not a network"),
    ],
)
def test_weights_that_do_not_fit_are_told(trained, subject, run, tmp_path, change, words):
    checkpoint = load_checkpoint(trained["unet"] / "checkpoint.pt")
    change(checkpoint.content)
    checkpoint.save(tmp_path / "c.pt")
    with pytest.raises(InputError, match=words):
        run(prediction(tmp_path / "c.pt", subject, tmp_path / "p.nii.gz"))


@pytest.mark.parametrize("loss", ["wl1", "nwl1"])
def test_regional_losses_need_a_region(cohort, run, tmp_path, loss):
    def change(table):
        table[["lesions", "nawm"]] = ""

    data = rewritten(cohort, tmp_path, change)
    with pytest.raises(
        InputError, match=rf"empty regions, loss {loss}, 0 lesion and 0 NAWM voxels in \d training scans"
    ):
        run(cohort.options("unet", tmp_path / "out", "--loss", loss, *data))
    assert not (tmp_path / "out").exists()


def test_one_empty_region_is_told(cohort, run, tmp_path, caplog):
    def change(table):
        table["lesions"] = ""

    with caplog.at_level(logging.WARNING):
        run(cohort.options("unet", tmp_path / "out", "--loss", "nwl1", *rewritten(cohort, tmp_path, change)))
    assert "no lesion voxel in any training scan" in caplog.text


def test_a_fold_of_one_training_participant_is_refused(cohort, run, tmp_path):
    kept, *others = read_fold(cohort.split, 1).participants("train")

    def change(table):
        table.drop(table.index[table.participant_id.isin(others)], inplace=True)

    data = rewritten(cohort, tmp_path, change)
    with pytest.raises(InputError, match=f"one training participant.*{kept} alone in fold 1"):
        run(cohort.options("ridge", tmp_path / "out", *data))


def test_an_empty_fold_is_refused(cohort, run, tmp_path):
    training = read_fold(cohort.split, 1).participants("train")

    def change(table):
        table.drop(table.index[table.participant_id.isin(training)], inplace=True)

    with pytest.raises(InputError, match=r"no training scans.*0 scans of fold 1"):
        run(cohort.options("unet", tmp_path / "out", "--loss", "l1", *rewritten(cohort, tmp_path, change)))


def test_a_cascade_predicts_stage_by_stage(trained, subject, run, tmp_path):
    """Three stages by the command equal the three networks called one after the other on a single window."""
    from myelosynth.synthesis.data.subjects import Statistics
    from myelosynth.synthesis.systems.architecture import load_generator

    checkpoint = load_checkpoint(trained["refiner2-cf-sagan"] / "checkpoint.pt")
    generator = load_generator(checkpoint)
    mask = load_mask(subject / "mask.nii.gz")
    sources = np.stack([load_volume(subject / f"{name}.nii.gz").data for name in SOURCES])
    statistics = Statistics(checkpoint.content["mean"].numpy(), checkpoint.content["std"].numpy(), 0.0)
    x = torch.from_numpy(statistics.normalise(sources, mask)[None, :, 2:34, 2:34, 2:34])
    with torch.inference_mode():
        sketch = generator.sketcher.sketcher(x)
        refined = generator.sketcher.refiner(torch.cat((x, sketch), 1))
        expected = generator.refiner(torch.cat((x, refined), 1))
        torch.testing.assert_close(generator(x), expected)
    assert not generator.training


def constant(value, reach):
    """A subject of one target value in a cube of `reach` voxels a side."""
    mask = np.zeros((20, 20, 20), bool)
    mask[:reach, :reach, :reach] = True
    target = (value * mask).astype(np.float32)
    return Subject(
        "s", np.ones((1, *mask.shape), np.float32), target, mask, mask.astype(np.uint8), Grid((20,) * 3, np.eye(4))
    )


def test_validation_is_of_validation_subjects_each_weighing_the_same():
    """A generator that says 2 everywhere: errors by hand, in the brain, whatever the training subjects are."""
    statistics = Statistics(np.zeros(1, np.float32), np.ones(1, np.float32), 0.0)
    data = _Data([constant(9.0, 20)] * 3, [constant(1.0, 4), constant(2.5, 16)], statistics, None)
    window = {"patch": 32, "overlap": 0.5, "batch": 1}
    device = torch.device("cpu")
    validate = _Validation(lambda x: torch.full_like(x, 2.0), data, window, device)
    assert validate() == pytest.approx((1 + 0.5) / 2)
    assert _Validation(nn.Identity(), _Data([], [], statistics, None), window, device)() is None
    gate = _gate(lambda x: torch.full_like(x, 2.0), data, window, device)
    assert gate["subjects"] == 2
    assert gate["mae_window"] == pytest.approx((1 + 0.5) / 2)
