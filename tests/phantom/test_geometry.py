import numpy as np
import pytest
from scipy import ndimage

from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.phantom.geometry import Sampler, box_grid, random_offset, smooth_field


def test_field_has_the_asked_width_and_is_the_same_on_a_finer_lattice():
    coarse, fine = (smooth_field(np.random.default_rng(0), box_grid((v,) * 3), 16.0) for v in (4.0, 2.0))
    assert coarse.mean() == pytest.approx(0, abs=1e-5)
    assert coarse.std() == pytest.approx(1, abs=1e-5)
    blurred = ndimage.zoom(fine, np.array(coarse.shape) / fine.shape, order=1)
    assert np.corrcoef(blurred.ravel(), coarse.ravel())[0, 1] > 0.98
    # White noise under a Gaussian of this FWHM / sqrt 2 has a Gaussian autocorrelation of this FWHM: half at 8 mm.
    assert np.corrcoef(coarse[:-2].ravel(), coarse[2:].ravel())[0, 1] == pytest.approx(0.5, abs=0.08)


def test_the_image_shows_the_anatomy_where_the_offset_says():
    anatomy = box_grid((2.0,) * 3)
    offset = random_offset(np.random.default_rng(5))
    place = np.array([30.0, -20.0, 15.0])
    centre = np.rint((place - anatomy.affine[:3, 3]) / 2).astype(int)
    blob = np.zeros(anatomy.shape, np.float32)
    blob[tuple(centre)] = 1000
    blob = ndimage.gaussian_filter(blob, 3.0)
    image = box_grid((3.0, 3.0, 4.0))
    seen = Sampler(anatomy, image, offset)(blob)
    voxel = np.append(ndimage.center_of_mass(seen), 1)
    truth = offset.apply((image.affine @ voxel)[:3])
    assert np.allclose(truth, anatomy.affine[:3, 3] + 2.0 * centre, atol=0.05)
    assert seen.sum() * 36 == pytest.approx(blob.sum() * 8, rel=0.02)


def test_sampling_on_the_same_lattice_changes_nothing():
    grid = Grid((5, 6, 7), np.diag([2.0, 2.0, 2.0, 1.0]))
    values = np.random.default_rng(0).random(grid.shape, dtype=np.float32)
    assert np.allclose(Sampler(grid, grid, LinearTransform.identity())(values), values, atol=1e-6)
