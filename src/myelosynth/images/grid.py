"""The lattice on which an image lives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError


@dataclass(frozen=True, eq=False)
class Grid:
    """A voxel lattice in RAS+ world millimetres.

    shape: three spatial sizes; affine: 4x4, voxel index to RAS mm.

    >>> Grid((2, 2, 2), np.diag([2.0, 2.0, 3.0, 1.0])).voxel_sizes
    (2.0, 2.0, 3.0)
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @classmethod
    def of(cls, image: nib.spatialimages.SpatialImage) -> "Grid":
        """The spatial grid of a nibabel image of three or four dimensions."""
        return cls(tuple(int(n) for n in image.shape[:3]), np.asarray(image.affine, float))  # type: ignore[arg-type]

    @property
    def voxel_sizes(self) -> tuple[float, float, float]:
        """Edge lengths of a voxel in mm."""
        return tuple(float(v) for v in np.sqrt((self.affine[:3, :3] ** 2).sum(0)))  # type: ignore[return-value]

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in mm3."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def matches(self, other: "Grid", tolerance_mm: float = 1e-2) -> bool:
        """Whether both lattices coincide: same shape, corners within the tolerance.

        A qform holds its rotation in single precision, which alone moves corners by 0.003 mm.
        """
        if self.shape != other.shape:
            return False
        corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
        corners[:, :3] *= np.array(self.shape) - 1
        return bool(np.abs(corners @ (self.affine - other.affine).T).max() <= tolerance_mm)

    def require(self, other: "Grid", where: Path | str, reference: Path | str) -> None:
        """Raise InputError, with both values, unless `other` (from `where`) lies on this grid (of `reference`)."""
        if self.shape != other.shape:
            values = f"shape {other.shape} against {self.shape} of {reference}"
        elif not self.matches(other):
            values = f"affine {_flat(other.affine)} against {_flat(self.affine)} of {reference}"
        else:
            return
        raise InputError("grids differ", where, values, "resample one onto the other with `myelosynth transform`")


def edges_in_words(sizes: Sequence[float]) -> str:
    """Voxel edges for a reader.

    >>> edges_in_words((2.0, 2.0, 2.5004))
    '2 x 2 x 2.5 mm'
    """
    return " x ".join(f"{size:g}" for size in np.round(sizes, 3)) + " mm"


def _flat(affine: NDArray[np.float64]) -> str:
    return np.array2string(affine[:3], precision=3, suppress_small=True, separator=" ").replace("\n", "")
