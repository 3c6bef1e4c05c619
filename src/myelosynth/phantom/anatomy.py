"""One subject's anatomy: the template under a random smooth diffeomorphism, in a drawn head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.images.grid import Grid
from myelosynth.phantom.geometry import Map, box_grid, smooth_field, world_axes
from myelosynth.phantom.head import head_labels
from myelosynth.phantom.settings import Settings
from myelosynth.phantom.template import load_template

_VELOCITY_STEP_MM = 6.0
_WARP_FWHM_MM = 45.0
_WARP_SD_MM = 2.2
_SQUARINGS = 5
_HEAD_SCALE = 0.92
"""The template's brain holds 1.9 l, an adult's about 1.45 l."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Maps (X, Y, Z) of one subject on the working lattice `grid`, RAS mm.

    white, grey, csf: fractions; outside: 1 minus their sum, the part filled by `head` (labels of head.Tissue);
    ventricles: 0-1; brain: mask of the intracranial brain; ventricle_distance: mm;
    template: template coordinates in mm, one map per axis.
    """

    grid: Grid
    white: Map
    grey: Map
    csf: Map
    outside: Map
    ventricles: Map
    brain: NDArray[np.bool_]
    head: NDArray[np.uint8]
    ventricle_distance: Map
    template: tuple[Map, Map, Map]


def build_anatomy(settings: Settings, participant: str) -> Anatomy:
    """Draw the subject's shape and pull the template's maps through it, one linear interpolation each."""
    shared = load_template()
    grid = box_grid((settings.working_voxel,) * 3)
    where = _template_coordinates(settings.random(participant, "shape"), grid)
    white, grey, csf, ventricles = (
        _pull(values, shared.grid, where) for values in (shared.white, shared.grey, shared.csf, shared.ventricles)
    )
    outside_mm = _pull(shared.outside_mm, shared.head_grid, where, outside=60.0)
    thickness = smooth_field(settings.random(participant, "skull"), grid, 40.0)
    distance = ndimage.distance_transform_edt(ventricles < 0.5, sampling=grid.voxel_sizes).astype(np.float32)
    return Anatomy(
        grid=grid,
        white=white,
        grey=grey,
        csf=csf,
        outside=np.clip(1 - white - grey - csf, 0, 1),
        ventricles=ventricles,
        brain=outside_mm <= 0,
        head=head_labels(outside_mm, where, thickness),
        ventricle_distance=distance,
        template=where,
    )


def _template_coordinates(random: np.random.Generator, grid: Grid) -> tuple[Map, Map, Map]:
    """Template coordinates (mm) of every working voxel: a scaled head under exp(velocity), scaling and squaring
    (Arsigny et al. 2006, MICCAI, section 2.3)."""
    coarse = box_grid((_VELOCITY_STEP_MM,) * 3)
    step = _VELOCITY_STEP_MM
    velocity = np.stack([smooth_field(random, coarse, _WARP_FWHM_MM) for _ in range(3)]) * _WARP_SD_MM
    flow = velocity / 2**_SQUARINGS
    index = np.indices(coarse.shape, dtype=np.float32)
    for _ in range(_SQUARINGS):
        moved = index + flow / step
        flow = flow + np.stack([ndimage.map_coordinates(part, moved, order=1, mode="nearest") for part in flow])
    variation = 0.02 * random.standard_normal() + 0.015 * random.standard_normal(3)
    scale = _HEAD_SCALE * (1 + variation).clip(0.955, 1.045)
    spacing = grid.affine[0, 0] / step
    start = (grid.affine[:3, 3] - coarse.affine[:3, 3]) / step
    axes = world_axes(grid)
    parts = []
    for axis in range(3):
        fine = ndimage.affine_transform(flow[axis], np.eye(3) * spacing, start, grid.shape, order=1, mode="nearest")
        parts.append(((axes[axis] + fine) / np.float32(scale[axis])).astype(np.float32))
    return parts[0], parts[1], parts[2]


def _pull(values: Map, grid: Grid, where: tuple[Map, Map, Map], outside: float = 0.0) -> Map:
    """Linear interpolation of template `values` at template coordinates."""
    coordinates = [(part - grid.affine[a, 3]) / grid.affine[a, a] for a, part in enumerate(where)]
    return ndimage.map_coordinates(values, coordinates, order=1, mode="constant", cval=outside)
