"""Linear transforms: RAS in memory, ITK text on disk, FLIRT matrices at the door."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text
from myelosynth.images.grid import Grid

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_ITK_AFFINE = re.compile("(AffineTransform|MatrixOffsetTransformBase)_(double|float)_3_3")
_SINGULAR = 1e-6


@dataclass(frozen=True, eq=False)
class LinearTransform:
    """A pull transform: maps a world point of the fixed image to the moving image, RAS mm, 4x4.

    ``a @ b`` applies b first; ``~a`` is the inverse. For images chained A -> B -> C (A moving first), the pull
    transform from C to A is ``a_to_b @ b_to_c``.

    >>> shift = LinearTransform(np.array([[1, 0, 0, 2.0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    >>> float((shift @ ~shift).matrix[0, 3])
    0.0
    """

    matrix: NDArray[np.float64]

    def __matmul__(self, other: "LinearTransform") -> "LinearTransform":
        return LinearTransform(self.matrix @ other.matrix)

    def __invert__(self) -> "LinearTransform":
        return LinearTransform(np.linalg.inv(self.matrix).astype(np.float64))

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map points (..., 3), RAS mm."""
        return points @ self.matrix[:3, :3].T + self.matrix[:3, 3]

    @classmethod
    def identity(cls) -> "LinearTransform":
        return cls(np.eye(4))

    @classmethod
    def read(cls, path: Path) -> "LinearTransform":
        """Read an ITK text file of one affine: 12 parameters and a centre.

        Raises InputError for a missing file, several transforms in one file, another type, numbers that are not finite,
        or a matrix without inverse.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError("file missing", path, "no such file", "run the registration first")
        lines = path.read_text(errors="replace").splitlines()
        fields = [line.split(":", 1) for line in lines if ":" in line and not line.startswith("#")]
        kinds = [text.strip() for name, text in fields if name.strip() == "Transform"]
        if len(kinds) > 1:
            values = f"{len(kinds)} transforms: {', '.join(kinds)}; expected 1"
            raise InputError("several transforms in one file", path, values, "write one file each and give all of them")
        cure = "convert it to an ITK text affine of 12 parameters"
        if not kinds or not _ITK_AFFINE.fullmatch(kinds[0]):
            values = f"type {''.join(kinds) or 'not given'}, expected AffineTransform_double_3_3"
            raise InputError("not an ITK text affine", path, values, cure)
        try:
            parameters, centre = _numbers(fields, "Parameters", 12), _numbers(fields, "FixedParameters", 3)
        except ValueError as fault:
            raise InputError("not an ITK text affine", path, str(fault), cure) from fault
        linear, translation = parameters[:9].reshape(3, 3), parameters[9:]
        determinant = float(np.linalg.det(linear))
        if abs(determinant) < _SINGULAR:
            values = f"determinant {determinant:g}, expected not 0"
            raise InputError("transform is singular", path, values, "make the transform again")
        lps = np.eye(4)
        lps[:3, :3] = linear
        lps[:3, 3] = translation + centre - linear @ centre
        return cls(_LPS @ lps @ _LPS)

    def write(self, path: Path) -> None:
        """Write an ITK text affine (LPS, centre 0) in one step."""
        lps = _LPS @ self.matrix @ _LPS
        numbers = " ".join(repr(float(v)) for v in (*lps[:3, :3].ravel(), *lps[:3, 3]))
        text = "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        write_text(Path(path), f"{text}Parameters: {numbers}\nFixedParameters: 0 0 0\n")

    @classmethod
    def from_flirt(cls, matrix: NDArray[np.float64], moving: Grid, fixed: Grid) -> "LinearTransform":
        """From a FLIRT matrix (moving to fixed, FSL's scaled voxels), which means nothing without both grids."""
        from fsl.transform import affine, flirt

        world = flirt.fromFlirt(matrix, _fsl_image(moving), _fsl_image(fixed), "world", "world")
        return cls(affine.invert(world))

    def to_flirt(self, moving: Grid, fixed: Grid) -> NDArray[np.float64]:
        """The FLIRT matrix (moving to fixed) of this transform for the two grids."""
        from fsl.transform import flirt

        return np.asarray(flirt.toFlirt((~self).matrix, _fsl_image(moving), _fsl_image(fixed), "world", "world"))


def _numbers(fields: list[list[str]], name: str, size: int) -> NDArray[np.float64]:
    """The finite numbers (size,) of the one field of this name. Raises ValueError saying what is there instead."""
    lines = [text.split() for its, text in fields if its.strip() == name]
    if len(lines) != 1 or len(lines[0]) != size:
        found = f"{len(lines[0])} numbers" if len(lines) == 1 else f"{len(lines)} lines"
        raise ValueError(f"{name}: {found}, expected one line of {size}")
    numbers = np.array(lines[0], float)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name}: {' '.join(lines[0])}, expected finite numbers")
    return numbers


def _fsl_image(grid: Grid):  # type: ignore[no-untyped-def]
    import nibabel as nib
    from fsl.data.image import Image

    return Image(nib.Nifti1Image(np.zeros(grid.shape, np.uint8), grid.affine))
