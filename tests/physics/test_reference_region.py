"""Reference regions: where the cerebellum is, and which curves are chosen."""

from collections.abc import Callable

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.physics.frames import Frames
from myelosynth.physics.magnetisation import magnetisation_transfer_ratio
from myelosynth.physics.reference_region import cerebellar_grey, clustered_grey, eroded_grey

SHAPE = (46, 54, 46)
TURN = LinearTransform(np.array([[0.98, -0.199, 0, 4.0], [0.199, 0.98, 0, -7.0], [0, 0, 1.0, 3.0], [0, 0, 0, 1.0]]))


def mni_affine(axes: tuple[int, int, int]) -> np.ndarray:
    """A 4 mm grid over MNI152 space whose voxel axes run along or against R, A, S."""
    affine = np.diag([*(4.0 * np.array(axes)), 1.0])
    low, high = np.array([-90.0, -126.0, -72.0]), np.array([90.0, 86.0, 108.0])
    affine[:3, 3] = np.where(np.array(axes) > 0, low, high)
    return affine


@pytest.mark.parametrize("axes", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1)])
@pytest.mark.parametrize("to_pet", [LinearTransform.identity(), TURN])
def test_cerebellum_lies_low_and_behind_on_both_sides(axes: tuple[int, int, int], to_pet: LinearTransform) -> None:
    grid = Grid(SHAPE, to_pet.matrix @ mni_affine(axes))
    region = cerebellar_grey(np.ones(SHAPE, bool), grid, to_pet)
    world = np.argwhere(region) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    mni = (~to_pet).apply(world)
    assert region.sum() * 64 / 1000 == pytest.approx(2 * 4 / 3 * np.pi * 20 * 18 * 13 / 1000, rel=0.05)
    assert mni[:, 1].max() < -45
    assert mni[:, 2].max() < -28
    assert (mni[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.05)
    assert np.abs(mni[:, 0]).min() > 5


def test_cerebellum_needs_grey_matter() -> None:
    grid = Grid(SHAPE, mni_affine((1, 1, 1)))
    whole = cerebellar_grey(np.ones(SHAPE, bool), grid, LinearTransform.identity())
    assert not cerebellar_grey(~whole, grid, LinearTransform.identity()).any()


def test_erosion_takes_one_layer() -> None:
    gm = np.zeros((7, 7, 7), np.float32)
    gm[1:6, 1:6, 1:6] = 0.8
    assert eroded_grey(gm, 0.5, 0).sum() == 125
    assert eroded_grey(gm, 0.5, 1).sum() == 27
    assert not eroded_grey(gm, 0.9, 0).any()


def test_clustering_finds_the_tissue_that_clears(tissue: Callable, frames: Frames) -> None:
    truth = np.zeros((8, 8, 8), bool)
    truth[:4] = True
    pet = np.where(truth[..., None], tissue(1.0, 1.0)[0], tissue(0.9, 1.5)[0])
    pet = pet * np.random.default_rng(0).uniform(0.7, 1.3, (8, 8, 8, 1))
    pet += 0.05 * np.random.default_rng(1).standard_normal(pet.shape)
    gm = np.ones((8, 8, 8), np.float32)
    gm[:, 0] = 0
    found = clustered_grey(pet.astype(np.float32), frames, gm, 0.5, 2)
    np.testing.assert_array_equal(found, truth & (gm > 0.5))


def test_mtr_is_a_percentage_inside_the_mask() -> None:
    on, off = np.array([54.0, 54, -20, 150, 54]), np.array([100.0, 100, 100, 100, 0])
    found = magnetisation_transfer_ratio(on, off, np.array([True, False, True, True, True]))
    np.testing.assert_allclose(found, [46, 0, 100, 0, 0])


def test_fewer_grey_voxels_than_clusters_are_refused(tissue: Callable, frames: Frames) -> None:
    pet = np.broadcast_to(tissue(1.0, 1.0)[0], (3, 1, 1, 34)).astype(np.float32)
    with pytest.raises(InputError, match=r"too little grey matter to cluster, gm\.nii\.gz, 3 voxels"):
        clustered_grey(pet, frames, np.ones((3, 1, 1), np.float32), 0.5, 4, "gm.nii.gz")
