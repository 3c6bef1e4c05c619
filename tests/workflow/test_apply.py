"""A bundle of the tiny study on a patient without PET: planned before anything exists, and run."""

import json
import re
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from myelosynth.bids.layout import APPLIED_SPACE, Layout, RawLayout
from myelosynth.bids.names import sidecar_path

from .conftest import WARNINGS, bids_issues, placed_by_header

pytestmark = pytest.mark.workflow
SUB = "002"
SYSTEM = "ridge"


def myelosynth(*words, cwd):
    """The command line as a person types it; stdout and stderr come back together."""
    command = [sys.executable, "-c", "from myelosynth.cli.app import main; main()", *map(str, words)]
    return subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture(scope="module")
def bundle(tiny_study, repository, tmp_path_factory):
    """Both folds of the tiny study's ridge regression."""
    out = tmp_path_factory.mktemp("bundle") / "ridge"
    made, tables = Layout(tiny_study.folder / "results"), tiny_study.folder / "results" / "tables"
    members = [word for fold in (1, 2) for word in ("--checkpoint", made.checkpoint(SYSTEM, fold))]
    parts = ["--curve", tables / "curve_fold-1.tsv", "--task", "myelin", "--data", tables / "manifest.tsv"]
    parts += ["--split", tables / "split.tsv", "--metrics", tables / "summary.tsv"]
    parts += ["--config", repository / "config/config.yaml", "--config", tiny_study.configfile]
    result = myelosynth("bundle", *members, *parts, "--out", out, cwd=tiny_study.folder)
    assert result.returncode == 0, result.stdout
    return out


@pytest.fixture(scope="module")
def patient(tiny_study, tmp_path_factory):
    """One patient of the tiny cohort without PET; MTR and the tensor's maps come ready, so that the run is short."""
    before, made = tiny_study.folder / "data" / "raw", Layout(tiny_study.folder / "results")
    root = tmp_path_factory.mktemp("patient") / "data"
    root.mkdir()
    shutil.copy(before / "dataset_description.json", root)
    (root / "participants.tsv").write_text(f"participant_id\tgroup\nsub-{SUB}\tpatient\n")
    given = RawLayout(root, root / "derivatives" / "lesions", root / "derivatives" / "ready")
    source = RawLayout(before, before / "derivatives" / "lesions")

    def copied(old, new):
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(old, new)

    for ses in ("t0", "t1"):
        copied(source.anat(SUB, ses, "T1w"), given.anat(SUB, ses, "T1w"))
        folder, stem = given.ready / f"sub-{SUB}" / f"ses-{ses}", f"sub-{SUB}_ses-{ses}_space-T1w"
        copied(made.brain_mask(SUB, ses), folder / "anat" / f"sub-{SUB}_ses-{ses}_desc-brain_mask.nii.gz")
        for name, image, native, where in (
            ("MTRmap", "MT", "mtr", "anat"),
            ("FA", "DWI", "tensor/fa", "dwi"),
            ("param-rd_dwimap", "DWI", "tensor/rd", "dwi"),
            ("param-ad_dwimap", "DWI", "tensor/ad", "dwi"),
        ):
            to_t1w = made.transform(SUB, ses, image, "T1w")
            placed_by_header(made.work(SUB, ses, f"{native}.nii.gz"), to_t1w, folder / where / f"{stem}_{name}.nii.gz")
    mask = given.lesion_mask(SUB, "t0")
    copied(made.label_mask(SUB, "t0", "L", desc="manual"), mask.with_name(mask.name.replace("FLAIR", "T1w")))
    return root


def options(root):
    return ["--ready", root / "derivatives" / "ready"]


@pytest.fixture(scope="module")
def run(tiny_study, bundle, patient, tmp_path_factory):
    """The results, and what the command said."""
    out = tmp_path_factory.mktemp("applied") / "out"
    more = ["--cores", 2, "--workflow", tiny_study.repository]
    result = myelosynth("apply", bundle, patient, out, *options(patient), *more, cwd=tiny_study.folder)
    assert result.returncode == 0, result.stdout[-6000:]
    return Layout(out, APPLIED_SPACE), result.stdout


def test_a_dry_run_prints_every_command_and_writes_nothing(tiny_study, bundle, patient, tmp_path):
    words = ["apply", bundle, patient, tmp_path / "out", *options(patient), "--dry-run"]
    result = myelosynth(*words, "--workflow", tiny_study.repository, cwd=tmp_path)
    assert result.returncode == 0, result.stdout[-3000:]
    commands = [line for line in result.stdout.splitlines() if "myelosynth " in line]
    steps = ("analysis-grid", "bundle-predict", "demyelination", "change", "report applied", "report applied-cohort")
    for step in steps:
        assert any(f"myelosynth {step} " in line for line in commands), step
    for step in ("train", "predict", "dvr", "pet-reference", "myelin-curve", "evaluate", "report patient"):
        assert not any(f"myelosynth {step} " in line for line in commands), step
    assert f"--curve {bundle / 'curve.tsv'}" in result.stdout
    assert "Traceback" not in result.stdout
    assert not (tmp_path / "out").exists()


def test_predictions_lie_on_one_grid_of_the_trained_voxels(run):
    layout, said = run
    assert f"{SYSTEM}: 1 participants, 2 sessions to predict" in said
    grid = nib.load(layout.analysis_grid(SUB))
    np.testing.assert_allclose(grid.header.get_zooms(), 5, rtol=0.05)
    brain = nib.load(layout.brain_mask(SUB, "t0", space=APPLIED_SPACE)).get_fdata() > 0
    for ses in ("t0", "t1"):
        for desc in ("predDvr", "predDvrStd"):
            image = nib.load(layout.prediction(SYSTEM, SUB, ses, desc=desc))
            np.testing.assert_allclose(image.affine, grid.affine)
            assert image.shape == grid.shape
            assert (image.get_fdata()[~brain] == 0).all()
        record = json.loads(sidecar_path(layout.prediction(SYSTEM, SUB, ses)).read_text())
        assert record["SpatialReference"].endswith("_space-T1wt0_desc-preproc_T1w.nii.gz")
        assert record["OutOfDistribution"] is False
    assert not list(layout.root.rglob("*dvrt0*"))


def test_the_prediction_agrees_with_that_of_the_study(run, tiny_study):
    """Same patient, same maps, another lattice; the study's model of this fold against the mean of both."""
    layout, _ = run
    made = Layout(tiny_study.folder / "results")
    pairs = []
    for one in (layout, made):
        dvr = nib.load(one.prediction(SYSTEM, SUB, "t0")).get_fdata()
        pairs.append(dvr[nib.load(one.brain_mask(SUB, "t0", space=one.space)).get_fdata() > 0].mean())
    assert pairs[0] == pytest.approx(pairs[1], rel=0.03)


def test_maps_indices_and_the_page(run):
    layout, _ = run
    indices = pd.read_csv(layout.indices(SYSTEM, SUB, "t1"), sep="\t").iloc[0]
    assert 0 <= indices["percent_t0"] <= 1
    assert indices["global"] == pytest.approx(indices["demyelination"] - indices["remyelination"])
    text = layout.page(f"sub-{SUB}").read_text()
    assert "No PET: predicted only." in text
    assert "Simulated data." in text
    assert "The threshold of demyelination comes from" in text
    assert 'alt="spread of the prediction"' in text
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text)
    assert layout.page(f"qc/sub-{SUB}_ses-t0").is_file()
    assert 'href="applied_cohort.html"' in text
    everybody = layout.page("applied_cohort").read_text()
    assert f'<a href="sub-{SUB}.html">sub-{SUB}</a>' in everybody
    assert f"{100 * indices['percent_t0']:.1f}" in everybody


def test_bids_validator_passes(run):
    folders = sorted((run[0].root / "derivatives").iterdir())
    assert {folder.name for folder in folders} == {"myelosynth", SYSTEM}
    for folder in folders:
        assert not bids_issues(folder, WARNINGS), folder


def test_a_changed_bundle_stops_before_the_first_job(tiny_study, bundle, patient, tmp_path):
    changed = tmp_path / "bundle"
    shutil.copytree(bundle, changed)
    (changed / "curve.tsv").write_text((changed / "curve.tsv").read_text() + "\n")
    more = ["--workflow", tiny_study.repository]
    result = myelosynth("apply", changed, patient, tmp_path / "out", *options(patient), *more, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stdout.startswith("error: file of the bundle was changed, ")
    assert not (tmp_path / "out").exists()
