"""One interpolation: the anatomy stays where it is in the world, in every orientation."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform


def world(grid):
    """World coordinates (X, Y, Z, 3) of every voxel."""
    return LinearTransform(grid.affine).apply(np.moveaxis(np.indices(grid.shape), 0, -1).astype(float))


def anatomy(points):
    """A head without symmetry, as a function of world points (..., 3) in RAS mm."""
    blobs = (((0, 0, 0), 14.0, 1.0), ((9, 4, 6), 4.0, 2.0), ((-7, -9, 3), 5.0, -0.6), ((2, 10, -8), 3.5, 1.5))
    return sum(a * np.exp(-((points - c) ** 2).sum(-1) / (2 * s**2)) for c, s, a in blobs)


def inner(target, grid, transform):
    """Voxels of the target that pull from well inside the grid."""
    voxels = (~LinearTransform(grid.affine)).apply(transform.apply(world(target)))
    return ((voxels > 1) & (voxels < np.array(grid.shape) - 2)).all(-1)


def test_orientations_agree(grid, other_grid):
    moved = resample(anatomy(world(grid)), grid, other_grid, LinearTransform.identity(), "bspline")
    seen = inner(other_grid, grid, LinearTransform.identity())
    assert seen.sum() > 500
    assert np.abs(moved - anatomy(world(other_grid)))[seen].max() < 0.02


def test_a_pull_transform_moves_points_of_the_target(grid, other_grid):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("z", 15, degrees=True).as_matrix()
    matrix[:3, 3] = (2, -3, 1)
    transform = LinearTransform(matrix)
    moved = resample(anatomy(world(grid)), grid, other_grid, transform, "bspline")
    seen = inner(other_grid, grid, transform)
    assert np.abs(moved - anatomy(transform.apply(world(other_grid))))[seen].max() < 0.02


def test_labels_stay_labels(grid, other_grid):
    labels = np.random.default_rng(0).integers(0, 5, grid.shape).astype(np.uint8)
    moved = resample(labels, grid, other_grid, LinearTransform.identity(), "nearest")
    assert set(np.unique(moved)) <= {0, 1, 2, 3, 4}


def test_a_series_is_its_volumes(grid, other_grid):
    series = np.random.default_rng(0).normal(size=(*grid.shape, 2)).astype(np.float32)
    moved = resample(series, grid, other_grid, LinearTransform.identity())
    assert moved.shape == (*other_grid.shape, 2)
    alone = resample(series[..., 1], grid, other_grid, LinearTransform.identity())
    np.testing.assert_array_equal(moved[..., 1], alone)


@pytest.mark.parametrize("how", ["nearest", "linear", "bspline"])
def test_identity_changes_nothing(grid, how):
    data = np.random.default_rng(0).normal(size=grid.shape)
    np.testing.assert_allclose(resample(data, grid, grid, LinearTransform.identity(), how), data, atol=1e-9)


def test_the_image_ends_at_its_voxels_edges():
    source, ones = Grid((4, 4, 4), np.diag([2.0, 2, 2, 1])), np.ones((4, 4, 4))
    fine = np.eye(4)
    fine[:3, 3] = -3
    target = Grid((14, 14, 14), fine)  # 1 mm from -3 to 10; the source's voxels span -1 to 7
    moved = resample(ones, source, target, LinearTransform.identity())
    np.testing.assert_array_equal(moved[:, 5, 5], [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0])
