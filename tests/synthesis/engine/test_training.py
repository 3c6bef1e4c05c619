"""Training: resumed after a kill to the same bits, blind to test subjects, choosing by validation."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch

from myelosynth.bids.names import sidecar_path
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_volume, open_image, save_volume
from myelosynth.synthesis.checkpoints import load_checkpoint, load_state
from myelosynth.synthesis.data.folds import read_fold
from myelosynth.synthesis.engine.distributed import Ranks
from myelosynth.synthesis.engine.losses import LossWatch
from myelosynth.synthesis.systems import networks

COMMAND = [sys.executable, "-c", "from myelosynth.cli.app import main; main()"]


def test_a_killed_training_resumes_to_the_same_bits(cohort, trained, run, same, tmp_path):
    out = tmp_path / "killed"
    options = cohort.options("cf-sagan", out, "--loss", "l1", "--resume")
    process = subprocess.Popen([*COMMAND, *options], env={**os.environ, "OMP_NUM_THREADS": "1"})
    last = out / "last.pt"
    while not last.is_file() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert load_state(last)["step"] < 6
    assert not (out / "checkpoint.pt").exists()
    run(options)
    uninterrupted = trained["cf-sagan"]
    first, second = (load_checkpoint(folder / "checkpoint.pt") for folder in (uninterrupted, out))
    assert same(vars(first), vars(second))
    assert (out / "checkpoint.pt").read_bytes() == (uninterrupted / "checkpoint.pt").read_bytes()
    assert (out / "log.tsv").read_bytes() == (uninterrupted / "log.tsv").read_bytes()


def test_a_finished_training_resumes_to_the_same_checkpoint(cohort, trained, run, tmp_path):
    before = (trained["unet"] / "checkpoint.pt").read_bytes()
    run(cohort.options("unet", trained["unet"], "--loss", "l1", "--resume"))
    assert (trained["unet"] / "checkpoint.pt").read_bytes() == before


def test_a_state_of_other_settings_is_not_continued(cohort, trained, run, tmp_path, caplog):
    out = tmp_path / "out"
    out.mkdir()
    (out / "last.pt").write_bytes((trained["unet"] / "last.pt").read_bytes())
    run(cohort.options("unet", out, "--loss", "nwl1", "--resume"))
    assert "training starts from the beginning" in caplog.text
    fresh = tmp_path / "fresh"
    run(cohort.options("unet", fresh, "--loss", "nwl1"))
    assert (out / "checkpoint.pt").read_bytes() == (fresh / "checkpoint.pt").read_bytes()


@pytest.mark.parametrize("model", ["ridge", "mean-atlas", "unet"])
def test_test_subjects_do_not_matter(cohort, trained, run, same, tmp_path, model):
    """Ruin every image of the fold's test subjects: the checkpoint stays as it was."""
    table = pd.read_csv(cohort.manifest, sep="\t", keep_default_na=False)
    for participant in read_fold(cohort.split, 1).participants("test"):
        rows = table.participant_id == participant
        table.loc[rows, "path"] = [f"{tmp_path}/no/{participant}-{n}.nii.gz" for n in range(rows.sum())]
    manifest = tmp_path / "manifest.tsv"
    table.to_csv(manifest, sep="\t", index=False)
    options = cohort.options(model, tmp_path / "out", *(["--loss", "l1"] if model == "unet" else []))
    options[options.index("--data") + 1] = str(manifest)
    run(options)
    assert (tmp_path / "out" / "checkpoint.pt").read_bytes() == (trained[model] / "checkpoint.pt").read_bytes()


def test_statistics_are_those_of_the_training_brains(cohort, trained):
    voxels = []
    for participant in read_fold(cohort.split, 1).participants("train"):
        folder = cohort.folder / participant
        mask = load_volume(folder / "mask.nii.gz").data > 0
        voxels.append(load_volume(folder / "FA.nii.gz").data[mask])
    content = load_checkpoint(trained["unet"] / "checkpoint.pt").content
    assert float(content["mean"][1]) == pytest.approx(float(np.concatenate(voxels).mean(dtype=float)), rel=1e-5)
    assert float(content["std"][1]) == pytest.approx(float(np.concatenate(voxels).std(dtype=float)), rel=1e-5)


def test_the_kept_weights_are_those_of_the_best_validation(cohort, run, tmp_path, monkeypatch):
    errors = iter([0.5, 0.2, 0.4])
    monkeypatch.setattr(networks._Validation, "__call__", lambda self: next(errors))
    run(cohort.options("unet", tmp_path / "out", "--loss", "l1"))
    assert pd.read_csv(tmp_path / "out" / "log.tsv", sep="\t").validation_l1.tolist() == [0.5, 0.2, 0.4]
    last = load_state(tmp_path / "out" / "last.pt")
    weights = load_checkpoint(tmp_path / "out" / "checkpoint.pt").content["weights"]
    assert (last["step"], last["best"]["step"], last["best"]["validation_l1"]) == (6, 4, 0.2)
    assert all(torch.equal(weights[key], value) for key, value in last["best"]["weights"].items())
    assert not torch.equal(weights["head.weight"], last["generator"]["head.weight"])


def test_training_learns(cohort, run, repository, tmp_path):
    """More steps than the other tests: the error falls well below that of the constant mean."""
    text = (repository / "config" / "presets" / "tiny.yaml").read_text()
    preset = tmp_path / "longer.yaml"
    for old, new in (("steps: 6", "steps: 40"), ("interval: 2", "interval: 40"), ("dropout: 0.5", "dropout: 0")):
        text = text.replace(old, new)
    preset.write_text(text)
    options = cohort.options("unet", tmp_path / "out", "--loss", "l1")
    options[options.index("--preset") + 1] = str(preset)
    run(options)
    error = pd.read_csv(tmp_path / "out" / "log.tsv", sep="\t").validation_l1.iloc[-1]
    fold = read_fold(cohort.split, 1)
    folder = cohort.folder / fold.participants("validation")[0]
    target = load_volume(folder / "DVR.nii.gz").data[load_volume(folder / "mask.nii.gz").data > 0]
    assert error < 0.8 * np.abs(target - target.mean()).mean()


def test_a_diverged_training_is_told(cohort, run, tmp_path, monkeypatch):
    monkeypatch.setattr(networks._Validation, "__call__", lambda _: math.nan)
    with pytest.raises(InputError, match=r"training diverged.*nan at step"):
        run(cohort.options("unet", tmp_path / "out", "--loss", "l1"))


@pytest.mark.parametrize("updates", [1, 2, 3])
def test_a_step_updates_the_discriminator_then_the_generator(make_trainer, updates):
    """wei2020, section 3.1: two updates of the discriminator per update of the generator."""
    trainer = make_trainer(adversarial=True, discriminator_updates=updates)
    critic, generator = trainer.networks.discriminator, trainer.networks.generator
    course, descend = [], trainer._descend

    def spy(loss, network, optimiser):
        state = [parameter.detach().clone() for parameter in generator.parameters()]
        descend(loss, network, optimiser)
        course.append((network, loss.item(), state, [parameter.grad.clone() for parameter in critic.parameters()]))

    trainer._descend = spy
    image_loss, realism, critic_loss = trainer.update(*trainer.sampler.batch(0)).tolist()
    assert [network for network, *_ in course] == [critic] * updates + [generator]
    losses = [loss for _, loss, *_ in course]
    assert critic_loss == pytest.approx(np.mean(losses[:updates]))
    assert losses[-1] == pytest.approx(trainer.preset.image_loss_weight * image_loss + realism, rel=1e-6)
    before, last = course[0][2], course[-1]
    assert all(torch.equal(one, other) for one, other in zip(before, last[2], strict=True))
    # The generator's loss passes through the discriminator and leaves no gradient in it.
    assert all(torch.equal(one, other) for one, other in zip(course[-2][3], last[3], strict=True))


def test_an_adversarial_training_resumes_to_the_same_bits(make_trainer, same, tmp_path):
    errors = [0.3, 0.1, 0.2]
    make_trainer(errors, adversarial=True).run(tmp_path / "whole", "f", resume=False)
    make_trainer(errors[:2], adversarial=True, steps=4).run(tmp_path / "parts", "f", resume=False)
    make_trainer(errors[2:], adversarial=True).run(tmp_path / "parts", "f", resume=True)
    whole, parts = (load_state(tmp_path / name / "last.pt") for name in ("whole", "parts"))
    assert same(whole, parts)
    assert (whole["step"], whole["best"]["step"]) == (6, 4)


def test_every_step_and_process_draws_anew(make_trainer):
    """The same batch under another step or rank has other dropout."""
    drawn = []
    for step, rank in ((0, 0), (1, 0), (0, 1), (0, 0)):
        trainer = make_trainer()
        trainer.ranks = Ranks(rank, 1)
        images, regions = trainer.sampler.batch(0)
        trainer.sampler.batch = lambda *_, given=(images, regions): given
        watch = LossWatch(torch.device("cpu"), Ranks())
        trainer.take(step, watch)
        drawn.append(float(watch.means()[0]))
    assert drawn[0] == drawn[3]
    assert len(set(drawn)) == 3


def test_bfloat16_trains_with_norms_and_losses_in_float32(make_trainer, tmp_path):
    seen = []
    trainer = make_trainer(adversarial=True, precision="bf16", patch=48, steps=2, batch=1)
    loss = trainer.image_loss
    trainer.image_loss = lambda *given: seen.append(given[0].dtype) or loss(*given)
    inside = trainer.networks.generator.body[0]
    inside.register_forward_hook(lambda *given: seen.append(given[2].dtype))
    before = {key: value.clone() for key, value in trainer.networks.generator.state_dict().items()}
    trainer.run(tmp_path, "f", resume=False)
    assert set(seen) == {torch.bfloat16, torch.float32}
    assert seen[:2] == [torch.bfloat16, torch.float32]
    assert all(math.isfinite(row[name]) for row in trainer.rows for name in ("image_loss", "discriminator_loss"))
    assert all(value.dtype == torch.float32 for value in trainer.best["weights"].values())
    assert not torch.equal(trainer.best["weights"]["body.0.weight"], before["body.0.weight"])


def test_bfloat16_convolutions_of_small_maps_are_refused_on_the_cpu(make_trainer):
    """Their weight gradients are wrong by their own size; the largest map with the fault has 2^3 voxels."""
    with pytest.raises(InputError, match="bf16 on the CPU with patch 32, expected 48"):
        make_trainer(precision="bf16")
    torch.manual_seed(0)
    features, weights = torch.randn(4, 64, 3, 3, 3), 0.05 * torch.randn(64, 64, 3, 3, 3)
    found = []
    for kind in (torch.float32, torch.bfloat16):
        kernel = weights.clone().to(kind).requires_grad_()
        torch.nn.functional.conv3d(features.to(kind), kernel, padding=1).float().square().mean().backward()
        found.append(kernel.grad.float())
    assert float((found[1] - found[0]).norm()) < 0.01 * float(found[0].norm())


def test_float32_is_the_default_on_the_cpu(make_trainer, same, tmp_path):
    for name, precision in (("auto", "auto"), ("fp32", "fp32")):
        make_trainer(precision=precision, steps=2).run(tmp_path / name, "f", resume=False)
    assert same(load_state(tmp_path / "auto" / "last.pt"), load_state(tmp_path / "fp32" / "last.pt"))


@pytest.mark.parametrize("settings", [{"gradient_checkpointing": True}, {"channels_last": True}, {"compile": True}])
def test_settings_of_speed_and_memory_leave_the_steps_as_they_are(make_trainer, tmp_path, monkeypatch, settings):
    """torch.compile itself is torch's to test, and takes a minute: here it must get the networks and be used."""
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda network, dynamic: compiled.append(network) or network.forward)
    plain = make_trainer(adversarial=True, steps=1)
    plain.run(tmp_path / "plain", "f", resume=False)
    other = make_trainer(adversarial=True, steps=1, **settings)
    other.run(tmp_path / "other", "f", resume=False)
    first, second = (load_state(tmp_path / name / "last.pt") for name in ("plain", "other"))
    assert list(first["discriminator"]) == list(second["discriminator"])
    assert all(
        torch.allclose(first["generator"][key], second["generator"][key], atol=1e-6) for key in first["generator"]
    )
    assert first["log"][0]["discriminator_loss"] == pytest.approx(second["log"][0]["discriminator_loss"], rel=1e-5)
    assert compiled == ([other.networks.generator, other.networks.discriminator] if "compile" in settings else [])


def test_refiner_uses_out_of_fold_sketches_only_when_told(cohort, trained, run, tmp_path):
    folder = tmp_path / "sketcher"
    folder.mkdir()
    (folder / "checkpoint.pt").write_bytes((trained["cf-sagan"] / "checkpoint.pt").read_bytes())
    training = read_fold(cohort.split, 1).participants("train")
    for participant in training:
        target = cohort.folder / participant / "DVR.nii.gz"
        grid = Grid.of(open_image(target))
        sketch = folder / "sketches" / f"{participant}_ses-t0.nii.gz"
        save_volume(sketch, load_volume(target).data, grid)
        others = [other for other in training if other != participant]
        sidecar_path(sketch).write_text(json.dumps({"Participants": {"train": others}}))
    more = ["--loss", "nwl1", "--sketches", str(folder), "--out-of-fold"]
    for learned, words in ((training, "leak: sketch made with held-out"), ([], "sketch without its training record")):
        kept = sidecar_path(sketch).read_text()
        sidecar_path(sketch).write_text(json.dumps({"Participants": {"train": learned}}))
        with pytest.raises(InputError, match=words):
            run(cohort.options("refiner-cf-sagan", tmp_path / "out", *more))
        sidecar_path(sketch).write_text(kept)
    run(cohort.options("refiner-cf-sagan", tmp_path / "out", *more))
    assert json.loads((tmp_path / "out" / "checkpoint.json").read_text())["Sketches"] == "out-of-fold images"
    other = json.loads((trained["refiner-cf-sagan"] / "checkpoint.json").read_text())["Sketches"]
    assert other == "frozen Sketcher of the fold"
    first, second = (load_checkpoint(f / "checkpoint.pt") for f in (tmp_path / "out", trained["refiner-cf-sagan"]))
    assert not all(torch.equal(first.content["weights"][k], v) for k, v in second.content["weights"].items())
    run(cohort.options("refiner-cf-sagan", tmp_path / "plain", *more[:-1]))
    third = load_checkpoint(tmp_path / "plain" / "checkpoint.pt").content["weights"]
    assert all(torch.equal(third[k], v) for k, v in second.content["weights"].items())


def test_sketches_of_an_inner_split_reach_the_refiner(cohort, trained, run, tmp_path):
    """What the workflow does for one fold; the same sketches by the fold's own Sketcher are a leak."""
    sketcher = tmp_path / "sketcher"
    sketcher.mkdir()
    (sketcher / "checkpoint.pt").write_bytes((trained["cf-sagan"] / "checkpoint.pt").read_bytes())
    inner = tmp_path / "inner.tsv"
    run(["inner-split", str(cohort.split), str(inner), "--fold", "1", "--folds", "3", "--validation", "0"])
    more = ["--loss", "nwl1", "--sketches", str(sketcher), "--out-of-fold"]
    for leaky in (True, False):
        for number in ("1", "2", "3"):
            folder = sketcher / f"inner-{number}"
            if not leaky:
                inside = ["--loss", "l1", "--split", str(inner), "--fold", number]
                run(cohort.options("cf-sagan", folder, *inside))
            for participant in read_fold(inner, int(number)).participants("test"):
                scan = cohort.folder / participant
                sources = [w for n in ("MTR", "FA", "RD", "AD") for w in ("--source", f"{n}={scan / n}.nii.gz")]
                out = ["--mask", str(scan / "mask.nii.gz"), "--device", "cpu"]
                out += ["--out", str(sketcher / "sketches" / f"{participant}_ses-t0.nii.gz")]
                run(["predict", "--checkpoint", str((sketcher if leaky else folder) / "checkpoint.pt"), *sources, *out])
        if leaky:
            with pytest.raises(InputError, match="leak: sketch made with held-out"):
                run(cohort.options("refiner-cf-sagan", tmp_path / "out", *more))
    run(cohort.options("refiner-cf-sagan", tmp_path / "out", *more))
    assert json.loads((tmp_path / "out" / "checkpoint.json").read_text())["Sketches"] == "out-of-fold images"


def test_refiner_carries_its_sketcher(trained):
    sketcher = load_checkpoint(trained["cf-sagan"] / "checkpoint.pt").content["weights"]
    refiner = load_checkpoint(trained["refiner-cf-sagan"] / "checkpoint.pt").content["weights"]
    assert all(torch.equal(refiner[f"sketcher.{key}"], value) for key, value in sketcher.items())
    assert not math.isnan(sum(float(value.sum()) for value in refiner.values()))
