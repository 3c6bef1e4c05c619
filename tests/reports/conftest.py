"""A small made-up study on disk, with the names and columns of the real one; no step of the pipeline is run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from myelosynth.bids.index import SessionIndex, expected
from myelosynth.bids.layout import RawLayout
from myelosynth.bids.sidecar import Provenance, write_json
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import save_volume

from .tables import SYSTEMS, Study, tables, write_tsv

CONTRASTS = ("T1w", "T2w", "FLAIR", "MTon", "MToff", "DWI", "PET")


class Painter:
    """Ellipsoid brains of one study: `head` on a T1w grid (LPS, 3 mm) and `grid` for the DVR (RAS, 4 mm)."""

    def __init__(self, study: Study) -> None:
        self.study, self.random = study, np.random.default_rng(0)
        self.t1w = self._grid((46, 54, 44), 3.0, flip=True)
        self.dvr = self._grid((36, 42, 34), 4.0, flip=False)

    @staticmethod
    def _grid(shape: tuple[int, int, int], size: float, flip: bool) -> Grid:
        signs = np.array([-1, -1, 1] if flip else [1, 1, 1]) * size
        affine = np.diag([*signs, 1.0])
        affine[:3, 3] = -signs * (np.array(shape) - 1) / 2
        return Grid(shape, affine)

    @staticmethod
    def world(grid: Grid) -> np.ndarray:
        """RAS mm of every voxel, (3, X, Y, Z)."""
        index = np.indices(grid.shape).reshape(3, -1)
        return (grid.affine[:3, :3] @ index + grid.affine[:3, 3:]).reshape(3, *grid.shape)

    def radius(self, grid: Grid) -> np.ndarray:
        """Normalised distance from the centre; the brain ends at 0.85."""
        return np.sqrt(np.einsum("a...,a->...", self.world(grid) ** 2, np.array([54.0, 70.0, 58.0]) ** -2.0))

    def lesions(self, grid: Grid) -> np.ndarray:
        """A shell on the patient's right."""
        x, _, z = self.world(grid)
        radius = self.radius(grid)
        return (radius > 0.3) & (radius < 0.5) & (np.abs(z) < 20) & (x > 0)

    def session(self, sub: str, ses: str) -> None:
        layout, raw = self.study.layout, RawLayout(self.study.raw, self.study.raw / "derivatives" / "lesions")
        radius, brain = self.radius(self.t1w), self.radius(self.t1w) < 0.85
        head = np.where(brain, 100 * (1.2 - 0.5 * (radius > 0.6)) + 3 * self.random.standard_normal(radius.shape), 20)
        head[(radius > 1) | (radius < 0.25)] = 0
        for suffix, mt in (("T1w", None), ("T2w", None), ("FLAIR", None), ("MTR", "on"), ("MTR", "off")):
            shifted = np.roll(head, 3, axis=0) if suffix != "T1w" else head
            save_volume(raw.anat(sub, ses, suffix, mt), shifted, self.t1w)
        save_volume(raw.dwi(sub, ses), np.stack([head, head * 0.5], -1), self.t1w)
        raw.dwi(sub, ses, ".bval").write_text("0 1000\n")
        save_volume(raw.pet(sub, ses), np.stack([head, head * 2], -1), self.t1w)
        write_json(raw.pet(sub, ses, ".json"), {"FrameTimesStart": [0, 900]})
        save_volume(layout.anat(sub, ses, "T1w"), head, self.t1w)
        self.sidecar(layout.anat(sub, ses, "T1w"), "n4", "antspyx", "0.6.3")
        for name in ("T2w", "FLAIR"):
            save_volume(layout.anat(sub, ses, name, "T1w"), head, self.t1w)
        save_volume(layout.brain_mask(sub, ses), brain, self.t1w, np.uint8)
        for label, low, high in (("CSF", 0, 0.25), ("WM", 0.25, 0.6), ("GM", 0.6, 0.85)):
            save_volume(layout.probseg(sub, ses, label), (radius >= low) & (radius < high), self.t1w)
        for name, engine in (("mtr", "myelosynth"), ("tensor/fa", "dipy"), ("dvr", "myelosynth")):
            save_volume(layout.work(sub, ses, f"{name}.nii.gz"), head, self.t1w)
            distortion = {"EPIDistortion": "uncorrected"} if engine == "dipy" else {}
            share = {"PartialVolumeCorrected": False, "BrainVoxelsAboveCSFLimit": 0.214} if name == "dvr" else {}
            self.sidecar(layout.work(sub, ses, f"{name}.nii.gz"), name, engine, "1.0", **distortion, **share)
        for name in ("T2w", "FLAIR", "MT", "DWI", "PET"):
            path = layout.transform(sub, ses, name, "T1w")
            LinearTransform(np.eye(4) + np.outer([-9.0, 0, 0, 0], [0, 0, 0, 1])).write(path)
            costs = {"Cost": "boundary contrast", "CostBefore": 0.91234, "CostAfter": 0.51234}
            reason = {"Fallback": name == "DWI", "FallbackReason": "cost rose" if name == "DWI" else ""}
            self.sidecar(path, "register", "bbr", "1.0", **(costs | reason if name != "MT" else {}))

    @staticmethod
    def sidecar(path: Path, step: str, engine: str, version: str, **fields) -> None:
        Provenance(step, engine, version, [], {}, fields).write(path)

    def patient(self, sub: str, sessions: tuple[str, ...], systems: tuple[str, ...]) -> None:
        layout = self.study.layout
        for ses in sessions:
            save_volume(layout.label_mask(sub, ses, "L", desc="manual"), self.lesions(self.t1w), self.t1w, np.uint8)
            save_volume(layout.anat(sub, ses, "T1w", desc="filled"), np.ones(self.t1w.shape), self.t1w)
        radius, inside = self.radius(self.dvr), self.lesions(self.dvr)
        save_volume(layout.brain_mask(sub, "t0", "dvrt0"), radius < 0.85, self.dvr, np.uint8)
        save_volume(layout.label_mask(sub, "t0", "L", "dvrt0"), inside, self.dvr, np.uint8)
        LinearTransform.identity().write(layout.transform(sub, "t0", "T1w", "dvrt0"))
        for ses in sessions:
            truth = np.where(radius < 0.85, 1.25 - 0.2 * (radius > 0.6) - 0.15 * inside, 0)
            truth = np.where(radius < 0.85, truth + 0.03 * self.random.standard_normal(radius.shape), 0)
            save_volume(layout.source(sub, ses, "DVR"), truth, self.dvr)
            self.sidecar(layout.source(sub, ses, "DVR"), "dvr", "myelosynth", "0.1.0")
            self._maps("true", sub, ses, truth, inside)
            for system in systems:
                path = layout.prediction(system, sub, ses)
                noise = 0.04 * self.random.standard_normal(radius.shape)
                predicted = np.where(radius < 0.85, truth + noise, 0)
                save_volume(path, predicted, self.dvr)
                facts = {"Model": system, "Fold": 1, "Seed": 1, "CheckpointSha256": "ab" * 32, "SplitSha256": "cd" * 32}
                self.sidecar(path, "predict", "torch", "2.13", **facts)
                self._maps(system, sub, ses, predicted, inside)

    def _maps(self, system: str, sub: str, ses: str, dvr: np.ndarray, inside: np.ndarray) -> None:
        layout = self.study.layout
        save_volume(layout.demyelinated(system, sub, ses), inside & (dvr < 1.08), self.dvr, np.uint8)
        if ses == "t1":
            classes = np.where(inside, 1 + (np.indices(dvr.shape).sum(0) % 4), 0)
            save_volume(layout.change(system, sub, ses), classes, self.dvr, np.uint8)


def make_study(
    root: Path, images: tuple[str, ...] = ("001",), simulated: bool = True, scored: bool = True, first: str = "001"
) -> Study:
    """Four patients and three controls, with images of those in `images` (t0 and t1) and tables of everybody.

    The last patient has no t1; the first, labelled `first`, has no EDSS. Without `scored` the tables of the evaluation
    are left out.
    """
    study = Study(root / "raw", root / "results", (first, "002", "003", "004"), ("005", "006", "007"))
    layout, painter = study.layout, Painter(study)
    write_json(study.raw / "dataset_description.json", {"Name": "made up", "Simulated": simulated})
    write_json(layout.derivatives / "dataset_description.json", {"Name": "made up", "Simulated": simulated})
    for sub in images:
        for ses in ("t0", "t1"):
            painter.session(sub, ses)
        LinearTransform.identity().write(layout.transform(sub, "t1", "T1wt1", "T1wt0"))
        painter.patient(sub, ("t0", "t1"), (*SYSTEMS[1:], "retest"))
    _roster(study).write(study.index)
    _models(study)
    if scored:
        tables(study)
    return study


def _roster(study: Study) -> SessionIndex:
    rows = [(sub, "patient", ses, c) for sub in study.patients for ses in ("t0", "t1") for c in CONTRASTS]
    rows = [row for row in rows if not (row[0] == study.patients[-1] and row[2] == "t1")]
    rows += [(sub, "patient", "t0", "lesions") for sub in study.patients]
    rows += [(sub, "control", "t0", contrast) for sub in study.controls for contrast in CONTRASTS if contrast != "T2w"]
    return expected(RawLayout(study.raw, study.raw / "derivatives" / "lesions"), rows)


def _models(study: Study) -> None:
    layout = study.layout
    for fold in (1, 2, 3):
        curve = [
            {"distance_low": 2.0 * i, "distance_high": 2.0 * i + 2, "n": 900, "mean": 1.15 + 0.01 * i, "sd": 0.05}
            for i in range(12)
        ]
        write_tsv(layout.table(f"curve_fold-{fold}"), curve)
        for system in SYSTEMS:
            people = {"train": ["sub-002"], "validation": ["sub-003"], "test": ["sub-001"]}
            record = {"CheckpointSha256": "ab" * 32, "Fold": fold, "Participants": people}
            write_json(layout.checkpoint(system, fold).with_suffix(".json"), record)
        log = [
            {"step": 50 * i, "image_loss": 0.5 / i, "discriminator_loss": 0.6, "validation_l1": 0.4 / i + 0.01 * fold}
            for i in range(1, 9)
        ]
        for system in SYSTEMS[2:]:
            write_tsv(layout.checkpoint(system, fold).with_name("log.tsv"), log)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """One study for all tests that only read it."""
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def build_study() -> Callable[..., Study]:
    """The builder itself, for tests that change their study."""
    return make_study
