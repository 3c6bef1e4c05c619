"""Axes reversed and swapped to closest RAS order, and back."""

from itertools import permutations, product

import numpy as np
import pytest

from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.upright import Upright


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_every_way_of_storing_voxels(order):
    """The turned affine is closest to RAS, a voxel keeps its world point, and the way back is lossless."""
    data = np.arange(2 * 3 * 4 * 2).reshape(2, 3, 4, 2)
    for signs in product((1, -1), repeat=3):
        affine = np.eye(4)
        affine[:3, :3] = np.eye(3)[:, order] * signs * (2, 3, 5)
        affine[:3, 3] = (9, -8, 7)
        upright = Upright(Grid((2, 3, 4), affine))
        assert (np.diag(upright.grid.affine)[:3] > 0).all()
        turned = upright.turn(data)
        assert turned.shape[:3] == upright.grid.shape
        np.testing.assert_array_equal(upright.back(turned), data)
        voxel = np.array([1, 2, 3])
        world = LinearTransform(affine).apply(voxel.astype(float))
        there = np.rint((~LinearTransform(upright.grid.affine)).apply(world)).astype(int)
        np.testing.assert_array_equal(turned[tuple(there)], data[tuple(voxel)])
