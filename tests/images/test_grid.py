"""Grids: sizes, comparison, faults."""

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid


def test_sizes_and_volume_do_not_depend_on_orientation(grid):
    assert grid.voxel_sizes == pytest.approx((2.0, 1.5, 3.0))
    assert grid.voxel_volume == pytest.approx(9.0)


def test_a_flip_is_another_grid(grid):
    flipped = grid.affine.copy()
    flipped[:3, 0] *= -1
    assert grid.matches(Grid(grid.shape, grid.affine.copy()))
    assert not grid.matches(Grid(grid.shape, flipped))


def test_far_corner_counts_not_the_origin_alone():
    one, other = np.eye(4), np.eye(4)
    other[0, 0] = 1 + 1e-3  # .2 mm at voxel 200
    assert not Grid((200, 5, 5), one).matches(Grid((200, 5, 5), other))


def test_quaternion_rounding_is_the_same_grid():
    one, other = np.eye(4), np.eye(4)
    other[0, 1] = 1e-5  # .003 mm at voxel 256
    assert Grid((256, 256, 48), one).matches(Grid((256, 256, 48), other))


def test_require_names_both_values(grid):
    with pytest.raises(InputError, match=r"shape \(3, 3, 3\) against \(24, 30, 18\) of t1\.nii"):
        grid.require(Grid((3, 3, 3), grid.affine), "mask.nii", "t1.nii")
    moved = grid.affine.copy()
    moved[0, 3] += 5
    with pytest.raises(InputError, match=r"grids differ, mask\.nii, affine .* against .* of t1\.nii"):
        grid.require(Grid(grid.shape, moved), "mask.nii", "t1.nii")
