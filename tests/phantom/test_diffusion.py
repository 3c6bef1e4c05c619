import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.phantom.anatomy import Anatomy
from myelosynth.phantom.diffusion import diffusion_series, fsl_directions, gradient_table, white_tensor
from myelosynth.phantom.geometry import Sampler
from myelosynth.phantom.latents import Latents, regional_field
from myelosynth.physics.gradients import read_gradients


def fractional_anisotropy(radial, axial):
    mean = (2 * radial + axial) / 3
    return np.sqrt(1.5 * ((axial - mean) ** 2 + 2 * (radial - mean) ** 2) / (axial**2 + 2 * radial**2))


def latents(shape, myelin, axon, oedema):
    return Latents(*(np.full(shape, value, np.float32) for value in (myelin, axon, oedema)))


@pytest.mark.parametrize(
    ("state", "expected"), [((1, 1, 0), (0.41, 0.55, 1.11)), ((0.4, 0.7, 0.45), (0.19, 0.96, 1.31))]
)
def test_tensor_of_health_and_of_a_lesion(state, expected):
    radial, axial = white_tensor(latents((1, 1, 1), *state), np.ones((1, 1, 1), bool))
    found = (fractional_anisotropy(radial[0], axial[0]), radial[0], axial[0])
    assert np.allclose(found, expected, atol=0.04)


def test_the_written_gradients_show_the_fibre_turned_with_the_head(tmp_path):
    """A block of one fibre, scanned in a turned head: the fitted main direction turns back to the fibre."""
    shape = (16, 16, 16)
    grid = Grid(shape, np.diag([2.0, 2.0, 2.0, 1.0]) + np.outer([-15, -15, -15, 0], [0, 0, 0, 1]))
    empty, full = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    place = tuple(np.full(shape, value, np.float32) for value in (-24.0, 10.0, 22.0))
    head = np.zeros(shape, np.uint8)
    block = Anatomy(grid, full, empty, empty, empty, empty, full > 0, head, empty, place)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", [20, -25, 30], degrees=True).as_matrix()
    sampler = Sampler(grid, grid, LinearTransform(turn))
    series = diffusion_series(block, latents(shape, 1, 1, 0), sampler, np.random.default_rng(0))
    bvals, directions = gradient_table()
    np.savetxt(tmp_path / "b.bval", bvals[None])
    np.savetxt(tmp_path / "b.bvec", fsl_directions(directions).T)
    table = read_gradients(tmp_path / "b.bval", tmp_path / "b.bvec", 35, grid.affine)

    signal = np.log(series[5:11, 5:11, 5:11].reshape(-1, 35).astype(float).mean(0))
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    design = [-table.bvals * table.bvecs[:, i] * table.bvecs[:, j] * (1 if i == j else 2) for i, j in pairs]
    fit = np.linalg.lstsq(np.stack([*design, np.ones(35)], axis=1), signal, rcond=None)[0]
    tensor = np.zeros((3, 3))
    for value, (i, j) in zip(fit, pairs, strict=False):
        tensor[i, j] = tensor[j, i] = value
    main = turn[:3, :3] @ np.linalg.eigh(tensor)[1][:, -1]
    one = np.zeros(shape, bool)
    one[8, 8, 8] = True
    fibre = np.array([regional_field(block, f"fibre {axis}", 45.0, one)[0] for axis in "xyz"])
    assert abs(main @ fibre) / np.linalg.norm(fibre) > np.cos(np.radians(4))
