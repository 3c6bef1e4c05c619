"""A study on disk, small enough to score by hand: two patients and a control on a 12-voxel cube."""

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from myelosynth.bids.index import complete
from myelosynth.bids.layout import Layout
from myelosynth.bids.names import sidecar_path
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume
from myelosynth.myelin.indices import DESCRIPTIONS, myelin_indices
from myelosynth.myelin.maps import change_classes

GRID = Grid((12, 12, 12), np.diag([2.0, 2.0, 2.0, 1.0]))
BIAS = {"ridge": 0.10, "unet-l1": 0.05, "retest": 0.02, "noise-free": 0.0}


@dataclass
class MiniStudy:
    """Where the study is, and what it was made of."""

    root: Path
    raw: Path
    index: Path
    split: Path
    layout: Layout

    def command(self, *extra: str) -> list[str]:
        given = ["evaluate", str(self.root), "--index", str(self.index), "--split", str(self.split)]
        systems = ["--system", "ridge", "--system", "unet-l1", "--ceiling", "retest", "--ceiling", "noise-free"]
        return [*given, *systems, "--resamples", "200", *extra]


def read_tsv(path):
    with Path(path).open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture
def tables():
    """Readers of what a command wrote."""
    return SimpleNamespace(read=read_tsv, sidecar=lambda path: json.loads(Path(path).with_suffix(".json").read_text()))


def lesion_cube():
    lesions = np.zeros(GRID.shape, bool)
    lesions[4:6, 4:6, 4:6] = True  # 8 voxels
    return lesions


def called(number, session, system):
    """Which of the 8 lesion voxels a system calls demyelinated."""
    flags = np.zeros(8, bool)
    flags[: {"true": 4, "retest": 4, "noise-free": 4, "ridge": 2, "unet-l1": 4}[system]] = True
    if session == "t1" and system in ("true", "unet-l1"):
        flags = np.isin(np.arange(8), (2, 3, 4))  # 0 and 1 remyelinated, 4 demyelinated
    if number == "003":
        flags[:] = False
    mask = np.zeros(GRID.shape, bool)
    mask[lesion_cube()] = flags
    return mask


def dvr(number, session, system):
    """DVR of 1.2 with noise in the measurement, and each system's own bias inside the brain."""
    rng = np.random.default_rng([int(number), int(session[1])])
    clean = np.full(GRID.shape, 1.2)
    if system == "true":
        return clean + rng.normal(0, 0.03, GRID.shape)
    return clean + BIAS[system]


def write_patient_maps(layout, number, sessions):
    lesions = lesion_cube()
    save_volume(layout.label_mask(number, "t0", "L", space="dvrt0"), lesions, GRID, np.uint8)
    nawm = np.zeros(GRID.shape, bool)
    nawm[7:9, 4:9, 4:9] = True
    save_volume(layout.label_mask(number, "t0", "NAWM", space="dvrt0"), nawm, GRID, np.uint8)
    for system in ("true", *BIAS):
        for session in sessions:
            save_volume(layout.demyelinated(system, number, session), called(number, session, system), GRID, np.uint8)
        if "t1" in sessions:
            classes = change_classes(called(number, "t0", system), called(number, "t1", system), lesions)
            save_volume(layout.change(system, number, "t1"), classes, GRID, np.uint8)
            values = myelin_indices(classes, lesions)
            layout.indices(system, number, "t1").write_text(table(values))


def table(values):
    """An indices table of one row."""
    return "\t".join(DESCRIPTIONS) + "\n" + "\t".join(str(values[name]) for name in DESCRIPTIONS) + "\n"


def write_records(layout, split, folds):
    """Sidecars of the predictions: the fold that tests the subject, of this split."""
    sha256 = hashlib.sha256(split.read_bytes()).hexdigest()
    for system in ("ridge", "unet-l1"):
        for image in layout.system(system).rglob("*predDvr_pet.nii.gz"):
            fold = folds[image.name[4:7]]
            sidecar_path(image).write_text(json.dumps({"Fold": fold, "SplitSha256": sha256}))


@pytest.fixture
def mini(tmp_path):
    """001: both sessions; 002: baseline only (a gap); 003: both, nothing demyelinated; 004: control, baseline."""
    return make_study(tmp_path, ())


@pytest.fixture
def larger(tmp_path):
    """The same with four more controls: more than six test subjects at baseline."""
    return make_study(tmp_path, ("005", "006", "007", "008"))


def make_study(tmp_path, further):
    """The study with `further` controls, all of them test subjects of fold 1."""
    root, raw = tmp_path / "results", tmp_path / "raw"
    layout, found = Layout(root), []
    plan = {"001": ("t0", "t1"), "002": ("t0",), "003": ("t0", "t1"), "004": ("t0",)}
    plan |= dict.fromkeys(further, ("t0",))
    brain = np.zeros(GRID.shape, bool)
    brain[2:10, 2:10, 2:10] = True
    for number, sessions in plan.items():
        group = "control" if number >= "004" else "patient"
        found += [(number, ses, group, "T1w", f"sub-{number}_T1w.nii.gz") for ses in sessions]
        save_volume(layout.brain_mask(number, "t0", space="dvrt0"), brain, GRID, np.uint8)
        for session in sessions:
            save_volume(layout.source(number, session, "DVR"), dvr(number, session, "true"), GRID)
            for system in BIAS:
                save_volume(layout.prediction(system, number, session), dvr(number, session, system), GRID)
        if group == "patient":
            write_patient_maps(layout, number, sessions)
        else:
            save_volume(layout.label_mask(number, "t0", "WM", space="dvrt0"), brain, GRID, np.uint8)
    index, split = root / "tables" / "index.tsv", root / "tables" / "split.tsv"
    complete(raw, found).write(index)
    rows = ["participant_id\tgroup\tfold\trole"]
    for fold, test in ((1, ("001", "004", *further)), (2, ("002", "003"))):
        rows += [f"sub-{n}\tx\t{fold}\t{'test' if n in test else 'train'}" for n in plan]
    split.write_text("\n".join(rows) + "\n")
    write_records(layout, split, dict.fromkeys(plan, 1) | {"002": 2, "003": 2})
    (raw / "phenotype").mkdir(parents=True)
    people = ["participant_id\tage\tsex\tgroup", *(f"sub-{n}\t{30 + int(n)}\tF\tpatient" for n in plan)]
    (raw / "participants.tsv").write_text("\n".join(people) + "\n")
    scores = ["participant_id\tsession_id\tedss\tmsss\tt2_lesion_load_ml"]
    scores += [f"sub-{n}\tses-t0\t{int(n)}\t5.5\t1.25" for n in ("001", "002")]
    scores += ["sub-001\tses-t1\t9\t9\t9"]
    (raw / "phenotype" / "edss.tsv").write_text("\n".join(scores) + "\n")
    return MiniStudy(root, raw, index, split, layout)
