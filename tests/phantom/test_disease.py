"""Lesions and latents: the course that was asked for is the course that is there."""

import nibabel as nib
import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.transform import LinearTransform
from myelosynth.phantom.anatomy import build_anatomy
from myelosynth.phantom.clinic import Course
from myelosynth.phantom.geometry import Sampler, box_grid
from myelosynth.phantom.latents import DEMYELINATED_BELOW, SCANNER_FWHM_MM, diseased, dvr_maps, healthy
from myelosynth.phantom.lesions import draw_lesions, mask_load_ml, mask_of
from myelosynth.phantom.roster import Cohort
from myelosynth.phantom.settings import Settings

COURSE = Course(load_ml=20.0, demyelinated=0.6, remyelination=0.18, demyelination=0.06)


@pytest.fixture(scope="module")
def patient():
    settings = Settings(Cohort(1, 1), resolution=4.0)
    anatomy = build_anatomy(settings, "001")
    return settings, anatomy, draw_lesions(settings, "001", anatomy, COURSE.load_ml)


def test_lesions_fill_the_load_in_white_matter(patient):
    _, anatomy, lesions = patient
    assert lesions.mask.sum() * anatomy.grid.voxel_volume / 1000 == pytest.approx(20, rel=0.02)
    assert anatomy.white[lesions.mask].min() > 0.5
    assert 15 <= lesions.count <= 400
    assert lesions.depth[lesions.mask].max() == pytest.approx(1)
    assert not lesions.depth[~lesions.mask].any()


def test_course_holds_in_the_blurred_dvr(patient):
    settings, anatomy, lesions = patient
    disease = diseased(settings, "001", anatomy, lesions, COURSE, 4.0)
    grid = box_grid((anatomy.grid.affine[0, 0],) * 3)
    voxel_fwhm = 2.3548 * np.sqrt((4.0**2 - grid.affine[0, 0] ** 2) / 12)
    sampler = Sampler(anatomy.grid, grid, LinearTransform.identity(), np.hypot(SCANNER_FWHM_MM, voxel_fwhm))
    below = {}
    for session in ("t0", "t1"):
        truth, _, health = (sampler(values) for values in dvr_maps(anatomy, disease, session))
        below[session] = (health - truth > DEMYELINATED_BELOW)[lesions.mask]
    assert below["t0"].mean() == pytest.approx(0.6, abs=0.02)
    assert (below["t0"] & ~below["t1"]).mean() == pytest.approx(0.18, abs=0.03)
    assert (~below["t0"] & below["t1"]).mean() == pytest.approx(0.06, abs=0.02)


def test_no_change_changes_nothing(patient):
    _, anatomy, lesions = patient
    disease = diseased(Settings(Cohort(1, 1, "no-change"), 4.0), "001", anatomy, lesions, COURSE, 4.0)
    assert np.array_equal(disease.sessions["t0"].myelin, disease.sessions["t1"].myelin)
    assert np.array_equal(disease.sessions["t0"].oedema, disease.sessions["t1"].oedema)


def test_damage_to_axons_and_oedema_do_not_follow_myelin(patient):
    settings, anatomy, lesions = patient
    state = diseased(settings, "001", anatomy, lesions, COURSE, 4.0).sessions["t0"]
    number = lesions.component[lesions.mask]
    keep = np.unique(number)
    mean = [
        [float(part[lesions.mask][number == n].mean()) for n in keep]
        for part in (state.myelin, state.axon, state.oedema)
    ]
    assert abs(np.corrcoef(mean[0], mean[1])[0, 1]) < 0.3
    assert abs(np.corrcoef(mean[0], mean[2])[0, 1]) < 0.3


def test_healthy_dvr(patient):
    settings, anatomy, _ = patient
    truth, oracle, _ = dvr_maps(anatomy, healthy(settings, "001", anatomy), "t0")
    assert 1.22 < truth[anatomy.white > 0.99].mean() < 1.32
    assert truth[anatomy.grey > 0.99].mean() == pytest.approx(1, abs=0.01)
    assert (truth - oracle)[anatomy.white > 0.99].std() == pytest.approx(0.03, abs=0.012)


def test_real_masks_are_scaled_to_the_template(tmp_path, patient):
    _, anatomy, _ = patient
    # A block in the left frontal white matter of the smaller brain.
    data = np.zeros((182, 218, 182), np.uint8)
    affine = np.array([[-1.0, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]])
    data[64 - 6 : 64 + 6, 118 - 6 : 118 + 6, 96 - 6 : 96 + 6] = 1
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "a.nii.gz")
    found = draw_lesions(Settings(Cohort(1, 1), 4.0, lesion_masks=tmp_path), "001", anatomy, 0.0)
    where = [part[found.mask].mean() for part in anatomy.template]
    expected = [(26.5 - 0.5) * 144 / 128, (-8.5 + 23) * 180 / 155 - 17, (23.5 - 6) * 154 / 122 + 5]
    assert np.allclose(where, expected, atol=3)
    assert found.count == 1


def test_refuses_masks_it_cannot_place(tmp_path):
    with pytest.raises(InputError, match="no lesion masks"):
        mask_of(tmp_path, "001")
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    settings = Settings(Cohort(1, 1), 8.0, lesion_masks=tmp_path)
    with pytest.raises(InputError, match=r"shape \(4, 4, 4\), expected \(182, 218, 182\)"):
        draw_lesions(settings, "001", build_anatomy(settings, "001"), 0.0)


def test_a_mask_of_nan_is_refused(tmp_path):
    data = np.zeros((182, 218, 182), np.float32)
    data[90, 100, 90] = np.nan
    nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=r"NaN or infinite voxels, .*a\.nii\.gz"):
        mask_load_ml(tmp_path / "a.nii.gz")
