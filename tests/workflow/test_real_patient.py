"""The imaging half on a real patient: a BIDS data set without PET, MT or DWI."""

import json

import nibabel as nib
import numpy as np
import pytest

from myelosynth.bids.layout import Layout
from myelosynth.images.transform import LinearTransform

from .conftest import Study
from .ljubljana import convert

pytestmark = [pytest.mark.workflow, pytest.mark.realdata]


@pytest.fixture(scope="module")
def patient(realdata, repository, tmp_path_factory):
    """One session of patient01 through N4, brain extraction, registration and tissue segmentation."""
    folder = tmp_path_factory.mktemp("real") / "study"
    study = Study(folder, repository, repository / "config/examples/preprocessing.yaml")
    convert(realdata, folder / "data" / "raw")
    layout = Layout(folder / "results" / "preprocessing")
    relative = Layout(layout.root.relative_to(folder))
    targets = [
        str(path)
        for path in (
            relative.label_mask("01", "t0", "WM"),
            relative.transform("01", "t0", "FLAIR", "T1w"),
            relative.page("qc/sub-01_ses-t0"),
        )
    ]
    result = study.snakemake("--cores", "2", "--show-failed-logs", "--quiet", "rules", "--", *targets)
    assert result.returncode == 0, result.stdout[-6000:]
    return layout


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def reference(realdata, name):
    return np.asarray(nib.load(realdata / "fsl_reference" / "patient01_study1" / name).dataobj)


def test_brain_mask_agrees_with_bet(patient, realdata):
    ours = np.asarray(nib.load(patient.brain_mask("01", "t0")).dataobj) > 0
    theirs = reference(realdata, "T1_brain_mask.nii.gz") > 0
    assert dice(ours, theirs) > 0.93


def test_white_matter_agrees_with_fast(patient, realdata):
    ours = np.asarray(nib.load(patient.label_mask("01", "t0", "WM")).dataobj) > 0
    theirs = reference(realdata, "T1_wmseg.nii.gz") > 0
    assert dice(ours, theirs) > 0.85


@pytest.mark.parametrize("image", ["FLAIR", "T2w"])
def test_images_land_where_fsl_puts_them(patient, realdata, image):
    """Mean displacement over the brain from FSL's boundary-based registration; methods differ by about .3 mm."""
    folder = realdata / "fsl_reference" / "patient01_study1"
    name = {"FLAIR": "flair2t1_bbr_world.txt", "T2w": "t22t1_bbr_world.txt"}[image]
    theirs = LinearTransform(np.linalg.inv(np.loadtxt(folder / name)))
    ours = LinearTransform.read(patient.transform("01", "t0", image, "T1w"))
    mask = nib.load(patient.brain_mask("01", "t0"))
    voxels = np.argwhere(np.asarray(mask.dataobj) > 0)[::50]
    points = nib.affines.apply_affine(mask.affine, voxels)
    distance = np.linalg.norm(ours.apply(points) - theirs.apply(points), axis=1)
    assert distance.mean() < 0.5


def test_what_was_skipped_is_said(patient):
    page = patient.page("qc/sub-01_ses-t0").read_text()
    assert "PET" in page
    assert "absent" in page.lower() or "not in the data set" in page.lower()
    assert "simulated data" not in page.lower()
    record = json.loads(patient.transform("01", "t0", "FLAIR", "T1w").with_suffix(".json").read_text())
    assert "fallback" in json.dumps(record).lower()
