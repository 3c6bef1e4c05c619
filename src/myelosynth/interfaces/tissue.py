"""Tissue segmentation: fractions of CSF, grey and white matter."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, Directory, File, SimpleInterface, TraitedSpec, traits
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.upright import Upright
from myelosynth.images.volume import Volume, load_mask, load_volume, save_volume
from myelosynth.interfaces.base import run_program

_SEED = 20
_SMOOTHNESS = 0.1
_ITERATIONS = 20
_LEAST_PRIOR = 0.02
_SETTLED = 1e-4  # share of voxels that still change label


class TissueInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="T1w, bias corrected, lesions filled")
    mask_file = File(exists=True, mandatory=True, desc="brain mask")
    fs_subject = Directory(desc="FreeSurfer subject that is used, or made here")
    csf_file = File(mandatory=True, desc="CSF fraction")
    gm_file = File(mandatory=True, desc="grey matter fraction")
    wm_file = File(mandatory=True, desc="white matter fraction")
    wm_mask_file = File(mandatory=True, desc="white matter mask, uint8")


class TissueOutputSpec(TraitedSpec):
    wm_mask_file = File(desc="white matter mask, uint8")
    record = traits.Dict(desc="what the engine found, for the sidecar")


class TissueInterface(SimpleInterface):
    input_spec = TissueInputSpec
    output_spec = TissueOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        volume = load_volume(Path(self.inputs.in_file))
        mask = load_mask(Path(self.inputs.mask_file), volume.grid, volume.path)
        self._results["record"] = {}
        fractions = self.segment(volume, mask)
        if not (fractions[2] > 0.5).any():
            values, cure = "0 voxels are mostly white matter", "check that it is a T1w, and its brain mask"
            raise InputError("no white matter found", volume.path, values, cure)
        names = (self.inputs.csf_file, self.inputs.gm_file, self.inputs.wm_file)
        for name, fraction in zip(names, fractions, strict=True):
            save_volume(Path(name), fraction, volume.grid)
        save_volume(Path(self.inputs.wm_mask_file), fractions[2] > 0.5, volume.grid, np.uint8)
        self._results["wm_mask_file"] = self.inputs.wm_mask_file
        return runtime

    def segment(self, volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Fractions (3, X, Y, Z) of CSF, GM, WM, which sum to 1 inside the mask and are 0 outside."""
        raise NotImplementedError


class DipyHmrf(TissueInterface):
    """Hidden Markov random field (Zhang et al. 2001) on dipy's parts, 3 classes."""

    def segment(self, volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return segment_hmrf(volume.data, mask, volume.path)


class RegionalMarkov(TissueInterface):
    """Markov field with a bias field; the warped template speaks in deep grey nuclei and cerebellum only.

    Two fits: with the template's prior, which is kept in the two regions, and by the image alone, kept elsewhere: there
    the prior would move the border too, as nuclei that are grey by prior raise the mean of grey matter.
    """

    def segment(self, volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        from myelosynth.interfaces.deformable import warp_to_brain
        from myelosynth.interfaces.markov import segment_markov
        from myelosynth.interfaces.template import tissue_template

        upright = Upright(volume.grid)  # lattices start at the same corner however the image is stored
        data, mask, grid = upright.turn(volume.data), upright.turn(mask), upright.grid
        inside = data[mask]
        otsu_thresholds(inside[inside > 0], volume.path)
        brain = np.where(mask, np.clip(data, 0, np.percentile(inside, 99.9)), 0).astype(np.float32)
        known = tissue_template()
        maps = (known.grey, known.white, known.nuclei, known.cerebellum)
        warped, correlation = warp_to_brain(maps, known.brain, known.grid, brain, grid, volume.path)
        alone = segment_markov(data, mask, grid.voxel_sizes, None, volume.path)
        told = segment_markov(data, mask, grid.voxel_sizes, regional_prior(*warped), volume.path)
        self._results["record"] = {
            "TemplateCorrelation": round(correlation, 3),
            "LargestResidualBiasPercent": alone.field,
            "Iterations": alone.iterations,
            "PriorRegions": ["deep grey nuclei", "cerebellum"],
            "TemplateBy": {name: version(name) for name in ("nilearn", "antspyx")},
        }
        found = np.where(warped[2] + warped[3] > 0.5, told.fractions, alone.fractions)
        return np.stack([upright.back(part) for part in found])


class FslFast(TissueInterface):
    """FSL FAST, 3 classes, through Nipype."""

    def segment(self, volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        from nipype.interfaces.fsl import FAST

        save_volume(Path("brain.nii.gz"), volume.data * mask, volume.grid)
        program = FAST(in_files=["brain.nii.gz"], img_type=1, number_classes=3, out_basename="fast")
        program.inputs.output_type = "NIFTI_GZ"
        run_program(program)
        found = np.stack([load_volume(Path(f"fast_pve_{n}.nii.gz")).data for n in range(3)])
        return normalise(found, mask)


def regional_prior(
    grey: NDArray[np.float32], white: NDArray[np.float32], nuclei: NDArray[np.float32], cerebellum: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Prior of CSF, GM, WM (3, X, Y, Z) of warped template maps (X, Y, Z): equal outside nuclei and cerebellum.

    The cerebellum takes the template's fractions. Nuclei are grey: the template's own fractions there come from the
    intensity that misleads (0.5 in the thalamus). Every class keeps some chance, so that the image can object.
    """
    template = np.stack([np.clip(1 - grey - white, 0, 1), grey, white])
    nucleus = np.array([0.05, 0.90, 0.05], np.float32)[:, None, None, None]
    deep, below = np.clip(nuclei, 0, 1), np.clip(cerebellum, 0, 1) * (1 - np.clip(nuclei, 0, 1))
    mixed = deep * nucleus + below * template + (1 - deep - below) / 3
    mixed = np.maximum(mixed, _LEAST_PRIOR)
    return np.asarray(mixed / mixed.sum(0), np.float32)


def normalise(fractions: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Make fractions (3, X, Y, Z) sum to 1 inside the mask (what no class claims is CSF) and 0 outside."""
    total = fractions.sum(0)
    scaled = fractions / np.where(total > 0, total, 1)
    scaled[0][total <= 0] = 1
    return (np.clip(scaled, 0, 1) * mask).astype(np.float32)


def segment_hmrf(data: NDArray[np.float32], mask: NDArray[np.bool_], where: object = "T1w") -> NDArray[np.float32]:
    """CSF, GM and WM fractions (3, X, Y, Z) of a T1w: the HMRF of Zhang et al. 2001 on dipy's parts, deterministic.

    dipy's own classifier starts from evenly spaced means and joins grey and white matter where T1w contrast is low;
    this one starts from nested Otsu thresholds. Intensities are cut at the mask's 99.9th percentile. The background is
    a fourth class of faint noise from a fixed seed. where: the file of `data`, for the error. Raises InputError when
    the mask holds too little signal.
    """
    from dipy.segment.mrf import ConstantObservationModel, IteratedConditionalModes

    brain = np.argwhere(mask)
    box = tuple(slice(max(0, low - 1), high + 2) for low, high in zip(brain.min(0), brain.max(0), strict=True))
    inside = mask[box] & (data[box] > 0)
    thresholds, top = otsu_thresholds(data[box][inside], where)
    noise = 1e-3 + 1e-4 * np.random.default_rng(np.random.SeedSequence(_SEED)).standard_normal(inside.shape)
    image = np.where(inside, np.clip(data[box] / top, 2e-3, 1), noise)
    labels = np.where(inside, 1 + np.digitize(image, thresholds / top), 0).astype(np.int16)
    observation, field = ConstantObservationModel(), IteratedConditionalModes()
    mean, variance = observation.seg_stats(image, labels, 4)
    fractions = np.zeros((3, *data.shape), np.float32)
    for _ in range(_ITERATIONS):
        neighbours = field.prob_neighborhood(labels, _SMOOTHNESS, 4)
        posterior = observation.prob_image(image, 4, mean, variance, neighbours)
        mean, variance = observation.update_param(image, posterior, mean, 4)
        likelihood = observation.negloglikelihood(image, mean, variance, 4)
        before, labels = labels, np.asarray(field.icm_ising(likelihood, _SMOOTHNESS, labels)[0]).astype(np.int16)
        if np.mean(before != labels) < _SETTLED:
            break
    fractions[(slice(None), *box)] = np.moveaxis(np.asarray(posterior, np.float32), -1, 0)[1:]
    return normalise(fractions, mask)


def otsu_thresholds(values: NDArray[np.float32], where: object) -> tuple[NDArray[np.float64], float]:
    """Thresholds CSF | grey | white of intensities (N,), and their 99.9th percentile.

    Otsu's threshold sets CSF apart, then Otsu's threshold of the rest parts grey from white; one search for both may
    spend them on the wide spread of CSF.
    """
    from skimage.filters import threshold_otsu

    cure = "give a bias-corrected T1w of a brain and its mask"
    if values.size < 1000 or values.min() == values.max():
        found = f"{values.size} positive voxels of {np.unique(values).size} values, expected 1000 that differ"
        raise InputError("too little signal inside the mask", where, found, cure)
    low, top = (float(v) for v in np.percentile(values, (0.1, 99.9)))
    kept = np.clip(values, low, top)
    first = float(threshold_otsu(kept))
    return np.array([first, float(threshold_otsu(kept[kept > first]))]), top
