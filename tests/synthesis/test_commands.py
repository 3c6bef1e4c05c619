"""`train` and `predict` from the command line: what they write, and every fault in one line."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, open_image, save_volume
from myelosynth.synthesis.data.folds import read_fold
from myelosynth.synthesis.systems import networks
from myelosynth.synthesis.systems.registry import SYSTEMS

MODELS = [*SYSTEMS, "refiner2-cf-sagan"]
SOURCES = ["MTR", "FA", "RD", "AD"]


@pytest.fixture
def subject(cohort):
    return cohort.folder / read_fold(cohort.split, 1).participants("test")[0]


def prediction(checkpoint, subject, out, names=(*SOURCES, "template")):
    files = {name: subject / ("xfm.txt" if name == "template" else f"{name}.nii.gz") for name in names}
    pairs = [part for name, path in files.items() for part in ("--source", f"{name}={path}")]
    mask = ["--mask", str(subject / "mask.nii.gz")]
    return ["predict", "--checkpoint", str(checkpoint), *pairs, *mask, "--out", str(out), "--device", "cpu"]


@pytest.mark.parametrize("model", MODELS)
def test_predictions(model, trained, subject, run, tmp_path):
    checkpoint, out = trained[model] / "checkpoint.pt", tmp_path / "p.nii.gz"
    run(prediction(checkpoint, subject, out))
    image, mask = load_volume(out), load_mask(subject / "mask.nii.gz")
    assert image.grid.matches(load_volume(subject / "DVR.nii.gz").grid)
    assert (image.data[mask] >= 0).all()
    assert image.data[mask].std() > 0
    assert not image.data[~mask].any()
    record = json.loads((tmp_path / "p.json").read_text())
    assert record["Synthetic"] is True
    assert record["CheckpointSha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (record["Model"], record["Fold"], record["Seed"]) == (model, 1, 3)
    again = tmp_path / "again.nii.gz"
    run(prediction(checkpoint, subject, again, ("template", *reversed(SOURCES))))
    assert load_volume(again).data.tobytes() == image.data.tobytes()


@pytest.mark.parametrize("model", MODELS)
def test_training_records(model, trained, cohort):
    record = json.loads((trained[model] / "checkpoint.json").read_text())
    fold = read_fold(cohort.split, 1)
    assert record["SplitSha256"] == hashlib.sha256(cohort.split.read_bytes()).hexdigest()
    assert record["Participants"]["train"] == fold.participants("train")
    used = {name.split("_")[0] for name in (*record["TrainingScans"], *record["ValidationScans"])}
    assert not used & set(fold.participants("test"))
    raw = torch.load(trained[model] / "checkpoint.pt", weights_only=True)
    assert raw["participants"]["test"] == fold.participants("test")
    assert not list(trained[model].glob(".part-*"))


def test_the_grid_must_match(trained, subject, run, tmp_path):
    volume = load_volume(subject / "FA.nii.gz")
    moved = Grid(volume.grid.shape, volume.grid.affine + np.pad([[1.0]], ((0, 3), (3, 0))))
    save_volume(tmp_path / "FA.nii.gz", volume.data, moved)
    options = prediction(trained["ridge"] / "checkpoint.pt", subject, tmp_path / "p.nii.gz")
    options[options.index(f"FA={subject / 'FA.nii.gz'}")] = f"FA={tmp_path / 'FA.nii.gz'}"
    with pytest.raises(InputError, match="grids differ"):
        run(options)
    assert not (tmp_path / "p.nii.gz").exists()


def test_training_grids_must_match(cohort, run, tmp_path):
    table = pd.read_csv(cohort.manifest, sep="\t", keep_default_na=False)
    participant = read_fold(cohort.split, 1).participants("train")[0]
    image = cohort.folder / participant / "RD.nii.gz"
    save_volume(tmp_path / "RD.nii.gz", load_volume(image).data[:-1], Grid((35, 36, 36), open_image(image).affine))
    table["path"] = table.path.replace(str(image), str(tmp_path / "RD.nii.gz"))
    table.to_csv(tmp_path / "m.tsv", sep="\t", index=False)
    options = cohort.options("ridge", tmp_path / "out")
    options[options.index("--data") + 1] = str(tmp_path / "m.tsv")
    with pytest.raises(InputError, match="grids differ"):
        run(options)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda o: [*o, "--source", "FA=again.nii.gz"], "source given twice"),
        (lambda o: [*o, "--source", "PET=x.nii.gz"], "source not understood"),
        (lambda o: [*o, "--source", "FA"], "source not understood"),
        (lambda o: [*o, "--out-std", "s.nii.gz"], "model offers no spread"),
        (lambda o: [*o, "--device", "tpu"], "unknown device"),
        (lambda o: [*o[:-4], "--out", "p"], "output name unknown"),
        (lambda o: [*o, "--out", next(word[3:] for word in o if word.startswith("FA="))], "output overwrites an input"),
        (lambda o: o[:3] + o[5:], "sources missing"),
    ],
)
def test_predict_faults(trained, subject, run, tmp_path, change, words):
    options = prediction(trained["ridge"] / "checkpoint.pt", subject, tmp_path / "p.nii.gz")
    with pytest.raises(InputError, match=words):
        run(change(options))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        ("resnet", [], "unknown model"),
        ("unet", [], "unknown loss"),
        ("ridge", ["--loss", "l1"], "unknown loss"),
        ("refiner-cf-sagan", ["--loss", "nwl1"], "sketches missing"),
        ("unet", ["--loss", "l1", "--sketches", "somewhere"], "sketches not used"),
        ("unet", ["--loss", "l1", "--out-of-fold"], "no Sketcher"),
        ("refiner-cf-sagan", ["--loss", "nwl1", "--sketches", "nowhere"], "file missing"),
        ("unet", ["--loss", "l1", "--fold", "9"], "no such fold"),
    ],
)
def test_train_faults(cohort, run, tmp_path, model, more, words):
    with pytest.raises(InputError, match=words):
        run(cohort.options(model, tmp_path / "out", *more))
    assert not (tmp_path / "out").exists()


def test_full_memory_is_told(cohort, run, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate 80 GiB")

    monkeypatch.setattr(networks.Trainer, "update", full)
    with pytest.raises(InputError, match=r"out of memory.*patch 32, batch 2.*--preset"):
        run(cohort.options("unet", tmp_path / "out", "--loss", "l1"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"not a checkpoint", b"hello world\n", b"text"])
def test_a_damaged_checkpoint_is_one_line(subject, tmp_path, content):
    (tmp_path / "c.pt").write_bytes(content)
    options = prediction(tmp_path / "c.pt", subject, tmp_path / "p.nii.gz")
    if content:
        from myelosynth.synthesis.checkpoints import load_state

        with pytest.raises(InputError, match="not a readable checkpoint"):
            load_state(tmp_path / "c.pt")
        return
    command = [sys.executable, "-c", "from myelosynth.cli.app import main; main()", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error: not a readable checkpoint")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "p.nii.gz").exists()


def test_compare_images(subject, run, tmp_path):
    target = load_volume(subject / "DVR.nii.gz")
    mask = load_mask(subject / "mask.nii.gz")
    save_volume(tmp_path / "p.nii.gz", target.data + 0.5 * mask, target.grid)
    files = [str(tmp_path / "p.nii.gz"), str(subject / "DVR.nii.gz"), "--mask", str(subject / "mask.nii.gz")]
    record = json.loads(run(["compare-images", *files]))
    flat = json.dumps(record)
    assert all(name in flat for name in ("mse", "psnr", "ssim", "mae"))
    assert 0.25 in [pytest.approx(value, rel=1e-4) for value in _numbers(record)]


def _numbers(record):
    for value in record.values():
        yield from _numbers(value) if isinstance(value, dict) else [value]
