"""Lab engines run for real on the small head, where their programs are."""

import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import imaging  # noqa: F401
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.interfaces.engines import ENGINES

pytestmark = pytest.mark.lab


def needs(step: str, name: str) -> None:
    """Skip, with the reason that a user would be told, where an engine cannot run."""
    fault = next(engine for engine in ENGINES[step] if engine.name == name).fault()
    if fault:
        pytest.skip(f"{name}: {fault}")


def command(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception:
        raise result.exception


def off(path: Path, truth: LinearTransform, points) -> float:
    found = LinearTransform.read(path)
    return float(np.linalg.norm(found.apply(points) - truth.apply(points), axis=1).mean())


def test_flirt_finds_the_offset(session, truth, brain_points, tmp_path):
    needs("register", "flirt")
    out = ["--out-transform", tmp_path / "x.txt", "--engine", "flirt"]
    command("register", session / "t2.nii.gz", session / "t1.nii.gz", *out)
    assert off(tmp_path / "x.txt", truth, brain_points) < 0.5


def test_flirt_finds_the_boundary(session, truth, brain_points, tmp_path):
    needs("register-bbr", "flirt")
    masks = ["--wm-mask", session / "wm_mask.nii.gz", "--gm", session / "gm.nii.gz", "--contrast", "t2"]
    out = ["--out-transform", tmp_path / "x.txt", "--engine", "flirt"]
    command("register-bbr", session / "t2.nii.gz", session / "t1.nii.gz", *masks, *out)
    assert off(tmp_path / "x.txt", truth, brain_points) < 0.35


@pytest.mark.parametrize("engine", ["bet", "synthstrip"])
def test_a_brain_is_found(session, tmp_path, engine):
    needs("extract-brain", engine)
    options = ["--out-mask", tmp_path / "m.nii.gz", "--engine", engine, "--accept-failed"]
    command("extract-brain", session / "t1.nii.gz", *options)  # a head of 0.2 l
    assert load_mask(tmp_path / "m.nii.gz").any()


def test_fast_finds_the_white_matter(session, tmp_path):
    needs("segment-tissue", "fast")
    where = ["--mask", session / "brain.nii.gz", "--out-dir", tmp_path, "--engine", "fast"]
    command("segment-tissue", session / "t1.nii.gz", *where)
    found, truth = load_mask(tmp_path / "wm_mask.nii.gz"), load_mask(session / "wm_mask.nii.gz")
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.85


def test_n4_removes_a_known_field(session, tmp_path):
    needs("n4", "ants")
    t1, white = load_volume(session / "t1.nii.gz"), load_mask(session / "wm_mask.nii.gz")
    ramp = np.exp(np.linspace(-0.6, 0.6, t1.grid.shape[1]))[None, :, None]
    save_volume(tmp_path / "biased.nii.gz", t1.data * ramp, t1.grid)
    where = ["--mask", session / "brain.nii.gz", "--engine", "ants"]
    command("n4", tmp_path / "biased.nii.gz", tmp_path / "n4.nii.gz", *where)
    fixed = load_volume(tmp_path / "n4.nii.gz").data[white]
    before = (t1.data * ramp)[white]
    assert fixed.std() / fixed.mean() < 0.5 * before.std() / before.mean()


def test_bbregister_and_tissue_on_freesurfers_own_subject(tmp_path):
    """recon-all itself takes hours: the subject `bert`, which comes with FreeSurfer, stands for its result."""
    needs("register-bbr", "bbregister")
    needs("segment-tissue", "freesurfer")
    bert = Path(os.environ["FREESURFER_HOME"], "subjects", "bert")
    if not (bert / "scripts" / "recon-all.done").is_file():
        pytest.skip(f"no finished subject {bert}")
    t1 = load_volume(bert / "mri" / "orig.mgz")
    brain = load_volume(bert / "mri" / "brainmask.mgz").data > 0
    save_volume(tmp_path / "t1.nii.gz", t1.data, t1.grid)
    save_volume(tmp_path / "brain.nii.gz", brain, t1.grid, np.uint8)
    where = ["--mask", tmp_path / "brain.nii.gz", "--fs-subject", bert]
    command("segment-tissue", tmp_path / "t1.nii.gz", *where, "--out-dir", tmp_path, "--engine", "freesurfer")
    assert 0.2 < load_mask(tmp_path / "wm_mask.nii.gz").sum() / brain.sum() < 0.6
    wrong = np.eye(4)
    wrong[:3, 3] = (1.5, -1.0, 1.0)
    LinearTransform(wrong).write(tmp_path / "start.txt")
    masks = ["--wm-mask", tmp_path / "wm_mask.nii.gz", "--init", tmp_path / "start.txt", "--contrast", "t1"]
    out = ["--out-transform", tmp_path / "x.txt", "--engine", "bbregister", "--fs-subject", bert]
    command("register-bbr", tmp_path / "t1.nii.gz", tmp_path / "t1.nii.gz", *masks, *out)
    points = LinearTransform(t1.grid.affine).apply(np.argwhere(brain)[::500].astype(float))
    assert off(tmp_path / "x.txt", LinearTransform.identity(), points) < 0.5
