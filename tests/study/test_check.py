"""Every fault of a raw data set is told in one line with both values and the cure."""

import json
import os
import re
import time

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.bids.layout import RawLayout
from myelosynth.cli import commands  # noqa: F401
from myelosynth.cli.app import app
from myelosynth.errors import InputError

SHAPE = (4, 4, 4)


def save(path, data, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(data, np.float32), np.eye(4) if affine is None else affine), path)


@pytest.fixture
def raw(tmp_path):
    root = tmp_path / "raw"
    layout = RawLayout(root, root / "derivatives" / "lesions")
    for contrast in ("T1w", "T2w", "FLAIR"):
        save(layout.anat("A", "t0", contrast), np.ones(SHAPE))
    save(layout.anat("A", "t0", "MTR", mt="on"), np.ones(SHAPE))
    save(layout.anat("A", "t0", "MTR", mt="off"), np.ones(SHAPE))
    save(layout.dwi("A", "t0"), np.ones((*SHAPE, 7)))
    bvecs = np.hstack([np.zeros((3, 1)), np.eye(3), -np.eye(3)])
    layout.dwi("A", "t0", ".bval").write_text("0 1000 1000 1000 1000 1000 1000\n")
    np.savetxt(layout.dwi("A", "t0", ".bvec"), bvecs)
    save(layout.pet("A", "t0"), np.ones((*SHAPE, 3)))
    frames = {"FrameTimesStart": [0, 60, 120], "FrameDuration": [60, 60, 60], "ImageDecayCorrected": True}
    layout.pet("A", "t0", ".json").write_text(json.dumps({**frames, "Units": "Bq/mL"}))
    save(layout.lesion_mask("A", "t0"), np.ones(SHAPE))
    (root / "participants.tsv").write_text("participant_id\tage\tsex\tgroup\nsub-A\t30\tF\tpatient\n")
    (root / "dataset_description.json").write_text('{"Name": "one patient", "BIDSVersion": "1.10.0"}\n')
    return layout


def run(raw, *options):
    return CliRunner().invoke(app, ["check", str(raw.root), "--index", str(raw.root / "index.tsv"), *options])


def edit_frames(raw, **fields):
    path = raw.pet("A", "t0", ".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def truncate(path):
    save(path, np.random.default_rng(0).normal(size=(12, 12, 12)))
    path.write_bytes(path.read_bytes()[:-2000])


FAULTS = {
    "truncated gzip": (lambda raw: truncate(raw.anat("A", "t0", "T1w")), "truncated or corrupt"),
    "4D for 3D": (lambda raw: save(raw.anat("A", "t0", "T1w"), np.ones((*SHAPE, 2))), "found 4D"),
    "3D for 4D": (lambda raw: save(raw.pet("A", "t0"), np.ones(SHAPE)), "found 3D"),
    "NaN": (lambda raw: save(raw.anat("A", "t0", "FLAIR"), np.full(SHAPE, np.nan)), "64 of 64, expected 0"),
    "empty image": (lambda raw: save(raw.anat("A", "t0", "T2w"), np.zeros(SHAPE)), "every voxel is 0"),
    "NaN mask": (lambda raw: save(raw.lesion_mask("A", "t0"), np.full(SHAPE, np.nan)), "64 of 64, expected 0"),
    "image for mask": (lambda raw: save(raw.lesion_mask("A", "t0"), np.full(SHAPE, 87.5)), "not a mask"),
    "shapes": (lambda raw: save(raw.anat("A", "t0", "MTR", mt="off"), np.ones((4, 4, 5))), r"\(4, 4, 4\)"),
    "affines": (lambda raw: save(raw.lesion_mask("A", "t0"), np.ones(SHAPE), np.diag([2, 2, 2, 1])), "affine"),
    "bvals": (lambda raw: raw.dwi("A", "t0", ".bval").write_text("0 1000\n"), "2 .*7"),
    "bvecs": (lambda raw: np.savetxt(raw.dwi("A", "t0", ".bvec"), np.eye(3)), "7"),
    "long b-vectors": (
        lambda raw: np.savetxt(raw.dwi("A", "t0", ".bvec"), 1.5 * np.hstack([np.zeros((3, 1)), np.eye(3), -np.eye(3)])),
        r"b-vector is not a unit vector, .*bvec, volume 1 has length 1.5, expected 1",
    ),
    "overlap": (lambda raw: edit_frames(raw, FrameTimesStart=[0, 50, 120]), "overlap"),
    "frames miss": (lambda raw: edit_frames(raw, FrameTimesStart=[0, 70, 130]), "gap"),
    "frame count": (lambda raw: edit_frames(raw, FrameDuration=[60, 60]), "2 FrameDuration for 3 volumes"),
    "description": (lambda raw: (raw.root / "dataset_description.json").unlink(), "dataset_description.json"),
    "decay": (lambda raw: edit_frames(raw, ImageDecayCorrected=False), "not decay corrected"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_stops_the_check(raw, name):
    break_it, message = FAULTS[name]
    break_it(raw)
    result = run(raw)
    assert isinstance(result.exception, InputError), result.output
    assert "\n" not in str(result.exception)
    with pytest.raises(InputError, match=message):
        raise result.exception
    assert not (raw.root / "index.tsv").exists(), "no output after a fault"


@pytest.mark.parametrize("name", ["3D for 4D", "overlap", "frame count", "decay"])
def test_a_broken_pet_stops_nobody_without_pet(raw, name):
    FAULTS[name][0](raw)
    result = run(raw, "--without-pet")
    assert result.exit_code == 0, result.output
    assert "1 patients, 1 sessions, 0 gaps, 0 faults" in result.output
    assert "PET" not in (raw.root / "index.tsv").read_text()


def test_only_the_participants_who_are_named_are_read(raw):
    table = raw.root / "participants.tsv"
    table.write_text(table.read_text() + "sub-B\t31\tM\tn/a\n")
    truncate(raw.anat("B", "t0", "T1w"))
    assert isinstance(run(raw).exception, InputError)
    result = run(raw, "--sub", "sub-A")
    assert result.exit_code == 0, result.output
    assert "sub-B" not in result.output
    assert "participant not in the data set" in str(run(raw, "--sub", "X").exception)


def test_what_a_gap_costs_where_a_bundle_predicts(raw):
    raw.dwi("A", "t0").unlink()
    raw.lesion_mask("A", "t0").unlink()
    output = run(raw, "--without-pet").output
    told = "no prediction of any session by a bundle that needs FA, RD, AD; no demyelination and no indices"
    assert f"gap: sub-A (patient) ses-t0 lacks DWI, lesions: {told}" in output
    save(raw.anat("A", "t1", "FLAIR"), np.ones(SHAPE))
    assert "ses-t1 lacks T1w, T2w, MTon, MToff, DWI: no prediction of t1" in run(raw, "--without-pet").output


def test_numbered_lesions_pass(raw):
    save(raw.lesion_mask("A", "t0"), np.arange(64).reshape(SHAPE))
    result = run(raw)
    assert result.exit_code == 0, result.output


def test_an_empty_lesion_mask_is_a_gap_and_one_voxel_is_none(raw):
    save(raw.lesion_mask("A", "t0"), np.zeros(SHAPE))
    result = run(raw)
    assert result.exit_code == 0, result.output
    assert "gap: sub-A (patient) has an empty lesion mask: no indices" in result.output
    assert "1 patients, 1 sessions, 2 gaps, 0 faults" in result.output
    one = np.zeros(SHAPE)
    one[1, 2, 3] = 1
    save(raw.lesion_mask("A", "t0"), one)
    assert "empty lesion mask" not in run(raw).output


def test_gaps_are_listed_counted_and_let_pass(raw):
    result = run(raw)
    assert result.exit_code == 0, result.output
    assert "sub-A (patient) has no baseline EDSS" in result.output
    assert "1 patients, 1 sessions, 1 gaps, 0 faults" in result.output
    raw.pet("A", "t0").unlink()
    assert "ses-t0 lacks PET: no learning, maps or indices; the session is only preprocessed" in run(raw).output


def test_companions_go_by_the_name_of_their_image(raw):
    """Reversed phase encoding, a reconstruction: the gradients and frames are those of the image that is used."""
    for image, entity, extensions in (("dwi", "dir-AP", (".nii.gz", ".bval", ".bvec")), ("pet", "rec-acdyn", 0)):
        for extension in extensions or (".nii.gz", ".json"):
            path = getattr(raw, image)("A", "t0", extension)
            path.rename(path.with_name(path.name.replace(f"_{image}.", f"_{entity}_{image}.")))
    result = run(raw)
    assert result.exit_code == 0, result.output
    raw.dwi("A", "t0").with_name("sub-A_ses-t0_dir-AP_dwi.bval").write_text("0 1000\n")
    assert "dir-AP_dwi.bval" in str(run(raw).exception)


def test_an_image_beside_the_plain_one_is_listed_as_not_used(raw):
    save(raw.anat("A", "t0", "T1w").with_name("sub-A_ses-t0_acq-se_T1w.nii.gz"), np.ones(SHAPE))
    result = run(raw)
    assert "not used: sub-A_ses-t0_acq-se_T1w.nii.gz, sub-A_ses-t0_T1w.nii.gz is the T1w" in result.output
    assert "1 gaps" in result.output


def test_what_a_gap_costs_follows_from_the_sources_of_the_task(raw, tmp_path, repository):
    task = (repository / "config" / "tasks" / "myelin.yaml").read_text()
    lean = tmp_path / "lean.yaml"
    lean.write_text(re.sub(r"(?m)^sources:.*(?:\n +-.*)*", "sources: [FA]", task))
    for mt in ("on", "off"):
        raw.anat("A", "t0", "MTR", mt=mt).unlink()
    assert "lacks MTon, MToff: no learning, maps or indices; the session is only preprocessed" in run(raw).output
    assert "lacks MTon, MToff: the image is skipped" in run(raw, "--task", str(lean)).output


def test_the_index_is_written_as_a_table_and_nowhere_else(raw):
    arguments = ["check", str(raw.root), "--index"]
    with pytest.raises(InputError, match="output name unknown"):
        raise CliRunner().invoke(app, [*arguments, str(raw.root / "index.txt")]).exception
    with pytest.raises(InputError, match="output overwrites an input"):
        raise CliRunner().invoke(app, [*arguments, str(raw.root / "participants.tsv")]).exception


def test_what_follows_from_a_gap_is_said_beside_it(raw):
    table = raw.root / "participants.tsv"
    table.write_text(table.read_text() + "sub-B\t31\tM\tcontrol\nsub-C\t32\tM\tpatient\nsub-D\t33\tM\tpatient\n")
    save(raw.anat("A", "t1", "T1w"), np.ones(SHAPE))
    save(raw.anat("C", "t1", "T1w"), np.ones(SHAPE))
    save(raw.anat("D", "t0", "FLAIR"), np.ones(SHAPE))
    output = run(raw).output
    assert "sub-B (control) has no images: left out" in output
    assert "sub-C (patient) has no ses-t0: no learning, maps or indices; later sessions are only preprocessed" in output
    assert "sub-D (patient) ses-t0 lacks T1w, T2w, MTon, MToff, DWI, PET, lesions: the session is skipped" in output
    told = "no predicted map of t1 and no predicted change; no measured map of t1 and no measured change"
    assert f"sub-A (patient) ses-t1 lacks T2w, FLAIR, MTon, MToff, DWI, PET: {told}" in output


def test_lesions_drawn_on_the_t1w_are_told_and_held_against_its_grid(raw):
    mask = raw.lesion_mask("A", "t0")
    drawn = mask.with_name(mask.name.replace("space-FLAIR", "space-T1w"))
    mask.rename(drawn)
    affine = np.diag([2.0, 2, 2, 1])
    save(raw.anat("A", "t0", "FLAIR"), np.ones(SHAPE), affine)
    output = run(raw).output
    assert "ready: sub-A lesions were drawn on the T1w: used without a transform of the FLAIR" in output
    raw.anat("A", "t0", "FLAIR").unlink()
    assert "ses-t0 lacks FLAIR: the image is skipped" in run(raw).output
    save(drawn, np.ones(SHAPE), affine)
    assert "grids differ" in str(run(raw).exception)


def test_ready_maps_are_listed_and_their_faults_found(raw):
    given = raw.root / "derivatives" / "ready" / "sub-A" / "ses-t0"
    fa = given / "dwi" / "sub-A_ses-t0_space-T1w_FA.nii.gz"
    save(fa, np.full(SHAPE, 0.5))
    save(given / "anat" / "sub-A_ses-t0_desc-brain_mask.nii.gz", np.ones(SHAPE))
    arguments = ["check", str(raw.root), "--ready", str(raw.root / "derivatives" / "ready")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "ready: sub-A ses-t0 brain, FA (T1w space), given by the data set: steps skipped" in result.output
    region = given / "anat" / "sub-A_ses-t0_space-T1w_label-reference_mask.nii.gz"
    save(region, np.ones(SHAPE))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "ready: sub-A ses-t0 brain, FA (T1w space), given by the data set: steps skipped" in result.output
    assert "ready: sub-A ses-t0 reference (T1w space): used with pet.reference: given" in result.output
    save(fa, np.full(SHAPE, 1.5))
    assert "FA from 1.5 to 1.5, expected 0 to 1" in str(CliRunner().invoke(app, arguments).exception)


def test_a_file_from_the_future_is_a_fault(raw):
    """What is made of it would look older than it for ever."""
    path, ahead = raw.anat("A", "t0", "T1w"), time.time() + 3600
    os.utime(path, (ahead, ahead))
    told = str(run(raw).exception)
    assert told.startswith(
        f"file from the future, {path}, changed at {time.strftime('%Y-%m-%d', time.localtime(ahead))} "
    )
    assert "the clock says" in told
    os.utime(path, (0, 0))
    assert run(raw).exit_code == 0, "an old file is none"
