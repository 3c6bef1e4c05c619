"""Maps of simulated heads at 1.22 mm made without the workflow: MTR, FA, RD, AD and DVR on one grid, for benchmarks.

The tissue model is the phantom's; the maps are its truth on the PET grid (voxel average, PET blurred by the scanner)
plus white noise, without fitting, registration or bias. Patients with lesions, 148x182x148 voxels like a clinical scan.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, save_volume
from myelosynth.phantom.anatomy import build_anatomy
from myelosynth.phantom.clinic import person
from myelosynth.phantom.diffusion import white_tensor
from myelosynth.phantom.geometry import Sampler, box_grid, random_offset, smooth_field
from myelosynth.phantom.latents import SCANNER_FWHM_MM, diseased, dvr_maps, regional_field
from myelosynth.phantom.lesions import draw_lesions
from myelosynth.phantom.mri import white_mtr
from myelosynth.phantom.roster import Cohort
from myelosynth.phantom.settings import Settings
from myelosynth.phantom.tissues import CSF, GREY, HEAD

SHAPE, VOXEL_MM = (148, 182, 148), 1.22
SOURCES = ("MTR", "FA", "RD", "AD")
NOISE = {"MTR": 1.0, "FA": 0.03, "RD": 0.04e-3, "AD": 0.05e-3, "DVR": 0.03}
"""SD of one voxel in the map's unit (MTR in per cent, diffusivities in mm2/s)."""


@dataclass(frozen=True)
class Maps:
    """One head: measured maps and the noise-free DVR (X, Y, Z) by name, 0 outside the brain mask, on `grid`."""

    images: dict[str, NDArray[np.float32]]
    mask: NDArray[np.bool_]
    lesions: NDArray[np.bool_]
    grid: Grid

    def save(self, folder: Path) -> None:
        for name, image in self.images.items():
            save_volume(folder / f"{name}.nii.gz", image, self.grid)
        save_volume(folder / "mask.nii.gz", self.mask, self.grid, np.uint8)
        save_volume(folder / "lesions.nii.gz", self.lesions, self.grid, np.uint8)


def load(folder: Path) -> Maps:
    """What `save` wrote."""
    first = load_volume(folder / "DVR.nii.gz")
    names = (*SOURCES, "DVR", "DVR-truth")
    images = {name: load_volume(folder / f"{name}.nii.gz").data for name in names}
    return Maps(images, load_mask(folder / "mask.nii.gz"), load_mask(folder / "lesions.nii.gz"), first.grid)


def simulate(number: int, patients: int, seed: int) -> Maps:
    """Patient `number` (from 1) of a cohort of `patients`."""
    settings, label = Settings(Cohort(patients=patients, controls=0, seed=seed)), f"{number:03d}"
    one, anatomy = person(settings, label), build_anatomy(settings, label)
    assert one.course is not None
    lesions = draw_lesions(settings, label, anatomy, one.course.load_ml)
    disease = diseased(settings, label, anatomy, lesions, one.course, VOXEL_MM)
    latents, random = disease.sessions["t0"], settings.random(label, "maps of a benchmark")
    grid = box_grid((VOXEL_MM,) * 3)
    offset = random_offset(random)
    sampler = Sampler(anatomy.grid, grid, offset)
    inside = anatomy.white > 0.003
    radial, axial = white_tensor(latents, inside)
    coherence = 1 + 0.2 * np.clip(regional_field(anatomy, "coherence", 20.0, inside), -2, 2)
    spread = (axial - radial) * coherence
    trace = 2 * radial + axial
    clean = {}
    for name, white, constant in (
        ("MTR", white_mtr(latents, inside), "mtr"),
        ("RD", (trace - spread) / 3, "diffusivity"),
        ("AD", (trace + 2 * spread) / 3, "diffusivity"),
    ):
        total = anatomy.grey * getattr(GREY, constant) + anatomy.csf * getattr(CSF, constant)
        total += anatomy.outside * np.array([getattr(tissue, constant) for tissue in HEAD], np.float32)[anatomy.head]
        total[inside] += anatomy.white[inside] * white
        clean[name] = sampler(total) * (1.0 if name == "MTR" else 1e-3)
    clean["MTR"] *= 1 + 0.03 * smooth_field(random, grid, 90.0)
    mean = (2 * clean["RD"] + clean["AD"]) / 3
    deviation = 2 * (clean["RD"] - mean) ** 2 + (clean["AD"] - mean) ** 2
    power = np.maximum(2 * clean["RD"] ** 2 + clean["AD"] ** 2, 1e-12)
    clean["FA"] = np.sqrt(1.5 * deviation / power)
    truth, _, _ = dvr_maps(anatomy, disease, "t0")
    clean["DVR"] = Sampler(anatomy.grid, grid, offset, SCANNER_FWHM_MM)(truth)
    brain = sampler.labels(anatomy.brain.astype(np.uint8)) > 0
    drawn = sampler(lesions.mask.astype(np.float32)) > 0.5
    images = {
        name: (clean[name] + NOISE[name] * random.standard_normal(grid.shape)) * brain for name in (*SOURCES, "DVR")
    }
    images["DVR-truth"] = clean["DVR"] * brain
    fitted = {name: _fit(image.astype(np.float32)) for name, image in images.items()}
    affine = grid.affine.copy()
    affine[:3, 3] += VOXEL_MM * np.array(_shift(grid.shape))
    return Maps(fitted, _fit(brain), _fit(drawn & brain), Grid(SHAPE, affine))


def _shift(shape: tuple[int, int, int]) -> list[int]:
    return [(have - want) // 2 for have, want in zip(shape, SHAPE, strict=True)]


def _fit(image: NDArray) -> NDArray:
    """Crop or pad (X, Y, Z) about its middle to SHAPE."""
    low = [max(shift, 0) for shift in _shift(image.shape)]
    cropped = image[tuple(slice(start, start + want) for start, want in zip(low, SHAPE, strict=True))]
    before = [max(-shift, 0) for shift in _shift(image.shape)]
    lacks = zip(before, cropped.shape, SHAPE, strict=True)
    return np.pad(cropped, [(first, want - have - first) for first, have, want in lacks])
