"""Reference regions for PET: grey matter that takes up tracer but, as far as is known, binds none of it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.physics.frames import Frames

CEREBELLUM_CENTRE_MM = (26.0, -66.0, -42.0)
CEREBELLUM_RADII_MM = (20.0, 18.0, 13.0)


def eroded_grey(gm: NDArray[np.float32], threshold: float, erosions: int) -> NDArray[np.bool_]:
    """Grey matter above `threshold`, its outer voxel layer (six neighbours) taken off `erosions` times.

    gm: fraction 0-1 (X, Y, Z). Erosion keeps clear of white matter and CSF, whose tracer the scanner blurs into grey.
    """
    grey = gm > threshold
    return ndimage.binary_erosion(grey, iterations=erosions) if erosions else grey


def cerebellar_grey(grey: NDArray[np.bool_], grid: Grid, template_to_pet: LinearTransform) -> NDArray[np.bool_]:
    """Grey matter in an ellipsoid of each cerebellar hemisphere, posterior and inferior.

    grey: (X, Y, Z) on the PET grid; template_to_pet: pull transform, MNI152 RAS mm to PET RAS mm. The ellipsoids
    (centre, radii in MNI152 mm, mirrored) stay clear of the tentorium and of the occipital cortex above it.
    """
    inside = np.argwhere(grey)
    world = inside @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    mni = (~template_to_pet).apply(world)
    mni[:, 0] = np.abs(mni[:, 0])
    distance = (((mni - CEREBELLUM_CENTRE_MM) / np.array(CEREBELLUM_RADII_MM)) ** 2).sum(1)
    region = np.zeros(grey.shape, bool)
    region[tuple(inside[distance <= 1].T)] = True
    return region


def clustered_grey(
    pet: NDArray[np.float32],
    frames: Frames,
    gm: NDArray[np.float32],
    threshold: float,
    clusters: int,
    where: object = "grey matter",
) -> NDArray[np.bool_]:
    """The cluster of grey-matter curves with the least late over early activity: k-means on curves of unit mean.

    pet: (X, Y, Z, F); gm: fraction 0-1 (X, Y, Z); where: its file, for the error. Late is the last third of the scan,
    early the first 10 minutes. Raises InputError for fewer grey voxels with tracer than clusters.
    """
    from sklearn.cluster import KMeans

    voxels = (gm > threshold) & (pet.mean(3) > 0)
    curves = pet[voxels].astype(float)
    weight = np.sqrt(frames.duration_s / frames.duration_s.sum())
    shape = curves / (curves @ (weight**2))[:, None]
    if len(shape) < clusters:
        values = f"{len(shape)} voxels above {threshold:g} with tracer, needed at least {clusters}, one a cluster"
        cure = "check grey matter, lower --gm-threshold or --clusters, or choose another --method"
        raise InputError("too little grey matter to cluster", where, values, cure)
    labels = KMeans(clusters, n_init=10, random_state=0).fit_predict(shape * weight)
    end = frames.edges_min[-1]
    early = frames.between(0, min(10, end / 3))
    late = frames.start_s / 60 >= end * 2 / 3
    ratios = {}
    for label in np.unique(labels):
        mean = curves[labels == label].mean(0)
        ratios[label] = mean[late].mean() / max(mean[early].mean(), 1e-9)
    region = np.zeros(gm.shape, bool)
    region[voxels] = labels == min(ratios, key=lambda label: ratios[label])
    return region
