"""Brain extraction from a T1w head."""

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import Volume, load_mask, load_volume, save_volume
from myelosynth.interfaces.base import run_program


class BrainInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="T1w head")
    mask_file = File(mandatory=True, desc="brain mask, uint8")


class BrainOutputSpec(TraitedSpec):
    mask_file = File(desc="brain mask, uint8")


class BrainInterface(SimpleInterface):
    input_spec = BrainInputSpec
    output_spec = BrainOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        volume = load_volume(Path(self.inputs.in_file))
        mask = self.extract(volume)
        if not mask.any():
            raise InputError("no brain found", volume.path, "0 voxels, expected a head", "try another --engine")
        save_volume(Path(self.inputs.mask_file), mask, volume.grid, np.uint8)
        self._results["mask_file"] = self.inputs.mask_file
        return runtime

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        """The brain mask (X, Y, Z) of a T1w head."""
        raise NotImplementedError


class Deepbet(BrainInterface):
    """Brain mask by deepbet (Fisch et al. 2024); its weights come with the package."""

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        import nibabel as nib
        import torch
        from deepbet.bet import BrainExtraction

        torch.set_num_threads(_threads())
        image = nib.Nifti1Image(volume.data, volume.grid.affine)
        try:
            _, mask, _ = BrainExtraction(no_gpu=True).run(image)
        except (AssertionError, ValueError) as fault:  # how deepbet says that it sees no head
            values = f"deepbet: {fault}"
            raise InputError(
                "no brain found", volume.path, values, "check the image, or try another --engine"
            ) from fault
        return np.asarray(mask.dataobj) > 0


class FslBet(BrainInterface):
    """Brain mask by FSL BET, through Nipype."""

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        from nipype.interfaces.fsl import BET

        program = BET(in_file=str(volume.path), out_file="brain.nii.gz", mask=True, robust=True)
        program.inputs.output_type = "NIFTI_GZ"
        run_program(program)
        return load_mask(Path("brain_mask.nii.gz"), volume.grid, volume.path)


def mask_quality(mask: NDArray[np.bool_], grid: Grid) -> dict[str, Any]:
    """A gate on a brain mask (X, Y, Z): volume in ml, left-right imbalance, one piece; `Passed` when all are plausible.

    Volume 0.9-2.2 l; halves, split at the centre of mass along the left-right axis, within 10 %; at least 99 % in the
    largest piece.
    """
    from scipy import ndimage

    volume = float(mask.sum()) * grid.voxel_volume / 1000
    x = np.argwhere(mask) @ grid.affine[0, :3] + grid.affine[0, 3]
    middle = (np.percentile(x, 0.5) + np.percentile(x, 99.5)) / 2
    imbalance = float(abs((x > middle).mean() - (x < middle).mean()))
    labels, _ = ndimage.label(mask)
    largest = float(np.bincount(labels.ravel())[1:].max() / mask.sum())
    passed = 900 <= volume <= 2200 and imbalance <= 0.1 and largest >= 0.99
    return {
        "BrainVolumeMl": round(volume, 1),
        "LeftRightImbalance": round(imbalance, 4),
        "LargestPiece": round(largest, 4),
        "Passed": bool(passed),
    }


def _threads() -> int:
    import os

    return int(os.environ.get("OMP_NUM_THREADS") or 1)
