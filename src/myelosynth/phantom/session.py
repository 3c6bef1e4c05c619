"""Write every file of one simulated session: raw images, lesion mask and ground truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.layout import RawLayout
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import write_json
from myelosynth.images.atomic import write_text
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import save_volume
from myelosynth.phantom.anatomy import Anatomy
from myelosynth.phantom.clinic import Person
from myelosynth.phantom.diffusion import diffusion_series, fsl_directions, gradient_table
from myelosynth.phantom.geometry import Map, Sampler, box_grid, random_offset
from myelosynth.phantom.latents import DEMYELINATED_BELOW, SCANNER_FWHM_MM, Disease, dvr_maps, regional_field
from myelosynth.phantom.mri import anatomical_image, transfer_pair
from myelosynth.phantom.pet import K2PRIME, dynamic_series
from myelosynth.phantom.settings import Settings
from myelosynth.phantom.sidecars import SIMULATED, mr_sidecar, pet_sidecar
from myelosynth.phantom.tissues import CSF, GREY, HEAD, WHITE


@dataclass(frozen=True, eq=False)
class Subject:
    """One simulated participant, ready to be scanned."""

    person: Person
    anatomy: Anatomy
    disease: Disease


class Session:
    """One visit of one participant; each method writes one kind of file."""

    def __init__(self, settings: Settings, layout: RawLayout, subject: Subject, session: str) -> None:
        self.settings, self.layout, self.session = settings, layout, session
        self.anatomy, self.disease, self.person = subject.anatomy, subject.disease, subject.person
        self.label = subject.person.participant
        self.latents = subject.disease.sessions[session]

    def write(self) -> None:
        """Write what the roster lists for this session, and its truth."""
        contrasts = self.settings.cohort.contrasts(self.label, self.session)
        for suffix in ("T1w", "T2w", "FLAIR"):
            if suffix in contrasts:
                image = anatomical_image(self.anatomy, self.latents, suffix, self.sampler(suffix), self.random(suffix))
                path = self.layout.anat(self.label, self.session, suffix)
                save_volume(path, image, self.grid(suffix), np.int16)
                write_json(sidecar_path(path), mr_sidecar(suffix))
        if "MTon" in contrasts:
            self.write_transfer()
        if "DWI" in contrasts:
            self.write_diffusion()
        if "PET" in contrasts:
            self.write_pet()
        if "lesions" in contrasts:
            self.write_lesion_mask()
        self.write_anatomy_truth()
        self.write_transforms()

    def random(self, purpose: str) -> np.random.Generator:
        """The stream of this session for one purpose."""
        return self.settings.random(self.label, f"{self.session} {purpose}")

    def grid(self, image: str) -> Grid:
        """The lattice of one kind of image."""
        return box_grid(self.settings.voxel(image))

    def offset(self, image: str, session: str | None = None) -> LinearTransform:
        """Pull transform from an image's world to the anatomy's."""
        return random_offset(self.settings.random(self.label, f"{session or self.session} offset {image}"))

    def sampler(self, image: str, session: str | None = None, fwhm_mm: float = 0.0) -> Sampler:
        """Sampling of the anatomy onto one kind of image, of this session unless another is named."""
        return Sampler(self.anatomy.grid, self.grid(image), self.offset(image, session), fwhm_mm)

    def write_transfer(self) -> None:
        """The magnetisation transfer pair, in one position."""
        pair = transfer_pair(self.anatomy, self.latents, self.sampler("MT"), self.random("MT"), self.settings.b1_spread)
        for state, image in zip(("on", "off"), pair, strict=True):
            path = self.layout.anat(self.label, self.session, "MTR", mt=state)
            save_volume(path, image, self.grid("MT"), np.int16)
            write_json(sidecar_path(path), mr_sidecar(f"MT{state}"))

    def write_diffusion(self) -> None:
        """The diffusion series with its FSL gradient files."""
        series = diffusion_series(self.anatomy, self.latents, self.sampler("DWI"), self.random("DWI"))
        path = self.layout.dwi(self.label, self.session)
        save_volume(path, series, self.grid("DWI"), np.int16)
        bvals, directions = gradient_table()
        rows = [" ".join(f"{value:.6f}" for value in row) for row in fsl_directions(directions).T]
        write_text(self.layout.dwi(self.label, self.session, ".bvec"), "\n".join(rows) + "\n")
        write_text(self.layout.dwi(self.label, self.session, ".bval"), " ".join(f"{b:g}" for b in bvals) + "\n")
        write_json(sidecar_path(path), mr_sidecar("DWI"))

    def write_pet(self) -> None:
        """The dynamic series, its further draws (`Cohort.draws`), and the noise-free and oracle DVR."""
        sampler, grid = self.sampler("PET", fwhm_mm=SCANNER_FWHM_MM), self.grid("PET")
        truth, oracle, _ = (sampler(values) for values in dvr_maps(self.anatomy, self.disease, self.session))
        r1 = sampler(self.perfusion())
        self._write_series(self.layout.pet(self.label, self.session), "PET", r1, truth)
        for draw in self.settings.cohort.draws(self.label, self.session):
            dvr = oracle if draw == "oracle" else truth
            if draw == "null-scan":
                dvr = sampler(dvr_maps(self.anatomy, self.disease, "t0")[0])
            noisy = draw in ("retest", "null-scan")
            self._write_series(self.truth(f"{draw}_pet.nii.gz"), f"PET {draw}", r1, dvr, noisy)
        self._save_truth("dvr.nii.gz", truth, grid, "Noise-free DVR blurred by the scanner, PET grid of this session")
        self._save_truth("oracle_dvr.nii.gz", oracle, grid, "The same with the PET-only terms at their mean")
        if self.disease.lesions is not None:
            self._write_states(grid)

    def write_lesion_mask(self) -> None:
        """The expert's mask: baseline lesions on the FLAIR grid."""
        path = self.layout.lesion_mask(self.label, self.session)
        save_volume(path, self.lesions_on(self.sampler("FLAIR")), self.grid("FLAIR"), np.uint8)
        flair = self.layout.anat(self.label, self.session, "FLAIR").relative_to(self.layout.root).as_posix()
        record = {"Type": "Lesion", "SpatialReference": f"bids:raw:{flair}", "Sources": [f"bids:raw:{flair}"]}
        told = {"Description": "lesions as an expert would draw them", "Manual": False}
        write_json(sidecar_path(path), {**record, **told, **SIMULATED})

    def write_anatomy_truth(self) -> None:
        """Brain mask, tissue labels and lesions on the T1w grid, and the numbers of the simulation."""
        sampler, grid = self.sampler("T1w"), self.grid("T1w")
        brain = sampler.labels(self.anatomy.brain.astype(np.uint8))
        fractions = np.stack([sampler(part) for part in (self.anatomy.csf, self.anatomy.grey, self.anatomy.white)])
        tissue = np.where(fractions.sum(0) > 0.5, fractions.argmax(0) + 1, 0).astype(np.uint8)
        self._save_truth("brain.nii.gz", brain, grid, "Brain mask", np.uint8)
        self._save_truth("tissue.nii.gz", tissue, grid, "1 CSF, 2 grey matter, 3 white matter", np.uint8)
        if self.disease.lesions is not None:
            lesions = self.lesions_on(sampler)
            self._save_truth("lesions.nii.gz", lesions, grid, "Baseline lesions on the T1w grid", np.uint8)

    def write_transforms(self) -> None:
        """Pull transforms, fixed T1w to every moving image, and between the sessions' T1w."""
        fixed = self.offset("T1w")
        for name, image in {"T2w": "T2w", "FLAIR": "FLAIR", "MT": "MT", "DWI": "DWI", "petref": "PET"}.items():
            (~self.offset(image) @ fixed).write(self.truth(f"from-{name}_to-T1w_mode-image_xfm.txt"))
        if self.session != "t0":
            pull = ~fixed @ self.offset("T1w", "t0")
            pull.write(self.truth(f"from-T1w{self.session}_to-T1wt0_mode-image_xfm.txt"))

    def lesions_on(self, sampler: Sampler) -> NDArray[np.uint8]:
        """Baseline lesions on an image: voxels filled to more than half."""
        if self.disease.lesions is None:
            raise ValueError(f"{self.label} has no lesions")
        return (sampler(self.disease.lesions.mask.astype(np.float32)) > 0.5).astype(np.uint8)

    def demyelinated_on(self, sampler: Sampler, session: str) -> NDArray[np.bool_]:
        """Where blurred DVR lies below health by more than the margin, inside or outside lesions."""
        truth, _, health = (sampler(values) for values in dvr_maps(self.anatomy, self.disease, session))
        return health - truth > DEMYELINATED_BELOW

    def truth(self, name: str) -> Path:
        """Path of a truth file of this session."""
        return self.layout.truth(self.label, self.session, name)

    def _write_states(self, grid: Grid) -> None:
        """Demyelinated voxels and the classes of change on the baseline PET grid, with the true indices."""
        sampler = self.sampler("PET", "t0", SCANNER_FWHM_MM)
        lesions = self.lesions_on(self.sampler("PET", "t0")) > 0
        now = self.demyelinated_on(sampler, self.session) & lesions
        where = "baseline PET grid"
        self._save_truth("demyelinated.nii.gz", now, grid, f"Demyelinated lesion voxels, {where}", np.uint8)
        total = max(int(lesions.sum()), 1)
        record: dict[str, object] = {
            **SIMULATED,
            "lesion_voxels": int(lesions.sum()),
            "lesion_volume_ml": float(lesions.sum() * grid.voxel_volume / 1000),
            "percent": float(now.sum() / total),
            "margin_dvr": DEMYELINATED_BELOW,
            "k2prime_per_min": K2PRIME,
            "dvr_noise_sd": self.settings.dvr_noise,
        }
        if self.session != "t0":
            before = self.demyelinated_on(sampler, "t0") & lesions
            states = np.select([~before & now, before & ~now, before & now, lesions], [1, 2, 3, 4], 0)
            text = f"1 demyelinating 2 remyelinating 3 stable demyelinated 4 stable normal, {where}"
            self._save_truth("states.nii.gz", states, grid, text, np.uint8)
            share = {name: float((states == label).sum() / total) for name, label in (("de", 1), ("re", 2))}
            record |= {
                "percent_t0": float(before.sum() / total),
                "percent_t1": record["percent"],
                "global": float((int(now.sum()) - int(before.sum())) / total),
                "demyelination": share["de"],
                "remyelination": share["re"],
            }
        write_json(self.truth("truth.json"), record)

    def _write_series(self, path: Path, purpose: str, r1: Map, dvr: Map, noisy: bool = True) -> None:
        noise = self.settings.dvr_noise if noisy else 0.0
        series = dynamic_series(r1, dvr, self.settings.voxel("PET"), self.random(purpose), noise)
        save_volume(path, series, self.grid("PET"), np.int16)
        write_json(sidecar_path(path), pet_sidecar())

    def perfusion(self) -> Map:
        """R1 (X, Y, Z) on the working lattice, with a regional pattern in white matter."""
        anatomy = self.anatomy
        values = anatomy.grey * GREY.r1 + anatomy.csf * CSF.r1
        values += anatomy.outside * np.array([tissue.r1 for tissue in HEAD], np.float32)[anatomy.head]
        inside = anatomy.white > 0
        regional = 1 + 0.06 * regional_field(anatomy, "perfusion", 30.0, inside)
        values[inside] += anatomy.white[inside] * WHITE.r1 * regional
        return values

    def _save_truth(
        self, name: str, data: NDArray, grid: Grid, text: str, dtype: type[np.generic] = np.float32
    ) -> None:
        path = self.truth(name)
        save_volume(path, data, grid, dtype)
        write_json(sidecar_path(path), {"Description": text, **SIMULATED})
