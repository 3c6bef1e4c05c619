"""Similarity registration: known offsets come back, the same bytes again; FLIRT's matrix is converted."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import imaging  # noqa: F401
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_volume, save_volume


def command(*arguments: object, succeeds: bool = True):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if succeeds and result.exception:
        raise result.exception
    return result


def off(found, truth, points) -> float:
    return float(np.linalg.norm(found.apply(points) - truth.apply(points), axis=1).mean())


def test_rigid_offset_between_contrasts_is_recovered(session, truth, brain_points, tmp_path):
    out = ["--out-transform", tmp_path / "x.txt"]
    command("register", session / "t2.nii.gz", session / "t1.nii.gz", *out)
    assert off(LinearTransform.read(tmp_path / "x.txt"), truth, brain_points) < 0.2
    record = json.loads((tmp_path / "x.json").read_text())
    assert record["GeneratedBy"][1]["Name"] == "antspyx"
    assert record["CostAfter"] < record["CostBefore"]
    assert (record["Dof"], record["Fallback"], record["Moving"]) == (6, False, "t2.nii.gz")


def test_affine_recovers_scale(session, head, brain_points, tmp_path):
    truth = LinearTransform(np.diag([1.06, 0.95, 1.03, 1.0]))
    save_volume(tmp_path / "m.nii.gz", head.image("t1", truth, head.grid), head.grid)
    out = ["--dof", 12, "--out-transform", tmp_path / "x.txt", "--fixed-mask", session / "brain.nii.gz"]
    command("register", tmp_path / "m.nii.gz", session / "t1.nii.gz", *out)
    assert off(LinearTransform.read(tmp_path / "x.txt"), truth, brain_points) < 0.3


@pytest.mark.parametrize("orientation", ["LAS", "LPS", "oblique"], indirect=True)
def test_voxel_order_does_not_matter(session, truth, brain_points, tmp_path, orientation):
    import nibabel as nib
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    image = nib.load(session / "t1.nii.gz")
    turn = LinearTransform.identity()
    if orientation == "oblique":
        angle = np.deg2rad(10)
        turn.matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        image = nib.Nifti1Image(image.get_fdata(), turn.matrix @ image.affine)
    else:
        image = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(tuple(orientation))))
    image.to_filename(tmp_path / "fixed.nii.gz")
    out = ["--out-transform", tmp_path / "x.txt"]
    command("register", session / "t2.nii.gz", tmp_path / "fixed.nii.gz", *out)
    assert off(LinearTransform.read(tmp_path / "x.txt"), truth @ ~turn, turn.apply(brain_points)) < 0.25


def test_far_images_start_from_their_centres(session, head, truth, brain_points, tmp_path):
    away = LinearTransform(np.eye(4))
    away.matrix[:3, 3] = (0, 60, -80)
    t2 = load_volume(session / "t2.nii.gz")
    moved = type(t2.grid)(t2.grid.shape, away.matrix @ t2.grid.affine)
    save_volume(tmp_path / "far.nii.gz", t2.data, moved)
    command("register", tmp_path / "far.nii.gz", session / "t1.nii.gz", "--out-transform", tmp_path / "x.txt")
    assert json.loads((tmp_path / "x.json").read_text())["Start"] == "centre of mass"
    assert off(LinearTransform.read(tmp_path / "x.txt"), away @ truth, brain_points) < 0.2


def test_another_process_gives_the_same_bytes(session, tmp_path):
    for name in ("a.txt", "b.txt"):
        code = "from myelosynth.cli.app import main; main()"
        arguments = ["register", session / "flair.nii.gz", session / "t1.nii.gz", "--out-transform", tmp_path / name]
        subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True)
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()


def test_flirt_matrix_becomes_a_pull_transform(session, truth, brain_points, tmp_path, program, monkeypatch):
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    monkeypatch.setenv("FSLOUTPUTTYPE", "NIFTI_GZ")
    moving, fixed = load_volume(session / "t2.nii.gz").grid, load_volume(session / "t1.nii.gz").grid
    np.savetxt(tmp_path / "answer.mat", truth.to_flirt(moving, fixed))
    body = f'echo "$@" > {tmp_path}/called\ntouch flirt.nii.gz\ncp {tmp_path}/answer.mat flirt.mat'
    program("flirt", body)
    out = ["--out-transform", tmp_path / "x.txt", "--engine", "flirt"]
    command("register", session / "t2.nii.gz", session / "t1.nii.gz", *out)
    called = (tmp_path / "called").read_text()
    assert "-dof 6" in called
    assert "-cost corratio" in called
    assert off(LinearTransform.read(tmp_path / "x.txt"), truth, brain_points) < 1e-3
    assert json.loads((tmp_path / "x.json").read_text())["GeneratedBy"][1]["Name"] == "flirt"


def test_a_failing_program_is_one_error(session, tmp_path, program, monkeypatch):
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    program("flirt", 'echo "out of memory" >&2\nexit 3')
    out = ["--out-transform", tmp_path / "x.txt", "--engine", "flirt"]
    result = command("register", session / "t2.nii.gz", session / "t1.nii.gz", *out, succeeds=False)
    assert isinstance(result.exception, InputError)
    assert "exit code 3" in str(result.exception)
    assert "out of memory" in str(result.exception)
    assert not (tmp_path / "x.txt").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dof", 9], "dof unknown"),
        (["--engine", "elastix"], "unknown engine.*known: antspyx, flirt"),
        (["--fixed-mask", "none.nii.gz"], "file missing"),
        (["--out-image", "x.nii.gz"], "outputs share a sidecar"),
    ],
)
def test_bad_options_are_named_before_any_work(session, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    arguments = [session / "t2.nii.gz", session / "t1.nii.gz", "--out-transform", "x.txt", *options]
    result = command("register", *arguments, succeeds=False)
    assert isinstance(result.exception, InputError)
    with pytest.raises(InputError, match=message):
        raise result.exception
    assert not list(tmp_path.iterdir())


def test_far_headers_meet_at_their_centres_of_mass(session, head, tmp_path):
    """A metre between the headers: the start from centres of mass brings the images together."""
    far = head.grid.affine.copy()
    far[:3, 3] += 1000
    grid = Grid(head.grid.shape, far)
    save_volume(tmp_path / "far.nii.gz", load_volume(session / "t1.nii.gz").data, grid)
    command("register", tmp_path / "far.nii.gz", session / "t1.nii.gz", "--out-transform", tmp_path / "x.txt")
    found = LinearTransform.read(tmp_path / "x.txt")
    np.testing.assert_allclose(found.apply(np.zeros((1, 3))), [[1000, 1000, 1000]], atol=0.3)


def test_bad_pairs_are_one_line(session, head, tmp_path):
    t1, out = session / "t1.nii.gz", ["--out-transform", tmp_path / "x.txt"]
    save_volume(tmp_path / "flat.nii.gz", np.ones(head.grid.shape), head.grid)
    far = head.grid.affine.copy()
    far[:3, 3] += 1000
    save_volume(tmp_path / "far.nii.gz", load_volume(t1).data, Grid(head.grid.shape, far))
    LinearTransform.identity().write(tmp_path / "start.txt")
    for name, radius in (("speck", 0.5), ("ball", 5)):
        middle = np.moveaxis(np.indices(head.grid.shape), 0, -1) - np.array(head.grid.shape) // 2
        save_volume(tmp_path / f"{name}.nii.gz", (middle**2).sum(-1) <= radius**2, head.grid, np.uint8)
    white = ["--wm-mask", session / "wm_mask.nii.gz", "--init", tmp_path / "start.txt"]
    for words, said in (
        (["register", tmp_path / "flat.nii.gz", t1], r"image of one value, .*flat\.nii\.gz, every voxel is 1"),
        (["register", t1, tmp_path / "flat.nii.gz"], r"image of one value, .*flat\.nii\.gz"),
        (["register-bbr", tmp_path / "flat.nii.gz", t1, *white], r"image of one value, .*flat\.nii\.gz"),
        (["register-bbr", t1, t1, "--wm-mask", tmp_path / "speck.nii.gz"], r"white matter too small, .*, 1 voxels"),
        (["register-bbr", t1, t1, "--wm-mask", tmp_path / "ball.nii.gz"], r"boundary too short, .* at least 500"),
        (["register-bbr", tmp_path / "far.nii.gz", t1, *white], r"do not overlap, .*far\.nii\.gz, 0% .* at the start"),
    ):
        with pytest.raises(InputError, match=said):
            command(*words, *out)
    assert not (tmp_path / "x.txt").exists()
