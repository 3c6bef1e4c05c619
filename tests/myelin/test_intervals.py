"""Intervals of the indices: no spread, no width; coverage of drawn truths; correlated errors widen them."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from myelosynth.cli import commands  # noqa: F401  (registers every command)
from myelosynth.cli.app import app
from myelosynth.errors import InputError
from myelosynth.images.fields import LENGTHS_MM, FieldModel
from myelosynth.myelin.curve import Curve
from myelosynth.myelin.indices import COLUMNS, myelin_indices
from myelosynth.myelin.intervals import Patient, Session, index_intervals
from myelosynth.myelin.maps import MapRules, change_classes, demyelinated

SHAPE = (14, 12, 10)
WHITE = FieldModel(LENGTHS_MM, (1.0, 0.0, 0.0, 0.0, 0.0), 0.0)
ALIKE = FieldModel(LENGTHS_MM, (0.3, 0.0, 0.4, 0.0, 0.0), 0.3)
CURVE = Curve(np.array([0.0, 50.0]), np.array([1000]), np.array([1.2]), np.array([0.1]))


@pytest.fixture
def patient() -> Patient:
    lesions = np.zeros(SHAPE, bool)
    lesions[3:11, 2:9, 2:8] = True
    return Patient(lesions, np.full(SHAPE, 5.0), (2.0, 2.0, 2.0), CURVE)


@pytest.fixture
def maps() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [1.1 + 0.06 * random.standard_normal(SHAPE) for _ in range(2)]


def indices(patient: Patient, maps: list[np.ndarray]) -> dict[str, float]:
    masks = [demyelinated(dvr, patient.distance, patient.lesions, patient.curve) for dvr in maps]
    return myelin_indices(change_classes(masks[0], masks[1], patient.lesions), patient.lesions)


def test_without_spread_an_interval_is_its_point(patient, maps):
    sessions = [Session(dvr, np.zeros(SHAPE), ALIKE) for dvr in maps]
    found = index_intervals(patient, *sessions, draws=20, level=0.9, seed=1)
    truth = indices(patient, maps)
    assert found == {name: (truth[name],) * 3 for name in COLUMNS}


def test_coverage_of_measured_indices(patient, maps):
    """The measured maps are the prediction plus one more draw of the error: the intervals hold their indices."""
    std = np.full(SHAPE, 0.04)
    sessions = [Session(dvr, std, ALIKE) for dvr in maps]
    found = index_intervals(patient, *sessions, draws=300, level=0.8, seed=1)
    pairs = ALIKE.pairs(np.random.default_rng(99), SHAPE, patient.voxel_sizes)
    measured = [indices(patient, [m + std * e for m, e in zip(maps, next(pairs), strict=True)]) for _ in range(200)]
    for name in COLUMNS:
        _, low, high = found[name]
        assert np.mean([low <= values[name] <= high for values in measured]) == pytest.approx(0.8, abs=0.1)


def test_errors_that_hang_together_widen_the_interval(patient, maps):
    widths = []
    for errors in (WHITE, ALIKE):
        sessions = [Session(dvr, np.full(SHAPE, 0.04), errors) for dvr in maps]
        found = index_intervals(patient, *sessions, draws=100, level=0.9, seed=1)
        widths.append(found["percent_t0"][2] - found["percent_t0"][1])
    assert widths[1] > 2 * widths[0]


def test_the_scale_takes_a_widened_sd_back(patient, maps):
    """Errors of half the SD that is written: the same as errors of an SD half as large."""
    half = FieldModel(ALIKE.lengths_mm, ALIKE.shares, ALIKE.common, 0.5)
    found = []
    for errors, std in ((half, 0.08), (ALIKE, 0.04)):
        sessions = [Session(dvr, np.full(SHAPE, std), errors) for dvr in maps]
        found.append(index_intervals(patient, *sessions, draws=30, level=0.9, seed=1))
    assert found[0] == found[1]


def test_a_voxel_without_pet_stays_without(patient, maps):
    maps[1][3:6] = 0
    sessions = [Session(dvr, np.full(SHAPE, 0.04), ALIKE) for dvr in maps]
    found = index_intervals(patient, *sessions, draws=20, level=0.9, seed=1)
    covered = Patient(patient.lesions & (maps[1] > 0), *list(vars(patient).values())[1:])
    assert found["percent_t0"][0] == indices(covered, maps)["percent_t0"]


def test_a_negative_spread_is_told(patient, maps):
    sessions = [Session(dvr, np.full(SHAPE, value), WHITE) for dvr, value in zip(maps, (0.1, -0.1), strict=True)]
    with pytest.raises(InputError, match="SD not usable, session t1"):
        index_intervals(patient, *sessions, draws=20, level=0.9, seed=1)


def options(folder: Path, out: str) -> list[str]:
    named = {"--std-t0": "s0.nii.gz", "--std-t1": "s1.nii.gz", "--lesions": "lesions.nii.gz"}
    named |= {"--distance": "distance.nii.gz", "--curve": "curve.tsv", "--out": out}
    pairs = [part for option, name in named.items() for part in (option, str(folder / name))]
    return ["index-intervals", str(folder / "d0.nii.gz"), str(folder / "d1.nii.gz"), *pairs, "--draws", "50"]


@pytest.fixture
def files(patient, maps, tmp_path: Path) -> Path:
    affine = np.diag([-2.0, 2, 2, 1])
    images = {"d0": maps[0], "d1": maps[1], "s0": np.full(SHAPE, 0.03), "s1": np.full(SHAPE, 0.03)}
    for name, image in {**images, "distance": patient.distance}.items():
        nib.save(nib.Nifti1Image(image.astype(np.float32), affine), tmp_path / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(patient.lesions.astype(np.uint8), affine), tmp_path / "lesions.nii.gz")
    CURVE.write(tmp_path / "curve.tsv")
    for name in ("s0", "s1"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"ErrorCorrelation": ALIKE.record(), "Calibration": {}}))
    return tmp_path


def test_the_command_writes_the_same_twice(files):
    for out in ("a.tsv", "b.tsv"):
        CliRunner().invoke(app, options(files, out), catch_exceptions=False, standalone_mode=False)
    assert (files / "a.tsv").read_bytes() == (files / "b.tsv").read_bytes()
    table = pd.read_csv(files / "a.tsv", sep="\t")
    assert table["index"].tolist() == list(COLUMNS)
    assert (table.low < table.high).all()
    record = json.loads((files / "a.json").read_text())
    assert set(table.columns) <= set(record)
    assert (record["Settings"]["draws"], record["Settings"]["seed"]) == (50, 0)


def test_a_control_of_the_curve_is_refused(files):
    (files / "curve.json").write_text(json.dumps({"Participants": ["sub-007"]}))
    (files / "sub-007_d0.nii.gz").write_bytes((files / "d0.nii.gz").read_bytes())
    words = [word.replace("d0.nii.gz", "sub-007_d0.nii.gz") for word in options(files, "a.tsv")]
    with pytest.raises(InputError, match=r"leak: control curve saw the subject.*sub-007"):
        CliRunner().invoke(app, words, catch_exceptions=False, standalone_mode=False)
    CliRunner().invoke(app, [*words, "--new-participant"], catch_exceptions=False, standalone_mode=False)
    assert (files / "a.tsv").is_file()


def test_the_value_keeps_clusters_at_the_edge_of_the_scan(patient, maps):
    """A cluster of one scan counts with what the other scan does not cover, as in `demyelination`."""
    maps[0][:] = np.where(np.arange(SHAPE[0])[:, None, None] > 6, 1.0, 1.3)
    maps[1][9:] = 0
    ruled = replace(patient, rules=MapRules(minimum_cluster_ml=0.008 * 2.5 * 7 * 6))
    found = index_intervals(ruled, *(Session(dvr, np.zeros(SHAPE), WHITE) for dvr in maps), 20, 0.9, 1)
    assert found["percent_t0"][0] == pytest.approx(2 / 6)


@pytest.mark.parametrize(("voxels", "defined"), [(0, False), (1, True)])
def test_no_lesion_is_a_gap_and_one_voxel_is_enough(files, voxels, defined):
    lesions = np.zeros(SHAPE, np.uint8)
    lesions.flat[700 : 700 + voxels] = 1
    nib.save(nib.Nifti1Image(lesions, np.diag([-2.0, 2, 2, 1])), files / "lesions.nii.gz")
    told = CliRunner().invoke(app, options(files, "a.tsv"), catch_exceptions=False, standalone_mode=False).stderr
    assert ("gap: no intervals, " in told and "no baseline lesion voxel" in told) != defined
    table = pd.read_csv(files / "a.tsv", sep="\t")
    assert table["index"].tolist() == list(COLUMNS)
    assert table[["value", "low", "high"]].notna().all(axis=None) == defined
    assert (table["level"] == 0.9).all()


def test_a_spread_of_another_system_is_refused(files):
    (files / "s1.json").write_text("{}")
    with pytest.raises(InputError, match="error correlation unknown"):
        CliRunner().invoke(app, options(files, "a.tsv"), catch_exceptions=False, standalone_mode=False)
    assert not (files / "a.tsv").exists()
