"""The MNI152 template that ships with nilearn: its brain, and where its lateral ventricles lie."""

from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from myelosynth.images.grid import Grid


def mni_template(resolution_mm: int) -> tuple[NDArray[np.float32], Grid, str]:
    """The brain of MNI152 (ICBM 2009a, T1w, symmetric), (X, Y, Z) on its grid, and nilearn's version."""
    from nilearn.datasets import load_mni152_template

    image = load_mni152_template(resolution=resolution_mm)
    return np.asarray(image.dataobj, np.float32), Grid.of(image), version("nilearn")


def lateral_ventricles() -> tuple[NDArray[np.bool_], NDArray[np.bool_], Grid]:
    """Lateral ventricles and brain (X, Y, Z) of MNI152 at 2 mm, and their grid.

    Ventricles: the largest piece on each side of what is neither grey nor white (fractions below 0.35), 25 mm inside.
    """
    from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template
    from scipy import ndimage

    whole = load_mni152_template(resolution=2)
    grid = Grid.of(whole)
    brain = ndimage.binary_fill_holes(np.asarray(whole.dataobj) > 0.1)
    fluid = brain & (np.asarray(load_mni152_gm_template(resolution=2).dataobj) < 0.35)
    fluid &= np.asarray(load_mni152_wm_template(resolution=2).dataobj) < 0.35
    fluid &= ndimage.distance_transform_edt(brain, sampling=grid.voxel_sizes) > 25
    x = np.arange(grid.shape[0]) * grid.affine[0, 0] + grid.affine[0, 3]
    found = np.zeros(grid.shape, bool)
    for side in (x < -1, x > 1):
        labels, _ = ndimage.label(fluid & side[:, None, None])
        found |= labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return found, np.asarray(brain, bool), grid
