"""Ventricles and the distance to CSF."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.interfaces.template import lateral_ventricles

_MIDLINE_MM = 4.0


def csf_distance(
    csf: NDArray[np.bool_], domain: NDArray[np.bool_], grid: Grid, where: object = "CSF mask"
) -> NDArray[np.float32]:
    """Euclidean distance in mm (X, Y, Z) from each voxel centre of `domain` to the nearest CSF voxel centre; 0 outside.

    where: the file of `csf`, for the error. Raises InputError for a sheared grid, on which voxel sizes do not give
    distances.
    """
    axes = grid.affine[:3, :3] / np.array(grid.voxel_sizes)
    skew = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if skew > 1e-3:
        cure = "resample onto an orthogonal grid with `myelosynth transform`"
        raise InputError("grid is sheared", where, f"axes' largest cosine {skew:.4f}, expected 0", cure)
    distance = ndimage.distance_transform_edt(~csf, sampling=grid.voxel_sizes)
    return np.where(domain, distance, 0).astype(np.float32)


def ventricles(
    csf: NDArray[np.float32], brain: NDArray[np.bool_], grid: Grid, where: object = "CSF fraction"
) -> NDArray[np.bool_]:
    """The lateral ventricles (X, Y, Z): CSF (fraction > 0.5) where MNI152's lateral ventricles lie, give or take 10 mm.

    The brain mask's extents place the template (`to_template`). On the midline, where the fissure above and behind the
    corpus callosum is near, 3 mm are the limit. A piece is kept when it comes within 2 mm of the template's ventricles
    and holds at least 5 % of the largest. where: the file of `csf`, for the error. Raises InputError when nothing is
    left.
    """
    away, template_brain, template = _template()
    indices = np.argwhere(brain & (csf > 0.5))
    points = to_template(
        LinearTransform(grid.affine).apply(indices.astype(float)), _extents(brain, grid), (template_brain, template)
    )
    voxels = (~LinearTransform(template.affine)).apply(points)
    distance = ndimage.map_coordinates(away, voxels.T, order=1, mode="nearest")
    allowed = distance <= np.where(np.abs(points[:, 0]) < _MIDLINE_MM, 3.0, 10.0)
    near, core = np.zeros(grid.shape, bool), np.zeros(grid.shape, bool)
    near[tuple(indices[allowed].T)] = True
    core[tuple(indices[distance <= 2].T)] = True
    labels, count = ndimage.label(near)
    volume = np.bincount(labels.ravel(), minlength=count + 1)
    touching = np.unique(labels[core & near])
    touching = touching[touching > 0]
    if touching.size == 0:
        found = f"{count} pieces of CSF near the place of the ventricles, none in it"
        raise InputError("no ventricles found", where, found, "check CSF and mask, or supply a ventricle mask")
    keep = touching[volume[touching] >= 0.05 * volume[touching].max()]
    return np.isin(labels, keep)


@cache
def _template() -> tuple[NDArray[np.float32], NDArray[np.bool_], Grid]:
    """Distance, mm, to MNI152's lateral ventricles and the template's brain (X, Y, Z), on its grid."""
    inside, brain, grid = lateral_ventricles()
    return ndimage.distance_transform_edt(~inside, sampling=grid.voxel_sizes).astype(np.float32), brain, grid


def to_template(
    points: NDArray[np.float64], extents: NDArray[np.float64], template: tuple[NDArray[np.bool_], Grid]
) -> NDArray[np.float64]:
    """Move points (N, 3), RAS mm, so that the brain's sides, front, back and top meet the template's.

    extents: (2, 3) of the brain, mm. The bottom is not used: scans end in the brain stem anywhere; up and down scale as
    the mean of the other two axes.
    """
    goal = _extents(*template)
    scale = (goal[1] - goal[0])[:2] / (extents[1] - extents[0])[:2]
    scale = np.array([*scale, scale.mean()])
    anchor, target = extents.mean(0), goal.mean(0)
    anchor[2], target[2] = extents[1, 2], goal[1, 2]
    return np.asarray((points - anchor) * scale + target)


def _extents(brain: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """Lowest and highest world coordinates (2, 3) of a mask, mm, without its outer 0.1 % of voxels."""
    world = LinearTransform(grid.affine).apply(np.argwhere(brain).astype(float))
    return np.percentile(world, (0.1, 99.9), axis=0)
