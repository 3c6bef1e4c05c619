"""FreeSurfer's engines: mri_synthstrip, recon-all with tissue from its labels, bbregister along its surfaces."""

import os
from pathlib import Path

import numpy as np
from nipype.interfaces.base import CommandLine, CommandLineInputSpec, Directory, File, TraitedSpec, isdefined
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.atomic import staged
from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import Volume, load_mask, load_volume, open_image
from myelosynth.interfaces.base import run_program
from myelosynth.interfaces.boundary import BoundaryInputSpec, BoundaryInterface
from myelosynth.interfaces.boundary_points import Boundary
from myelosynth.interfaces.brain import BrainInterface
from myelosynth.interfaces.tissue import TissueInterface, normalise

WHITE_LABELS = (2, 41, 7, 46, 77, 78, 79, 85, 16, 251, 252, 253, 254, 255)
"""aseg: cerebral and cerebellar white matter, hypointensities, optic chiasm, brain stem, corpus callosum."""
CSF_LABELS = (4, 5, 14, 15, 24, 31, 43, 44, 63, 72)
"""aseg: ventricles, CSF, choroid plexus."""


class SynthStripInputSpec(CommandLineInputSpec):
    in_file = File(exists=True, mandatory=True, argstr="-i %s", position=0)
    out_mask = File(mandatory=True, argstr="-m %s", position=1)


class SynthStripOutputSpec(TraitedSpec):
    out_mask = File(exists=True)


class SynthStripProgram(CommandLine):
    """mri_synthstrip (Hoopes et al. 2022); Nipype has no interface of it."""

    _cmd = "mri_synthstrip"
    input_spec = SynthStripInputSpec
    output_spec = SynthStripOutputSpec

    def _list_outputs(self) -> dict[str, str]:
        return {"out_mask": str(Path(self.inputs.out_mask).absolute())}


class SynthStrip(BrainInterface):
    """Brain mask by FreeSurfer's mri_synthstrip, through Nipype."""

    def extract(self, volume: Volume) -> NDArray[np.bool_]:
        run_program(SynthStripProgram(in_file=str(volume.path), out_mask="mask.nii.gz"))
        return load_mask(Path("mask.nii.gz"), volume.grid, volume.path)


class FreeSurferTissue(TissueInterface):
    """Tissue from the labels (aseg) of FreeSurfer's recon-all -all, through Nipype.

    `fs_subject` is used when recon-all has finished it, else it is made; without it the subject is thrown away.
    """

    def segment(self, volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        from nipype.interfaces.freesurfer import Binarize

        wanted = Path(self.inputs.fs_subject) if isdefined(self.inputs.fs_subject) else Path.cwd() / "subject"
        subject = reconstructed(wanted, volume.path)
        aseg = subject / "mri" / "aseg.mgz"
        _tell_subjects_folder(subject.parent)
        run_program(Binarize(in_file=str(aseg), match=list(WHITE_LABELS), binary_file="wm.nii.gz"))
        labels, white = load_volume(aseg), load_volume(Path("wm.nii.gz"))
        labels.grid.require(white.grid, "wm.nii.gz", aseg)
        return normalise(aseg_fractions(labels.data, white.data > 0.5, labels.grid, volume.grid), mask)


class SurfaceInputSpec(BoundaryInputSpec):
    fs_subject = Directory(exists=True, mandatory=True, desc="FreeSurfer subject of the fixed T1w, for its surfaces")


class FreeSurferBoundaryRegistration(BoundaryInterface):
    """FreeSurfer bbregister along the white surfaces of `fs_subject`, through Nipype; the record's costs are ours."""

    input_spec = SurfaceInputSpec

    def refine(
        self, moving: Volume, fixed: Volume, boundary: Boundary, start: LinearTransform, sign: float
    ) -> tuple[LinearTransform, bool]:
        from nipype.interfaces.freesurfer import BBRegister

        subject = finished(Path(self.inputs.fs_subject))
        _tell_subjects_folder(subject.parent)
        orig = Grid.of(open_image(subject / "mri" / "orig.mgz"))
        write_register(Path("start.dat"), start, moving.grid, orig, subject.name)
        run_program(
            BBRegister(
                subject_id=subject.name,
                subjects_dir=str(subject.parent),
                source_file=str(moving.path),
                init_reg_file="start.dat",
                contrast_type="t1" if sign < 0 else "t2",
                dof=self.inputs.dof,
                out_reg_file="register.dat",
            )
        )
        return read_register(Path("register.dat"), moving.grid, orig), True


def reconstructed(subject: Path, t1: Path) -> Path:
    """The subject folder, made by `recon-all -all` of a T1w unless it is there; it appears whole or not at all.

    Raises InputError for a folder that recon-all has not finished.
    """
    from nipype.interfaces.freesurfer import ReconAll

    if subject.exists() and any(subject.iterdir()):
        return finished(subject)
    with staged(subject) as (part,):  # an empty folder there gives way
        folder = part.parent / "subjects"
        folder.mkdir()
        recon = ReconAll(
            subject_id=subject.name,
            subjects_dir=str(folder),
            directive="all",
            T1_files=str(t1),
            openmp=int(os.environ.get("OMP_NUM_THREADS") or 1),
        )
        run_program(recon)
        os.replace(finished(folder / subject.name), part)
    return subject


def _tell_subjects_folder(folder: Path) -> None:
    """Name the folder of subjects to Nipype, which else fails where $SUBJECTS_DIR is not set."""
    from nipype.interfaces.freesurfer.base import FSCommand

    FSCommand.set_default_subjects_dir(str(folder))


def finished(subject: Path) -> Path:
    """The subject folder, if it holds what recon-all writes last. Raises InputError naming the first missing file."""
    for name in ("mri/orig.mgz", "mri/aseg.mgz", "surf/lh.white", "surf/rh.white", "scripts/recon-all.done"):
        if not (subject / name).is_file():
            cure = "let recon-all finish it, or give another --fs-subject"
            raise InputError("not a finished FreeSurfer subject", subject, f"{name} is missing", cure)
    return subject


def aseg_fractions(
    labels: NDArray[np.float32], white: NDArray[np.bool_], grid: Grid, target: Grid
) -> NDArray[np.float32]:
    """CSF, GM, WM fractions (3, X, Y, Z) on `target` from FreeSurfer aseg labels: each class resampled linearly.

    white: voxels of WHITE_LABELS; CSF: CSF_LABELS; every other label is grey.
    """
    csf = np.isin(labels, CSF_LABELS)
    classes = (csf, (labels > 0) & ~white & ~csf, white)
    identity = LinearTransform.identity()
    return np.stack([resample(c.astype(np.float32), grid, target, identity) for c in classes])


def tkregister_affine(grid: Grid) -> NDArray[np.float64]:
    """Voxel to FreeSurfer's tkregister RAS (4x4, mm): the coronal frame around the middle of the lattice."""
    (dx, dy, dz), (nx, ny, nz) = grid.voxel_sizes, grid.shape
    return np.array(
        [[-dx, 0, 0, dx * nx / 2], [0, 0, dz, -dz * nz / 2], [0, -dy, 0, dy * ny / 2], [0, 0, 0, 1]], dtype=float
    )


def write_register(path: Path, transform: LinearTransform, moving: Grid, orig: Grid, subject: str) -> None:
    """Write a pull transform as FreeSurfer's register.dat: tkregister RAS of orig.mgz to that of the moving image."""
    to_tk = tkregister_affine(moving) @ np.linalg.inv(moving.affine)
    from_tk = orig.affine @ np.linalg.inv(tkregister_affine(orig))
    rows = [" ".join(f"{value:.12g}" for value in row) for row in to_tk @ transform.matrix @ from_tk]
    head = [subject, f"{moving.voxel_sizes[0]:.6f}", f"{moving.voxel_sizes[2]:.6f}", "0.15"]
    path.write_text("\n".join([*head, *rows, "round"]) + "\n")


def read_register(path: Path, moving: Grid, orig: Grid) -> LinearTransform:
    """The pull transform of a register.dat. Raises InputError when it does not hold a 4x4 matrix."""
    cure = "run bbregister by hand on these images"
    if not path.is_file():
        raise InputError("bbregister left no registration", path.name, "no such file", cure)
    lines = path.read_text(errors="replace").splitlines()[4:8]
    try:
        matrix = np.array([[float(word) for word in line.split()] for line in lines])
    except ValueError as fault:
        raise InputError("not a register.dat", path.name, str(fault), cure) from fault
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InputError("not a register.dat", path.name, f"shape {matrix.shape}, expected finite (4, 4)", cure)
    from_tk = moving.affine @ np.linalg.inv(tkregister_affine(moving))
    to_tk = tkregister_affine(orig) @ np.linalg.inv(orig.affine)
    return LinearTransform(from_tk @ matrix @ to_tk)
