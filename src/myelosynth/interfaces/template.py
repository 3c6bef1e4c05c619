"""The MNI152 template brain that ships with nilearn."""

from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from myelosynth.images.grid import Grid


def mni_template(resolution_mm: int) -> tuple[NDArray[np.float32], Grid, str]:
    """The brain of MNI152 (ICBM 2009a, T1w, symmetric), (X, Y, Z) on its grid, and nilearn's version."""
    from nilearn.datasets import load_mni152_template

    image = load_mni152_template(resolution=resolution_mm)
    return np.asarray(image.dataobj, np.float32), Grid.of(image), version("nilearn")
