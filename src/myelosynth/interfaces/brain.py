"""Brain extraction from a T1w head."""

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import Volume, load_mask, load_volume, save_volume
from myelosynth.interfaces.base import run_program, use_our_threads


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
    """Brain mask by deepbet (Fisch et al. 2024); its weights come with the package.

    deepbet itself stretches an image onto its network's grid by nearest neighbours, which makes steps of thick slices
    and large voxels: it is given 1 mm voxels by linear interpolation, and its probabilities come back the same way.
    """

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        from deepbet.bet import BrainExtraction
        from scipy import ndimage

        use_our_threads()
        fine, same_place = cubes(volume.grid, 1.0), LinearTransform.identity()
        head = resample(volume.data, volume.grid, fine, same_place).astype(np.float32)
        try:
            probability = BrainExtraction(no_gpu=True).run_model(head)
        except (AssertionError, ValueError) as fault:  # how deepbet says that it sees no head
            values = f"deepbet: {fault}"
            raise InputError(
                "no brain found", volume.path, values, "check the image, or try another --engine"
            ) from fault
        pieces, _ = ndimage.label(resample(probability, fine, volume.grid, same_place) > 0.5)
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        largest: NDArray[np.bool_] = ndimage.binary_fill_holes((pieces == sizes.argmax()) & (pieces > 0))
        return largest


def cubes(grid: Grid, size: float) -> Grid:
    """Cubes of `size` mm over the same field of view, along the axes of `grid` that lie nearest to RAS.

    >>> tilted = Grid((4, 5, 6), np.array([[0, -1, 0, 2.0], [1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]))
    >>> cubes(tilted, 1).shape
    (5, 4, 12)
    """
    import nibabel as nib

    turned = nib.orientations.io_orientation(grid.affine)
    shape = np.array(grid.shape)[np.argsort(turned[:, 0])]
    affine = grid.affine @ nib.orientations.inv_ornt_aff(turned, grid.shape)
    steps = size / np.sqrt((affine[:3, :3] ** 2).sum(0))
    # A shape that is rounded up, about the same centre.
    cubes = np.ceil(shape / steps - 1e-3).astype(int)
    fine = affine @ np.diag([*steps, 1.0])
    fine[:3, 3] = (affine @ [*((shape - 1) / 2 - steps * (cubes - 1) / 2), 1.0])[:3]
    return Grid((int(cubes[0]), int(cubes[1]), int(cubes[2])), fine)


class FslBet(BrainInterface):
    """Brain mask by FSL BET, through Nipype."""

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        from nipype.interfaces.fsl import BET

        program = BET(in_file=str(volume.path), out_file="brain.nii.gz", mask=True, robust=True)
        program.inputs.output_type = "NIFTI_GZ"
        run_program(program)
        return load_mask(Path("brain_mask.nii.gz"), volume.grid, volume.path)


# Limits of a plausible adult brain mask: key of the record, lowest, highest, unit.
LIMITS = (
    # Intracranial volumes of adults run from about 1.0 to 1.9 l; masks may leave out the outer CSF (FSL: 1.09 l) ...
    ("BrainVolumeMl", 900.0, 2000.0, "ml"),
    ("LeftRightImbalance", 0.0, 0.1, "of the mask"),
    ("LargestPiece", 0.99, 1.0, "of the mask"),
    # ... FSL fills a real mask but for 0.4 %; open ventricles are 2 % and more.
    ("Holes", 0.0, 0.01, "of the mask"),
    # A slab of thick axial slices may end inside the brain (41 cm2 in a real one), never at the temples or the face.
    ("EdgeTopBottomCm2", 0.0, 60.0, "cm2"),
    ("EdgeSidesCm2", 0.0, 5.0, "cm2"),
)


def mask_quality(mask: NDArray[np.bool_], grid: Grid) -> dict[str, Any]:
    """A gate on a brain mask (X, Y, Z): its measures, `Faults` (one phrase each) and `Passed` when there are none.

    Volume in ml; imbalance of the halves, split at the middle of the left-right extent; share of the largest piece;
    share of enclosed holes; area in cm2 on the outermost voxels of the field of view, the largest of the faces above
    and below and the largest of the other four. `LIMITS` says what passes.
    """
    from scipy import ndimage

    x = np.argwhere(mask) @ grid.affine[0, :3] + grid.affine[0, 3]
    middle = (np.percentile(x, 0.5) + np.percentile(x, 99.5)) / 2
    brain = np.pad(mask[ndimage.find_objects(mask.astype(np.uint8))[0]], 1)
    labels, _ = ndimage.label(brain)
    volume = float(mask.sum())
    top_bottom, sides = _edge_areas(mask, grid)
    measured = {
        "BrainVolumeMl": round(volume * grid.voxel_volume / 1000, 1),
        "LeftRightImbalance": round(float(abs((x > middle).mean() - (x < middle).mean())), 4),
        "LargestPiece": round(float(np.bincount(labels.ravel())[1:].max()) / volume, 4),
        "Holes": round(float((ndimage.binary_fill_holes(brain) & ~brain).sum()) / volume, 4),
        "EdgeTopBottomCm2": round(top_bottom, 1),
        "EdgeSidesCm2": round(sides, 1),
    }
    faults = [
        f"{key} {measured[key]:g}, expected {low:g} to {high:g} {unit}"
        for key, low, high, unit in LIMITS
        if not low <= measured[key] <= high
    ]
    return {**measured, "Faults": faults, "Passed": not faults}


def _edge_areas(mask: NDArray[np.bool_], grid: Grid) -> tuple[float, float]:
    """Largest area in cm2 of the mask on a face of the field of view: above or below, and on the other four sides."""
    vertical = int(np.abs(grid.affine[2, :3] / grid.voxel_sizes).argmax())
    areas: dict[bool, list[float]] = {True: [], False: []}
    for axis in range(3):
        voxel = np.prod(np.delete(grid.voxel_sizes, axis)) / 100
        areas[axis == vertical] += [float(mask.take(face, axis).sum() * voxel) for face in (0, -1)]
    return max(areas[True]), max(areas[False])


def require_plausible(quality: dict[str, Any], image: Path) -> None:
    """Raise InputError with every measure out of its limits, and the cures, unless the mask of `image` passed."""
    if not quality["Passed"]:
        cure = "look at the T1w, choose another engine, give a ready mask, or keep this one with --accept-failed"
        cure += " (brain.accept_failed in the configuration)"
        raise InputError("brain mask implausible", image, "; ".join(quality["Faults"]), cure)
