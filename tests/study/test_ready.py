"""Ready maps are refused for their grid, values or place, and filed with their source."""

import json

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.cli import commands  # noqa: F401
from myelosynth.cli.app import app
from myelosynth.errors import InputError
from myelosynth.study.ready import load_ready

SHAPE = (80, 90, 80)
AFFINE = np.diag([2.0, 2, 2, 1]) + np.outer((-80, -90, -80, 0), (0, 0, 0, 1))


def save(path, data, affine=AFFINE):
    nib.save(nib.Nifti1Image(np.asarray(data, np.float32), affine), path)
    return path


def ellipsoid(*radii):
    points = nib.affines.apply_affine(AFFINE, np.moveaxis(np.indices(SHAPE), 0, -1))
    return ((points / np.array(radii)) ** 2).sum(-1) <= 1


@pytest.fixture
def t1w(tmp_path):
    return save(tmp_path / "t1w.nii.gz", np.full(SHAPE, 7))


FAULTS = {
    "wrong grid": (
        "WM",
        "sub-A_label-WM_mask",
        np.ones((4, 4, 4)),
        AFFINE,
        r"grids differ.*\(4, 4, 4\).*\(80, 90, 80\)",
    ),
    "not a mask": ("brain", "sub-A_desc-brain_mask", np.full(SHAPE, 7.5), AFFINE, "not a mask"),
    "NaN": ("FA", "sub-A_FA", np.full((4, 4, 4), np.nan), AFFINE, "64 of 64, expected 0"),
    "empty": ("FA", "sub-A_FA", np.zeros((4, 4, 4)), AFFINE, "every voxel is 0"),
    "FA": ("FA", "sub-A_FA", np.full((4, 4, 4), 1.2), AFFINE, "FA from 1.2 to 1.2, expected 0 to 1 1"),
    "MTR": ("MTR", "sub-A_MTRmap", np.full((4, 4, 4), 130), AFFINE, "MTR from 130 to 130, expected 0 to 100 percent"),
    "unit": ("RD", "sub-A_param-rd_dwimap", np.full((4, 4, 4), 0.7), AFFINE, "RD from 0.7 to 0.7, expected 0 to 0.01"),
    "fraction": ("MTR", "sub-A_MTRmap", np.full((4, 4, 4), 0.46), AFFINE, "upper values at 5 percent or more"),
    "SUV": ("DVR", "sub-A_desc-dvr_pet", np.full((4, 4, 4), 7.0), AFFINE, "DVR from 7 to 7, expected 0 to 5 1"),
    "place": ("AD", "sub-A_space-T1w_param-ad_dwimap", np.full((4, 4, 4), 1e-3), np.eye(4) * 300, "0% of the smaller"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_told_in_one_line(tmp_path, t1w, name):
    kind, stem, data, affine, message = FAULTS[name]
    affine = np.array(affine)
    affine[3, 3] = 1
    if name == "place":
        affine = np.diag([2.0, 2, 2, 1]) + np.outer((500, 0, 0, 0), (0, 0, 0, 1))
    path = save(tmp_path / f"{stem}.nii.gz", data, affine)
    out = tmp_path / "out.nii.gz"
    result = CliRunner().invoke(app, ["use-ready", kind, str(path), str(out), "--t1w", str(t1w)])
    with pytest.raises(InputError, match=message):
        raise result.exception
    assert "\n" not in str(result.exception)
    assert not list(tmp_path.glob("out*"))


def test_a_map_keeps_its_own_grid(tmp_path, t1w):
    affine = np.diag([3.0, 3, 3, 1])
    path = save(tmp_path / "sub-A_space-T1w_FA.nii.gz", np.full((4, 5, 6), 0.4), affine)
    data, grid = load_ready("FA", path, t1w)
    assert grid.shape == (4, 5, 6)
    np.testing.assert_array_equal(grid.affine, affine)
    np.testing.assert_allclose(data, 0.4)


def test_a_ready_brain_is_filed_with_its_source_and_passes_the_gate(tmp_path, t1w):
    brain = ellipsoid(62, 80, 62)
    mask = save(tmp_path / "sub-A_desc-brain_mask.nii.gz", brain)
    arguments = ["use-ready", "brain", mask, tmp_path / "m.nii.gz", "--t1w", t1w, "--out-brain", tmp_path / "b.nii.gz"]
    assert CliRunner().invoke(app, list(map(str, arguments))).exception is None
    record = json.loads((tmp_path / "m.json").read_text())
    assert record["Ready"] is True
    assert record["Sources"] == ["sub-A_desc-brain_mask.nii.gz"]
    assert record["QualityControl"]["Passed"]
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "m.nii.gz").dataobj) > 0, brain)
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "b.nii.gz").dataobj), 7 * brain)


@pytest.mark.parametrize("space", ["", "_space-T1w"])
def test_a_ready_reference_lies_on_the_grid_that_its_name_says(tmp_path, t1w, space):
    """On the PET's grid without a space entity, on the T1w's with it; each on the other's grid is a fault."""
    pet = save(tmp_path / "pet.nii.gz", np.ones((6, 6, 6, 3)))
    masks = {"pet": np.zeros((6, 6, 6)), "t1w": ellipsoid(20, 20, 20)}
    masks["pet"][2:4] = 1
    out = tmp_path / "out.nii.gz"
    own, other = ("t1w", "pet") if space else ("pet", "t1w")
    path = save(tmp_path / f"sub-A{space}_label-reference_mask.nii.gz", masks[other])
    arguments = ["use-ready", "reference", str(path), str(out), "--t1w", str(t1w), "--pet", str(pet)]
    with pytest.raises(InputError, match="grids differ"):
        raise CliRunner().invoke(app, arguments).exception
    save(path, masks[own])
    assert CliRunner().invoke(app, arguments).exception is None
    np.testing.assert_array_equal(nib.load(out).get_fdata(), masks[own])
    record = json.loads((tmp_path / "out.json").read_text())
    assert (record["Ready"], record["Label"]) == (True, "reference")
    told = str(CliRunner().invoke(app, arguments[:-2]).exception)
    assert told == "None" if space else told.startswith("PET needed, --pet, ")


def test_an_implausible_ready_brain_stops_too(tmp_path, t1w):
    mask = save(tmp_path / "sub-A_desc-brain_mask.nii.gz", ellipsoid(40, 50, 40))
    arguments = ["use-ready", "brain", mask, tmp_path / "m.nii.gz", "--t1w", t1w]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert "brain mask implausible" in str(result.exception)
    assert CliRunner().invoke(app, [*map(str, arguments), "--accept-failed"]).exception is None


def test_an_unknown_kind_is_told(tmp_path, t1w):
    result = CliRunner().invoke(app, ["use-ready", "MD", str(t1w), str(tmp_path / "o.nii.gz"), "--t1w", str(t1w)])
    assert "MD, expected brain, WM, reference, MTR, FA, RD, AD, DVR" in str(result.exception)


def test_a_few_noise_voxels_beyond_the_limits_are_clipped(tmp_path, t1w):
    data = np.full((6, 6, 6), 0.4)
    data[0, 0, 0], data[5, 5, 5] = 1.22, -0.1
    path, out = save(tmp_path / "sub-A_FA.nii.gz", data), tmp_path / "sub-A_desc-preproc_FA.nii.gz"
    result = CliRunner().invoke(app, ["use-ready", "FA", str(path), str(out), "--t1w", str(t1w)])
    assert result.exception is None
    found = np.asarray(nib.load(out).dataobj)
    assert (found[0, 0, 0], found[5, 5, 5]) == (1, 0)


@pytest.mark.parametrize("told", [None, False, True])
def test_a_ready_dvr_ends_at_the_brain_where_a_mask_is_given(tmp_path, t1w, told):
    """Its sidecar says so; without a mask it says what the data set's sidecar does."""
    path, out = save(tmp_path / "sub-A_desc-dvr_pet.nii.gz", np.full((6, 6, 6), 1.2)), tmp_path / "out.nii.gz"
    if told is not None:
        (tmp_path / "sub-A_desc-dvr_pet.json").write_text(json.dumps({"SkullStripped": told}))
    brain = np.zeros((6, 6, 6))
    brain[1:4] = 1
    mask = save(tmp_path / "mask.nii.gz", brain)
    arguments = ["use-ready", "DVR", str(path), str(out), "--t1w", str(t1w)]
    assert CliRunner().invoke(app, arguments).exception is None
    assert (nib.load(out).get_fdata() > 1).all()
    assert json.loads((tmp_path / "out.json").read_text())["SkullStripped"] is bool(told)
    assert CliRunner().invoke(app, [*arguments, "--mask", str(mask)]).exception is None
    np.testing.assert_array_equal(nib.load(out).get_fdata() > 1, brain > 0)
    record = json.loads((tmp_path / "out.json").read_text())
    assert (record["SkullStripped"], record["Sources"][1]) == (True, "mask.nii.gz")
    save(mask, np.ones((5, 6, 6)))
    with pytest.raises(InputError, match="grids differ"):
        raise CliRunner().invoke(app, [*arguments, "--mask", str(mask)]).exception


def test_a_ready_mask_is_filed_whole(tmp_path, t1w):
    path = save(tmp_path / "sub-A_label-WM_mask.nii.gz", np.ones(SHAPE))
    arguments = ["use-ready", "WM", path, tmp_path / "out.nii.gz", "--t1w", t1w, "--mask", path]
    told = str(CliRunner().invoke(app, list(map(str, arguments))).exception)
    assert told.startswith("masks are filed whole, --mask, ")
