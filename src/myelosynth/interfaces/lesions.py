"""Lesion filling: lesions become white matter before tissue segmentation."""

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, isdefined
from numpy.typing import NDArray

from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, save_volume

_SHELL_MM = 6.0
_WIDE_SHELL_MM = 15.0
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
        save_volume(Path(self.inputs.out_file), fill_lesions(volume.data, lesions, volume.grid, white), volume.grid)
        self._results["out_file"] = self.inputs.out_file
        return runtime


def fill_lesions(
    data: NDArray[np.float32], lesions: NDArray[np.bool_], grid: Grid, white: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Replace each lesion (26-connected piece) by values drawn from the white matter within 6 mm of it.

    data, lesions, white: (X, Y, Z) on `grid`. A voxel gets the mean of the shell's white matter plus a residual drawn
    from the same shell (fixed seed), so mean and texture match the surroundings. A shell with fewer than 30 white
    voxels grows to 15 mm, then to all white matter around lesions. Without `white`, it is found by `white_matter_near`.
    """
    from scipy import ndimage

    filled = data.copy()
    if not lesions.any():
        return filled
    pieces, count = ndimage.label(lesions, np.ones((3, 3, 3)))
    white = (white_matter_near(data, lesions, grid) if white is None else white) & ~lesions
    everywhere = data[white]
    margin = np.ceil(_WIDE_SHELL_MM / np.array(grid.voxel_sizes)).astype(int)
    streams = np.random.SeedSequence(_SEED).spawn(count)
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        window = tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(box, margin, strict=True))
        piece = pieces[window] == number
        distance = ndimage.distance_transform_edt(~piece, sampling=grid.voxel_sizes)
        near = white[window] & (distance <= _SHELL_MM)
        if near.sum() < _MINIMUM_SHELL:
            near = white[window] & (distance <= _WIDE_SHELL_MM)
        shell = data[window][near] if near.sum() >= _MINIMUM_SHELL else everywhere
        if shell.size:
            generator = np.random.default_rng(streams[number - 1])
            filled[window][piece] = _texture(shell, int(piece.sum()), generator)
    return filled


def _texture(shell: NDArray[np.float32], count: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """`count` values with the mean of the shell, residuals drawn from it without its outer 2 % tails."""
    low, high = np.percentile(shell, (2, 98))
    core = shell[(shell >= low) & (shell <= high)]
    drawn = generator.choice(core - core.mean(), count)
    return (core.mean() + drawn).astype(np.float32)


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
