"""fit-tensor from files to files."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from .conftest import ORIENTATIONS, SHAPE, call, load, save


@pytest.mark.parametrize("code", ORIENTATIONS)
@pytest.mark.parametrize("prefix", ["", "sub-1_ses-t0"])
def test_fit_tensor_files(tmp_path: Path, code: str, prefix: str) -> None:
    rng = np.random.default_rng(3)
    bvecs = rng.standard_normal((30, 3))
    bvecs = np.vstack([np.zeros((5, 3)), bvecs / np.linalg.norm(bvecs, axis=1, keepdims=True)])
    bvals = np.append(np.zeros(5), np.full(30, 1000.0))
    data = np.zeros((*SHAPE, 35))
    data[...] = 1000 * np.exp(-bvals * (bvecs**2 @ [1.7e-3, 0.4e-3, 0.4e-3]))
    save(tmp_path / "dwi.nii.gz", data, ORIENTATIONS[code])
    save(tmp_path / "mask.nii.gz", np.ones(SHAPE), ORIENTATIONS[code], "uint8")
    np.savetxt(tmp_path / "bval", bvals[None])
    np.savetxt(tmp_path / "bvec", bvecs.T)
    inputs = ["--bvals", tmp_path / "bval", "--bvecs", tmp_path / "bvec", "--mask", tmp_path / "mask.nii.gz"]
    names = ["--prefix", prefix] if prefix else []
    call("fit-tensor", tmp_path / "dwi.nii.gz", *inputs, "--out-dir", tmp_path / "out", *names)
    expected = {"fa": 1.3 / np.sqrt(3.21), "rd": 0.4e-3, "ad": 1.7e-3, "md": 2.5e-3 / 3}
    for name, value in expected.items():
        stem = f"{prefix}_model-tensor_param-{name}_dwimap" if prefix else name
        stem = f"{prefix}_FA" if prefix and name == "fa" else stem
        image = nib.load(tmp_path / "out" / f"{stem}.nii.gz")
        np.testing.assert_allclose(image.get_fdata(), value, rtol=2e-3)
        np.testing.assert_allclose(image.affine, ORIENTATIONS[code], atol=1e-5)
        record = json.loads((tmp_path / "out" / f"{stem}.json").read_text())
        assert record["Units"] == ("1" if name == "fa" else "mm2/s")
        assert record["EPIDistortion"] == "uncorrected"
    call("mean-b0", tmp_path / "dwi.nii.gz", tmp_path / "b0.nii.gz", "--bvals", tmp_path / "bval")
    np.testing.assert_allclose(load(tmp_path / "b0.nii.gz"), 1000)


def test_fit_tensor_corrects_motion_and_turns_the_directions(tmp_path: Path) -> None:
    """A head that turns by 15 degrees after half of the volumes: its tensor comes back only with --motion."""
    shape, affine = (22, 24, 18), np.diag([-4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [42, -46, -34]
    world = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    angle = np.radians(15)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    rng = np.random.default_rng(4)
    bvecs = rng.standard_normal((10, 3))
    bvecs = np.vstack([np.zeros((2, 3)), bvecs / np.linalg.norm(bvecs, axis=1, keepdims=True)])
    bvals = np.append(np.zeros(2), np.full(10, 1000.0))
    tensor = np.diag([1.7e-3, 0.3e-3, 0.3e-3])
    data = np.zeros((*shape, 12), np.float32)
    for n in range(12):
        rotation = turn if n % 2 else np.eye(3)
        point = world @ rotation  # the anatomy's coordinates of a point of the turned head
        body = 1 / (1 + np.exp(12 * (np.sqrt(((point / [34, 40, 28]) ** 2).sum(-1)) - 1)))
        bright = (
            1
            + np.exp(-((point - [14, 10, 4]) ** 2).sum(-1) / 150)
            + np.exp(-((point - [-16, -6, -2]) ** 2).sum(-1) / 90)
        )
        g = bvecs[n]
        data[..., n] = 1000 * body * bright * np.exp(-bvals[n] * g @ rotation @ tensor @ rotation.T @ g)
    save(tmp_path / "dwi.nii.gz", data, affine)
    inside = (np.abs(world) < [20, 24, 14]).all(-1)
    save(tmp_path / "mask.nii.gz", inside, affine, "uint8")
    np.savetxt(tmp_path / "bval", bvals[None])
    np.savetxt(tmp_path / "bvec", (bvecs * [-1, 1, 1]).T)  # along the voxel axes of LAS
    inputs = ["--bvals", tmp_path / "bval", "--bvecs", tmp_path / "bvec", "--mask", tmp_path / "mask.nii.gz"]
    error = []
    for options in ([], ["--motion"]):
        call("fit-tensor", tmp_path / "dwi.nii.gz", *inputs, "--out-dir", tmp_path, *options)
        error.append(np.abs(load(tmp_path / "ad.nii.gz")[inside] - 1.7e-3).mean())
    assert error[1] < 0.35 * error[0]
    record = json.loads((tmp_path / "fa.json").read_text())
    assert record["MotionCorrected"] is True
    assert record["Motion"]["MaximumRotationDeg"] == pytest.approx(15, abs=2.5)
