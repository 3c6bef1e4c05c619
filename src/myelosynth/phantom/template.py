"""The shared anatomy: tissue maps of the MNI152 brain, its ventricles, and the distance that shapes skull and scalp."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from myelosynth.images.grid import Grid
from myelosynth.phantom.geometry import Map

_CLOSING_MM = 8.0


@dataclass(frozen=True, eq=False)
class Template:
    """Maps (X, Y, Z) on the 1 mm MNI152 2009a lattice, and the head's on a wider 2 mm lattice.

    white, grey, csf: tissue fractions inside the brain; ventricles: 0-1; outside_mm: distance to the closed brain
    surface, mm, negative inside.
    """

    grid: Grid
    white: Map
    grey: Map
    csf: Map
    ventricles: Map
    head_grid: Grid
    outside_mm: Map


@lru_cache(maxsize=1)
def load_template() -> Template:
    """Load the maps bundled with nilearn and derive ventricles and head distance from them."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template

    image = load_mni152_template(resolution=1)
    brain = image.get_fdata(dtype=np.float32) > 0
    grey = load_mni152_gm_template(resolution=1).get_fdata(dtype=np.float32) * brain
    white = load_mni152_wm_template(resolution=1).get_fdata(dtype=np.float32) * brain
    csf = np.clip(brain - grey - white, 0, 1).astype(np.float32)
    grid = Grid.of(image)
    head_grid, outside = _head_distance(brain, grid)
    return Template(grid, white, grey, csf, _ventricles(csf, grid), head_grid, outside)


def _ventricles(csf: Map, grid: Grid) -> Map:
    """CSF (fractions) of the lateral and third ventricles: the deep part that hangs together."""
    i, j, k = np.ogrid[tuple(slice(n) for n in csf.shape)]
    x, y, z = (grid.affine[a, 3] + index for a, index in enumerate((i, j, k)))
    deep = (np.abs(x) < 42) & (y > -62) & (y < 42) & (z > -18) & (z < 33)
    deep &= ~((np.abs(x) < 10) & (y < -38)) & ~((y > 20) & (np.abs(x) < 3)) & ~((np.abs(x) > 22) & (y > -12) & (z > -5))
    core, _ = ndimage.label((csf > 0.6) & deep)
    sizes = np.bincount(core.ravel())
    large = np.flatnonzero(sizes > 150)[1:]
    return csf * ndimage.binary_dilation(np.isin(core, large), iterations=2)


def _head_distance(brain: np.ndarray, grid: Grid) -> tuple[Grid, Map]:
    coarse = brain[::2, ::2, ::2]
    pad = 13
    wide = np.pad(coarse, pad)
    near = ndimage.distance_transform_edt(~wide) * 2 <= _CLOSING_MM
    closed = ndimage.distance_transform_edt(near) * 2 > _CLOSING_MM
    closed |= wide
    outside = ndimage.distance_transform_edt(~closed) * 2 - ndimage.distance_transform_edt(closed) * 2
    affine = grid.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] -= pad * 2
    shape = wide.shape
    smooth = ndimage.gaussian_filter(outside.astype(np.float32), 0.7)
    return Grid((shape[0], shape[1], shape[2]), affine), smooth
