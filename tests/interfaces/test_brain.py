"""Brain extraction: the gate on a mask, and lab engines through stand-in programs."""

import json

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import imaging  # noqa: F401
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.interfaces.brain import mask_quality

GRID = Grid((80, 90, 80), np.diag([2.0, 2, 2, 1]) + np.outer((-80, -90, -80, 0), (0, 0, 0, 1)))


def ellipsoid(centre=(0, 0, 0), radii=(62, 80, 62)):
    points = nib.affines.apply_affine(GRID.affine, np.moveaxis(np.indices(GRID.shape), 0, -1))
    return (((points - np.array(centre)) / radii) ** 2).sum(-1) <= 1


def test_a_plausible_brain_passes():
    quality = mask_quality(ellipsoid(), GRID)
    assert quality["BrainVolumeMl"] == pytest.approx(4 / 3 * np.pi * 62 * 80 * 62 / 1000, rel=0.01)
    assert quality["Passed"]


@pytest.mark.parametrize("fault", ["small", "bite", "pieces"])
def test_faults_do_not_pass(fault):
    mask = ellipsoid()
    x = GRID.affine[0, 0] * np.arange(80) + GRID.affine[0, 3]
    if fault == "small":
        mask = ellipsoid(radii=(40, 50, 40))
    elif fault == "bite":
        mask = mask & ~((x > 20)[:, None, None] & (np.arange(80) < 40))
    else:
        mask = mask & ~((np.arange(90) > 60) & (np.arange(90) < 64))[None, :, None]
    assert not mask_quality(mask, GRID)["Passed"]


def test_bet_through_nipype(tmp_path, program, monkeypatch):
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    brain = ellipsoid()
    save_volume(tmp_path / "t1.nii.gz", np.where(brain, 100, 20), GRID)
    save_volume(tmp_path / "answer.nii.gz", brain, GRID, np.uint8)
    program("bet", f"cp {tmp_path}/t1.nii.gz $2; cp {tmp_path}/answer.nii.gz $(dirname $2)/brain_mask.nii.gz")
    arguments = ["--out-mask", tmp_path / "mask.nii.gz", "--out-brain", tmp_path / "b.nii.gz", "--engine", "bet"]
    result = CliRunner().invoke(app, [str(a) for a in ("extract-brain", tmp_path / "t1.nii.gz", *arguments)])
    assert result.exception is None
    np.testing.assert_array_equal(load_mask(tmp_path / "mask.nii.gz"), brain)
    np.testing.assert_array_equal(load_volume(tmp_path / "b.nii.gz").data, np.where(brain, 100, 0))
    record = json.loads((tmp_path / "mask.json").read_text())
    assert record["Type"] == "Brain"
    assert record["QualityControl"]["Passed"]
    assert json.loads((tmp_path / "b.json").read_text())["SkullStripped"] is True


def test_deepbet_finds_no_brain_in_noise(tmp_path):
    save_volume(tmp_path / "n.nii.gz", np.random.default_rng(0).uniform(1, 2, (24, 24, 24)), Grid((24,) * 3, np.eye(4)))
    arguments = ["extract-brain", str(tmp_path / "n.nii.gz"), "--out-mask", str(tmp_path / "m.nii.gz")]
    result = CliRunner().invoke(app, arguments)
    if result.exception is None:  # whatever it finds there is not a brain, and must be marked so
        assert json.loads((tmp_path / "m.json").read_text())["QualityControl"]["Passed"] is False
    else:
        assert isinstance(result.exception, InputError)
        assert not (tmp_path / "m.nii.gz").exists()
