"""N4 bias field correction."""

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, isdefined
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.upright import Upright
from myelosynth.images.volume import Volume, load_mask, load_volume, save_volume
from myelosynth.interfaces.base import run_program

_FINE_VOXEL_MM = 1.1
_SPLINE_DISTANCE_MM = 200
# Levels of 50 iterations; each halves the splines' distance. Four reach 25 mm, the size of the deep white matter, and
# take its contrast with grey away: docs/decisions/006.
_LEVELS = 2


class N4InputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="image to correct")
    mask_file = File(exists=True, desc="where the bias field is estimated; default: soft tissue of the head")
    out_file = File(mandatory=True, desc="corrected image")


class N4OutputSpec(TraitedSpec):
    out_file = File(desc="corrected image")


class AntsPyN4(SimpleInterface):
    """N4 (Tustison et al. 2010) by antspyx: 2 levels of 50 iterations on joined voxels."""

    input_spec = N4InputSpec
    output_spec = N4OutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        volume = load_volume(Path(self.inputs.in_file))
        if isdefined(self.inputs.mask_file):
            mask = load_mask(Path(self.inputs.mask_file), volume.grid, volume.path)
        else:
            mask = head_mask(volume.data, volume.path)
        corrected = correct_bias(volume.data, volume.grid, mask)
        save_volume(Path(self.inputs.out_file), corrected, volume.grid)
        self._results["out_file"] = self.inputs.out_file
        return runtime


class AntsN4(SimpleInterface):
    """N4 by the ANTs program N4BiasFieldCorrection, through Nipype.

    The program leaves what is outside its mask uncorrected, which makes a step at the brain's edge: the image is
    divided by the field, which the program writes for the whole lattice.
    """

    input_spec = N4InputSpec
    output_spec = N4OutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from nipype.interfaces.ants import N4BiasFieldCorrection

        volume = load_volume(Path(self.inputs.in_file))
        mask = self._mask(volume)
        positive = np.maximum(volume.data, 0)
        save_volume(Path("image.nii.gz"), positive, volume.grid)
        save_volume(Path("mask.nii.gz"), mask, volume.grid, np.uint8)
        program = N4BiasFieldCorrection(
            dimension=3,
            input_image="image.nii.gz",
            mask_image="mask.nii.gz",
            output_image="corrected.nii.gz",
            save_bias=True,
            bias_image="bias.nii.gz",
            bspline_fitting_distance=_SPLINE_DISTANCE_MM,
            shrink_factor=shrink_factor(volume.grid),
            n_iterations=[50] * _LEVELS,
            convergence_threshold=1e-7,
        )
        run_program(program)
        field = load_volume(Path("bias.nii.gz"))
        volume.grid.require(field.grid, "bias.nii.gz", volume.path)
        if not (field.data > 0).all():
            values = f"smallest value {field.data.min():g}, expected above 0"
            raise InputError("bias field is not positive", volume.path, values, "check the image and --mask")
        corrected = np.asarray(positive / field.data, np.float32)
        save_volume(Path(self.inputs.out_file), keep_mean(corrected, volume.data, mask), volume.grid)
        self._results["out_file"] = self.inputs.out_file
        return runtime

    def _mask(self, volume: Volume) -> NDArray[np.bool_]:
        if isdefined(self.inputs.mask_file):
            return load_mask(Path(self.inputs.mask_file), volume.grid, volume.path)
        return head_mask(volume.data, volume.path)


def shrink_factor(grid: Grid) -> int:
    """How many voxels N4 joins along each axis: 4 at 1 mm, as ANTs has it, else 3; at least 8 samples an axis."""
    joined = 4 if grid.voxel_volume ** (1 / 3) < _FINE_VOXEL_MM else 3
    return int(np.clip(joined, 1, max(1, min(grid.shape) // 8)))


def head_mask(data: NDArray[np.float32], where: object = "image") -> NDArray[np.bool_]:
    """Soft tissue of the head (X, Y, Z): above half of Otsu's threshold, below Otsu's threshold of what is left.

    The upper limit leaves out fat, whose bright peak otherwise drives N4's histogram instead of the brain. where: the
    file of `data`, for the error. Raises InputError when hardly a voxel is positive.
    """
    from skimage.filters import threshold_otsu

    positive = data[data > 0]
    if positive.size < 1000 or positive.min() == positive.max():
        values = f"{positive.size} positive voxels of {np.unique(positive).size} values, expected 1000 that differ"
        raise InputError("no head to see", where, values, "check the image, or give --mask")
    top = np.percentile(positive, 99.5)
    head = data > 0.5 * threshold_otsu(np.minimum(positive, top))
    return head & (data < threshold_otsu(np.minimum(data[head], top)))


def correct_bias(data: NDArray[np.float32], grid: Grid, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Divide `data` (X, Y, Z) by its bias field, estimated inside `mask`; the mask's mean intensity is kept.

    ANTs sees the voxels upright, with their sizes and no other world: the samples that it takes depend on the rounding
    of the affine, and so would the field (by 5 % at 2.5 mm).
    """
    from myelosynth.interfaces.ants_bridge import load_ants, to_ants

    upright = Upright(grid)
    grid = Grid(upright.grid.shape, np.diag([*np.round(upright.grid.voxel_sizes, 4), 1.0]))
    corrected = load_ants().n4_bias_field_correction(
        to_ants(upright.turn(np.maximum(data, 0)), grid),
        # ITK leaves what is outside its mask uncorrected: a step at the edge
        mask=to_ants(np.ones(grid.shape, bool), grid),
        weight_mask=to_ants(upright.turn(mask), grid),
        shrink_factor=shrink_factor(grid),
        convergence={"iters": [50] * _LEVELS, "tol": 1e-7},
        rescale_intensities=False,
    )
    return keep_mean(upright.back(np.asarray(corrected.numpy(), np.float32)), data, mask)


def keep_mean(
    corrected: NDArray[np.float32], data: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """`corrected` (X, Y, Z) scaled so that its mean inside the mask is that of `data`."""
    return (corrected * np.float32(data[mask].mean() / corrected[mask].mean())).astype(np.float32)
