"""Lesion filling: lesions become white matter before tissue segmentation."""

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, isdefined
from numpy.typing import NDArray

from myelosynth.images.grid import Grid
from myelosynth.images.upright import Upright
from myelosynth.images.volume import load_mask, load_volume, save_volume

# A little more than 6 and 15: which voxels lie at that very distance must not depend on the rounding of a header.
_SHELL_MM = 6.001
_WIDE_SHELL_MM = 15.001
_LOCAL_MM = 3.0
_MINIMUM_SHELL = 30
_SEED = 20


class FillLesionsInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="T1w")
    lesion_file = File(exists=True, mandatory=True, desc="lesion mask on the T1w grid; may be empty")
    wm_mask = File(exists=True, desc="white matter; default: found around the lesions")
    out_file = File(mandatory=True, desc="filled T1w")


class FillLesionsOutputSpec(TraitedSpec):
    out_file = File(desc="filled T1w")


class FillLesions(SimpleInterface):
    """Fill each lesion from the white matter in a shell around it."""

    input_spec = FillLesionsInputSpec
    output_spec = FillLesionsOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        volume = load_volume(Path(self.inputs.in_file))
        where = Path(self.inputs.lesion_file)
        lesions = load_mask(where, volume.grid, volume.path, allow_empty=True, labels=True)
        white = None
        if isdefined(self.inputs.wm_mask):
            white = load_mask(Path(self.inputs.wm_mask), volume.grid, volume.path)
        # The texture is drawn voxel by voxel: upright, so that it is the same however the image is stored.
        upright = Upright(volume.grid)
        white = None if white is None else upright.turn(white)
        filled = fill_lesions(upright.turn(volume.data), upright.turn(lesions), upright.grid, white)
        save_volume(Path(self.inputs.out_file), upright.back(filled), volume.grid)
        self._results["out_file"] = self.inputs.out_file
        return runtime


def fill_lesions(
    data: NDArray[np.float32], lesions: NDArray[np.bool_], grid: Grid, white: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Replace each lesion (26-connected piece) by the white matter around it, continued inwards.

    data, lesions, white: (X, Y, Z) on `grid`. A voxel gets the local mean of the white matter within 6 mm of the lesion
    (Gaussian weights, sigma 3 mm) plus noise with the standard deviation of that shell and the correlation between
    neighbours of the white matter near lesions (fixed seed): mean, gradient and texture go on. A shell with fewer than
    30 white voxels grows to 15 mm, then to all white matter near lesions. Without `white`, it is found by
    `white_matter_near`.
    """
    from scipy import ndimage

    filled = data.copy()
    if not lesions.any():
        return filled
    pieces, count = ndimage.label(lesions, np.ones((3, 3, 3)))
    white = (white_matter_near(data, lesions, grid) if white is None else white) & ~lesions
    if not white.any():
        return filled
    core = np.clip(data, *np.percentile(data[white], (2, 98)))
    smoothness = _smoothness(core - _local_mean(core, white, grid), white)
    margin = np.ceil(_WIDE_SHELL_MM / np.array(grid.voxel_sizes)).astype(int)
    streams = np.random.SeedSequence(_SEED).spawn(count)
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        window = tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(box, margin, strict=True))
        piece = pieces[window] == number
        distance = ndimage.distance_transform_edt(~piece, sampling=grid.voxel_sizes)
        near = white[window] & (distance <= _SHELL_MM)
        if near.sum() < _MINIMUM_SHELL:
            near = white[window] & (distance <= _WIDE_SHELL_MM)
        if near.sum() >= _MINIMUM_SHELL:
            local = _local_mean(core[window], near, grid)
            spread = float((core[window] - local)[near].std())
        else:
            local = np.full(piece.shape, core[white].mean())
            spread = float(core[white].std())
        noise = np.random.default_rng(streams[number - 1]).standard_normal(piece.shape)
        noise = ndimage.gaussian_filter(noise, smoothness, mode="wrap")
        filled[window][piece] = (local + spread * noise / noise.std())[piece]
    return filled


def _local_mean(data: NDArray[np.float32], near: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """Gaussian-weighted mean (X, Y, Z) of the voxels `near` around each voxel; beyond their reach their plain mean."""
    from scipy import ndimage

    sigma = _LOCAL_MM / np.array(grid.voxel_sizes)
    weight = ndimage.gaussian_filter(near.astype(float), sigma, mode="constant")
    total = ndimage.gaussian_filter(np.where(near, data, 0).astype(float), sigma, mode="constant")
    return np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), data[near].mean())


def _smoothness(data: NDArray[np.float64], white: NDArray[np.bool_]) -> list[float]:
    """Gaussian sigma, voxels, per axis, whose noise has the correlation of neighbouring white voxels: exp(-1/4s^2)."""
    sigmas = []
    for axis in range(3):
        values, inside = np.moveaxis(data, axis, 0), np.moveaxis(white, axis, 0)
        both = inside[1:] & inside[:-1]
        pairs = np.stack([values[1:][both], values[:-1][both]])
        usable = pairs.shape[1] >= _MINIMUM_SHELL and (pairs.std(1) > 0).all()
        correlation = float(np.clip(np.corrcoef(pairs)[0, 1], 0.0, 0.95)) if usable else 0.0
        sigmas.append(float(np.sqrt(-1 / (4 * np.log(correlation)))) if correlation > 0.02 else 0.0)
    return sigmas


def white_matter_near(data: NDArray[np.float32], lesions: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """White matter within 15 mm of lesions on T1w: the brightest of three Gaussian classes there, (X, Y, Z)."""
    from scipy import ndimage
    from sklearn.mixture import GaussianMixture

    near = (ndimage.distance_transform_edt(~lesions, sampling=grid.voxel_sizes) <= _WIDE_SHELL_MM) & ~lesions
    near &= data > 0
    if near.sum() < 3 * _MINIMUM_SHELL:
        return near
    values = data[near].reshape(-1, 1).astype(float)
    means = np.percentile(values, (10, 40, 80)).reshape(-1, 1)
    mixture = GaussianMixture(3, means_init=means, random_state=_SEED, reg_covar=1e-6 * float(values.var()) + 1e-12)
    sample = values[:: max(1, len(values) // 50_000)]
    mixture.fit(sample)
    # skull fat is brighter than any brain tissue: the white class must hold a fair share of the neighbourhood
    shares = mixture.weights_
    candidates = [k for k in np.argsort(mixture.means_[:, 0]) if shares[k] >= 0.15]
    chosen = candidates[-1]
    result = np.zeros_like(lesions)
    result[near] = mixture.predict(values) == chosen
    return result
