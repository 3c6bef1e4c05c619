"""Reading and writing NIfTI, and every fault by name."""

import nibabel as nib
import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, open_image, save_volume


def test_round_trip_keeps_values_and_grid(tmp_path, grid):
    data = np.random.default_rng(0).normal(size=grid.shape).astype(np.float32)
    save_volume(tmp_path / "x.nii.gz", data, grid)
    back = load_volume(tmp_path / "x.nii.gz")
    assert back.grid.matches(grid, 1e-3)
    np.testing.assert_array_equal(back.data, data)


def test_header_says_mm_codes_and_no_names(tmp_path, grid):
    save_volume(tmp_path / "x.nii.gz", np.ones(grid.shape), grid, np.uint8)
    header = nib.load(tmp_path / "x.nii.gz").header
    assert header.get_xyzt_units() == ("mm", "sec")
    assert int(header["qform_code"]) == int(header["sform_code"]) == 1
    np.testing.assert_allclose(header.get_qform(), header.get_sform(), atol=1e-5)
    assert header.get_data_dtype() == np.uint8
    assert bytes(header["descrip"]).strip(b"\0") == b""


def test_shear_goes_to_the_sform_alone(tmp_path):
    affine = np.diag([2.0, 2, 2, 1])
    affine[0, 1] = 0.4
    save_volume(tmp_path / "x.nii.gz", np.ones((5, 5, 5)), Grid((5, 5, 5), affine))
    image = nib.load(tmp_path / "x.nii.gz")
    np.testing.assert_allclose(image.affine, affine, atol=1e-6)
    assert int(image.header["qform_code"]) == 0


def test_qform_only_header_is_accepted(tmp_path, grid):
    image = nib.Nifti1Image(np.ones(grid.shape, np.float32), None)
    image.header.set_qform(grid.affine, code=1)
    image.header["sform_code"] = 0
    image.to_filename(tmp_path / "q.nii.gz")
    assert load_volume(tmp_path / "q.nii.gz").grid.matches(grid)


def test_a_trailing_axis_of_one_is_dropped(tmp_path):
    nib.Nifti1Image(np.ones((4, 4, 4, 1), np.float32), np.eye(4)).to_filename(tmp_path / "x.nii.gz")
    assert load_volume(tmp_path / "x.nii.gz").data.shape == (4, 4, 4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((4, 4, 4)), "image is empty"),
        (np.full((4, 4, 4), np.nan), "NaN or infinite voxels.*64 of 64"),
        (np.ones((4, 4, 4, 3)), "3D image needed.*found 4D"),
    ],
)
def test_bad_values_are_named(tmp_path, data, message):
    nib.Nifti1Image(data.astype(np.float32), np.eye(4)).to_filename(tmp_path / "x.nii.gz")
    with pytest.raises(InputError, match=message):
        load_volume(tmp_path / "x.nii.gz")


def test_empty_images_pass_where_they_may_be_empty(tmp_path):
    save_volume(tmp_path / "x.nii.gz", np.zeros((4, 4, 4)), Grid((4, 4, 4), np.eye(4)))
    assert not load_volume(tmp_path / "x.nii.gz", allow_empty=True).data.any()
    assert not load_mask(tmp_path / "x.nii.gz", allow_empty=True).any()
    with pytest.raises(InputError, match="mask is empty"):
        load_mask(tmp_path / "x.nii.gz")


def test_missing_and_truncated_and_foreign_files(tmp_path):
    with pytest.raises(InputError, match="file missing"):
        open_image(tmp_path / "none.nii.gz")
    (tmp_path / "text.nii.gz").write_text("not an image")
    with pytest.raises(InputError, match="not a readable NIfTI"):
        open_image(tmp_path / "text.nii.gz")
    grid = Grid((30, 30, 30), np.eye(4))
    save_volume(tmp_path / "x.nii.gz", np.random.default_rng(0).normal(size=grid.shape), grid)
    whole = (tmp_path / "x.nii.gz").read_bytes()
    (tmp_path / "half.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated"):
        load_volume(tmp_path / "half.nii.gz")
    with pytest.raises(InputError, match="truncated"):
        load_mask(tmp_path / "half.nii.gz")


def test_mask_on_another_grid(tmp_path, grid, other_grid):
    save_volume(tmp_path / "m.nii.gz", np.ones(other_grid.shape), other_grid, np.uint8)
    with pytest.raises(InputError, match=r"grids differ.*m\.nii\.gz"):
        load_mask(tmp_path / "m.nii.gz", grid, "t1.nii.gz")
