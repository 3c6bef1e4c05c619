"""Boundary-based registration on a folded shape whose displacement is known."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import imaging  # noqa: F401
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.interfaces.boundary import rejection
from myelosynth.interfaces.boundary_cost import BoundaryCost, displacement, minimise
from myelosynth.interfaces.boundary_points import Boundary, white_boundary


@pytest.fixture(scope="module")
def boundary(session):
    grey = load_volume(session / "gm.nii.gz")
    return white_boundary(load_mask(session / "wm_mask.nii.gz"), grey.grid, grey.data)


def off(found: LinearTransform, truth: LinearTransform, points) -> float:
    return float(np.linalg.norm(found.apply(points) - truth.apply(points), axis=1).mean())


def command(*arguments: object, succeeds: bool = True):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if succeeds and result.exception:
        raise result.exception
    return result


def test_normals_point_out_of_the_white_matter(boundary, head):
    white_inside, white_outside = head.fractions(boundary.inside)[2], head.fractions(boundary.outside)[2]
    assert white_inside.mean() > 0.8
    assert white_outside.mean() < 0.2


def test_grey_keeps_the_ventricle_edge_out(session, boundary):
    every = white_boundary(load_mask(session / "wm_mask.nii.gz"), load_volume(session / "gm.nii.gz").grid, limit=10**6)
    near_ventricle = np.linalg.norm(every.outside, axis=1) < 12
    assert near_ventricle.sum() > 100
    assert (np.linalg.norm(boundary.outside, axis=1) < 12).mean() < 0.001


@pytest.mark.parametrize("dof", [6, 12])
def test_the_gradient_is_the_slope_of_the_cost(session, boundary, truth, dof):
    moving = load_volume(session / "t2.nii.gz")
    cost = BoundaryCost(moving.data, moving.grid, boundary.every(4), truth, 1.0, slope=0.05)
    at = np.random.default_rng(0).normal(0, 0.5, dof)
    gradient, h = cost(at)[1], 1e-5
    for n in range(dof):
        step = np.eye(dof)[n] * h
        assert gradient[n] == pytest.approx((cost(at + step)[0] - cost(at - step)[0]) / (2 * h), rel=0.02, abs=2e-5)


def test_the_cost_is_the_papers_by_hand():
    # one pair of probes: inside 100, outside 80: Q = 200 * -20 / 180 = -22.2 %, with the sign of a T1w
    image = np.zeros((8, 4, 4), np.float32)
    image[:4], image[4:] = 100, 80
    line = Boundary(np.array([[2.0, 2, 2]]), np.array([[6.0, 2, 2]]))
    grid, here = Grid((8, 4, 4), np.eye(4)), LinearTransform.identity()
    good = BoundaryCost(image, grid, line, here, -1.0, slope=0.01)(np.zeros(6))[0]
    assert good == pytest.approx(1 + np.tanh(0.01 * 200 * -20 / 180))
    assert BoundaryCost(image, grid, line, here, 1.0, slope=0.01)(np.zeros(6))[0] == pytest.approx(2 - good)


@pytest.mark.parametrize("contrast", ["t2", "flair"])
def test_a_known_offset_is_refined(session, boundary, truth, brain_points, contrast):
    moving = load_volume(session / f"{contrast}.nii.gz")
    wrong = np.array([1.5, -1.0, 1.0, 1.5, -1.0, 1.0])
    start = truth @ displacement(wrong, boundary.centre)
    assert off(start, truth, brain_points) > 1.5
    found, inside = minimise(moving.data, moving.grid, boundary, start, 1.0, 6)
    assert inside
    assert off(found, truth, brain_points) < 0.2


def test_t1_contrast_has_the_other_sign(session, head, boundary, brain_points):
    moving = load_volume(session / "t1.nii.gz")
    start = displacement(np.array([1.0, 1, -1, 1, 0, 0]), boundary.centre)
    assert np.median(BoundaryCost(moving.data, moving.grid, boundary, start, 1.0).contrast()) < 0
    found, _ = minimise(moving.data, moving.grid, boundary, start, -1.0, 6)
    assert off(start, LinearTransform.identity(), brain_points) > 1.7
    assert off(found, LinearTransform.identity(), brain_points) < 0.25


def test_twelve_degrees_find_a_stretch(session, boundary, truth, brain_points):
    moving = load_volume(session / "flair.nii.gz")
    wrong = np.array([1.0, -0.5, 0.5, 2.0, 0.5, 0.0, -0.5, -2.0, 0.5, 0.0, 0.5, 1.5])
    start = truth @ displacement(wrong, boundary.centre)
    assert off(start, truth, brain_points) > 1.3
    assert off(minimise(moving.data, moving.grid, boundary, start, 1.0, 12)[0], truth, brain_points) < 0.45


def test_repeats_are_the_same_bytes_whatever_the_threads(session, boundary, truth):
    import torch

    moving, threads = load_volume(session / "t2.nii.gz"), torch.get_num_threads()
    found = []
    for number in (1, 2):
        torch.set_num_threads(number)
        found.append(minimise(moving.data, moving.grid, boundary, truth, 1.0, 6)[0].matrix)
    torch.set_num_threads(threads)
    assert found[0].tobytes() == found[1].tobytes()


@pytest.mark.gpu
def test_cuda_lands_where_the_cpu_does(session, boundary, truth):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    moving = load_volume(session / "t2.nii.gz")
    cpu, cuda, again = (
        minimise(moving.data, moving.grid, boundary, truth, 1.0, 6, device=torch.device(name))[0].matrix
        for name in ("cpu", "cuda", "cuda")
    )
    assert cuda.tobytes() == again.tobytes()
    np.testing.assert_allclose(cuda, cpu, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--engine", "flirt", "--slope", 0.5], ["flirt"]),
        (["--slope", -0.5], ["--slope", "-0.5"]),
        (["--device", "tpu"], ["--device", "'tpu'"]),
    ],
)
def test_wrong_options_are_refused(session, tmp_path, options, words):
    images = [session / "t2.nii.gz", session / "t1.nii.gz", "--wm-mask", session / "wm_mask.nii.gz"]
    result = command("register-bbr", *images, *options, "--out-transform", tmp_path / "x.txt", succeeds=False)
    assert isinstance(result.exception, InputError)
    assert all(word in str(result.exception) for word in words)
    assert not list(tmp_path.iterdir())


def test_command_finds_the_contrast_and_its_own_start(session, truth, brain_points, tmp_path):
    masks = ["--wm-mask", session / "wm_mask.nii.gz", "--gm", session / "gm.nii.gz"]
    where = ["--out-transform", tmp_path / "x.txt", "--out-image", tmp_path / "moved.nii.gz"]
    command("register-bbr", session / "t2.nii.gz", session / "t1.nii.gz", *masks, *where)
    record = json.loads((tmp_path / "x.json").read_text())
    assert record["Contrast"] == "t2"
    assert record["Fallback"] is False
    assert record["CostAfter"] < record["CostBefore"]
    assert record["GeneratedBy"][1]["Name"] == "myelosynth"
    assert off(LinearTransform.read(tmp_path / "x.txt"), truth, brain_points) < 0.35
    moved, t1 = load_volume(tmp_path / "moved.nii.gz"), load_volume(session / "t1.nii.gz")
    assert moved.grid.matches(t1.grid)
    assert (tmp_path / "moved.json").is_file()


def test_an_image_without_boundary_falls_back_to_the_start(session, truth, tmp_path, caplog):
    grid = load_volume(session / "t2.nii.gz").grid
    noise = np.random.default_rng(0).uniform(50, 60, grid.shape)
    save_volume(tmp_path / "noise.nii.gz", noise, grid)
    truth.write(tmp_path / "start.txt")
    masks = ["--wm-mask", session / "wm_mask.nii.gz", "--init", tmp_path / "start.txt"]
    out = ["--out-transform", tmp_path / "x.txt"]
    command("register-bbr", tmp_path / "noise.nii.gz", session / "t1.nii.gz", *masks, *out)
    record = json.loads((tmp_path / "x.json").read_text())
    assert record["Fallback"] is True
    assert "boundary" in record["FallbackReason"]
    assert "rejected" in caplog.text
    np.testing.assert_allclose(LinearTransform.read(tmp_path / "x.txt").matrix, truth.matrix, atol=1e-12)


@pytest.mark.parametrize(
    ("before", "after", "seen", "inside", "reason"),
    [
        (0.3, 0.2, 0.9, True, None),
        (0.2, 0.3, 0.9, True, "worse"),
        (0.3, 0.2, 0.9, False, "edge of its search range"),
        (0.9, 0.7, 0.6, True, "60% of the boundary shows"),
    ],
)
def test_reasons_for_rejection(before, after, seen, inside, reason):
    found = rejection(before, after, seen, inside)
    assert (found is None) if reason is None else (reason in found)


def test_a_speck_of_white_matter_is_refused():
    white = np.zeros((20, 20, 20), bool)
    white[9:11, 9:11, 9:11] = True
    with pytest.raises(InputError, match="white matter"):
        white_boundary(white, Grid((20, 20, 20), np.eye(4)))


def test_masks_on_another_grid_are_refused(session, tmp_path):
    out = ["--out-transform", tmp_path / "x.txt"]
    result = command(
        *("register-bbr", session / "t2.nii.gz", session / "t1.nii.gz", "--wm-mask", session / "flair.nii.gz"),
        *out,
        succeeds=False,
    )
    assert isinstance(result.exception, InputError)
    assert "grids differ" in str(result.exception)
    assert not list(tmp_path.iterdir())
