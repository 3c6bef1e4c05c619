"""Lesion filling against no filling: sham lesions in healthy white matter, whose true intensities are known.

Balls of 3-6 mm radius deep in white matter are darkened and filled. The image is nilearn's MNI152 T1w with correlated
noise; with --real DIR, the T1w of patients 07 and 19 of the Ljubljana data set, away from their own lesions.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume
from myelosynth.interfaces.lesions import fill_lesions
from myelosynth.interfaces.template import mni_template
from myelosynth.interfaces.tissue import segment_hmrf

DARKER = 0.65
"""T1w intensity of a lesion over that of white matter."""


def images(real: Path | None) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.bool_], Grid]]:
    """Name, brain T1w, voxels that may not be touched, grid."""
    if real is None:
        data, grid, _ = mni_template(1)
        noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(data.shape), 0.6)
        noise *= 0.04 * data[data > 0].mean() / noise.std()
        yield "MNI152", np.where(data > 0.1, np.maximum(data + noise, 0.01), 0).astype(np.float32), data <= 0.1, grid
        return
    for patient in ("patient07", "patient19"):
        folder = real / "ms_cross_sectional" / patient
        volume = load_volume(folder / "T1.nii.gz")
        lesions = load_mask(folder / "lesions.nii.gz", volume.grid, volume.path, labels=True)
        yield patient, volume.data, ndimage.binary_dilation(lesions, iterations=5), volume.grid


def sham(white: NDArray[np.bool_], grid: Grid, number: int) -> NDArray[np.bool_]:
    """Balls of 3-6 mm radius with centres at least 4 mm inside white matter, cut at its edge."""
    generator = np.random.default_rng(1)
    centres = np.argwhere(ndimage.distance_transform_edt(white, sampling=grid.voxel_sizes) > 4)
    lesions = np.zeros(white.shape, bool)
    for centre in generator.choice(centres, number, replace=False):
        radius = np.ceil(6 / np.array(grid.voxel_sizes)).astype(int)
        box = tuple(slice(max(0, c - r), c + r + 1) for c, r in zip(centre, radius, strict=True))
        ranges = [np.arange(s.start, min(s.stop, n)) for s, n in zip(box, white.shape, strict=True)]
        away = (np.stack(np.meshgrid(*ranges, indexing="ij"), -1) - centre) * grid.voxel_sizes
        lesions[box] |= np.linalg.norm(away, axis=-1) <= generator.uniform(3, 6)
    return lesions & white


def texture(data: NDArray[np.float32], lesions: NDArray[np.bool_]) -> float:
    """Correlation of neighbours along x inside the lesions."""
    both = lesions[1:] & lesions[:-1]
    return float(np.corrcoef(data[1:][both], data[:-1][both])[0, 1])


def main() -> None:
    """Print one row an image and treatment: intensities in the sham lesions, and the white-matter mask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lesions", type=int, default=40, help="sham lesions an image")
    parser.add_argument("--real", type=Path, help="folder with ms_cross_sectional")
    options = parser.parse_args()
    rows = []
    for name, data, forbidden, grid in images(options.real):
        brain = data > 0
        white = segment_hmrf(data, brain)[2] > 0.5
        lesions = sham(white & ~forbidden, grid, options.lesions)
        near = ndimage.binary_dilation(lesions, iterations=5)
        dark = np.where(lesions, DARKER * data, data).astype(np.float32)
        for treatment, image in (("true", data), ("unfilled", dark), ("filled", fill_lesions(dark, lesions, grid))):
            found = white if treatment == "true" else segment_hmrf(image, brain)[2] > 0.5
            scale = data[lesions].mean()
            rows.append({
                "image": name, "treatment": treatment, "ml": lesions.sum() * grid.voxel_volume / 1000,
                "mean, % of true": 100 * image[lesions].mean() / scale,
                "SD, % of true mean": 100 * image[lesions].std() / scale,
                "neighbours r": texture(image, lesions),
                "white of the lesions, %": 100 * found[lesions].mean(),
                "WM Dice near": 2 * (found & white & near).sum() / ((found & near).sum() + (white & near).sum()),
                "WM ml": found.sum() * grid.voxel_volume / 1000,
            })  # fmt: skip
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
