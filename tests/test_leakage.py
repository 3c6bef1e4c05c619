"""Every way to leak that the evaluation rules name, provoked and refused; what a system must not know, it cannot know.

a subject on both sides; statistics or the control curve fitted with test subjects; early stopping on test; a
ground-truth lesion mask fed to a generator; predictions that are not held out; sketches of a Sketcher that saw the
subject (tests/synthesis/systems has more of those); a score that passes the oracle.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from myelosynth.bids.layout import Layout
from myelosynth.bids.names import sidecar_path
from myelosynth.cli.app import app
from myelosynth.cli.commands import evaluation  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.evaluation.cohort import Study, Subject, test_folds
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume
from myelosynth.synthesis.config import Task, load_preset, load_task
from myelosynth.synthesis.data.folds import Fold, read_fold
from myelosynth.synthesis.data.manifest import Scan, Selection, read_manifest, select
from myelosynth.synthesis.data.subjects import load_subject
from myelosynth.synthesis.systems.base import TrainingJob
from myelosynth.synthesis.systems.sketches import _require_held_out

test_folds.__test__ = False  # type: ignore[attr-defined]
GRID = Grid((8, 8, 8), np.diag([2.0, 2.0, 2.0, 1.0]))
ROLES = {"sub-001": "train", "sub-002": "validation", "sub-003": "test", "sub-004": "train"}
FOLD = Fold(1, ROLES, {}, "0" * 64)
HEAD = "participant_id\tsession_id\tcontrast\tpath\tmask\tlesions\tnawm"
BRAIN, LESIONS = np.ones(GRID.shape, bool), np.zeros(GRID.shape, bool)
LESIONS[2:4, 2:4, 2:4] = True


def table(folder, *rows, head=HEAD):
    path = folder / "table.tsv"
    path.write_text("\n".join([head, *("\t".join(map(str, row)) for row in rows)]) + "\n")
    return path


def command(*words):
    outcome = CliRunner().invoke(app, [str(word) for word in words])
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome


# -- a subject on both sides -------------------------------------------------------------------------------------------


def test_two_roles_in_one_fold(tmp_path):
    rows = [("sub-001", "patient", 1, "train"), ("sub-001", "patient", 1, "test"), ("sub-002", "patient", 1, "train")]
    split = table(tmp_path, *rows, head="participant_id\tgroup\tfold\trole")
    with pytest.raises(InputError, match=r"leak: two roles in one fold.*sub-001"):
        read_fold(split, 1)
    with pytest.raises(InputError, match="leakage: participant on both sides"):
        test_folds(split)


def test_a_followup_follows_its_participant(tmp_path):
    """The t1 of a test participant is no training scan, although its t0 is not in the manifest at all."""
    rows = [(s, "ses-t1", "FA", tmp_path / f"{s}_FA.nii.gz", "m", "", "") for s in sorted(ROLES)]
    chosen = select(read_manifest(table(tmp_path, *rows)), FOLD, ["t0", "t1"], ["FA"], tmp_path)
    assert [scan.participant for scan in (*chosen.training, *chosen.validation)] == ["sub-001", "sub-004", "sub-002"]


@pytest.mark.parametrize("stranger", ["sub-003_patch-01", "sub-003_slice-7"])
def test_pieces_of_a_participant_are_nobody(tmp_path, stranger):
    with pytest.raises(InputError, match="not a BIDS label"):
        read_manifest(table(tmp_path, (stranger, "ses-t0", "FA", "a.nii.gz", "m", "", "")))


def test_who_has_no_role_is_refused(tmp_path):
    scans = read_manifest(table(tmp_path, ("sub-003patch01", "ses-t0", "FA", "a.nii.gz", "m", "", "")))
    with pytest.raises(InputError, match="role unknown"):
        select(scans, FOLD, ["t0"], ["FA"], tmp_path)


def test_an_image_of_the_test_participant_under_another_label(tmp_path):
    image, link = tmp_path / "sub-003_FA.nii.gz", tmp_path / "alias.nii.gz"
    image.write_bytes(b"")
    link.symlink_to(image)
    with pytest.raises(InputError, match=r"leak: image of another participant.*sub-003_FA.*sub-001"):
        read_manifest(table(tmp_path, ("sub-001", "ses-t0", "FA", image, "m", "", "")))
    rows = [("sub-003", "ses-t0", "FA", image, "m", "", ""), ("sub-001", "ses-t0", "FA", link, "n", "", "")]
    with pytest.raises(InputError, match="leak: one image for two participants"):
        read_manifest(table(tmp_path, *rows))


# -- statistics and weights --------------------------------------------------------------------------------------------


def job(training, validation, repository):
    scans = [[Scan(name, "ses-t0", {}, Path("m"), None, None) for name in names] for names in (training, validation)]
    task = load_task(str(repository / "config" / "tasks" / "myelin.yaml"))
    preset = load_preset(str(repository / "config" / "presets" / "tiny.yaml"))
    device = torch.device("cpu")
    return TrainingJob("ridge", "l2", task, preset, FOLD, Selection(*scans), Path("out"), 0, device)


def test_statistics_fitted_with_a_test_subject(repository):
    with pytest.raises(InputError, match=r"leak: .* in the training data.*sub-003_ses-t0 is test in fold 1"):
        job(["sub-001", "sub-003"], ["sub-002"], repository)


def test_early_stopping_on_a_test_subject(repository):
    with pytest.raises(InputError, match=r"leak: .* chooses the weights.*sub-003_ses-t0 is test in fold 1"):
        job(["sub-001"], ["sub-003"], repository)
    assert job(["sub-001"], ["sub-002"], repository).scans.training


@pytest.mark.parametrize(("role", "words"), [("train", "learned from"), ("validation", "chose its weights by")])
def test_a_prediction_whose_model_lists_the_subject(tmp_path, role, words):
    image, subject = tmp_path / "pred.nii.gz", Subject("003", "patient", 1, ("t0",))
    study = Study(Layout(tmp_path), [subject], ["ridge"], [], split_sha256="a" * 64)
    record = {"Fold": 1, "SplitSha256": "a" * 64, "Participants": {"train": ["sub-001"], "validation": ["sub-002"]}}
    sidecar_path(image).write_text(json.dumps(record))
    study.require_held_out(image, subject)
    record["Participants"][role].append("sub-003")
    sidecar_path(image).write_text(json.dumps(record))
    with pytest.raises(InputError, match=rf"leak: the model has seen the subject.*{words} sub-003"):
        study.require_held_out(image, subject)


@pytest.mark.parametrize("change", [{"Fold": 2}, {"SplitSha256": "b" * 64}])
def test_a_prediction_of_another_fold_or_split(tmp_path, change):
    image, subject = tmp_path / "pred.nii.gz", Subject("003", "patient", 1, ("t0",))
    sidecar_path(image).write_text(json.dumps({"Fold": 1, "SplitSha256": "a" * 64, **change}))
    study = Study(Layout(tmp_path), [subject], ["ridge"], [], split_sha256="a" * 64)
    with pytest.raises(InputError, match="prediction is not held out"):
        study.require_held_out(image, subject)


@pytest.mark.parametrize("seen", ["sub-001", "sub-002", "sub-003"])
def test_a_sketch_of_a_sketcher_that_saw_who_is_held_out(tmp_path, repository, seen):
    sketch = tmp_path / "sub-001_ses-t0.nii.gz"
    sidecar_path(sketch).write_text(json.dumps({"Participants": {"train": [seen, "sub-009"], "validation": []}}))
    with pytest.raises(InputError, match=rf"leak: sketch made with held-out participants.*{seen}"):
        _require_held_out(job(["sub-001"], ["sub-002"], repository), "sub-001_ses-t0", sketch)


# -- the null of the indices -------------------------------------------------------------------------------------------


def test_a_null_of_a_test_patient(tmp_path):
    """The null-scan of a patient whom the fold tests is no part of the fold's null, and leaves no file."""
    rows = [(sub, "patient", 1, role) for sub, role in ROLES.items()]
    rows += [(sub, "patient", 2, "train" if role == "test" else "test") for sub, role in ROLES.items()]
    split = table(tmp_path, *rows, head="participant_id\tgroup\tfold\trole")
    images = []
    for sub in ("sub-001", "sub-003", "sub-004"):
        image = tmp_path / f"{sub}_map.nii.gz"
        image.write_bytes(b"")
        images += ["--before", image, "--after", image, "--lesions", image, "--distance", image]
    options = ["--curve", tmp_path / "curve.tsv", "--split", split, "--fold", 1, "--out", tmp_path / "null.json"]
    with pytest.raises(InputError, match=r"leak: null of test subjects.*sub-003 among the patients, test in fold 1"):
        command("null-fit", *images, *options)
    assert not (tmp_path / "null.json").exists()


# -- the control curve -------------------------------------------------------------------------------------------------


def curve(folder, names, *more):
    images = []
    for n, name in enumerate(names):
        dvr = 1.2 + 0.01 * np.random.default_rng(n).standard_normal(GRID.shape)
        kinds = {"DVR": dvr, "distance": np.full(GRID.shape, 4.0), "WM": BRAIN}
        for kind, data in kinds.items():
            save_volume(folder / f"{name}_{kind}.nii.gz", data, GRID, np.uint8 if kind == "WM" else np.float32)
        for option, kind in (("--dvr", "DVR"), ("--distance", "distance"), ("--wm", "WM")):
            images += [option, folder / f"{name}_{kind}.nii.gz"]
    command("myelin-curve", *images, "--out", folder / "curve.tsv", *more)
    return folder / "curve.tsv"


def test_a_curve_of_test_controls(tmp_path):
    rows = [
        ("sub-007", "control", 1, "train"),
        ("sub-008", "control", 1, "validation"),
        ("sub-009", "control", 1, "test"),
    ]
    split = table(tmp_path, *rows, head="participant_id\tgroup\tfold\trole")
    made = curve(tmp_path, ["sub-007", "sub-008"], "--split", split, "--fold", 1)
    record = json.loads(sidecar_path(made).read_text())
    assert (record["Participants"], record["Fold"]) == (["sub-007", "sub-008"], 1)
    assert record["Roles"] == {"train": 1, "validation": 1}
    assert record["SplitSha256"] == hashlib.sha256(split.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=r"leak: control curve of test subjects.*sub-009 among the controls"):
        curve(tmp_path, ["sub-007", "sub-009"], "--split", split, "--fold", 1)
    with pytest.raises(InputError, match="options belong together"):
        curve(tmp_path, ["sub-007"], "--fold", 1)


@pytest.mark.parametrize("record", ["Participants", "Sources"])
def test_a_map_against_a_curve_that_the_subject_is_in(tmp_path, record):
    made = curve(tmp_path, ["sub-007", "sub-008"])
    if record == "Sources":  # a curve from before sidecars named participants
        kept = json.loads(sidecar_path(made).read_text())
        del kept["Participants"]
        sidecar_path(made).write_text(json.dumps(kept))
    save_volume(tmp_path / "lesions.nii.gz", LESIONS, GRID, np.uint8)
    rest = ["--lesions", tmp_path / "lesions.nii.gz", "--curve", made, "--out", tmp_path / "map.nii.gz"]
    with pytest.raises(InputError, match=r"leak: control curve saw the subject.*sub-008"):
        command(
            "demyelination", tmp_path / "sub-008_DVR.nii.gz", "--distance", tmp_path / "sub-008_distance.nii.gz", *rest
        )
    assert not (tmp_path / "map.nii.gz").exists()
    (tmp_path / "sub-008_DVR.nii.gz").rename(tmp_path / "sub-001_DVR.nii.gz")
    command("demyelination", tmp_path / "sub-001_DVR.nii.gz", "--distance", tmp_path / "sub-008_distance.nii.gz", *rest)
    assert json.loads((tmp_path / "map.json").read_text())["CurveParticipants"] == ["sub-007", "sub-008"]


def test_an_evaluated_map_whose_curve_saw_the_fold(tmp_path):
    subjects = [Subject("001", "patient", 1, ("t0",)), Subject("009", "control", 1, ("t0",))]
    study = Study(Layout(tmp_path), subjects, ["ridge"], [])
    mask = tmp_path / "map.nii.gz"
    for people in (["sub-007"], None):
        sidecar_path(mask).write_text(json.dumps({"CurveParticipants": people}))
        study.require_fair_map(mask, subjects[0])
    sidecar_path(mask).write_text(json.dumps({"CurveParticipants": ["sub-007", "sub-009"]}))
    with pytest.raises(InputError, match=r"leak: control curve saw test subjects.*sub-009.*fold 1"):
        study.require_fair_map(mask, subjects[0])


# -- a lesion mask as a source -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lesions", "lesion-mask", "NAWM", "label_L", "dseg"])
def test_a_task_with_a_mask_among_its_sources(name):
    with pytest.raises(ValueError, match=f"leak: source {name} is a mask"):
        Task(name="myelin", sources=["FA", name], target="DVR", training_sessions=["t0"])
    assert Task(name="myelin", sources=["T1w", "MTR", "FLAIR"], target="DVR", training_sessions=["t0"])


def test_a_mask_listed_as_an_image(tmp_path):
    with pytest.raises(InputError, match="leak: mask as an image"):
        read_manifest(table(tmp_path, ("sub-001", "ses-t0", "FA", "les.nii.gz", "m", "les.nii.gz", "")))


@pytest.mark.parametrize("scale", [1.0, -3.5])
def test_a_source_image_that_is_the_lesion_mask(tmp_path, scale):
    brain = BRAIN.copy()
    brain[0] = False
    rng = np.random.default_rng(0)
    images = {"FA": 2 + scale * LESIONS, "DVR": 1 + 0.1 * rng.standard_normal(GRID.shape)}
    for name, data in images.items():
        save_volume(tmp_path / f"{name}.nii.gz", data, GRID)
    for name, data in {"mask": brain, "lesions": LESIONS}.items():
        save_volume(tmp_path / f"{name}.nii.gz", data, GRID, np.uint8)
    paths = {name: tmp_path / f"{name}.nii.gz" for name in images}
    scan = Scan("sub-001", "ses-t0", paths, tmp_path / "mask.nii.gz", tmp_path / "lesions.nii.gz", None)
    task = Task(name="myelin", sources=["FA"], target="DVR", training_sessions=["t0"])
    with pytest.raises(InputError, match=r"leak: mask in the place of an image.*FA has the two values"):
        load_subject(scan, task)
    save_volume(paths["FA"], images["FA"] + 0.1 * rng.standard_normal(GRID.shape), GRID)
    assert load_subject(scan, task).sources.shape == (1, *GRID.shape)


def test_a_mask_given_to_a_trained_model(tmp_path):
    from myelosynth.cli.sources import load_inputs

    save_volume(tmp_path / "mask.nii.gz", BRAIN, GRID, np.uint8)
    save_volume(tmp_path / "lesions.nii.gz", LESIONS, GRID, np.uint8)
    with pytest.raises(InputError, match=r"leak: mask in the place of an image.*FA has the two values 0 and 1"):
        load_inputs({"FA": tmp_path / "lesions.nii.gz"}, tmp_path / "mask.nii.gz")
