"""Diffusion gradients: FSL files, world directions, rotation with the head."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError

B0_THRESHOLD = 50.0


@dataclass(frozen=True, eq=False)
class Gradients:
    """b-values (N,), s/mm2, and unit directions (N, 3) in RAS world axes (zero where b = 0)."""

    bvals: NDArray[np.float64]
    bvecs: NDArray[np.float64]

    @property
    def b0(self) -> NDArray[np.bool_]:
        """Volumes (N,) without diffusion weighting (b at most 50 s/mm2)."""
        return self.bvals <= B0_THRESHOLD

    def rotated(self, rotations: NDArray[np.float64]) -> "Gradients":
        """Directions seen from the reference head, for pull rotations (N, 3, 3), reference to volume (Leemans & Jones
        2009, Magn Reson Med 61:1336)."""
        return Gradients(self.bvals, np.einsum("nji,nj->ni", rotations, self.bvecs))


def read_bvals(path: Path, volumes: int) -> NDArray[np.float64]:
    """Read b-values (N,), s/mm2. Raises InputError for another number than `volumes`, or when no volume is b0."""
    bvals = _numbers(path).ravel()
    if bvals.size != volumes:
        cure = "give one b-value per volume"
        raise InputError("b-values and volumes differ", path, f"{bvals.size} b-values for {volumes} volumes", cure)
    if not np.isfinite(bvals).all() or (bvals < 0).any():
        raise InputError("b-value negative or not finite", path, f"smallest {bvals.min():g}", "correct the file")
    if (bvals > B0_THRESHOLD).all():
        values = f"smallest b {bvals.min():g} s/mm2, expected at most {B0_THRESHOLD:g}"
        raise InputError("no b0 volume", path, values, "add an unweighted volume")
    return bvals


def read_gradients(bvals_path: Path, bvecs_path: Path, volumes: int, affine: NDArray[np.float64]) -> Gradients:
    """Read FSL bvals and bvecs of an image with `affine` (4x4) into world directions.

    FSL directions are along the voxel axes, the first one reversed where the affine's determinant is positive. Raises
    InputError for another number than `volumes`, for directions that are not unit vectors, or for fewer than six.
    """
    bvals = read_bvals(bvals_path, volumes)
    bvecs = np.atleast_2d(_numbers(bvecs_path))
    if bvecs.shape not in ((3, volumes), (volumes, 3)):
        values = f"shape {bvecs.shape} for {volumes} volumes, expected (3, {volumes})"
        raise InputError("b-vectors and volumes differ", bvecs_path, values, "give one direction per volume")
    bvecs = bvecs.T if bvecs.shape == (3, volumes) else bvecs
    weighted = bvals > B0_THRESHOLD
    norms = np.linalg.norm(bvecs, axis=1)
    wrong = np.flatnonzero(weighted & ~(np.abs(norms - 1) < 0.02))
    if wrong.size:
        values = f"volume {wrong[0]} has length {norms[wrong[0]]:.3g}, expected 1"
        raise InputError("b-vector is not a unit vector", bvecs_path, values, "correct the file")
    if weighted.sum() < 6:
        values = f"{int(weighted.sum())} weighted volumes, needed 6"
        raise InputError("too few diffusion directions", bvecs_path, values, "give the whole series")
    directions = np.where(weighted[:, None], bvecs / np.where(norms > 0, norms, 1)[:, None], 0.0)
    if np.linalg.det(affine[:3, :3]) > 0:
        directions = directions * np.array([-1.0, 1.0, 1.0])
    left, _, right = np.linalg.svd(affine[:3, :3] / np.sqrt((affine[:3, :3] ** 2).sum(0)))
    return Gradients(bvals, directions @ (left @ right).T)


def _numbers(path: Path) -> NDArray[np.float64]:
    path = Path(path)
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path")
    try:
        numbers = np.loadtxt(path, dtype=float)
    except (ValueError, UnicodeDecodeError) as fault:
        raise InputError("not a table of numbers", path, str(fault), "give an FSL bval or bvec file") from fault
    if numbers.size == 0:
        raise InputError("file is empty", path, "0 numbers", "give an FSL bval or bvec file")
    return numbers
