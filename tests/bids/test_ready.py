"""Ready maps: what is found, what it covers, what is left alone."""

import nibabel as nib
import numpy as np
import pytest

from myelosynth.bids.index import SessionIndex, scan
from myelosynth.bids.layout import RawLayout
from myelosynth.bids.ready import anchor_of
from myelosynth.errors import InputError


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture
def raw(tmp_path):
    """One patient with a T1w, and a ready brain mask, FA and RD."""
    layout = RawLayout(tmp_path, tmp_path / "lesions", tmp_path / "derivatives" / "ready")
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\nsub-A\tpatient\n")
    touch(layout.anat("A", "t0", "T1w"))
    for name in ("anat/sub-A_ses-t0_desc-brain_mask", "dwi/sub-A_ses-t0_FA", "dwi/sub-A_ses-t0_param-rd_dwimap"):
        touch(layout.ready / "sub-A" / "ses-t0" / f"{name}.nii.gz")
    return layout


def test_ready_files_are_in_the_index_and_none_is_a_gap(raw, tmp_path):
    index = scan(raw)
    assert index.has("A", "t0", "brain", "FA", "RD")
    assert not index.has("A", "t0", "AD")
    assert "DWI" in {row.contrast for row in index.gaps()}, "AD is not ready: the DWI is missed"
    assert not {"AD", "WM", "MTR"} & {row.contrast for row in index.gaps()}
    index.write(tmp_path / "index.tsv")
    assert SessionIndex.read(tmp_path / "index.tsv", raw.root).rows == index.rows


def test_an_image_whose_maps_are_all_ready_is_no_gap(raw):
    touch(raw.ready / "sub-A/ses-t0/dwi/sub-A_ses-t0_space-T1w_param-ad_dwimap.nii.gz")
    index = scan(raw)
    assert not index.has("A", "t0", "DWI")
    assert "DWI" not in {row.contrast for row in index.gaps()}
    assert "MTon" in {row.contrast for row in index.gaps()}


def test_other_spaces_and_strangers_are_told(raw):
    touch(raw.ready / "sub-A/ses-t0/dwi/sub-A_ses-t0_space-MNI152_FA.nii.gz")
    touch(raw.ready / "sub-Z/ses-t0/dwi/sub-Z_ses-t0_FA.nii.gz")
    told = scan(raw).unused
    assert "not used: sub-A_ses-t0_space-MNI152_FA.nii.gz, a ready FA lies in no space or T1w" in told
    assert "not used: ready maps of sub-Z, who is not in the data set" in told


@pytest.mark.parametrize(("space", "anchor"), [("", "PET"), ("_space-T1w", "T1w")])
def test_a_reference_region_lies_on_the_pet_or_on_the_t1w(raw, space, anchor):
    path = raw.ready / f"sub-A/ses-t0/anat/sub-A_ses-t0{space}_label-reference_mask.nii.gz"
    touch(path)
    index = scan(raw)
    assert index.path("A", "t0", "reference") == path
    assert anchor_of("reference", path) == anchor
    touch(path.with_name(f"sub-A_ses-t0{space}_label-reference_desc-other_mask.nii.gz"))
    with pytest.raises(InputError, match=r"several ready files for reference, .* 2 files: "):
        scan(raw)


def test_a_ready_dvr_covers_the_pet(raw):
    assert "PET" in {row.contrast for row in scan(raw).gaps()}
    touch(raw.ready / "sub-A/ses-t0/pet/sub-A_ses-t0_trc-11CPIB_desc-dvr_pet.nii.gz")
    index = scan(raw)
    assert index.has("A", "t0", "DVR")
    assert "PET" not in {row.contrast for row in index.gaps()}


SMALL, SHIFTED = np.eye(4), np.eye(4) + np.outer((5, 0, 0, 0), (0, 0, 0, 1))


def image(path, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.float32), affine), path)


@pytest.mark.parametrize(
    ("space", "grid", "drawn"),
    [
        ("_space-T1w", SMALL, True),
        ("_space-FLAIR", SHIFTED, False),
        ("", SHIFTED, False),
        ("", SMALL, True),
        ("", 2 * SMALL, "lesion mask on no known grid"),
    ],
    ids=["named T1w", "named FLAIR", "FLAIR's grid", "T1w's grid", "neither"],
)
def test_lesions_follow_the_flair_unless_they_were_drawn_on_the_t1w(raw, space, grid, drawn):
    image(raw.anat("A", "t0", "T1w"), SMALL)
    image(raw.anat("A", "t0", "FLAIR"), SHIFTED)
    image(raw.lesions / f"sub-A/ses-t0/anat/sub-A_ses-t0{space}_label-L_desc-manual_mask.nii.gz", grid)
    index = scan(raw)
    if isinstance(drawn, bool):
        assert index.lesions_in_t1w("A") is drawn
    else:
        with pytest.raises(InputError, match=drawn):
            index.lesions_in_t1w("A")


def test_two_lesion_masks_are_a_fault(raw):
    for space in ("FLAIR", "T1w"):
        touch(raw.lesions / f"sub-A/ses-t0/anat/sub-A_ses-t0_space-{space}_label-L_mask.nii.gz")
    with pytest.raises(InputError, match=r"several images for lesions, .* 2 files: "):
        scan(raw)


def test_two_that_fit_are_a_fault(raw):
    touch(raw.ready / "sub-A/ses-t0/dwi/sub-A_ses-t0_space-T1w_FA.nii.gz")
    with pytest.raises(InputError, match=r"several ready files for FA, .* 2 files: "):
        scan(raw)


def test_a_wrong_folder_is_a_fault(raw):
    with pytest.raises(InputError, match="ready maps missing"):
        scan(RawLayout(raw.root, raw.lesions, raw.root / "nowhere"))
    with pytest.raises(InputError, match="no ready maps found"):
        scan(RawLayout(raw.root, raw.lesions, raw.root / "sub-A"))


def test_without_the_folder_nothing_is_ready(raw):
    assert not scan(RawLayout(raw.root, raw.lesions)).has("A", "t0", "FA")
