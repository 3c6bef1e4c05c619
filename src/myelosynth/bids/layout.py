"""Every path of a study, in one place; the workflow and the commands ask here.

All methods take `sub` and `ses` labels (no prefix); Snakemake passes "{sub}" and "{ses}".
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from myelosynth.bids.guard import require_inside
from myelosynth.bids.names import bids_path, companion_path

TRACER = "11CPIB"
MEASURED_SPACE = "dvrt0"
"""The analysis grid of a study: the lattice and the world of the baseline DVR."""
APPLIED_SPACE = "T1wt0"
"""The analysis grid where there is no PET: a lattice in the world of the baseline T1w."""


@dataclass(frozen=True)
class RawLayout:
    """The raw BIDS data set, its lesion masks (a BIDS derivative, baseline session) and ready maps.

    ready: the BIDS derivative with masks and maps that come with the data set; None without any. follow_symlinks:
    whether links that lead out of these folders are followed.
    """

    root: Path
    lesions: Path
    ready: Path | None = None
    follow_symlinks: bool = False

    def require_own(self, path: Path) -> None:
        """Raise InputError for a file, or one that belongs to it, that is there by a link out of the data set."""
        if self.follow_symlinks:
            return
        cure = "copy it there, or set dataset.follow_symlinks: true (--follow-symlinks)"
        stem = os.fspath(companion_path(path, ""))
        links = [Path(f"{stem}{end}") for end in (".json", ".bval", ".bvec") if os.path.islink(f"{stem}{end}")]
        for file in (path, *links):
            require_inside(file, self._roots, cure)

    @cached_property
    def _roots(self) -> tuple[Path, ...]:
        return tuple(root for root in (self.root, self.lesions, self.ready) if root is not None)

    def anat(self, sub: str, ses: str, suffix: str, mt: str | None = None) -> Path:
        return bids_path(self.root, "anat", suffix, sub=sub, ses=ses, mt=mt)

    def dwi(self, sub: str, ses: str, extension: str = ".nii.gz") -> Path:
        return bids_path(self.root, "dwi", "dwi", extension, sub=sub, ses=ses)

    def pet(self, sub: str, ses: str, extension: str = ".nii.gz") -> Path:
        return bids_path(self.root, "pet", "pet", extension, sub=sub, ses=ses, trc=TRACER)

    def lesion_mask(self, sub: str, ses: str) -> Path:
        return bids_path(self.lesions, "anat", "mask", sub=sub, ses=ses, space="FLAIR", label="L", desc="manual")

    def truth(self, sub: str, ses: str, name: str) -> Path:
        """Ground truth of a simulated data set; only evaluation may read it."""
        return self.root / "sourcedata" / "truth" / f"sub-{sub}" / f"ses-{ses}" / name


@dataclass(frozen=True)
class Layout:
    """The results of one study under `root`; space: label of the analysis grid."""

    root: Path
    space: str = MEASURED_SPACE

    WORK: ClassVar[str] = "work"
    """The folder of intermediate files."""
    PASSING: ClassVar[tuple[str, ...]] = (
        "T1w_brain.nii.gz",
        "lesions_to_fill.nii.gz",
        "*_rigid.txt",
        "b0_distorted.nii.gz",
        "epi_shift.nii.gz",
        "dwi_mask.nii.gz",
        "md.nii.gz",
        "pet_*.nii.gz",
        "reference.nii.gz",
        "dvr_*.nii.gz",
        "white_core.nii.gz",
    )
    """Those of them that no page shows and no later run asks for, by name."""

    def passes(self, path: Path) -> bool:
        """Whether `intermediates: remove` may delete a file of these results once nothing needs it."""
        inside = path.is_relative_to(self.root / self.WORK)
        return inside and any(path.match(name) for name in self.PASSING)

    @property
    def derivatives(self) -> Path:
        return self.root / "derivatives" / "myelosynth"

    def system(self, system: str) -> Path:
        """The derivative folder of one system, such as `unet-l1`, or of a ceiling, such as `retest`."""
        return self.root / "derivatives" / system

    def checkpoint(self, system: str, fold: int | str) -> Path:
        return self.root / "models" / system / f"fold-{fold}" / "checkpoint.pt"

    def inner_checkpoint(self, system: str, fold: int | str, inner: int | str) -> Path:
        """A model of an inner fold, trained on a part of the fold's training participants."""
        return self.checkpoint(system, fold).parent / f"inner-{inner}" / "checkpoint.pt"

    def sketch(self, system: str, fold: int | str, sub: str, ses: str) -> Path:
        """Out-of-fold sketch of a training scan, where `myelosynth train --sketches` looks for it."""
        return self.checkpoint(system, fold).parent / "sketches" / f"sub-{sub}_ses-{ses}.nii.gz"

    def control_prediction(self, system: str, fold: int | str, sub: str, ses: str) -> Path:
        """Prediction of a control by the model of the fold whose curve he makes."""
        return self.checkpoint(system, fold).parent / "controls" / f"sub-{sub}_ses-{ses}.nii.gz"

    def permuted_target(self, sub: str) -> Path:
        """The baseline DVR of another participant on the grid of this one: a negative control learns from it."""
        return self.work(sub, "t0", "permuted_dvr.nii.gz")

    def permuted_checkpoint(self, system: str, fold: int | str) -> Path:
        """A model that learned permuted pairs of MRI and PET."""
        return self.checkpoint(system, fold).parent / "permuted" / "checkpoint.pt"

    def permuted_prediction(self, system: str, sub: str, ses: str) -> Path:
        """The prediction of a test subject by such a model."""
        return self.work(sub, ses, f"permuted_{system}.nii.gz")

    def rule_indices(self, system: str, sub: str, ses: str) -> Path:
        """The indices of a patient by the paper's threshold and by others."""
        return self.work(sub, ses, f"thresholds_{system}.tsv")

    def table(self, name: str) -> Path:
        return self.root / "tables" / f"{name}.tsv"

    def null_model(self, system: str, fold: int | str | None = None) -> Path:
        """What a second scan without change does to the maps of a system, known without the test patients of a fold."""
        return self.root / "tables" / f"null_{system}{'' if fold is None else f'_fold-{fold}'}.json"

    def page(self, name: str) -> Path:
        return self.root / "reports" / f"{name}.html"

    def work(self, sub: str, ses: str, name: str) -> Path:
        """An intermediate file without a BIDS name."""
        return self.root / self.WORK / f"sub-{sub}" / f"ses-{ses}" / name

    # -- one session, T1w space ------------------------------------------------------------------------------------
    def anat(self, sub: str, ses: str, suffix: str, space: str | None = None, desc: str | None = "preproc") -> Path:
        """Preprocessed image: T1w, or FLAIR / T2w with space="T1w", or MTRmap with space="dvrt0"."""
        return bids_path(self.derivatives, "anat", suffix, sub=sub, ses=ses, space=space, desc=desc)

    def brain_mask(self, sub: str, ses: str, space: str | None = None) -> Path:
        return bids_path(self.derivatives, "anat", "mask", sub=sub, ses=ses, space=space, desc="brain")

    def label_mask(self, sub: str, ses: str, label: str, space: str = "T1w", desc: str | None = None) -> Path:
        """A mask of L (lesions), WM, NAWM or ventricles (label VENT)."""
        return bids_path(self.derivatives, "anat", "mask", sub=sub, ses=ses, space=space, label=label, desc=desc)

    def probseg(self, sub: str, ses: str, label: str) -> Path:
        """Tissue fraction, 0-1, of CSF, GM or WM on the T1w grid."""
        return bids_path(self.derivatives, "anat", "probseg", sub=sub, ses=ses, space="T1w", label=label)

    def csf_distance(self, sub: str, ses: str, space: str = "T1w") -> Path:
        """Distance to CSF in mm."""
        return bids_path(
            self.derivatives, "anat", "distmap", sub=sub, ses=ses, space=space, label="CSF", desc="distance"
        )

    def transform(self, sub: str, ses: str, source: str, target: str) -> Path:
        """ITK text affine, moving `source` to fixed `target`."""
        return bids_path(
            self.derivatives, "anat", "xfm", ".txt", sub=sub, ses=ses, from_=source, to=target, mode="image"
        )

    # -- the analysis grid -------------------------------------------------------------------------------------------
    def analysis_grid(self, sub: str) -> Path:
        """The image whose lattice is the analysis grid: the baseline DVR; without PET the baseline T1w laid on one."""
        if self.space == MEASURED_SPACE:
            return self.source(sub, "t0", "DVR")
        return self.anat(sub, "t0", "T1w", space=self.space)

    def source(self, sub: str, ses: str, contrast: str, space: str | None = None) -> Path:
        """A model input (MTR, FA, RD, AD) or the target (DVR) on the analysis grid, or on the T1w's for readers."""
        where = {"sub": sub, "ses": ses, "space": space or self.space}
        if contrast == "MTR":
            return bids_path(self.derivatives, "anat", "MTRmap", **where, desc="preproc")
        if contrast == "FA":
            return bids_path(self.derivatives, "dwi", "FA", **where, desc="preproc")
        if contrast in ("RD", "AD"):
            return bids_path(self.derivatives, "dwi", "dwimap", **where, model="tensor", param=contrast.lower())
        if contrast == "DVR":
            return bids_path(self.derivatives, "pet", "pet", **where, trc=TRACER, desc="dvr")
        raise ValueError(f"no contrast {contrast!r}")

    def csf_share(self, sub: str, ses: str) -> Path:
        """Share of CSF in each voxel's PET signal, 0-1, on the lattice of the baseline DVR."""
        where = {"sub": sub, "ses": ses, "space": self.space}
        return bids_path(self.derivatives, "anat", "probseg", **where, label="CSF", desc="petshare")

    def prediction(self, system: str, sub: str, ses: str, desc: str = "predDvr") -> Path:
        """Predicted DVR of a system (desc="predDvrStd" for its spread)."""
        root = self.system(system)
        return bids_path(root, "pet", "pet", sub=sub, ses=ses, trc=TRACER, space=self.space, desc=desc)

    def demyelinated(self, system: str, sub: str, ses: str) -> Path:
        """Mask of demyelinated voxels in baseline lesions; system "true" is the measured PET."""
        root, desc = self._maps(system)
        return bids_path(root, "anat", "mask", sub=sub, ses=ses, space=self.space, label="demyelinated", desc=desc)

    def change(self, system: str, sub: str, ses: str) -> Path:
        """Change classes between t0 and t1, filed under t1."""
        root, desc = self._maps(system)
        return bids_path(root, "anat", "dseg", sub=sub, ses=ses, space=self.space, seg="myelinChange", desc=desc)

    def indices(self, system: str, sub: str, ses: str) -> Path:
        return self.change(system, sub, ses).with_name(
            self.change(system, sub, ses).name.replace("_dseg.nii.gz", "_indices.tsv")
        )

    def index_intervals(self, system: str, sub: str, ses: str) -> Path:
        """Intervals of the indices, beside them."""
        indices = self.indices(system, sub, ses)
        return indices.with_name(indices.name.replace("_indices.tsv", "_intervals.tsv"))

    def index_null(self, system: str, sub: str, ses: str) -> Path:
        """The indices beside what noise alone gives, beside them."""
        indices = self.indices(system, sub, ses)
        return indices.with_name(indices.name.replace("_indices.tsv", "_null.tsv"))

    def lesion_table(self, system: str, sub: str, ses: str) -> Path:
        """Lesions one by one: filed under the follow-up, or under the baseline of a patient without one."""
        root, desc = self._maps(system)
        return bids_path(root, "anat", "lesions", ".tsv", sub=sub, ses=ses, space=self.space, desc=desc)

    def _maps(self, system: str) -> tuple[Path, str]:
        return (self.derivatives, "true") if system == "true" else (self.system(system), "pred")
