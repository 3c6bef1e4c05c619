"""A synthetic head with folded white matter, and stand-ins for lab programs."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import save_volume


class Head:
    """White matter folded by sines in a shell of grey, in CSF; fractions and contrasts at any world point (RAS mm)."""

    grid = Grid((80, 92, 76), np.diag([1.25, 1.25, 1.25, 1]) + np.outer((-49.4, -56.9, -46.9, 0), (0, 0, 0, 1)))
    contrasts = ("t1", "t2", "flair")
    values = {"t1": (30.0, 88.0, 100.0), "t2": (160.0, 88.0, 78.0), "flair": (20.0, 88.0, 78.0)}  # noqa: RUF012

    def fractions(self, points: NDArray) -> NDArray:
        """CSF, GM, WM (3, ...) at world points (..., 3), edges 1 mm soft."""
        x, y, z = np.moveaxis(points, -1, 0)
        radius = np.sqrt((x / 0.85) ** 2 + (y / 1.05) ** 2 + (z / 0.8) ** 2)
        fold = 6 * np.sin(x / 3.5) * np.sin(y / 4 + 0.5) + 4 * np.sin(z / 3.5 + x / 7)
        white = 1 / (1 + np.exp(-(31 + fold - radius) / 0.6))
        brain = 1 / (1 + np.exp(-(37 + fold - radius) / 0.6))
        ventricle = 1 / (1 + np.exp((np.sqrt((x - 3) ** 2 + (y / 1.8) ** 2 + z**2) - 7) / 0.6))
        white, brain = white * (1 - ventricle), brain * (1 - ventricle)
        return np.stack([1 - brain, brain - white, white])

    def image(self, contrast: str, transform: LinearTransform, grid: Grid, noise: float = 3.0) -> NDArray[np.float32]:
        """The contrast on `grid` when the head has moved so that `transform` pulls from head space to it."""
        points = (~transform).apply(world(grid))
        values = np.einsum("c,c...->...", self.values[contrast], self.fractions(points))
        inside = np.sqrt((points**2).sum(-1)) < 49
        generator = np.random.default_rng(7)
        return np.maximum(values * inside + generator.normal(0, noise, grid.shape), 0.1).astype(np.float32)


def world(grid: Grid) -> NDArray:
    """World coordinates (X, Y, Z, 3) of every voxel."""
    return LinearTransform(grid.affine).apply(np.moveaxis(np.indices(grid.shape), 0, -1).astype(float))


def rigid(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> LinearTransform:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return LinearTransform(matrix)


@pytest.fixture(scope="session")
def head() -> Head:
    return Head()


@pytest.fixture(scope="session")
def brain_points(head: Head) -> NDArray:
    """Some world points of the brain (N, 3), to measure displacement on."""
    points = world(head.grid)
    return points[np.sqrt((points**2).sum(-1)) < 40][::50]


@pytest.fixture(scope="session")
def truth() -> LinearTransform:
    return rigid((3.0, -2.0, 4.0), (2.5, -3.0, 1.5))


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory, head: Head, truth: LinearTransform) -> Path:
    """t1, masks and fractions on the head's grid; t2 and flair moved by `truth`, on a grid of other voxels (LPS)."""
    folder = tmp_path_factory.mktemp("session")
    fractions = head.fractions(world(head.grid))
    save_volume(folder / "t1.nii.gz", head.image("t1", LinearTransform.identity(), head.grid), head.grid)
    for name, fraction in zip(("csf", "gm", "wm"), fractions, strict=True):
        save_volume(folder / f"{name}.nii.gz", fraction, head.grid)
    brain = ndimage.binary_dilation(ndimage.binary_fill_holes(fractions[0] < 0.5), iterations=2)
    save_volume(folder / "brain.nii.gz", brain, head.grid, np.uint8)
    save_volume(folder / "wm_mask.nii.gz", fractions[2] > 0.5, head.grid, np.uint8)
    affine = np.array([[-1.3, 0, 0, 52], [0, -1.25, 0, 60], [0, 0, 1.5, -50], [0, 0, 0, 1.0]])
    for name in ("t2", "flair"):
        grid = Grid((80, 96, 68), affine)
        save_volume(folder / f"{name}.nii.gz", head.image(name, truth, grid), grid)
    return folder


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a shell script on the PATH under a lab program's name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(name: str, body: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write
