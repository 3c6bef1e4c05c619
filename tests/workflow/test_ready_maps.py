"""A run with ready masks and maps, compared with the run that made them from the raw images."""

import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
import yaml

from myelosynth.bids.layout import Layout, RawLayout
from myelosynth.bids.names import sidecar_path
from myelosynth.images.transform import LinearTransform

from .conftest import Study, placed_by_header

pytestmark = pytest.mark.workflow
SUB, SES = "002", "t0"


def copied(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


@pytest.fixture(scope="module")
def made(tiny_study):
    """The results of the run that had every raw image."""
    return Layout(tiny_study.folder / "results")


@pytest.fixture(scope="module")
def study(tiny_study, made, tmp_path_factory, repository):
    """One patient with a T1w and nothing else raw: masks, MTR, FA, RD, AD, DVR and lesions are ready."""
    folder = tmp_path_factory.mktemp("ready") / "study"
    study = Study(folder, repository, folder / "study.yaml")
    root = folder / "data"
    raw = RawLayout(root, root / "derivatives" / "lesions", root / "derivatives" / "ready")
    before = tiny_study.folder / "data" / "raw"
    copied(before / "dataset_description.json", root / "dataset_description.json")
    (root / "participants.tsv").write_text(f"participant_id\tgroup\nsub-{SUB}\tpatient\n")
    copied(RawLayout(before, before).anat(SUB, SES, "T1w"), raw.anat(SUB, SES, "T1w"))
    given, stem = raw.ready / f"sub-{SUB}" / f"ses-{SES}", f"sub-{SUB}_ses-{SES}"
    copied(made.brain_mask(SUB, SES), given / "anat" / f"{stem}_desc-brain_mask.nii.gz")
    copied(made.label_mask(SUB, SES, "WM"), given / "anat" / f"{stem}_label-WM_mask.nii.gz")
    lesions = raw.lesion_mask(SUB, SES)
    drawn = lesions.with_name(lesions.name.replace("space-FLAIR", "space-T1w"))
    copied(made.label_mask(SUB, SES, "L", desc="manual"), drawn)
    copied(made.work(SUB, SES, "mtr.nii.gz"), given / "anat" / f"{stem}_MTRmap.nii.gz")
    names = {"fa": "FA", "rd": "param-rd_dwimap", "ad": "param-ad_dwimap"}
    for name, ending in names.items():
        tensor, to_t1w = made.work(SUB, SES, f"tensor/{name}.nii.gz"), made.transform(SUB, SES, "DWI", "T1w")
        placed_by_header(tensor, to_t1w, given / "dwi" / f"{stem}_space-T1w_{ending}.nii.gz")
    dvr, to_t1w = made.source(SUB, SES, "DVR"), made.transform(SUB, SES, "PET", "T1w")
    placed_by_header(dvr, to_t1w, given / "pet" / f"{stem}_trc-11CPIB_space-T1w_desc-dvr_pet.nii.gz")
    dataset = {"bids_dir": "data", "lesions": "data/derivatives/lesions", "ready": "data/derivatives/ready"}
    study.configfile.write_text(yaml.safe_dump({"simulate": None, "dataset": dataset}))
    return study


@pytest.fixture(scope="module")
def run(study):
    """The session's maps on the analysis grid and its page; (results, rules that ran)."""
    layout = Layout(study.folder / "results")
    targets = [layout.source(SUB, SES, name) for name in ("MTR", "FA", "RD", "AD", "DVR")]
    targets += [layout.label_mask(SUB, SES, "L", space="dvrt0"), layout.page(f"qc/sub-{SUB}_ses-{SES}")]
    named = [str(path.relative_to(study.folder)) for path in targets]
    result = study.snakemake("--cores", "2", "--show-failed-logs", "--", *named)
    assert result.returncode == 0, result.stdout[-6000:]
    return layout, set(re.findall(r"^(?:local)?rule (\S+):", result.stdout, re.MULTILINE))


def values(path):
    return nib.load(path).get_fdata(dtype=np.float32)


def test_steps_of_ready_things_do_not_run(run):
    _, rules = run
    assert {"n4", "ready_brain", "ready_wm", "ready_dvr", "ready_map", "segment_fractions"} <= rules
    skipped = {"extract_brain", "segment_tissue", "mtr", "mean_b0", "fit_tensor", "pet_reference_image"}
    skipped |= {"reference_region", "dvr_baseline", "register_rigid", "register_boundary"}
    assert not rules & skipped


def test_what_is_ready_is_used_as_it_is(run, made):
    layout, _ = run
    for path, given in (
        (layout.brain_mask(SUB, SES), made.brain_mask(SUB, SES)),
        (layout.label_mask(SUB, SES, "WM"), made.label_mask(SUB, SES, "WM")),
        (layout.label_mask(SUB, SES, "L", desc="manual"), made.label_mask(SUB, SES, "L", desc="manual")),
        (layout.source(SUB, SES, "DVR"), made.source(SUB, SES, "DVR")),
    ):
        np.testing.assert_array_equal(values(path), values(given), err_msg=path.name)


@pytest.mark.parametrize("name", ["FA", "RD", "AD"])
def test_a_map_in_t1w_space_lands_where_the_raw_made_one_does(run, made, name):
    """The DVR in T1w space has the lattice of the PET's, moved: both analysis grids agree voxel by voxel."""
    layout, _ = run
    ours, theirs = values(layout.source(SUB, SES, name)), values(made.source(SUB, SES, name))
    np.testing.assert_allclose(ours, theirs, atol=2e-3 * float(theirs.max()))
    other = values(made.source("003", SES, name))
    assert other.shape != ours.shape or np.abs(ours - other).max() > 0.1 * theirs.max()


def test_a_map_that_is_registered_itself_lands_close_to_the_raw_made_one(run, made):
    layout, _ = run
    ours, theirs = (LinearTransform.read(one.transform(SUB, SES, "MT", "T1w")) for one in (layout, made))
    mask = nib.load(made.brain_mask(SUB, SES))
    points = nib.affines.apply_affine(mask.affine, np.argwhere(values(made.brain_mask(SUB, SES)) > 0))
    assert np.linalg.norm(ours.apply(points) - theirs.apply(points), axis=1).mean() < 1.5
    brain = values(made.brain_mask(SUB, SES, space="dvrt0")) > 0
    pair = [values(one.source(SUB, SES, "MTR"))[brain] for one in (layout, made)]
    assert np.corrcoef(pair)[0, 1] > 0.95
    record = json.loads(sidecar_path(layout.transform(SUB, SES, "MT", "T1w")).read_text())
    assert record["Moving"] == "MTR.nii.gz"


def test_sidecars_say_what_was_given(run):
    layout, _ = run
    files = {
        "desc-brain_mask": layout.brain_mask(SUB, SES),
        "label-WM_mask": layout.label_mask(SUB, SES, "WM"),
        "MTRmap": layout.work(SUB, SES, "ready/MTR.nii.gz"),
        "space-T1w_FA": layout.work(SUB, SES, "ready/FA.nii.gz"),
        "space-T1w_desc-dvr_pet": layout.source(SUB, SES, "DVR"),
    }
    for name, path in files.items():
        record = json.loads(sidecar_path(path).read_text())
        assert record["Ready"] is True, name
        assert record["GeneratedBy"][1]["Name"] == "given by the data set", name
        assert record["Sources"][0].endswith(f"_{name}.nii.gz"), record["Sources"]
        assert "ready/sub-" in record["Sources"][0] or record["Sources"][0].startswith("bids:ready:"), record["Sources"]
    lesions = json.loads(sidecar_path(layout.label_mask(SUB, SES, "L", desc="manual")).read_text())
    assert lesions["Settings"]["Transforms"] == []


def test_the_page_lists_them_and_shows_the_map_that_was_registered_itself(run):
    layout, _ = run
    page = layout.page(f"qc/sub-{SUB}_ses-{SES}").read_text()
    for kind in ("brain", "WM", "MTR", "FA", "RD", "AD", "DVR"):
        row = rf">{kind}</td><td[^>]*>ready</td><td[^>]*>used</td><td[^>]*>ready, given by the data set"
        assert re.search(row, page), kind
    assert "drawn on the T1w: no transform of the FLAIR" in page
    assert "picture of MT to T1w" not in page, "no gap: the map itself is the moving image"
    assert page.count("Ready MTR to T1w") >= 2
    assert 'alt="Ready MTR to T1w, after registration' in page
