"""Ventricles and the distance to CSF."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid


def csf_distance(csf: NDArray[np.bool_], domain: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """Euclidean distance in mm (X, Y, Z) from each voxel centre of `domain` to the nearest CSF voxel centre; 0 outside.

    Raises InputError for a sheared grid, on which voxel sizes do not give distances.
    """
    axes = grid.affine[:3, :3] / np.array(grid.voxel_sizes)
    skew = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if skew > 1e-3:
        cure = "resample onto an orthogonal grid with `myelosynth transform`"
        raise InputError("grid is sheared", "CSF mask", f"axes' largest cosine {skew:.4f}, expected 0", cure)
    distance = ndimage.distance_transform_edt(~csf, sampling=grid.voxel_sizes)
    return np.where(domain, distance, 0).astype(np.float32)


def ventricles(csf: NDArray[np.float32], brain: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """The ventricles (X, Y, Z): large pieces of CSF (fraction > 0.5) deep inside the brain mask and near its centre.

    Depth is the distance from outside the filled mask, as a share of the deepest point. CSF below 35 % of it, the
    sulci and outer cisterns, is left out; a piece is kept when it reaches 60 % depth and holds at least 2 % of the
    volume of the largest such piece. Raises InputError when nothing is left.
    """
    sizes = np.array(grid.voxel_sizes)
    filled = ndimage.binary_fill_holes(brain)
    padded = np.pad(filled, 1)
    depth = ndimage.distance_transform_edt(padded, sampling=sizes)[1:-1, 1:-1, 1:-1]
    depth = depth / depth.max()
    candidates = (csf > 0.5) & filled & (depth > 0.35)
    labels, count = ndimage.label(candidates, np.ones((3, 3, 3)))
    if count:
        numbers = np.arange(1, count + 1)
        deepest = np.asarray(ndimage.maximum(depth, labels, numbers))
        volume = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        central = deepest > 0.6
        if central.any():
            keep = numbers[central & (volume >= 0.02 * volume[central].max())]
            return np.isin(labels, keep)
    found = f"{count} pieces of CSF, none deep inside the mask"
    raise InputError("no ventricles found", "CSF fraction", found, "check CSF and mask, or supply a ventricle mask")
