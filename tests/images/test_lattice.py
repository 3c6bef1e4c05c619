"""A lattice along the world's axes covers a brain, however its image is stored."""

import nibabel as nib
import numpy as np
import pytest

from myelosynth.images.grid import Grid
from myelosynth.images.lattice import brain_lattice
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.upright import Upright

VOXEL = (1.5, 2.0, 2.5)


@pytest.fixture
def mask(grid):
    middle = (np.array(grid.shape) - 1) / 2
    distance = (np.indices(grid.shape) - middle[:, None, None, None]) / (0.4 * np.array(grid.shape))[
        :, None, None, None
    ]
    found = (distance**2).sum(0) < 1
    found[: grid.shape[0] // 3] = False  # not centred
    return found


@pytest.mark.parametrize("codes", ["RAS", "LAS", "PSR", "LPI"])
def test_it_covers_the_brain_with_the_margin_and_no_more(grid, mask, codes):
    lattice = brain_lattice(mask, grid, VOXEL, codes, margin_mm=4)
    assert "".join(nib.aff2axcodes(lattice.affine)) == codes
    assert np.count_nonzero(lattice.affine[:3, :3]) == 3, "along the world's axes"
    upright = Upright(lattice).grid
    np.testing.assert_allclose(upright.voxel_sizes, VOXEL)
    low = upright.affine[:3, 3] - np.array(VOXEL) / 2
    high = low + np.array(upright.shape) * VOXEL
    corners = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)])
    points = nib.affines.apply_affine(grid.affine, (np.argwhere(mask)[:, None] + corners).reshape(-1, 3))
    assert (points.min(0) >= low + 4 - 1e-6).all()
    assert (points.max(0) <= high - 4 + 1e-6).all()
    assert (points.min(0) - low <= 4 + np.array(VOXEL) / 2 + 1e-6).all(), "centred"
    assert (high - points.max(0) <= 4 + np.array(VOXEL) / 2 + 1e-6).all()


def test_what_is_moved_onto_it_keeps_its_place(grid, mask):
    lattice = brain_lattice(mask, grid, (1.0, 1.0, 1.0), "LAS")
    moved = resample(mask.astype(float), grid, lattice, LinearTransform.identity())
    assert moved.sum() * lattice.voxel_volume == pytest.approx(mask.sum() * grid.voxel_volume, rel=0.02)
    centres = [
        nib.affines.apply_affine(one.affine, np.argwhere(inside)).mean(0)
        for one, inside in ((grid, mask), (lattice, moved > 0.5))
    ]
    np.testing.assert_allclose(*centres, atol=0.2)


def test_one_voxel_is_enough():
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    lattice = brain_lattice(mask, Grid((3, 3, 3), np.eye(4)), (1, 1, 1), margin_mm=0)
    assert lattice.matches(Grid((1, 1, 1), np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1.0]])))
