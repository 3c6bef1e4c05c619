"""Which file of fmap/ belongs to a series."""

import json

import pytest

from myelosynth.bids.fieldmaps import find_fieldmap
from myelosynth.errors import InputError


@pytest.fixture
def session(tmp_path):
    """A session with a DWI from front to back."""
    write(tmp_path / "dwi" / "sub-A_ses-t0_dwi.nii.gz", PhaseEncodingDirection="j-", B0FieldSource="pepolar")
    return tmp_path


def write(path, **record):
    path.parent.mkdir(exist_ok=True)
    path.touch()
    path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(record))
    return path


def find(session, method):
    return find_fieldmap(session / "dwi" / "sub-A_ses-t0_dwi.nii.gz", method)


def test_a_field_map_comes_with_its_magnitude(session):
    field = write(session / "fmap" / "sub-A_ses-t0_fieldmap.nii.gz", Units="Hz")
    assert find(session, "fieldmap") == {"fieldmap": field}
    magnitude = write(session / "fmap" / "sub-A_ses-t0_magnitude.nii.gz")
    assert find(session, "fieldmap") == {"fieldmap": field, "magnitude": magnitude}


def test_a_phase_difference_comes_with_the_first_magnitude(session):
    phase = write(session / "fmap" / "sub-A_ses-t0_phasediff.nii.gz", EchoTime1=0.004, EchoTime2=0.006)
    first = write(session / "fmap" / "sub-A_ses-t0_magnitude1.nii.gz")
    write(session / "fmap" / "sub-A_ses-t0_magnitude2.nii.gz")
    assert find(session, "fieldmap") == {"fieldmap": phase, "magnitude": first}


def test_the_opposite_direction_is_taken(session):
    write(session / "fmap" / "sub-A_ses-t0_dir-AP_epi.nii.gz", PhaseEncodingDirection="j-")
    write(session / "fmap" / "sub-A_ses-t0_dir-RL_epi.nii.gz", PhaseEncodingDirection="i")
    with pytest.raises(InputError, match=r"no b0 of opposite phase encoding, .*opposite to j-, .*choose another"):
        find(session, "reverse")
    other = write(session / "fmap" / "sub-A_ses-t0_dir-PA_epi.nii.gz", PhaseEncodingDirection="j")
    assert find(session, "reverse") == {"reverse": other}


@pytest.mark.parametrize(
    "told",
    [
        {"IntendedFor": "ses-t0/dwi/sub-A_ses-t0_dwi.nii.gz"},
        {"IntendedFor": ["bids::sub-A/ses-t0/dwi/sub-A_ses-t0_dwi.nii.gz", "ses-t0/func/x_bold.nii.gz"]},
        {"B0FieldIdentifier": ["pepolar", "other"]},
    ],
)
def test_of_several_the_one_that_is_meant_for_the_series(session, told):
    write(session / "fmap" / "sub-A_ses-t0_run-1_fieldmap.nii.gz", Units="Hz", IntendedFor="ses-t0/func/x_bold.nii.gz")
    meant = session / "fmap" / "sub-A_ses-t0_run-2_fieldmap.nii.gz"
    write(meant, Units="Hz")
    with pytest.raises(InputError, match=r"2 files .*, 0 of them for sub-A_ses-t0_dwi.nii.gz, expected 1"):
        find(session, "fieldmap")
    write(meant, Units="Hz", **told)
    assert find(session, "fieldmap") == {"fieldmap": meant}


@pytest.mark.parametrize(
    "told", [{"IntendedFor": "ses-t0/func/x_bold.nii.gz"}, {"B0FieldIdentifier": "other"}, {"IntendedFor": ["a", "b"]}]
)
def test_a_lone_file_for_other_series_is_not_taken(session, told):
    lone = session / "fmap" / "sub-A_ses-t0_fieldmap.nii.gz"
    write(lone, Units="Hz", **told)
    with pytest.raises(InputError, match=r"1 files .*, 0 of them for sub-A_ses-t0_dwi.nii.gz, expected 1"):
        find(session, "fieldmap")
    write(lone, Units="Hz", IntendedFor=[])
    assert find(session, "fieldmap") == {"fieldmap": lone}
    epi = {"PhaseEncodingDirection": "j", **told}
    write(session / "fmap" / "sub-A_ses-t0_dir-PA_epi.nii.gz", **epi)
    with pytest.raises(InputError, match=r"1 files .*, 0 of them"):
        find(session, "reverse")


def test_no_field_map_is_one_clear_line(session):
    with pytest.raises(InputError, match=r"no field map, .*fmap, 0 files") as fault:
        find(session, "fieldmap")
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("name", ["sub-B_ses-t0_phasediff.nii.gz", "sub-A_ses-t0 $(id)_phasediff.nii.gz"])
def test_a_field_map_of_somebody_else_or_of_no_name_is_refused(session, name):
    write(session / "fmap" / name, EchoTime1=0.004, EchoTime2=0.006)
    with pytest.raises(InputError, match="not a BIDS name"):
        find(session, "fieldmap")
