"""mtr from files to files."""

import json
from pathlib import Path

import numpy as np
import pytest

from myelosynth.errors import InputError

from .conftest import SHAPE, call, load, save


def test_mtr_registers_the_pair(tmp_path: Path) -> None:
    """ON moved by 5 mm, on a grid of its own: the ratio is 46 % again only with --register."""
    affine = np.diag([-3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [45, -48, -42]

    def head(shape: tuple[int, int, int], grid: np.ndarray, shift: float) -> np.ndarray:
        point = np.moveaxis(np.indices(shape), 0, -1) @ grid[:3, :3].T + grid[:3, 3] - [shift, 0, 0]
        body = 1 / (1 + np.exp(10 * (np.sqrt(((point / [34, 38, 30]) ** 2).sum(-1)) - 1)))
        return body * (100 + 60 * np.sin(point[..., 0] / 7) * np.cos(point[..., 1] / 9) * np.sin(point[..., 2] / 8 + 1))

    off = save(tmp_path / "off.nii.gz", head((30, 32, 28), affine, 0) + 1, affine)
    other = affine.copy()
    other[:3, 3] += [6, 3, -3]
    on = save(tmp_path / "on.nii.gz", 0.54 * (head((32, 32, 30), other, 5) + 1), other)
    inside = (
        np.linalg.norm(np.moveaxis(np.indices((30, 32, 28)), 0, -1) @ affine[:3, :3].T + affine[:3, 3], axis=-1) < 24
    )
    call("mtr", on, off, tmp_path / "mtr.nii.gz", "--register")
    found = load(tmp_path / "mtr.nii.gz")[inside]
    assert np.abs(found - 46).mean() < 1
    whole = load(tmp_path / "mtr.nii.gz")
    assert whole.max() < 80  # where ON does not cover OFF there is no ratio, not one of 100 %
    record = json.loads((tmp_path / "mtr.json").read_text())
    assert record["Registered"] is True
    assert record["Motion"]["MaximumShiftMm"] == pytest.approx(5, abs=0.5)
    assert record["VoxelsWithoutMTon"] == (whole == 0).sum() > 0
    with pytest.raises(InputError, match="grids differ"):
        call("mtr", on, off, tmp_path / "again.nii.gz")
    far = affine.copy()
    far[:3, 3] += 1000
    apart = save(tmp_path / "far.nii.gz", load(off), far)
    with pytest.raises(InputError, match=r"do not overlap, .*far\.nii\.gz, 0%"):
        call("mtr", apart, off, tmp_path / "again.nii.gz", "--register")
    with pytest.raises(InputError, match="image of one value"):
        call("mtr", save(on, np.ones((30, 32, 28)), affine), off, tmp_path / "again.nii.gz", "--register")
    assert not (tmp_path / "again.nii.gz").exists()


def test_mtr_files(tmp_path: Path) -> None:
    on, off = save(tmp_path / "on.nii.gz", np.full(SHAPE, 54)), save(tmp_path / "off.nii.gz", np.full(SHAPE, 100))
    mask = np.zeros(SHAPE)
    mask[2:5] = 1
    call("mtr", on, off, tmp_path / "mtr.nii.gz", "--mask", save(tmp_path / "mask.nii.gz", mask))
    np.testing.assert_allclose(load(tmp_path / "mtr.nii.gz"), 46 * mask, rtol=1e-6)
    with pytest.raises(InputError, match="grids differ"):
        call("mtr", save(on, np.ones((4, 4, 4))), off, tmp_path / "again.nii.gz")
    assert not (tmp_path / "again.nii.gz").exists()
