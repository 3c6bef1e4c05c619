"""The MNI152 template that ships with nilearn: its brain, its ventricles, its deep grey nuclei and cerebellum."""

from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from myelosynth.images.grid import Grid


def mni_template(resolution_mm: int) -> tuple[NDArray[np.float32], Grid, str]:
    """The brain of MNI152 (ICBM 2009a, T1w, symmetric), (X, Y, Z) on its grid, and nilearn's version."""
    from nilearn.datasets import load_mni152_template

    image = load_mni152_template(resolution=resolution_mm)
    return np.asarray(image.dataobj, np.float32), Grid.of(image), version("nilearn")


# Centre and radii in MNI152 mm (right side, mirrored), and the least template GM fraction: capsules stay outside.
_NUCLEI = (
    ((12, -18, 7), (12, 17, 11), 0.3),  # thalamus
    ((12, 14, 6), (9, 14, 12), 0.3),  # head of the caudate
    ((15, -2, 18), (7, 17, 9), 0.3),  # body of the caudate
    ((26, 3, 0), (8, 19, 13), 0.3),  # putamen
    ((19, -4, -1), (7, 10, 7), 0.15),  # pallidum
)


@dataclass(frozen=True, eq=False)
class TissueTemplate:
    """The MNI152 brain (X, Y, Z) at 2 mm with its GM and WM fractions, and two regions as 0-1 maps.

    nuclei: caudate, putamen, pallidum and thalamus; cerebellum: without the brainstem. Both are drawn in MNI152
    coordinates, as no atlas of them ships with nilearn.
    """

    grid: Grid
    brain: NDArray[np.float32]
    grey: NDArray[np.float32]
    white: NDArray[np.float32]
    nuclei: NDArray[np.float32]
    cerebellum: NDArray[np.float32]


def tissue_template() -> TissueTemplate:
    """The template's tissue at 2 mm and the regions where T1w intensity alone misleads."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

    brain, grid, _ = mni_template(2)
    grey = np.asarray(load_mni152_gm_template(resolution=2).dataobj, np.float32)
    white = np.asarray(load_mni152_wm_template(resolution=2).dataobj, np.float32)
    indices = np.indices(grid.shape, dtype=np.float32)
    x, y, z = (grid.affine[a, 3] + grid.affine[a, a] * indices[a] for a in range(3))
    x = np.abs(x)
    nuclei = np.zeros(grid.shape, bool)
    for centre, radii, least in _NUCLEI:
        distance = sum(((part - c) / r) ** 2 for part, c, r in zip((x, y, z), centre, radii, strict=True))
        nuclei |= (distance < 1) & (grey > least)
    # The tentorium falls off sideways and backwards; the brainstem is what lies in front near the middle.
    below = z < -4 - 0.55 * x - 0.35 * np.clip(-70 - y, 0, None)
    cerebellum = below & (y < -32) & ((x > 16) | (y < -42)) & (brain > 0.1)
    return TissueTemplate(grid, brain, grey, white, nuclei.astype(np.float32), cerebellum.astype(np.float32))


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
