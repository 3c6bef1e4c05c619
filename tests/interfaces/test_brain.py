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
from myelosynth.images.volume import load_mask, load_volume, open_image, save_volume
from myelosynth.interfaces.brain import mask_quality

GRID = Grid((80, 90, 80), np.diag([2.0, 2, 2, 1]) + np.outer((-80, -90, -80, 0), (0, 0, 0, 1)))


def turned(image, orientation):
    """The same anatomy in another voxel order, or tipped by 12 degrees about the vertical."""
    if orientation == "oblique":
        angle = np.deg2rad(12)
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return nib.Nifti1Image(np.asanyarray(image.dataobj), turn @ image.affine)
    codes = nib.orientations.axcodes2ornt(tuple(orientation))
    return image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), codes))


def ellipsoid(centre=(0, 0, 0), radii=(62, 80, 62)):
    points = nib.affines.apply_affine(GRID.affine, np.moveaxis(np.indices(GRID.shape), 0, -1))
    return (((points - np.array(centre)) / radii) ** 2).sum(-1) <= 1


def test_a_plausible_brain_passes():
    quality = mask_quality(ellipsoid(), GRID)
    assert quality["BrainVolumeMl"] == pytest.approx(4 / 3 * np.pi * 62 * 80 * 62 / 1000, rel=0.01)
    assert quality["Passed"]


FAULTS = {
    "small": "BrainVolumeMl",
    "large": "BrainVolumeMl",
    "bite": "LeftRightImbalance",
    "pieces": "LargestPiece",
    "hole": "Holes",
    "cut temple": "EdgeSidesCm2",
    "cut crown": "EdgeTopBottomCm2",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_do_not_pass(fault):
    mask = ellipsoid()
    x = GRID.affine[0, 0] * np.arange(80) + GRID.affine[0, 3]
    if fault == "small":
        mask = ellipsoid(radii=(40, 50, 40))
    elif fault == "bite":
        mask = mask & ~((x > 20)[:, None, None] & (np.arange(80) < 40))
    elif fault == "large":
        mask = ellipsoid(radii=(75, 85, 76))
    elif fault == "hole":
        mask = mask & ~ellipsoid(radii=(20, 15, 15))
    elif fault == "cut temple":
        mask = ellipsoid(centre=(22, 0, 0))
    elif fault == "cut crown":
        mask = ellipsoid(centre=(0, 0, 40))
    else:
        mask = mask & ~((np.arange(90) > 60) & (np.arange(90) < 64))[None, :, None]
    quality = mask_quality(mask, GRID)
    assert not quality["Passed"]
    assert FAULTS[fault] in " ".join(quality["Faults"])


def test_the_gate_tells_above_from_beside_in_every_orientation(orientation):
    """Cut above by 35 cm2: a slab of slices may do that; the same cut at a temple is a fault."""
    for centre, passed in (((0, 0, 26), True), ((26, 0, 0), False)):
        image = nib.Nifti1Image(ellipsoid(centre).astype(np.uint8), GRID.affine)
        twin = turned(image, orientation)
        quality = mask_quality(np.asarray(twin.dataobj) > 0, Grid.of(twin))
        assert quality["Passed"] is passed, quality


def test_real_masks_pass(realdata):
    masks = sorted(realdata.rglob("*brain*mask*.nii.gz"))
    assert len(masks) >= 4
    for path in masks:
        assert mask_quality(load_mask(path), Grid.of(open_image(path)))["Passed"], path


def test_an_implausible_mask_stops_the_command_unless_accepted(tmp_path, program, monkeypatch):
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    save_volume(tmp_path / "t1.nii.gz", np.where(ellipsoid(), 100, 20), GRID)
    save_volume(tmp_path / "answer.nii.gz", ellipsoid(radii=(40, 50, 40)), GRID, np.uint8)
    program("bet", f"cp {tmp_path}/t1.nii.gz $2; cp {tmp_path}/answer.nii.gz $(dirname $2)/brain_mask.nii.gz")
    arguments = ["extract-brain", tmp_path / "t1.nii.gz", "--out-mask", tmp_path / "mask.nii.gz", "--engine", "bet"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    told = r"brain mask implausible, .*t1.nii.gz, BrainVolumeMl 33\d(\.\d)?, expected 900 to 2000 ml, .*--accept-failed"
    with pytest.raises(InputError, match=told):
        raise result.exception
    assert not list(tmp_path.glob("*mask*"))
    assert CliRunner().invoke(app, [*map(str, arguments), "--accept-failed"]).exception is None
    quality = json.loads((tmp_path / "mask.json").read_text())["QualityControl"]
    assert quality["Passed"] is False
    assert len(quality["Faults"]) == 1


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
    assert isinstance(result.exception, InputError)
    assert not (tmp_path / "m.nii.gz").exists()
