"""Grids in four orientations."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from myelosynth.images.grid import Grid

SHAPE = (24, 30, 18)
SIZES = np.array([2.0, 1.5, 3.0])


def oriented(code: str) -> Grid:
    """A grid around the world origin in the orientation `code` (an axis code or "oblique")."""
    affine = np.diag([*SIZES, 1.0])
    if code == "oblique":
        affine[:3, :3] = Rotation.from_euler("xyz", (12, -8, 20), degrees=True).as_matrix() @ affine[:3, :3]
    else:
        affine[:3, :3] *= [1 if axis in "RAS" else -1 for axis in code]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return Grid(SHAPE, affine)


@pytest.fixture(params=["RAS", "LAS", "LPS", "oblique"])
def grid(request: pytest.FixtureRequest) -> Grid:
    return oriented(request.param)


@pytest.fixture
def other_grid() -> Grid:
    """A coarser grid, in another orientation than any of `grid`."""
    affine = np.array([[0, -2.5, 0, 20.0], [3.0, 0, 0, -25.0], [0, 0, -2.0, 18.0], [0, 0, 0, 1]])
    return Grid((17, 16, 18), affine)
