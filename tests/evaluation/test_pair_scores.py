"""Test patients of permuted pairs are scored on their own lesions, and a leak shows in the table of the controls."""

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.bids.layout import Layout
from myelosynth.cli import commands  # noqa: F401  (registers every command)
from myelosynth.cli.app import app
from myelosynth.evaluation.pair_scores import lesion_scores
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume

GRID = Grid((8, 8, 8), np.diag([2.0, 2.0, 2.0, 1.0]))
PEOPLE = [f"{n:03d}" for n in range(1, 9)]


def save(path, data, dtype=np.float32):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_volume(path, data, GRID, dtype)


def study(root, permuted):
    """Eight patients in two folds; `permuted` is the error that the system makes after permuted pairs."""
    layout, random = Layout(root), np.random.default_rng(7)
    rows = ["participant_id\tgroup\tfold\trole"]
    for number, sub in enumerate(PEOPLE):
        fold = number % 2 + 1
        rows += [f"sub-{sub}\tpatient\t{k}\t{'test' if k == fold else 'train'}" for k in (1, 2)]
        lesions = np.zeros(GRID.shape, np.uint8)
        lesions[2:5, 2:5, 2:5] = sub != "008"
        measured = 1 + 0.1 * random.standard_normal(GRID.shape)
        save(layout.label_mask(sub, "t0", "L", space="dvrt0"), lesions, np.uint8)
        save(layout.source(sub, "t0", "DVR"), measured)
        save(layout.prediction("ridge", sub, "t0"), measured + 0.01 * random.standard_normal(GRID.shape))
        save(layout.prediction("mean-atlas", sub, "t0"), np.ones(GRID.shape))
        wrong = measured + permuted * random.standard_normal(GRID.shape)
        save(layout.permuted_prediction("ridge", sub, "t0"), wrong)
    layout.table("split").parent.mkdir(parents=True)
    layout.table("split").write_text("\n".join(rows) + "\n")
    return layout


def call(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def scored(layout, *people, floor=("--floor", "mean-atlas")):
    out = layout.table("permuted_pairs")
    words = ["permuted-scores", layout.root, "--split", layout.table("split"), "--system", "ridge", *floor]
    return call(*words, *(word for sub in people for word in ("--sub", sub)), "--out", out), out


def test_scores_are_of_the_lesions_alone():
    lesions = np.zeros((4, 4, 4), bool)
    lesions[1:3, 1:3, :] = True
    measured = np.arange(64.0).reshape(4, 4, 4)
    predicted = np.where(lesions, 2 * measured + 1, 900.0)
    found = lesion_scores(predicted, measured, lesions)
    assert found["lesion_mae"] == pytest.approx((measured[lesions] + 1).mean())
    assert found["lesion_correlation"] == pytest.approx(1)
    assert lesion_scores(np.ones((4, 4, 4)), measured, lesions)["lesion_correlation"] is None
    lesions[2:] = False
    assert lesion_scores(predicted, measured, lesions)["lesion_correlation"] is None


@pytest.mark.parametrize(
    ("error", "verdict"), [(0.1, "as expected"), (0.01, "not shown: the interval holds 0"), (0.0, "not as expected")]
)
def test_a_leak_shows_from_the_images_to_the_verdict(tmp_path, error, verdict):
    layout = study(tmp_path, error)
    done, pairs = scored(layout, *PEOPLE)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(pairs.open(), delimiter="\t"))
    assert [row["trained"] for row in rows[:3]] == ["real", "permuted", "floor"]
    assert len(rows) == 3 * 7  # the eighth patient has no lesion
    out = layout.table("negative_controls")
    assert call("negative-controls", out, "--pairs", pairs, "--bootstrap", 500).exit_code == 0
    found = {row["measure"]: row for row in csv.DictReader(out.open(), delimiter="\t")}
    assert found["lesion_mae"]["verdict"] == verdict
    assert found["lesion_mae"]["n"] == "7"
    assert float(found["lesion_mae"]["real"]) == pytest.approx(0.008, abs=0.001)


def test_without_a_floor_and_with_somebody_unknown(tmp_path):
    layout = study(tmp_path, 0.1)
    done, pairs = scored(layout, "001", "002", floor=())
    assert done.exit_code == 0, done.output
    assert len(pairs.read_text().splitlines()) == 5
    done, _ = scored(layout, "099")
    assert done.exit_code == 1
    assert "sub-099 is test in no fold" in str(done.exception)
