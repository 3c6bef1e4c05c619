"""Rigid and affine registration by image similarity."""

from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, isdefined, traits
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import Volume, load_mask, load_volume
from myelosynth.interfaces.base import run_program

# Rise of the negative mutual information over the start that noise does not explain.
DIVERGED = 0.05
LEAST_OVERLAP = 0.1


class LinearInputSpec(BaseInterfaceInputSpec):
    moving_file = File(exists=True, mandatory=True, desc="image that is moved")
    fixed_file = File(exists=True, mandatory=True, desc="image that stands")
    fixed_mask = File(exists=True, desc="where the similarity counts, on the fixed grid")
    dof = traits.Enum(6, 12, usedefault=True, desc="6 rigid, 12 affine")
    out_transform = File(mandatory=True, desc="ITK text pull transform")


class LinearOutputSpec(TraitedSpec):
    out_transform = File(desc="ITK text pull transform")
    record = traits.Dict(desc="cost and start, for the sidecar")


class _LinearInterface(SimpleInterface):
    input_spec = LinearInputSpec
    output_spec = LinearOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        moving = load_volume(Path(self.inputs.moving_file))
        fixed = load_volume(Path(self.inputs.fixed_file))
        mask = None
        if isdefined(self.inputs.fixed_mask):
            mask = load_mask(Path(self.inputs.fixed_mask), fixed.grid, fixed.path)
        require_contrast(moving)
        require_contrast(fixed)
        transform, record = self.register(moving, fixed, mask)
        require_overlap(foreground(fixed), moving, transform, "after registration")
        transform.write(Path(self.inputs.out_transform))
        self._results.update(out_transform=self.inputs.out_transform, record=record)
        return runtime

    def register(
        self, moving: Volume, fixed: Volume, mask: NDArray[np.bool_] | None
    ) -> tuple[LinearTransform, dict[str, Any]]:
        """The pull transform and what to record of it."""
        raise NotImplementedError


class AntsPyLinear(_LinearInterface):
    """Rigid or affine registration by antspyx: Mattes mutual information, fixed seed, one thread."""

    def register(
        self, moving: Volume, fixed: Volume, mask: NDArray[np.bool_] | None
    ) -> tuple[LinearTransform, dict[str, Any]]:
        return register_mutual_information(moving, fixed, mask, self.inputs.dof)


class FslFlirt(_LinearInterface):
    """Rigid or affine registration by FSL FLIRT (correlation ratio), through Nipype."""

    def register(
        self, moving: Volume, fixed: Volume, mask: NDArray[np.bool_] | None
    ) -> tuple[LinearTransform, dict[str, Any]]:
        from nipype.interfaces.fsl import FLIRT

        program = FLIRT(
            in_file=str(moving.path),
            reference=str(fixed.path),
            dof=self.inputs.dof,
            cost="corratio",
            out_matrix_file="flirt.mat",
            out_file="flirt.nii.gz",
        )
        program.inputs.output_type = "NIFTI_GZ"
        if mask is not None:
            program.inputs.ref_weight = self.inputs.fixed_mask
        run_program(program)
        return read_flirt(Path("flirt.mat"), moving.grid, fixed.grid), {"Cost": "correlation ratio"}


def require_contrast(volume: Volume) -> None:
    """Raise InputError when every voxel of an image has one value: nothing can be registered to it."""
    if volume.data.min() == volume.data.max():
        values = f"every voxel is {volume.data.flat[0]:g}, expected contrast"
        raise InputError(
            "image of one value", volume.path, values, "give the image itself, not a mask or an empty file"
        )


def foreground(volume: Volume) -> NDArray[np.float64]:
    """World points (N, 3), RAS mm, of at most some 5,000 voxels brighter than the mean."""
    voxels = np.argwhere(volume.data > volume.data.mean())
    return LinearTransform(volume.grid.affine).apply(voxels[:: max(1, len(voxels) // 5000)].astype(float))


def require_overlap(points: NDArray[np.float64], moving: Volume, transform: LinearTransform, when: str) -> None:
    """Raise InputError when fewer than a tenth of the fixed points (N, 3), RAS mm, fall into the moving image."""
    voxels = (~LinearTransform(moving.grid.affine)).apply(transform.apply(points))
    size = np.array(moving.grid.shape)
    share = float(((voxels > -0.5) & (voxels < size - 0.5)).all(1).mean())
    if share < LEAST_OVERLAP:
        values = f"{share:.0%} of the fixed image lies in it {when}, needed {LEAST_OVERLAP:.0%}"
        cure = "check both headers, or start from a transform that brings them together"
        raise InputError("moving and fixed do not overlap", moving.path, values, cure)


def read_flirt(path: Path, moving: Grid, fixed: Grid) -> LinearTransform:
    """A FLIRT matrix file as a pull transform. Raises InputError when it is missing or not a 4x4 matrix."""
    try:
        matrix = np.loadtxt(path)
    except (OSError, ValueError) as fault:
        raise InputError("FLIRT left no matrix", path.name, str(fault), "run flirt by hand on these images") from fault
    if matrix.shape != (4, 4):
        raise InputError("not a FLIRT matrix", path.name, f"shape {matrix.shape}, expected (4, 4)", "run flirt by hand")
    return LinearTransform.from_flirt(matrix, moving, fixed)


def register_mutual_information(
    moving: Volume, fixed: Volume, mask: NDArray[np.bool_] | None, dof: int
) -> tuple[LinearTransform, dict[str, Any]]:
    """Rigid (6) or affine (12) pull transform from `moving` to `fixed` by Mattes mutual information (antspyx).

    It starts from the headers or from the centres of mass, whichever has the better similarity. Runs in the current
    folder, where antspyx leaves files. Returns the transform and the record (similarity before and after, start).
    Raises InputError when the result is less similar than the start: a small mask on thick slices can lose the head.
    """
    from myelosynth.interfaces.ants_bridge import load_ants, read_mat, to_ants

    ants = load_ants()
    fixed_image, moving_image = to_ants(fixed.data, fixed.grid), to_ants(moving.data, moving.grid)
    mask_image = to_ants(mask, fixed.grid) if mask is not None else None
    start_name, start_file, before = _best_start(fixed_image, moving_image)
    found = start_file
    coarse = _shrink_factors(fixed.grid)
    for stage in ("Rigid",) if dof == 6 else ("Rigid", "Affine"):
        found = ants.registration(
            fixed_image,
            moving_image,
            type_of_transform=stage,
            initial_transform=found,
            outprefix=str(Path.cwd() / stage.lower()),
            mask=mask_image,
            aff_shrink_factors=coarse,
            aff_smoothing_sigmas=tuple(factor / 2 if factor > 1 else 0 for factor in coarse),
            aff_iterations=(100, 50, 10),
        )["fwdtransforms"][0]
    after = _similarity(fixed_image, moving_image, found)
    if after > before + DIVERGED:
        values = (
            f"negative mutual information {after:.3f} after, {before:.3f} at the {start_name} start, expected lower"
        )
        raise InputError("registration diverged", moving.path, values, "leave out --fixed-mask, or take another engine")
    record = {"Cost": "Mattes mutual information", "CostBefore": before if np.isfinite(before) else None}
    record |= {"CostAfter": after, "Start": start_name}
    return read_mat(found), record


def _shrink_factors(grid: Grid) -> tuple[int, int, int]:
    """Voxels joined at each level, coarse to fine: about 8, 4 and 2 mm (finer adds minutes, not accuracy).

    Rounded: at 1.5 mm whole voxels at the last level are .2 mm off where pairs of them are .3 mm off.
    """
    mean_mm = grid.voxel_volume ** (1 / 3)
    return tuple(int(np.clip(np.round(mm / mean_mm), 1, 8)) for mm in (8, 4, 2))  # type: ignore[return-value]


def _best_start(fixed: Any, moving: Any) -> tuple[str, str, float]:
    """The start, its transform file and its similarity: the headers as they are, or centres of mass made to meet."""
    from myelosynth.interfaces.ants_bridge import load_ants

    ants = load_ants()
    shift = np.array(ants.get_center_of_mass(moving)) - np.array(ants.get_center_of_mass(fixed))
    best = None
    for name, translation in (("header", np.zeros(3)), ("centre of mass", shift)):
        transform = ants.create_ants_transform(
            transform_type="AffineTransform", dimension=3, matrix=np.eye(3), translation=translation
        )
        file = str(Path.cwd() / f"start-{name.split()[0]}.mat")
        ants.write_transform(transform, file)
        similarity = _similarity(fixed, moving, file)
        if best is None or similarity < best[2] - 1e-3:
            best = (name, file, similarity)
    if best is None:
        raise RuntimeError("no start was tried")
    return best


def _similarity(fixed: Any, moving: Any, transform_file: str) -> float:
    """Negative Mattes mutual information of the two images under a transform (lower is better; inf without overlap)."""
    from myelosynth.interfaces.ants_bridge import load_ants

    ants = load_ants()
    moved = ants.apply_transforms(fixed, moving, [transform_file])
    if moved.max() == moved.min():
        return float("inf")
    return round(float(ants.image_similarity(fixed, moved, metric_type="MattesMutualInformation")), 5)
