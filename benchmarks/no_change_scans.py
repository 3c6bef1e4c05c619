"""Two PET scans of patients whose tissue did not change, and scans of controls, made without the workflow's files.

The tissue, the scanner and its noise are the phantom's (scenario `no-change`), the DVR is the package's own: reference
region in cerebellar grey matter, k2' estimated for each scan, Logan from 30 minutes, the follow-up interpolated once
onto the grid of the baseline. Tissue masks, distances and the positions of the head are the simulation's truth: errors
of segmentation and registration are not in it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.interfaces.kinetics import DOMAIN_FRACTION, DVR_LIMIT
from myelosynth.myelin.curve import white_core
from myelosynth.phantom.anatomy import build_anatomy
from myelosynth.phantom.clinic import person
from myelosynth.phantom.dataset import raw_layout
from myelosynth.phantom.latents import SCANNER_FWHM_MM, diseased, dvr_maps, healthy
from myelosynth.phantom.lesions import draw_lesions
from myelosynth.phantom.pet import dynamic_series, schedule
from myelosynth.phantom.roster import Cohort
from myelosynth.phantom.session import Session, Subject
from myelosynth.phantom.settings import Settings
from myelosynth.physics.dvr import Analysis
from myelosynth.physics.reference_region import CEREBELLUM_CENTRE_MM, CEREBELLUM_RADII_MM, eroded_grey

VOXEL_MM, EDGE_MM, GREY_THRESHOLD = 2.5, 2.5, 0.5
ANALYSIS = Analysis("logan", "auto", 30.0)


@dataclass(frozen=True)
class Scans:
    """DVR at both times (a control has one), lesions (of a control: white matter away from grey), distance to the
    ventricles in mm; (X, Y, Z) on the baseline's grid."""

    dvr: list[NDArray[np.float32]]
    lesions: NDArray[np.bool_]
    distance: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Written in one step: a run that was stopped goes on where it stood."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(file, dvr=np.stack(self.dvr), lesions=self.lesions, distance=self.distance)
        part.rename(path)

    @classmethod
    def load(cls, path: Path) -> "Scans":
        """What `save` wrote."""
        with np.load(path) as found:
            return cls(list(found["dvr"]), found["lesions"], found["distance"])


def scan(number: int, patients: int, controls: int, seed: int, tier: str = "default") -> Scans:
    """Participant `number` (from 1, patients first) of a cohort without change."""
    settings = Settings(Cohort(patients, controls, "no-change", seed), VOXEL_MM, tier)
    label = f"{number:03d}"
    one, anatomy = person(settings, label), build_anatomy(settings, label)
    if one.course is None:
        disease = healthy(settings, label, anatomy)
    else:
        lesions = draw_lesions(settings, label, anatomy, one.course.load_ml)
        disease = diseased(settings, label, anatomy, lesions, one.course, VOXEL_MM)
    subject = Subject(one, anatomy, disease)
    layout = raw_layout(Path())
    sessions = [Session(settings, layout, subject, name) for name in settings.cohort.sessions(label)]
    grid, first = sessions[0].grid("PET"), sessions[0].sampler("PET")
    brain = first.labels(anatomy.brain.astype(np.uint8)) > 0
    maps = []
    for session in sessions:
        dvr = _dvr(session)
        if maps:
            # World of the baseline PET -> anatomy -> world of this PET.
            dvr = resample(dvr, grid, grid, ~session.offset("PET") @ sessions[0].offset("PET"))
        maps.append(np.where(brain, dvr, 0).astype(np.float32))
    distance = np.where(brain, resample(anatomy.ventricle_distance, anatomy.grid, grid, first.offset), 0)
    mask = _core(sessions[0], grid) if one.course is None else sessions[0].lesions_on(first) > 0
    return Scans(maps, mask & brain, distance.astype(np.float32))


def _dvr(session: Session) -> NDArray[np.float32]:
    """DVR (X, Y, Z) of a scan on its own grid, as `reference-region` and `dvr` make it."""
    anatomy, grid = session.anatomy, session.grid("PET")
    sampler = session.sampler("PET", fwhm_mm=SCANNER_FWHM_MM)
    truth = sampler(dvr_maps(anatomy, session.disease, session.session)[0])
    random, noise = session.random("PET"), session.settings.dvr_noise
    series = dynamic_series(sampler(session.perfusion()), truth, grid.voxel_sizes, random, noise)
    plain = session.sampler("PET")
    grey = eroded_grey(plain(anatomy.grey), GREY_THRESHOLD, 1)
    reference = grey & (plain.labels(_cerebellum(anatomy.template).astype(np.uint8)) > 0)
    frames, curve = schedule(), series[reference].mean(0, dtype=float)
    brain = plain.labels(anatomy.brain.astype(np.uint8)) > 0
    mean = np.average(series, axis=3, weights=frames.duration_s)
    domain = mean > DOMAIN_FRACTION * mean[reference].mean()
    curves = series.astype(np.float32)
    found, _ = ANALYSIS.fit(curves[domain], curves[brain], curve, frames, Path("simulated"))
    dvr = np.zeros(grid.shape, np.float32)
    dvr[domain] = np.clip(np.nan_to_num(found["dvr"]), 0, DVR_LIMIT)
    return dvr


def _cerebellum(template: tuple[NDArray, NDArray, NDArray]) -> NDArray[np.bool_]:
    """The two ellipsoids of `cerebellar_grey`, (X, Y, Z) on the lattice of the template coordinates in mm."""
    parts = zip((np.abs(template[0]), *template[1:]), CEREBELLUM_CENTRE_MM, CEREBELLUM_RADII_MM, strict=True)
    return sum(((part - centre) / radius) ** 2 for part, centre, radius in parts) <= 1


def _core(session: Session, grid: Grid) -> NDArray[np.bool_]:
    """White matter of a control away from grey matter, (X, Y, Z) on the PET grid."""
    anatomy, sampler = session.anatomy, session.sampler("PET")
    fractions = np.stack([sampler(part) for part in (anatomy.white, anatomy.grey, anatomy.csf)])
    white = (fractions.argmax(0) == 0) & (fractions[0] > 0.5)
    return white_core(white, sampler(anatomy.ventricles) > 0.5, EDGE_MM, grid.voxel_sizes)
