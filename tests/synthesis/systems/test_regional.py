"""The regional mean against values painted into the template's regions."""

import json

import numpy as np
import pandas as pd
import pytest

from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_volume, save_volume
from myelosynth.synthesis.data.folds import read_fold
from myelosynth.synthesis.systems.atlas import template_grid
from myelosynth.synthesis.systems.regional import TISSUES, template_regions

VALUES = np.array([0.5, 1.6, 1.0, 1.3, 1.2])


def test_regions_lie_where_they_are_called():
    labels, grid = template_regions(), template_grid()

    def at(*point: float) -> str:
        voxel = np.rint(np.linalg.inv(grid.affine) @ [*point, 1])[:3].astype(int)
        return TISSUES[labels[tuple(voxel)]]

    assert at(-28, -20, 32) == at(26, 30, 14) == "white matter"
    assert at(12, -18, 8) == at(-12, -18, 8) == "deep grey matter"
    assert at(-26, -64, -34) == at(0, -28, -34) == "cerebellum and brainstem"
    assert at(0, 0, 90) == "rest"
    assert {TISSUES[label] for label in np.unique(labels)} == set(TISSUES)
    sizes = np.bincount(labels.ravel(), minlength=5)[1:] * 0.008
    assert sizes[1] > sizes[3] > sizes[2] > 10  # ml: cortex, cerebellum and brainstem, deep grey matter


@pytest.fixture
def painted(cohort, tmp_path):
    """Training subjects show the template's regions, moved 8 mm to the front, with one subject 0.2 above the others."""
    fold, shift = read_fold(cohort.split, 1), np.eye(4)
    shift[1, 3] = 8
    grid = Grid((40, 48, 40), np.array([[4.0, 0, 0, -78], [0, 4, 0, -106], [0, 0, 4, -70], [0, 0, 0, 1]]))
    labels = resample(template_regions(), template_grid(), grid, ~LinearTransform(shift), "nearest")
    mask = labels > 0
    table = pd.read_csv(cohort.manifest, sep="\t", keep_default_na=False)
    for number, participant in enumerate(fold.participants("train")):
        folder = tmp_path / participant
        save_volume(folder / "DVR.nii.gz", (VALUES[labels] + 0.2 * (number == 0)) * mask, grid)
        save_volume(folder / "mask.nii.gz", mask, grid, np.uint8)
        LinearTransform(shift).write(folder / "xfm.txt")
        rows = table.participant_id == participant
        table.loc[rows, "mask"] = str(folder / "mask.nii.gz")
        table.loc[rows & (table.contrast == "DVR"), "path"] = str(folder / "DVR.nii.gz")
        table.loc[rows & (table.contrast == "template"), "path"] = str(folder / "xfm.txt")
    table[["lesions", "nawm"]] = ""  # not read
    table.to_csv(tmp_path / "manifest.tsv", sep="\t", index=False)
    return tmp_path, labels, len(fold.participants("train"))


def test_means_come_back_in_their_regions(cohort, painted, run):
    folder, labels, count = painted
    options = cohort.options("regional-mean", folder / "out")
    options[options.index("--data") + 1] = str(folder / "manifest.tsv")
    run(options)
    record = json.loads((folder / "out" / "checkpoint.json").read_text())
    means = VALUES + 0.2 / count
    assert list(record["RegionMeans"].values())[1:] == pytest.approx(means[1:], rel=1e-5)
    # No training voxel in `rest`: the mean of all stands in.
    sizes = np.bincount(labels.ravel(), minlength=5)[1:]
    assert record["RegionVoxels"]["rest"] == 0
    assert record["RegionMeans"]["rest"] == pytest.approx((means[1:] * sizes).sum() / sizes.sum(), rel=1e-5)
    subject = next(folder.glob("sub-*"))
    out = folder / "p.nii.gz"
    files = ["--mask", str(subject / "mask.nii.gz"), "--out", str(out)]
    source = ["--source", f"template={subject / 'xfm.txt'}"]
    run(["predict", "--checkpoint", str(folder / "out" / "checkpoint.pt"), *source, *files])
    predicted = load_volume(out).data
    np.testing.assert_allclose(predicted[labels > 0], means[labels[labels > 0]], rtol=1e-5)
    assert not predicted[labels == 0].any()
