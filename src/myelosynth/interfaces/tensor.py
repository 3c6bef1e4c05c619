"""Diffusion interfaces: tensor maps and the mean unweighted image, with dipy."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, isdefined, traits
from numpy.typing import NDArray

from myelosynth import __version__
from myelosynth.bids.sidecar import Provenance
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.interfaces.distortion import DISTORTION, UNCORRECTED, Shift
from myelosynth.interfaces.motion import realign, rigid_motion, summary
from myelosynth.physics.gradients import B0_THRESHOLD, read_bvals, read_gradients
from myelosynth.physics.tensor import denoise, fit_tensor, unring

MAPS = ("fa", "rd", "ad", "md")


class MeanB0Inputs(BaseInterfaceInputSpec):
    in_file = File(mandatory=True, desc="diffusion series")
    bvals = File(mandatory=True, desc="FSL b-values")
    shift = File(desc="shift map of its EPI distortion")
    out_file = File(mandatory=True, desc="mean of the volumes with b at most 50 s/mm2")


class MeanB0Outputs(TraitedSpec):
    out_file = File()


class MeanB0(SimpleInterface):
    """Mean of the unweighted volumes: the image that registers diffusion to T1w."""

    input_spec, output_spec = MeanB0Inputs, MeanB0Outputs

    def _run_interface(self, runtime: Any) -> Any:
        source, out = Path(self.inputs.in_file), Path(self.inputs.out_file)
        series = load_volume(source, 4)
        bvals_path = Path(self.inputs.bvals)
        b0 = read_bvals(bvals_path, series.data.shape[3]) <= B0_THRESHOLD
        mean, sources = series.data[..., b0].mean(-1), [source, bvals_path]
        fields = {"SkullStripped": False, "Volumes": int(b0.sum()), DISTORTION: UNCORRECTED}
        if isdefined(self.inputs.shift):
            sources.append(Path(self.inputs.shift))
            shift = Shift.read(sources[2], series.grid, source)
            mean, fields[DISTORTION] = shift.undo(mean), shift.words
        save_volume(out, mean, series.grid)
        Provenance("mean b0", "myelosynth", __version__, sources, {}, fields).write(out)
        self._results["out_file"] = str(out)
        return runtime


class TensorFitInputs(BaseInterfaceInputSpec):
    in_file = File(mandatory=True, desc="diffusion series")
    bvals = File(mandatory=True, desc="FSL b-values, s/mm2")
    bvecs = File(mandatory=True, desc="FSL b-vectors")
    mask = File(mandatory=True, desc="brain mask on the series' grid")
    shift = File(desc="shift map of the series' EPI distortion; the mask lies in undistorted space then")
    fa = File(mandatory=True, desc="fractional anisotropy")
    rd = File(mandatory=True, desc="radial diffusivity, mm2/s")
    ad = File(mandatory=True, desc="axial diffusivity, mm2/s")
    md = File(mandatory=True, desc="mean diffusivity, mm2/s")
    denoise = traits.Bool(False, usedefault=True, desc="Marchenko-Pastur PCA first")
    gibbs = traits.Bool(False, usedefault=True, desc="remove Gibbs ringing, after denoising")
    motion = traits.Bool(False, usedefault=True, desc="register volumes to the first b0, rotate b-vectors")


class TensorFitOutputs(TraitedSpec):
    fa, rd, ad, md = File(), File(), File(), File()


class TensorFit(SimpleInterface):
    """Weighted least-squares diffusion tensor: FA, RD, AD, MD."""

    input_spec, output_spec = TensorFitInputs, TensorFitOutputs

    def _run_interface(self, runtime: Any) -> Any:
        sources = [Path(getattr(self.inputs, name)) for name in ("in_file", "bvals", "bvecs", "mask")]
        series = load_volume(sources[0], 4)
        gradients = read_gradients(sources[1], sources[2], series.data.shape[3], series.grid.affine)
        mask = load_mask(sources[3], series.grid, sources[0])
        data, fields = series.data, dict[str, Any](SkullStripped=True, MotionCorrected=self.inputs.motion)
        shift = None
        if isdefined(self.inputs.shift):
            sources.append(Path(self.inputs.shift))
            shift = Shift.read(sources[4], series.grid, sources[0])
        fields |= {DISTORTION: shift.words if shift else UNCORRECTED}
        if self.inputs.denoise:
            everywhere = self.inputs.motion or self.inputs.gibbs or shift
            data = denoise(data, np.ones(mask.shape, bool) if everywhere else mask)
        if self.inputs.gibbs:
            data = unring(data)
        if shift:  # after what needs the noise and the lines as they were measured; gradients do not turn with it
            data = shift.undo(data)
        if self.inputs.motion:
            motion = diffusion_motion(data, gradients.b0, series.grid)
            data = realign(data, series.grid, motion)
            gradients = gradients.rotated(np.stack([transform.matrix[:3, :3] for transform in motion]))
            fields |= {"Motion": summary(motion, series.grid)}
        maps = fit_tensor(data, gradients, mask)
        settings = {
            "fit": "WLS",
            "denoise": "MP-PCA" if self.inputs.denoise else None,
            "gibbs": "sub-voxel shifts, slices across the third axis" if self.inputs.gibbs else None,
            "motion": "ANTs rigid to the first b0, b-vectors rotated" if self.inputs.motion else None,
            "distortion": "the shift map undone, cubic along the phase axis, Jacobian" if shift else None,
            "eddy_currents": "not corrected",
        }
        record = Provenance("diffusion tensor", "dipy", version("dipy"), sources, settings, fields)
        for name in MAPS:
            out = Path(getattr(self.inputs, name))
            save_volume(out, getattr(maps, name), series.grid)
            record.write(out, Units="1" if name == "fa" else "mm2/s")
            self._results[name] = str(out)
        return runtime


def diffusion_motion(data: NDArray[np.float32], unweighted: NDArray[np.bool_], grid: Grid) -> list[LinearTransform]:
    """Pull transforms, position of the first unweighted volume to each volume of a series (X, Y, Z, N).

    Unweighted volumes go to the first of them, then the weighted ones to the mean of those realigned.
    """
    b0 = np.flatnonzero(unweighted)
    first = data[..., b0[0]]
    motion = [LinearTransform.identity()] * data.shape[3]
    for n in b0[1:]:
        motion[n] = rigid_motion(data[..., n], first, grid)
    fixed = realign(data[..., b0], grid, [motion[n] for n in b0]).mean(-1)
    for n in np.flatnonzero(~unweighted):
        motion[n] = rigid_motion(data[..., n], fixed, grid)
    return motion
