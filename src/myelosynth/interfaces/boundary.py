"""Boundary-based registration of a contrast to T1w."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Directory,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import Volume, load_mask, load_volume
from myelosynth.interfaces.base import run_program
from myelosynth.interfaces.boundary_cost import SLOPE, BoundaryCost, minimise
from myelosynth.interfaces.boundary_points import Boundary, white_boundary
from myelosynth.interfaces.linear import read_flirt, register_mutual_information, require_contrast, require_overlap

_LEAST_SEEN = 0.7
"""Least share of the boundary with the right sign of contrast; noise gives .5. Real T2w end at .95 and FLAIR at
.80-.81; FLAIR without a grey fraction, which lands 1 mm off, at .64-.66."""
_log = logging.getLogger(__name__)


class BoundaryInputSpec(BaseInterfaceInputSpec):
    moving_file = File(exists=True, mandatory=True, desc="image that is moved (T2w, FLAIR, b0, T1w)")
    fixed_file = File(exists=True, mandatory=True, desc="T1w that stands")
    wm_mask = File(exists=True, mandatory=True, desc="white matter on the fixed grid")
    gm_file = File(exists=True, desc="grey matter fraction on the fixed grid: only its edge with white matter counts")
    init_file = File(exists=True, desc="ITK text start; default: an own rigid start")
    fs_subject = Directory(desc="FreeSurfer subject of the fixed T1w, for its surfaces")
    contrast = traits.Enum("t1", "t2", "flair", desc="default: found from the data")
    dof = traits.Enum(6, 12, usedefault=True, desc="6 rigid, 12 affine")
    out_transform = File(mandatory=True, desc="ITK text pull transform")


class BoundaryOutputSpec(TraitedSpec):
    out_transform = File(desc="ITK text pull transform")
    record = traits.Dict(desc="cost before and after, fallback, contrast, for the sidecar")


class BoundaryInterface(SimpleInterface):
    input_spec = BoundaryInputSpec
    output_spec = BoundaryOutputSpec
    slope = SLOPE  # of the costs in the record

    def _run_interface(self, runtime: Any) -> Any:
        moving = load_volume(Path(self.inputs.moving_file))
        fixed = load_volume(Path(self.inputs.fixed_file))
        require_contrast(moving)
        boundary = self._boundary(fixed)
        if isdefined(self.inputs.init_file):
            start, how = LinearTransform.read(Path(self.inputs.init_file)), "given"
        else:
            start, how = register_mutual_information(moving, fixed, None, 6)[0], "rigid, mutual information"
        require_overlap(boundary.inside, moving, start, "at the start")
        measured = float(np.median(BoundaryCost(moving.data, moving.grid, boundary, start, 1.0).contrast()))
        found = "t2" if measured > 0 else "t1"
        contrast = self.inputs.contrast if isdefined(self.inputs.contrast) else found
        sign = -1.0 if contrast == "t1" else 1.0
        transform, inside = self.refine(moving, fixed, boundary, start, sign)
        costs = [BoundaryCost(moving.data, moving.grid, boundary, at, sign, self.slope) for at in (start, transform)]
        before, after = (cost(np.zeros(6))[0] for cost in costs)
        seen = float((sign * costs[1].contrast() > 0).mean())
        reason = rejection(before, after, seen, inside)
        if reason:
            _log.warning("%s: boundary-based registration rejected (%s), the start is kept", moving.path.name, reason)
        (start if reason else transform).write(Path(self.inputs.out_transform))
        record = {
            "Cost": "boundary contrast, Greve & Fischl 2009",
            "CostBefore": round(before, 5),
            "CostAfter": round(after, 5),
            "CostSlope": self.slope,
            "BoundarySeen": round(seen, 4),
            "Fallback": bool(reason),
            "FallbackReason": reason,
            "Contrast": contrast,
            "ContrastPercentAtStart": round(measured, 2),
            "Start": how,
            "BoundaryPoints": len(boundary.inside),
            "MeanDisplacementMm": round(mean_displacement(start, transform, boundary), 4),
        }
        self._results.update(out_transform=self.inputs.out_transform, record=record)
        return runtime

    def _boundary(self, fixed: Volume) -> Boundary:
        white = load_mask(Path(self.inputs.wm_mask), fixed.grid, fixed.path)
        grey = None
        if isdefined(self.inputs.gm_file):
            volume = load_volume(Path(self.inputs.gm_file))
            fixed.grid.require(volume.grid, volume.path, fixed.path)
            grey = volume.data
        return white_boundary(white, fixed.grid, grey)

    def refine(
        self, moving: Volume, fixed: Volume, boundary: Boundary, start: LinearTransform, sign: float
    ) -> tuple[LinearTransform, bool]:
        """The refined pull transform, and whether it ended inside the search range."""
        raise NotImplementedError


class OwnBoundaryInputSpec(BoundaryInputSpec):
    slope = traits.Float(SLOPE, usedefault=True, desc="of the cost; the paper's is 0.5")
    device = traits.Enum("cpu", "cuda", usedefault=True, desc="where the cost is computed")


class BoundaryRegistration(BoundaryInterface):
    """Our own boundary-based registration: bounded L-BFGS-B on the cost of Greve & Fischl 2009, in PyTorch."""

    input_spec = OwnBoundaryInputSpec

    def _run_interface(self, runtime: Any) -> Any:
        self.slope = self.inputs.slope
        return super()._run_interface(runtime)

    def refine(
        self, moving: Volume, fixed: Volume, boundary: Boundary, start: LinearTransform, sign: float
    ) -> tuple[LinearTransform, bool]:
        import torch

        device = torch.device(self.inputs.device)
        return minimise(moving.data, moving.grid, boundary, start, sign, self.inputs.dof, self.slope, device)


class FslBoundaryRegistration(BoundaryInterface):
    """FSL FLIRT with cost bbr, through Nipype; the record's costs are ours, so engines can be compared."""

    def refine(
        self, moving: Volume, fixed: Volume, boundary: Boundary, start: LinearTransform, sign: float
    ) -> tuple[LinearTransform, bool]:
        from nipype.interfaces.fsl import FLIRT

        np.savetxt("start.mat", start.to_flirt(moving.grid, fixed.grid))
        program = FLIRT(
            in_file=str(moving.path),
            reference=str(fixed.path),
            dof=self.inputs.dof,
            cost="bbr",
            wm_seg=self.inputs.wm_mask,
            in_matrix_file="start.mat",
            bbrslope=-0.5 * sign,
            schedule=str(Path(os.environ.get("FSLDIR", "/"), "etc", "flirtsch", "bbr.sch")),
            out_matrix_file="flirt.mat",
            out_file="flirt.nii.gz",
        )
        program.inputs.output_type = "NIFTI_GZ"
        run_program(program)
        return read_flirt(Path("flirt.mat"), moving.grid, fixed.grid), True


def rejection(before: float, after: float, seen: float, inside: bool) -> str | None:
    """Why a refinement is worse than its start, or None when it is accepted."""
    if after > before + 1e-3:  # both near 0 where every point already has the right sign
        return f"cost {after:.4f} is worse than {before:.4f} at the start"
    if not inside:
        return "it ran to the edge of its search range"
    if seen < _LEAST_SEEN:
        return f"{seen:.0%} of the boundary shows in the moving image, needed {_LEAST_SEEN:.0%}"
    return None


def mean_displacement(one: LinearTransform, other: LinearTransform, boundary: Boundary) -> float:
    """Mean distance in mm between the images of the boundary under two transforms."""
    apart = one.apply(boundary.inside) - other.apply(boundary.inside)
    return float(np.linalg.norm(apart, axis=1).mean())
