"""Between our volumes and antspyx: LPS images, one thread, fixed seed."""

import os
import sys
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.images.grid import Grid
from myelosynth.images.opened import opened
from myelosynth.images.transform import LinearTransform

_LPS = np.diag([-1.0, -1.0, 1.0])
_SEED = 20
_LEFT_OUT = ("ants.plotting", "ants.learn", "ants.deeplearn")
"""Parts that nothing here calls; they import matplotlib and scikit-learn, a third of what `import ants` costs."""


@cache
def load_ants() -> ModuleType:
    """Import antspyx with a fixed seed; ITK runs one thread unless the environment allows more.

    ITK sums in the order its threads finish, so only one thread gives the same bytes again.
    """
    threads = os.environ.get("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS") or os.environ.get("OMP_NUM_THREADS") or "1"
    if "ants" not in sys.modules:
        sys.modules.update({name: ModuleType(name) for name in _LEFT_OUT})
    import ants

    for name in _LEFT_OUT:
        if getattr(sys.modules.get(name), "__file__", None) is None:
            sys.modules.pop(name, None)  # an import of the part itself finds the part
    ants.config.set_ants_deterministic(True, seed_value=_SEED)  # sets ITK's thread count to 1
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = threads
    return ants


def to_ants(data: NDArray[Any], grid: Grid) -> Any:
    """An ANTsImage (float32, LPS) of data (X, Y, Z) on a RAS grid."""
    spacing = np.array(grid.voxel_sizes)
    direction = _LPS @ (grid.affine[:3, :3] / spacing)
    origin = _LPS @ grid.affine[:3, 3]
    return load_ants().from_numpy(
        np.ascontiguousarray(data, np.float32), origin=tuple(origin), spacing=tuple(spacing), direction=direction
    )


def read_mat(path: str) -> LinearTransform:
    """An ANTs 0GenericAffine.mat file as a pull transform in RAS."""
    opened(path)
    itk = load_ants().read_transform(path)
    parameters, centre = np.array(itk.parameters, float), np.array(itk.fixed_parameters, float)
    linear = parameters[:9].reshape(3, 3)
    lps = np.eye(4)
    lps[:3, :3] = linear
    lps[:3, 3] = parameters[9:12] + centre - linear @ centre
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    return LinearTransform(flip @ lps @ flip)
