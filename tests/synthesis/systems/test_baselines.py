"""Ridge against scikit-learn, the atlas against values known beforehand."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.synthesis.checkpoints import load_checkpoint
from myelosynth.synthesis.data.folds import read_fold
from myelosynth.synthesis.systems.atlas import MeanAtlas, template_grid
from myelosynth.synthesis.systems.base import PredictionInputs

SOURCES = ("MTR", "FA", "RD", "AD")


def test_ridge_is_scikit_learns(cohort, trained, run, tmp_path):
    voxels, targets = [], []
    for participant in read_fold(cohort.split, 1).participants("train"):
        folder = cohort.folder / participant
        mask = load_mask(folder / "mask.nii.gz")
        voxels.append(np.stack([load_volume(folder / f"{name}.nii.gz").data[mask] for name in SOURCES], 1))
        targets.append(load_volume(folder / "DVR.nii.gz").data[mask])
    scaler = StandardScaler().fit(np.concatenate(voxels).astype(float))
    model = Ridge(alpha=1.0).fit(scaler.transform(np.concatenate(voxels).astype(float)), np.concatenate(targets))
    folder = cohort.folder / read_fold(cohort.split, 1).participants("test")[0]
    mask = load_mask(folder / "mask.nii.gz")
    features = np.stack([load_volume(folder / f"{name}.nii.gz").data[mask] for name in SOURCES], 1)
    out = tmp_path / "p.nii.gz"
    pairs = [part for name in reversed(SOURCES) for part in ("--source", f"{name}={folder / f'{name}.nii.gz'}")]
    checkpoint = str(trained["ridge"] / "checkpoint.pt")
    run(["predict", "--checkpoint", checkpoint, *pairs, "--mask", str(folder / "mask.nii.gz"), "--out", str(out)])
    predicted = load_volume(out).data
    np.testing.assert_allclose(predicted[mask], model.predict(scaler.transform(features.astype(float))), atol=1e-4)
    assert not predicted[~mask].any()


@pytest.fixture
def atlas_cohort(cohort, tmp_path):
    """Controls with flat images 1.0, 1.4, ... on grids that sit in the template after a known shift."""
    fold = read_fold(cohort.split, 1)
    table = pd.read_csv(cohort.manifest, sep="\t", keep_default_na=False)
    grid = Grid((20, 20, 20), np.diag([4.0, 4, 4, 1]) - np.pad(np.full((3, 1), 40.0), ((0, 1), (3, 0))))
    controls = [p for p in fold.participants("train") if fold.groups[p] == "control"]
    values = dict(zip(controls, (1.0, 1.4), strict=False))
    mask = np.zeros(grid.shape, bool)
    mask[4:16, 4:16, 4:16] = True
    for participant in fold.participants("train"):
        value = values.get(participant, 9.0)
        folder = tmp_path / participant
        save_volume(folder / "DVR.nii.gz", np.where(mask, value, 50), grid)
        save_volume(folder / "mask.nii.gz", mask, grid, np.uint8)
        shift = np.eye(4)
        shift[:3, 3] = (0, 8, 0)
        LinearTransform(shift).write(folder / "xfm.txt")
        rows = table.participant_id == participant
        table.loc[rows, "mask"] = str(folder / "mask.nii.gz")
        table.loc[rows & (table.contrast == "DVR"), "path"] = str(folder / "DVR.nii.gz")
        table.loc[rows & (table.contrast == "template"), "path"] = str(folder / "xfm.txt")
    manifest = tmp_path / "manifest.tsv"
    table.to_csv(manifest, sep="\t", index=False)
    return manifest, list(values.values())[: len(controls)], mask


def test_atlas_of_flat_controls(cohort, atlas_cohort, run, tmp_path):
    manifest, values, mask = atlas_cohort
    out = tmp_path / "atlas"
    options = cohort.options("mean-atlas", out)
    options[options.index("--data") + 1] = str(manifest)
    run(options)
    content = load_checkpoint(out / "checkpoint.pt").content
    inside = content["count"].numpy() == len(values)
    # The transform pulls: a template point p lies at p + (0, 8, 0) in the subject, whose brain spans -26 to 22 mm.
    points = np.argwhere(inside) @ template_grid().affine[:3, :3].T + template_grid().affine[:3, 3]
    np.testing.assert_allclose(points.mean(0), np.array([-2, -2 - 8, -2]), atol=1)
    np.testing.assert_allclose(content["mean"].numpy()[inside], np.mean(values), rtol=1e-6)
    assert content["fill_mean"] == pytest.approx(np.mean(values), rel=1e-6)
    prediction = tmp_path / "p.nii.gz"
    spread = tmp_path / "s.nii.gz"
    xfm = next(tmp_path.glob("sub-*/xfm.txt"))
    subject = next(tmp_path.glob("sub-*/mask.nii.gz"))
    files = ["--mask", str(subject), "--out", str(prediction), "--out-std", str(spread)]
    run(["predict", "--checkpoint", str(out / "checkpoint.pt"), "--source", f"template={xfm}", *files])
    predicted = load_volume(prediction).data
    np.testing.assert_allclose(predicted[mask], np.mean(values), rtol=1e-5)
    assert not predicted[~mask].any()


def test_atlas_goes_to_the_right_place_and_is_filled_elsewhere(trained):
    checkpoint = load_checkpoint(trained["mean-atlas"] / "checkpoint.pt")
    grid = template_grid()
    content = dict(checkpoint.content)
    ramp = np.broadcast_to(np.arange(grid.shape[0])[:, None, None], grid.shape).astype(np.float32)
    count = np.zeros(grid.shape, np.int16)
    count[20:60, 30:80, 20:60] = 2
    content |= {"mean": torch.from_numpy(ramp.copy()), "count": torch.from_numpy(count), "fill_mean": -7.0}
    object.__setattr__(checkpoint, "content", content)
    shift = np.eye(4)
    shift[0, 3] = 6.0
    # Template point p is subject point p + 6 mm: the subject shows the ramp of three voxels before.
    inputs = PredictionInputs({}, {"template": LinearTransform(shift)}, np.ones(grid.shape, bool), grid)
    mean = MeanAtlas().predict(checkpoint, inputs, torch.device("cpu")).mean
    step = 3 if grid.affine[0, 0] > 0 else -3
    np.testing.assert_allclose(mean[30:50, 50, 40], ramp[30:50, 50, 40] - step, rtol=1e-5)
    assert mean[5, 50, 40] == -7


def test_atlas_needs_a_training_control(cohort, run, tmp_path):
    table = pd.read_csv(cohort.split, sep="\t")
    table["group"] = "patient"
    table.to_csv(tmp_path / "split.tsv", sep="\t", index=False)
    options = cohort.options("mean-atlas", tmp_path / "out")
    options[options.index("--split") + 1] = str(tmp_path / "split.tsv")
    with pytest.raises(InputError, match="no training controls"):
        run(options)
    assert not (tmp_path / "out").exists()
