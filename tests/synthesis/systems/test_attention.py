"""Learned voxel weights: what they are, and that no mask of regions is behind them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from myelosynth.images.grid import Grid
from myelosynth.synthesis.checkpoints import load_checkpoint
from myelosynth.synthesis.config import load_preset, load_task
from myelosynth.synthesis.data.folds import Fold
from myelosynth.synthesis.data.manifest import Selection
from myelosynth.synthesis.data.subjects import Statistics, Subject
from myelosynth.synthesis.systems.attention import learned_weights
from myelosynth.synthesis.systems.base import TrainingJob


@pytest.fixture
def job(repository):
    preset = load_preset(str(repository / "config" / "presets" / "tiny.yaml"))
    longer = preset.learned_attention.model_copy(update={"steps": 40, "width": 6, "learning_rate": 0.02})
    task = load_task(str(repository / "config" / "tasks" / "myelin.yaml"))
    fold, cpu = Fold(1, {}, {}, ""), torch.device("cpu")
    preset = preset.model_copy(update={"learned_attention": longer})
    return TrainingJob("refiner-cgan", "learned", task, preset, fold, Selection([], []), Path("out"), 5, cpu)


def subjects_whose_sketch_errs_where_fa_is_high():
    subjects, sketches = [], {}
    for number in range(2):
        rng = np.random.default_rng(number)
        mask = np.zeros((34,) * 3, bool)
        mask[1:33, 1:33, 1:33] = True
        sources = rng.standard_normal((4, *mask.shape)).astype(np.float32)
        sources[1] = np.where(np.indices(mask.shape)[0] > 24 - 8 * number, 2, -0.5)
        target = np.where(mask, 1, 0).astype(np.float32)
        noise = np.where(sources[1] > 0, 0.4, 0.1) * rng.choice([-1, 1], mask.shape)
        name = f"sub-{number}_ses-t0"
        grid, regions = Grid(mask.shape, np.eye(4)), np.zeros(mask.shape, np.uint8)
        subjects.append(Subject(name, sources * mask, target, mask, regions, grid))
        sketches[name] = ((target + noise) * mask).astype(np.float32)
    return subjects, sketches


def test_weights_have_mean_one_and_follow_the_expected_error(job):
    subjects, sketches = subjects_whose_sketch_errs_where_fa_is_high()
    statistics = Statistics.of(subjects, job.task.sources)
    weights = learned_weights(job, subjects, statistics, sketches)
    for subject in subjects:
        inside = weights[subject.name][subject.mask]
        assert inside.mean(dtype=float) == pytest.approx(1, abs=1e-5)
        assert (inside > 0).all()
        assert not weights[subject.name][~subject.mask].any()
        high = subject.sources[1] > 0
        # Expected errors are .4 and .1: a ratio of 4 between the two halves.
        ratio = weights[subject.name][subject.mask & high].mean() / weights[subject.name][subject.mask & ~high].mean()
        assert 2.5 < ratio < 5.5


def test_no_region_is_read(cohort, trained, run, tmp_path):
    """With the masks gone from the disk the same weights come out, in the Refiner as a whole."""
    more = ["--loss", "learned", "--sketches", str(trained["cgan"])]
    run(cohort.options("refiner-cgan", tmp_path / "with", *more))
    table = pd.read_csv(cohort.manifest, sep="\t", keep_default_na=False)
    for column in ("lesions", "nawm"):
        table[column] = [f"{tmp_path}/no/{n}-{column}.nii.gz" for n in table.participant_id]
    table.to_csv(tmp_path / "manifest.tsv", sep="\t", index=False)
    options = cohort.options("refiner-cgan", tmp_path / "without", *more)
    options[options.index("--data") + 1] = str(tmp_path / "manifest.tsv")
    run(options)
    first, second = (load_checkpoint(tmp_path / way / "checkpoint.pt") for way in ("with", "without"))
    weights = first.content["weights"]
    assert all(torch.equal(value, second.content["weights"][key]) for key, value in weights.items())
    other = load_checkpoint(trained["refiner-cgan"] / "checkpoint.pt").content["weights"]
    assert not all(torch.equal(value, other[key]) for key, value in weights.items())
