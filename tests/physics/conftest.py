"""Curves and images with known kinetics, made by means that share no code with the package; commands as typed."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from myelosynth.cli import maps  # noqa: F401  (registers the commands)
from myelosynth.cli.app import app
from myelosynth.physics.frames import Frames

DURATIONS = np.array([15.0] * 4 + [30.0] * 8 + [60.0] * 9 + [180.0] * 2 + [300.0] * 8 + [600.0] * 3)
K2PRIME = 0.07
STEP = 0.5 / 60


@pytest.fixture(scope="session")
def frames() -> Frames:
    """The 34 frames of a 90-minute scan."""
    ends = np.cumsum(DURATIONS)
    return Frames(ends - DURATIONS, DURATIONS)


def frame_means(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over frames of a curve sampled every STEP minutes."""
    edges = np.rint(np.append(0.0, np.cumsum(DURATIONS)) / 60 / STEP).astype(int)
    return np.array([curve[a : b + 1].mean() for a, b in pairwise(edges)])


@pytest.fixture(scope="session")
def tissue() -> Callable[[float, float], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Frame means of the reference and of a tissue with R1 and DVR, by Euler integration of the two compartments.

    dCr/dt = Cp - k2' Cr and dCt/dt = R1 Cp - k2a Ct with k2a = R1 k2' / DVR, from a bolus Cp (K1' = 1).
    """
    time = np.arange(round(90 / STEP) + 1) * STEP
    plasma = 100 * time * np.exp(-time / 0.5) + 6 * (1 - np.exp(-time)) * np.exp(-time / 25)

    def compartment(uptake: float, clearance: float) -> NDArray[np.float64]:
        curve = np.zeros_like(time)
        for n in range(1, time.size):
            curve[n] = curve[n - 1] + STEP * (uptake * plasma[n - 1] - clearance * curve[n - 1])
        return curve

    reference = frame_means(compartment(1.0, K2PRIME))

    def curves(r1: float, dvr: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return frame_means(compartment(r1, r1 * K2PRIME / dvr)), reference

    return curves


SHAPE = (8, 9, 10)
ORIENTATIONS = {
    "RAS": np.diag([2.0, 2.0, 2.0, 1.0]),
    "LAS": np.diag([-2.0, 2.0, 2.0, 1.0]),
    "LPS": np.diag([-2.0, -2.0, 2.0, 1.0]),
    "oblique": np.array([[1.9, -0.6, 0, 5], [0.6, 1.9, 0, -3], [0, 0, 2, 8], [0, 0, 0, 1.0]]),
}


def call(*arguments: object) -> None:
    """Run a command; an exception comes out as it is."""
    CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False, standalone_mode=False)


def save(path: Path, data: np.ndarray, affine: np.ndarray = ORIENTATIONS["LAS"], dtype: str = "float32") -> Path:
    nib.save(nib.Nifti1Image(np.asarray(data, dtype), affine), path)
    return path


def load(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj, float)


@pytest.fixture
def scan(tmp_path: Path, tissue: Callable, frames: Frames) -> Path:
    """A folder with dynamic PET: x < 4 is the reference, x >= 4 white matter of R1 .58 and DVR 1.3; x = 7 is air."""
    pet = np.zeros((*SHAPE, 34))
    pet[:4] = tissue(1.0, 1.0)[0]
    pet[4:7] = tissue(0.58, 1.3)[0]
    pet[:7] *= 1 + 1e-4 * np.random.default_rng(0).standard_normal((7, *SHAPE[1:], 34))
    save(tmp_path / "pet.nii.gz", pet)
    reference = np.zeros(SHAPE)
    reference[:4] = 1
    save(tmp_path / "reference.nii.gz", reference, dtype="uint8")
    save(tmp_path / "gm.nii.gz", 0.9 * reference)
    save(tmp_path / "mask.nii.gz", np.ones(SHAPE), dtype="uint8")
    record = {
        "FrameTimesStart": frames.start_s.tolist(),
        "FrameDuration": frames.duration_s.tolist(),
        "ImageDecayCorrected": True,
        "Units": "kBq/mL",
    }
    (tmp_path / "pet.json").write_text(json.dumps(record))
    return tmp_path


def dvr(scan: Path, *options: object) -> tuple[np.ndarray, dict[str, Any]]:
    paths = ["--frames", scan / "pet.json", "--reference-mask", scan / "reference.nii.gz"]
    call("dvr", scan / "pet.nii.gz", scan / "dvr.nii.gz", *paths, *options)
    return load(scan / "dvr.nii.gz"), json.loads((scan / "dvr.json").read_text())
