"""Tensor maps against signals of known tensors, and gradients against known directions."""

from pathlib import Path

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.physics.gradients import Gradients, read_bvals, read_gradients
from myelosynth.physics.tensor import denoise, fit_tensor, unring

EIGENVALUES = np.array([1.7e-3, 0.5e-3, 0.3e-3])
DIRECTIONS = np.random.default_rng(3).standard_normal((30, 3))
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
GRADIENTS = Gradients(np.append(np.zeros(5), np.full(30, 1000.0)), np.vstack([np.zeros((5, 3)), DIRECTIONS]))


def rotation(x: float, y: float, z: float) -> np.ndarray:
    (cx, cy, cz), (sx, sy, sz) = np.cos([x, y, z]), np.sin([x, y, z])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ about_y @ about_x


def signal(gradients: Gradients, axes: np.ndarray, eigenvalues: np.ndarray = EIGENVALUES) -> np.ndarray:
    tensor = axes @ np.diag(eigenvalues) @ axes.T
    return 1000 * np.exp(-gradients.bvals * np.einsum("ni,ij,nj->n", gradients.bvecs, tensor, gradients.bvecs))


def fractional_anisotropy(values: np.ndarray) -> float:
    return float(np.sqrt(1.5 * ((values - values.mean()) ** 2).sum() / (values**2).sum()))


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.4, -0.2, 1.0), (1.2, 0.7, -0.5), (np.pi / 2, 0, np.pi / 2)])
def test_known_eigenvalues_in_four_orientations(angles: tuple[float, float, float]) -> None:
    data = np.zeros((2, 2, 2, 35), np.float32)
    data[...] = signal(GRADIENTS, rotation(*angles))
    mask = np.ones((2, 2, 2), bool)
    mask[0, 0, 0] = False
    maps = fit_tensor(data, GRADIENTS, mask)
    assert maps.fa[1, 1, 1] == pytest.approx(fractional_anisotropy(EIGENVALUES), rel=1e-3)
    assert maps.ad[1, 1, 1] == pytest.approx(1.7e-3, rel=1e-3)
    assert maps.rd[1, 1, 1] == pytest.approx(0.4e-3, rel=1e-3)
    assert maps.md[1, 1, 1] == pytest.approx(2.5e-3 / 3, rel=1e-3)
    assert maps.fa[0, 0, 0] == maps.ad[0, 0, 0] == 0


def test_weighted_fit_of_noisy_signals_is_unbiased() -> None:
    rng = np.random.default_rng(5)
    clean = signal(GRADIENTS, np.eye(3))
    data = np.abs(clean + 40 * rng.standard_normal((12, 12, 12, 35))).astype(np.float32)
    maps = fit_tensor(data, GRADIENTS, np.ones((12, 12, 12), bool))
    assert maps.md.mean() == pytest.approx(2.5e-3 / 3, rel=0.02)
    assert maps.rd.mean() == pytest.approx(0.4e-3, rel=0.03)


def test_denoising_halves_the_error_of_smooth_signals() -> None:
    rng = np.random.default_rng(6)
    x = np.linspace(0, 1, 10)[:, None, None, None]
    one, two = signal(GRADIENTS, np.eye(3)), signal(GRADIENTS, rotation(0.5, 0.5, 0))
    clean = np.broadcast_to(one * (1 - x) + two * x, (10, 10, 10, 35))
    noisy = (clean + 30 * rng.standard_normal(clean.shape)).astype(np.float32)
    better = denoise(noisy, np.ones((10, 10, 10), bool))
    inner = np.s_[3:7, 3:7, 3:7]
    assert np.abs(better - clean)[inner].mean() < 0.5 * np.abs(noisy - clean)[inner].mean()


def test_unringing_flattens_a_truncated_edge() -> None:
    """A box whose spectrum is cut at half its width rings; beside the edge the ringing shrinks."""
    box = np.zeros((64, 64))
    box[20:44, 20:44] = 1
    spectrum = np.fft.fftshift(np.fft.fft2(box))
    ringing = np.abs(np.fft.ifft2(np.fft.ifftshift(spectrum[16:48, 16:48]))) / 4
    data = np.repeat(np.repeat(ringing[:, :, None, None], 2, 2), 2, 3).astype(np.float32)
    mended = unring(data)
    inner = np.s_[12:20, 12:20]
    assert mended.shape == data.shape
    assert mended[inner].std() < 0.6 * data[inner].std()


def test_rotation_brings_directions_back_to_the_reference_head() -> None:
    """A head turned by R shows, to the gradient g, what the unturned head shows to R'g."""
    turn, axes = rotation(0.2, 0.1, 0.4), rotation(0.3, 0.6, 0)
    measured = signal(GRADIENTS, turn @ axes)
    np.testing.assert_allclose(signal(GRADIENTS.rotated(np.stack([turn] * 35)), axes), measured, rtol=1e-10)
    assert np.abs(signal(GRADIENTS, axes) - measured).max() > 50


@pytest.mark.parametrize("code", ["RAS", "LAS", "LPS", "oblique"])
def test_directions_in_the_world_do_not_depend_on_storage(tmp_path: Path, code: str) -> None:
    """FSL bvecs of one physical gradient scheme: voxel axes, first one reversed where the determinant is positive."""
    axes = {"RAS": (1, 1, 1), "LAS": (-1, 1, 1), "LPS": (-1, -1, 1), "oblique": (-1, 1, 1)}[code]
    turn = rotation(0.2, -0.1, 0.3) if code == "oblique" else np.eye(3)
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(axes) * np.array([2.0, 2.0, 2.5])
    along_voxels = GRADIENTS.bvecs @ (turn @ np.diag(axes))
    if np.linalg.det(affine[:3, :3]) > 0:
        along_voxels[:, 0] *= -1
    np.savetxt(tmp_path / "bval", GRADIENTS.bvals[None], fmt="%g")
    np.savetxt(tmp_path / "bvec", along_voxels.T, fmt="%.8f")
    found = read_gradients(tmp_path / "bval", tmp_path / "bvec", 35, affine)
    np.testing.assert_allclose(found.bvecs, GRADIENTS.bvecs, atol=1e-6)


@pytest.mark.parametrize(
    ("bvals", "bvecs", "said"),
    [
        (np.zeros(34), GRADIENTS.bvecs.T, "34 b-values for 35 volumes"),
        (GRADIENTS.bvals, GRADIENTS.bvecs[:34].T, r"shape \(3, 34\) for 35 volumes"),
        (GRADIENTS.bvals, 2 * GRADIENTS.bvecs.T, "volume 5 has length 2, expected 1"),
        (np.full(35, 1000.0), GRADIENTS.bvecs.T, "no b0"),
        (-GRADIENTS.bvals, GRADIENTS.bvecs.T, "negative"),
        (np.append(np.zeros(30), np.full(5, 1000.0)), GRADIENTS.bvecs.T, "5 weighted volumes, needed 6"),
    ],
)
def test_gradient_faults(tmp_path: Path, bvals: np.ndarray, bvecs: np.ndarray, said: str) -> None:
    np.savetxt(tmp_path / "bval", bvals[None])
    np.savetxt(tmp_path / "bvec", bvecs)
    with pytest.raises(InputError, match=said):
        read_gradients(tmp_path / "bval", tmp_path / "bvec", 35, np.eye(4))


def test_gradient_file_faults(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file missing"):
        read_bvals(tmp_path / "absent", 3)
    (tmp_path / "words").write_text("a b c\n")
    with pytest.raises(InputError, match="not a table of numbers"):
        read_bvals(tmp_path / "words", 3)
