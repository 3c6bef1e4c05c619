"""Reading and writing NIfTI, and every fault by name."""

import gzip

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


def test_a_header_that_does_not_say_where_left_is(tmp_path):
    nib.Nifti1Image(np.ones((4, 4, 4), np.float32), None).to_filename(tmp_path / "x.nii.gz")
    with pytest.raises(InputError, match=r"orientation unknown.*qform and sform code 0"):
        open_image(tmp_path / "x.nii.gz")
    nib.AnalyzeImage(np.ones((4, 4, 4), np.float32), np.eye(4)).to_filename(tmp_path / "old.img")
    with pytest.raises(InputError, match=r"orientation unknown.*Analyze"):
        open_image(tmp_path / "old.img")


@pytest.mark.filterwarnings("error")
def test_an_affine_of_nan_is_singular(tmp_path):
    image = nib.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4))
    image.to_filename(tmp_path / "x.nii.gz")
    header = bytearray(gzip.decompress((tmp_path / "x.nii.gz").read_bytes()))
    header[280:284] = np.float32(np.nan).tobytes()  # srow_x[0]
    (tmp_path / "nan.nii").write_bytes(bytes(header))
    with pytest.raises(InputError, match="affine is singular"):
        open_image(tmp_path / "nan.nii")


@pytest.mark.realdata
def test_every_real_image_and_mask_loads(realdata):
    images = sorted(realdata.rglob("*.nii.gz"))
    assert len(images) > 40
    for path in images:
        assert open_image(path).ndim == 3
    for path in images:
        if path.parent.name == "ms_lesion_masks_mni" or any(
            word in path.name for word in ("mask", "lesions", "wm", "pve")
        ):
            assert load_mask(path).any()


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


def masked(path, *values, dtype=np.float32):
    """A mask file whose first voxels hold these values, the others 0."""
    data = np.zeros((4, 4, 4), dtype)
    data.flat[: len(values)] = values
    nib.Nifti1Image(data, np.eye(4)).to_filename(path)
    return path


@pytest.mark.parametrize(
    ("values", "inside", "options"),
    [
        ((1, 1), 2, {}),
        ((255, 255), 2, {}),
        ((1.0002, 1), 2, {}),
        ((0.2, 0.5, 0.6, 1), 2, {}),
        ((3,) * 64, 64, {}),
        ((1, 2, 7), 3, {"labels": True}),
        ((0.2, 0.7), 1, {"labels": True}),
    ],
)
def test_what_a_mask_may_hold(tmp_path, values, inside, options):
    assert load_mask(masked(tmp_path / "m.nii.gz", *values), **options).sum() == inside


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ((1, np.nan), {}, "NaN or infinite voxels.*1 of 64"),
        ((1, np.inf), {"labels": True}, "NaN or infinite voxels"),
        ((60.5, 130), {}, "not a mask.*other numbers from 0 to 130"),
        ((60, 130), {}, "not a mask.*several whole numbers from 0 to 130"),
        ((1, 2, 3), {}, "not a mask.*several whole numbers from 0 to 3"),
        ((1, -1), {}, "not a mask.*from -1 to 1"),
        ((1, 1.5), {"labels": True}, "not a mask.*other numbers.*labels 0-255"),
        ((60, 1300), {"labels": True}, "not a mask.*several whole numbers from 0 to 1300"),
    ],
)
def test_an_image_is_not_a_mask(tmp_path, values, options, message):
    with pytest.raises(InputError, match=message):
        load_mask(masked(tmp_path / "m.nii.gz", *values), **options)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_complex_and_colour_are_refused(tmp_path, dtype):
    nib.Nifti1Image(np.ones((4, 4, 4), dtype), np.eye(4)).to_filename(tmp_path / "x.nii.gz")
    for load in (load_volume, load_mask):
        with pytest.raises(InputError, match=r"voxels are not real numbers.*(complex64|colour)"):
            load(tmp_path / "x.nii.gz")
