"""The session index: scanning, gaps, faults."""

import os
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from myelosynth.bids.index import CONTRASTS, OF_PET, SessionIndex, expected, read_table, scan
from myelosynth.bids.layout import RawLayout
from myelosynth.errors import InputError
from myelosynth.phantom.roster import Cohort, roster


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), path)


def test_some_participants_and_some_contrasts(raw):
    """Nobody else, and no other contrast, is looked at: neither found nor missed."""
    (raw.root / "sub-stranger").mkdir()
    (raw.root / "sub-A" / "pet").mkdir()
    index = scan(raw, ["A"], OF_PET)
    assert list(index.groups) == ["A"]
    assert {row.contrast for row in index.rows} == set(CONTRASTS) - {"PET"}
    assert index.has("A", "t0", "T1w", "lesions")
    with pytest.raises(InputError, match="participant not in the table"):
        scan(raw, None, OF_PET)
    with pytest.raises(InputError, match="images without a session"):
        scan(raw, ["A"])
    with pytest.raises(InputError, match=r"participant not in the data set, .*sub-C; the data set has sub-A, sub-B"):
        scan(raw, ["C"])


@pytest.fixture
def raw(tmp_path):
    """One patient with two sessions (t1 without PET), one control with a T1w only."""
    layout = RawLayout(tmp_path, tmp_path / "derivatives" / "lesions")
    rows = ["participant_id\tage\tsex\tgroup", "sub-A\t30\tF\tpatient", "sub-B\t31\tM\tcontrol"]
    (tmp_path / "participants.tsv").write_text("\n".join(rows) + "\n")
    for sub, ses, contrasts in (("A", "t0", ("T1w", "FLAIR")), ("A", "t1", ("T1w",)), ("B", "t0", ("T1w",))):
        for contrast in contrasts:
            touch(layout.anat(sub, ses, contrast))
    touch(layout.anat("A", "t0", "MTR", mt="on"))
    touch(layout.pet("A", "t0"))
    touch(layout.lesion_mask("A", "t0"))
    return layout


def test_scan_finds_what_is_there_and_lists_what_is_not(raw):
    index = scan(raw)
    assert index.groups == {"A": "patient", "B": "control"}
    assert index.sessions("A") == ["t0", "t1"]
    assert index.has("A", "t0", "T1w", "FLAIR", "MTon", "PET", "lesions")
    assert not index.has("A", "t0", "MToff")
    assert index.path("A", "t0", "lesions") == raw.lesion_mask("A", "t0")
    gaps = {(row.participant_id, row.session_id, row.contrast) for row in index.gaps()}
    assert ("sub-A", "ses-t1", "PET") in gaps
    assert ("sub-B", "ses-t1", "T1w") in gaps, "a control without t1 is a gap"
    assert not any(contrast == "lesions" for *_, contrast in gaps), "lesions are expected of patients at baseline only"
    touch(raw.lesion_mask("A", "t1"))
    assert scan(raw).path("A", "t1", "lesions") == raw.lesion_mask("A", "t1"), "a later mask is listed where present"


def test_a_written_index_reads_back(raw, tmp_path):
    index = scan(raw)
    index.write(tmp_path / "index.tsv")
    assert SessionIndex.read(tmp_path / "index.tsv", raw.root).rows == index.rows
    assert (tmp_path / "index.json").is_file()


def test_the_expected_index_of_a_simulated_cohort_needs_no_files(tmp_path):
    raw = RawLayout(tmp_path / "none", tmp_path / "none" / "derivatives" / "lesions")
    index = expected(raw, roster(Cohort(patients=2, controls=1)))
    assert index.path("001", "t1", "MTon") == raw.anat("001", "t1", "MTR", mt="on")
    assert index.path("001", "t0", "lesions") == raw.lesion_mask("001", "t0")
    assert index.path("003", "t0", "PET") == raw.pet("003", "t0")
    assert index.sessions("003") == ["t0"]


def test_an_absent_contrast_is_named(raw):
    with pytest.raises(InputError, match="sub-A ses-t0 has no MToff"):
        scan(raw).path("A", "t0", "MToff")


def test_a_participant_without_a_group_is_a_fault(raw):
    table = raw.root / "participants.tsv"
    table.write_text(table.read_text().replace("\tpatient", "\tn/a"))
    with pytest.raises(
        InputError, match=r"participants.tsv line 2, sub-A has group 'n/a', expected patient or control"
    ):
        scan(raw)


def test_images_of_somebody_not_in_the_table_are_a_fault(raw):
    touch(raw.anat("C", "t0", "T1w"))
    with pytest.raises(InputError, match="sub-C has a folder"):
        scan(raw)


def test_the_image_without_further_entities_is_used_and_the_others_told(raw):
    first = raw.anat("A", "t0", "T1w")
    touch(first.with_name("sub-A_ses-t0_acq-other_T1w.nii.gz"))
    index = scan(raw)
    assert index.path("A", "t0", "T1w") == first
    assert index.unused == (f"not used: sub-A_ses-t0_acq-other_T1w.nii.gz, {first.name} is the T1w",)


def test_an_image_that_alone_has_further_entities_is_used(raw):
    pet = raw.pet("A", "t0")
    renamed = pet.rename(pet.with_name("sub-A_ses-t0_trc-11CPIB_rec-acdyn_pet.nii.gz"))
    index = scan(raw)
    assert index.path("A", "t0", "PET") == renamed
    assert index.unused == ()


@pytest.mark.parametrize("names", [("acq-a_T1w.nii.gz", "acq-b_T1w.nii.gz"), ("T1w.nii.gz", "T1w.nii")])
def test_a_tie_between_two_images_is_a_fault(raw, names):
    raw.anat("B", "t0", "T1w").unlink()
    for name in names:
        touch(raw.anat("B", "t0", "T1w").with_name(f"sub-B_ses-t0_{name}"))
    with pytest.raises(InputError, match="several images for T1w"):
        scan(raw)


def test_a_participant_without_any_image_is_in_the_index(raw):
    table = raw.root / "participants.tsv"
    table.write_text(table.read_text() + "sub-C\t40\tF\tpatient\n")
    index = scan(raw)
    assert index.groups["C"] == "patient"
    assert index.sessions("C") == []
    assert {row.session_id for row in index.gaps() if row.participant_id == "sub-C"} == {"ses-t0", "ses-t1"}


def test_images_outside_a_session_folder_are_a_fault(raw):
    touch(raw.root / "sub-B" / "anat" / "sub-B_T1w.nii.gz")
    with pytest.raises(InputError, match=r"images without a session.*found sub-B/anat, expected sub-B/ses-t0/anat"):
        scan(raw)


def test_other_names_of_sessions_are_a_fault(raw):
    for sub in ("A", "B"):
        for path in list((raw.root / f"sub-{sub}").rglob("*.nii.gz")):
            path.rename(path.with_name(path.name.replace("ses-t0", "ses-M00").replace("ses-t1", "ses-M12")))
        (raw.root / f"sub-{sub}" / "ses-t0").rename(raw.root / f"sub-{sub}" / "ses-M00")
    (raw.root / "sub-A" / "ses-t1").rename(raw.root / "sub-A" / "ses-M12")
    with pytest.raises(InputError, match=r"no baseline session.*found ses-M00, ses-M12, expected ses-t0"):
        scan(raw)


def test_a_participant_listed_twice_is_a_fault(raw):
    table = raw.root / "participants.tsv"
    table.write_text(table.read_text() + "sub-A\t30\tF\tcontrol\n")
    with pytest.raises(InputError, match=r"listed twice.*line 4, sub-A as control, in line 2 as patient"):
        scan(raw)


def test_a_missing_column_names_both_sides(raw):
    (raw.root / "participants.tsv").write_text("participant_id\tage\nsub-A\t3\n")
    with pytest.raises(InputError, match="no group; found participant_id, age"):
        scan(raw)


def test_a_repeated_column_is_a_fault(tmp_path):
    (tmp_path / "t.tsv").write_text("participant_id\tedss\tage\tedss\t\t\nsub-A\t2\t30\t7\n")
    with pytest.raises(InputError, match=r"column repeated, .*t\.tsv, edss more than once"):
        read_table(tmp_path / "t.tsv", ("edss",))
    (tmp_path / "t.tsv").write_text("participant_id\tedss\t\t\nsub-A\t2\t\t\n")  # empty columns are no names
    assert read_table(tmp_path / "t.tsv", ("edss",)) == [{"participant_id": "sub-A", "edss": "2"}]


def test_a_table_in_another_encoding_is_a_fault(tmp_path):
    (tmp_path / "t.tsv").write_bytes("participant_id\tname\nsub-A\tJosé\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"not a readable table, .*t\.tsv, byte 0xe9 at 29, expected UTF-8"):
        read_table(tmp_path / "t.tsv", ())
    (tmp_path / "t.tsv").write_bytes("participant_id\tname\r\nsub-A\tJosé\r\n".encode("utf-8-sig"))
    assert read_table(tmp_path / "t.tsv", ("name",)) == [{"participant_id": "sub-A", "name": "José"}]


def test_annexed_images_are_found_and_links_out_of_the_data_set_refused(raw, tmp_path_factory):
    """DataLad keeps the content under .git/annex of the data set; anything beyond it is followed only when asked."""
    image = raw.anat("A", "t0", "T1w")
    key = raw.root / ".git" / "annex" / "objects" / "MD5E-s1--1.nii.gz"
    key.parent.mkdir(parents=True)
    image.rename(key)
    image.symlink_to(os.path.relpath(key, image.parent))
    assert scan(raw).has("A", "t0", "T1w")
    outside = tmp_path_factory.mktemp("elsewhere") / "image.nii.gz"
    key.rename(outside)
    image.unlink()
    image.symlink_to(outside)
    with pytest.raises(
        InputError, match=r"link leaves the data set, .*T1w.nii.gz, it leads to .*follow_symlinks: true"
    ):
        scan(raw)
    assert scan(replace(raw, follow_symlinks=True)).has("A", "t0", "T1w")
    image.unlink()
    outside.rename(image)
    sidecar = raw.pet("A", "t0", ".json")
    sidecar.symlink_to("/etc/hostname")
    with pytest.raises(InputError, match=r"link leaves the data set, .*pet.json"):
        scan(raw)
    sidecar.unlink()
    (raw.root / "sub-A" / "ses-t0" / "fmap").symlink_to(outside.parent)
    (outside.parent / "sub-A_ses-t0_fieldmap.nii.gz").touch()
    with pytest.raises(InputError, match=r"link leaves the data set, .*fmap"):
        scan(raw)


@pytest.mark.parametrize("label", ["A B", "A;id", "../A", "$(id)", "Ä", "A'"])
def test_labels_of_tables_and_folders_are_bids(raw, label):
    table = raw.root / "participants.tsv"
    kept = table.read_text()
    table.write_text(kept + f"sub-{label}\t30\tF\tpatient\n")
    with pytest.raises(InputError, match=r"not a BIDS label, .*participants.tsv line 4, "):
        scan(raw)
    table.write_text(kept)
    if "/" not in label:
        (raw.root / "sub-A" / f"ses-{label}").mkdir()
        with pytest.raises(InputError, match="not a BIDS label"):
            scan(raw)


def test_an_image_of_somebody_else_in_the_folder_is_refused(raw):
    touch(raw.anat("A", "t1", "T1w").with_name("sub-B_ses-t1_FLAIR.nii.gz"))
    with pytest.raises(InputError, match=r"not a BIDS name, .*sub-B_ses-t1_FLAIR.nii.gz"):
        scan(raw)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("sub-A", "sub-$(id)", "not a BIDS label"),
        ("ses-t0", "ses-../..", "not a BIDS label"),
        ("\tT1w\t", "\tT1w;id\t", "contrast unknown"),
    ],
)
def test_an_index_that_was_edited_is_refused(raw, tmp_path, old, new, told):
    path = tmp_path / "index.tsv"
    scan(raw).write(path)
    assert SessionIndex.read(path, raw.root).groups == {"A": "patient", "B": "control"}
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=f"{told}, .*index.tsv line "):
        SessionIndex.read(path, raw.root)
