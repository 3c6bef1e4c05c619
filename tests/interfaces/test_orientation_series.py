"""Tensor and kinetics give the same maps however the voxels of a series are stored (see test_orientation.py)."""

import json

import numpy as np
import pytest

from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.physics.gradients import read_gradients

from .twins import COARSE, FIRST, TWINS, command


@pytest.fixture(params=[*TWINS])
def twin(request):
    return TWINS[request.param]


DIRECTIONS = np.random.default_rng(3).normal(size=(12, 3))
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1)[:, None]


def write_gradients(folder, one):
    """FSL files of DIRECTIONS, which are along the first one's world axes.

    FSL counts along voxel axes and, where the affine has a positive determinant, takes the first one the other way
    round: an odd number of reversed axes and swaps makes it negative.
    """
    along = DIRECTIONS[:, one.order] * np.where(one.flips, -1, 1)
    odd = (sum(one.flips) + (one.order in {(1, 0, 2), (0, 2, 1), (2, 1, 0)})) % 2
    bvecs = np.vstack([np.zeros(3), along if odd else along * (-1, 1, 1)])
    np.savetxt(folder / "bvecs", bvecs.T)
    np.savetxt(folder / "bvals", np.r_[0, np.full(len(DIRECTIONS), 1000)][None], fmt="%d")


def test_directions_are_those_of_the_world(twin, tmp_path):
    write_gradients(tmp_path, twin)
    found = read_gradients(tmp_path / "bvals", tmp_path / "bvecs", 13, twin.grid(COARSE).affine).bvecs
    np.testing.assert_allclose(found[1:], DIRECTIONS @ twin.moved.matrix[:3, :3].T, atol=1e-6)


SMALL = Grid((9, 8, 7), np.diag([3.0, 3.5, 4, 1]) + np.outer((-12, -70, -60, 0), (0, 0, 0, 1)))


def test_tensor(twin, tmp_path):
    generator = np.random.default_rng(5)
    values = generator.uniform(3e-4, 1.8e-3, (*SMALL.shape, 3))
    turns = np.linalg.qr(generator.normal(size=(*SMALL.shape, 3, 3)))[0]
    tensors = np.einsum("...ij,...j,...kj->...ik", turns, values, turns)
    decay = np.exp(-1000 * np.einsum("ni,...ij,nj->...n", DIRECTIONS, tensors, DIRECTIONS))
    found = []
    for name, one in (("first", FIRST), ("twin", twin)):
        folder = tmp_path / name
        folder.mkdir()
        write_gradients(folder, one)
        one.save(folder / "dwi.nii.gz", 800 * np.concatenate([np.ones((*SMALL.shape, 1)), decay], -1), SMALL)
        one.save(folder / "mask.nii.gz", np.ones(SMALL.shape), SMALL, np.uint8)
        options = ["--bvals", folder / "bvals", "--bvecs", folder / "bvecs", "--mask", folder / "mask.nii.gz"]
        command("fit-tensor", folder / "dwi.nii.gz", *options, "--out-dir", folder)
        command("mean-b0", folder / "dwi.nii.gz", folder / "b0.nii.gz", "--bvals", folder / "bvals")
        found.append([one.load(folder / f"{image}.nii.gz") for image in ("fa", "rd", "ad", "md", "b0")])
    sorted_values = np.sort(values, -1)
    np.testing.assert_allclose(found[0][2], sorted_values[..., 2], rtol=1e-3)
    for ours, theirs in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


@pytest.fixture(scope="module")
def scan():
    """A dynamic PET (X, Y, Z, F) of nine voxels' kinetics and noise, its frames, and a grey-matter fraction."""
    duration = np.array([60.0] * 6 + [180.0] * 4 + [600.0] * 7)
    middle = (np.cumsum(duration) - duration / 2) / 60
    generator = np.random.default_rng(8)
    late, speed = generator.uniform(0.6, 1.6, (2, *SMALL.shape, 1))
    pet = 90 * middle * np.exp(-middle * speed / 6) + 25 * late * (1 - np.exp(-middle / 4)) * np.exp(-middle / 60)
    frames = {
        "FrameTimesStart": [*map(float, np.cumsum(duration) - duration)],
        "FrameDuration": [*map(float, duration)],
    }
    return pet, {**frames, "ImageDecayCorrected": True, "Units": "Bq/mL"}, generator.uniform(0, 1, SMALL.shape)


def test_kinetics(twin, tmp_path, scan):
    pet, frames, gm = scan
    middle = LinearTransform(SMALL.affine).apply(np.array([4.2, 3.4, 3.1]))
    to_template = np.eye(4)
    to_template[:3, 3] = middle - (26, -66, -42)
    methods = ("grey-matter", "clustering", "cerebellar-grey")
    found = []
    for name, one in (("first", FIRST), ("twin", twin)):
        folder = tmp_path / name
        folder.mkdir()
        one.save(folder / "pet.nii.gz", pet, SMALL)
        one.save(folder / "gm.nii.gz", gm, SMALL)
        (folder / "pet.json").write_text(json.dumps(frames))
        (one.moved @ LinearTransform(to_template)).write(folder / "x.txt")
        timing = ["--frames", folder / "pet.json"]
        command("pet-reference", folder / "pet.nii.gz", folder / "petref.nii.gz", *timing)
        region = ["--gm", folder / "gm.nii.gz", "--template-transform", folder / "x.txt", "--erosions", 0]
        for method in methods:
            out = folder / f"{method}.nii.gz"
            command("reference-region", folder / "pet.nii.gz", *timing, "--method", method, *region, "--out", out)
        model = ["--k2prime", 0.1, "--t-star", 20, "--csf", folder / "gm.nii.gz", "--out-csf", folder / "csf.nii.gz"]
        reference = ["--reference-mask", folder / "clustering.nii.gz"]
        command("dvr", folder / "pet.nii.gz", folder / "dvr.nii.gz", *timing, *reference, *model)
        images = ("petref", *methods, "dvr", "csf")
        found.append({image: one.load(folder / f"{image}.nii.gz") for image in images})
    for image in ("petref", *methods):
        np.testing.assert_allclose(found[1][image], found[0][image], rtol=1e-5, err_msg=image)
        assert (found[0][image] > 0.5).any()
    assert found[0]["cerebellar-grey"].sum() < found[0]["grey-matter"].sum()
    np.testing.assert_allclose(found[1]["csf"], found[0]["csf"], atol=1e-4)
    np.testing.assert_allclose(found[1]["dvr"], found[0]["dvr"], rtol=1e-3)
