"""The four commands in a row, from files to indices, and their faults."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from myelosynth.cli import commands  # noqa: F401  (registers the commands)
from myelosynth.cli.app import app
from myelosynth.errors import InputError
from myelosynth.myelin.curve import white_core

AFFINE = np.diag([-2.0, 2.0, 2.0, 1.0])
SHAPE = (10, 10, 10)


def call(*arguments: object) -> list[str]:
    """Run a command and return what it tells; an exception comes out as it is."""
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, words, catch_exceptions=False, standalone_mode=False).stderr.splitlines()


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE, dtype: str = "float32") -> Path:
    nib.save(nib.Nifti1Image(np.asarray(data, dtype), affine), path)
    return path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two controls of DVR 1.2 +- .1 near CSF and 1.4 +- .1 far from it, and a patient with 20 lesion voxels."""
    distance = np.full(SHAPE, 1.5)
    distance[5:] = 5.5
    save(tmp_path / "distance.nii.gz", distance)
    save(tmp_path / "wm.nii.gz", np.ones(SHAPE), dtype="uint8")
    wave = np.where(np.arange(10) % 2, 0.1, -0.1)
    for name in ("a", "b"):
        save(tmp_path / f"{name}.nii.gz", np.where(distance < 3, 1.2, 1.4) + wave)
    lesions = np.zeros(SHAPE)
    lesions[4:6, 5] = 1
    save(tmp_path / "lesions.nii.gz", lesions, dtype="uint8")
    patient = np.full(SHAPE, 1.28)
    save(tmp_path / "t0.nii.gz", patient)
    patient[4, 5, :3] = 1.0
    patient[5, 5, :5] = 1.39
    save(tmp_path / "t1.nii.gz", patient)
    return tmp_path


def curve(study: Path, *options: object) -> None:
    images = [item for name in ("a", "b") for item in ("--dvr", study / f"{name}.nii.gz")]
    images += 2 * ["--distance", study / "distance.nii.gz", "--wm", study / "wm.nii.gz"]
    call("myelin-curve", *images, "--out", study / "curve.tsv", *options)


def maps(study: Path) -> list[str]:
    shared, told = ["--lesions", study / "lesions.nii.gz"], []
    for session in ("t0", "t1"):
        inputs = [*shared, "--distance", study / "distance.nii.gz", "--curve", study / "curve.tsv"]
        told += call("demyelination", study / f"{session}.nii.gz", *inputs, "--out", study / f"m_{session}.nii.gz")
    told += call("change", study / "m_t0.nii.gz", study / "m_t1.nii.gz", *shared, "--out", study / "change_dseg.nii.gz")
    return told + call("indices", study / "change_dseg.nii.gz", *shared, "--out", study / "indices.tsv")


def test_from_controls_to_indices(study: Path) -> None:
    """At t0 the ten far lesion voxels (1.28 < 1.3) are demyelinated; at t1 five recover, three near are lost."""
    curve(study)
    table = pd.read_csv(study / "curve.tsv", sep="\t")
    np.testing.assert_allclose(table["mean"], [1.2, 1.4], atol=1e-6)
    np.testing.assert_allclose(table["sd"], 0.1, atol=1e-4)
    assert table["n"].tolist() == [1000, 1000]
    maps(study)
    row = pd.read_csv(study / "indices.tsv", sep="\t").iloc[0]
    expected = {"percent_t0": 0.5, "percent_t1": 0.4, "global": -0.1, "demyelination": 0.15, "remyelination": 0.25}
    expected["coverage"] = 1.0
    assert row.to_dict() == pytest.approx(expected)
    image = nib.load(study / "change_dseg.nii.gz")
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_allclose(image.affine, AFFINE)
    assert np.bincount(np.asarray(image.dataobj).ravel(), minlength=5)[1:].tolist() == [3, 5, 5, 7]


def test_tables_and_sidecars(study: Path) -> None:
    curve(study, "--bin-width", 2)
    maps(study)
    lookup = pd.read_csv(study / "change_dseg.tsv", sep="\t")
    assert lookup["index"].tolist() == [1, 2, 3, 4]
    assert lookup["name"].tolist() == ["demyelinating", "remyelinating", "stable demyelinated", "stable normal"]
    record = json.loads((study / "change_dseg.json").read_text())
    assert record["Voxels"]["remyelinating"] == 5
    for name in ("curve", "indices"):
        columns = pd.read_csv(study / f"{name}.tsv", sep="\t").columns
        assert set(columns) <= set(json.loads((study / f"{name}.json").read_text()))
    assert json.loads((study / "curve.json").read_text())["Settings"]["bin_width_mm"] == 2
    assert json.loads((study / "m_t0.json").read_text())["DemyelinatedVoxels"] == 10


def test_no_voxel_demyelinated_is_a_result(study: Path) -> None:
    curve(study)
    for session in ("t0", "t1"):
        save(study / f"{session}.nii.gz", np.full(SHAPE, 1.6))
    maps(study)
    assert pd.read_csv(study / "indices.tsv", sep="\t").iloc[0].drop("coverage").abs().sum() == 0


def test_a_voxel_without_dvr_at_follow_up_did_not_remyelinate(study: Path) -> None:
    """Half of the ten demyelinated voxels lie beyond the follow-up's field of view: no class, not remyelinated."""
    curve(study)
    maps(study)
    before = np.asarray(nib.load(study / "m_t0.nii.gz").dataobj) > 0
    dvr = np.asarray(nib.load(study / "t0.nii.gz").dataobj).copy()
    cut = np.zeros(SHAPE, bool)
    cut[tuple(np.argwhere(before)[:5].T)] = True
    save(study / "t1.nii.gz", np.where(cut, 0, dvr))
    maps(study)
    assert pd.read_csv(study / "indices.tsv", sep="\t")["remyelination"].item() == 0.25  # the masks alone cannot tell
    files = [study / f"{kind}{session}.nii.gz" for kind in ("m_", "") for session in ("t0", "t1")]
    shared = ["--lesions", study / "lesions.nii.gz"]
    call("change", *files[:2], "--dvr", files[2], "--dvr", files[3], *shared, "--out", study / "c_dseg.nii.gz")
    call("indices", study / "c_dseg.nii.gz", *shared, "--out", study / "c.tsv")
    row = pd.read_csv(study / "c.tsv", sep="\t").iloc[0]
    assert (row["remyelination"], row["coverage"]) == (0, 0.75)
    assert json.loads((study / "c_dseg.json").read_text())["LesionVoxelsWithoutDVR"] == 5


def test_the_rim_of_the_ventricle_is_no_grey_matter() -> None:
    """CSF, a rim of one voxel that is called grey, white matter, cortex: only the cortex keeps the core away."""
    white, csf = np.zeros((14, 5, 5), bool), np.zeros((14, 5, 5), bool)
    csf[:3], white[4:10] = True, True
    core = white_core(white, csf, 2.5, (2.0, 2.0, 2.0))
    assert np.flatnonzero(core[:, 2, 2]).tolist() == [4, 5, 6, 7, 8]
    thick = np.roll(white, 2, axis=0)  # three voxels of grey: a nucleus, which counts
    assert np.flatnonzero(white_core(thick, csf, 2.5, (2.0, 2.0, 2.0))[:, 2, 2]).tolist() == [7, 8, 9, 10]


def test_the_core_keeps_away_from_grey_matter_but_not_from_csf(study: Path) -> None:
    """A rod of white matter, CSF at its left end, grey matter at its right: only the right end goes."""
    white, csf = np.zeros((12, 9, 9)), np.zeros((12, 9, 9))
    csf[:4], white[4:10] = 1, 1
    save(study / "rod.nii.gz", white, dtype="uint8")
    save(study / "csf.nii.gz", csf, dtype="uint8")
    call("white-core", study / "rod.nii.gz", study / "core.nii.gz", "--csf", study / "csf.nii.gz", "--edge", 2)
    left = np.asarray(nib.load(study / "core.nii.gz").dataobj)[:, 4, 4]
    assert np.flatnonzero(left).tolist() == [4, 5, 6, 7, 8]  # voxel 9 is 2 mm from the next tissue
    with pytest.raises(InputError, match="no white matter left"):
        call("white-core", study / "rod.nii.gz", study / "none.nii.gz", "--csf", study / "csf.nii.gz", "--edge", 50)
    assert not (study / "none.nii.gz").exists()


def test_faults_leave_no_file(study: Path) -> None:
    with pytest.raises(InputError, match="2 --dvr, 2 --distance, 3 --wm"):
        curve(study, "--wm", study / "wm.nii.gz")
    assert not (study / "curve.tsv").exists()
    curve(study)
    save(study / "distance.nii.gz", np.ones(SHAPE), np.diag([2.0, 2.0, 2.0, 1.0]))
    with pytest.raises(InputError, match="grids differ"):
        maps(study)
    assert not list(study.glob("m_*"))


def test_no_lesion_is_a_gap(study: Path) -> None:
    curve(study)
    save(study / "lesions.nii.gz", np.zeros(SHAPE), dtype="uint8")
    told = maps(study)
    assert [line.split(",")[0] for line in told] == 2 * ["gap: nothing to map"] + ["gap: no class", "gap: no indices"]
    assert all(line.endswith("lesions.nii.gz, no baseline lesion voxel") for line in told)
    for name in ("m_t0", "m_t1", "change_dseg"):
        assert not np.asarray(nib.load(study / f"{name}.nii.gz").dataobj).any()
    assert (study / "indices.tsv").read_text().splitlines()[1] == "\t".join(6 * ["n/a"])
    assert json.loads((study / "indices.json").read_text())["LesionVolumeML"] == 0


def test_lesions_beyond_the_field_of_view_are_a_gap(study: Path) -> None:
    curve(study)
    maps(study)
    save(study / "t1.nii.gz", np.eye(10)[0][:, None, None] * np.ones(SHAPE))  # a DVR far from the lesions only
    shared = ["--lesions", study / "lesions.nii.gz"]
    images = ["--dvr", study / "t0.nii.gz", "--dvr", study / "t1.nii.gz", *shared]
    (told,) = call("change", study / "m_t0.nii.gz", study / "m_t1.nii.gz", *images, "--out", study / "c_dseg.nii.gz")
    assert told.endswith("20 baseline lesion voxels, none with a DVR at both times")
    (told,) = call("indices", study / "c_dseg.nii.gz", *shared, "--out", study / "c.tsv")
    assert told.startswith("gap: no indices, ")
    assert (study / "c.tsv").read_text().splitlines()[1] == "\t".join([*(5 * ["n/a"]), "0.0"])


def test_one_lesion_voxel_is_enough(study: Path) -> None:
    curve(study)
    lesions = np.zeros(SHAPE)
    lesions[4, 5, 0] = 1  # 1.28 at t0, where 1.1 is the threshold; 1.0 at t1
    save(study / "lesions.nii.gz", lesions, dtype="uint8")
    assert maps(study) == []
    row = pd.read_csv(study / "indices.tsv", sep="\t").iloc[0].to_dict()
    values = {"percent_t0": 0, "percent_t1": 1, "global": 1, "demyelination": 1, "remyelination": 0, "coverage": 1}
    assert row == values


def test_heavy_libraries_stay_out(study: Path) -> None:
    curve(study)
    inputs = ["t0.nii.gz", "--lesions", "lesions.nii.gz", "--distance", "distance.nii.gz", "--curve", "curve.tsv"]
    program = (
        "import sys; from myelosynth.cli import myelin; from myelosynth.cli.app import app\n"
        f"app(args={['demyelination', *inputs, '--out', 'm.nii.gz']!r}, standalone_mode=False)\n"
        "heavy = {'nipype', 'pandas', 'torch', 'ants'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], cwd=study, check=True)
    assert (study / "m.nii.gz").exists()


def test_numbered_lesions_count_as_lesions(study: Path) -> None:
    curve(study)
    maps(study)
    expected = (study / "indices.tsv").read_text()
    numbers = np.asarray(nib.load(study / "lesions.nii.gz").dataobj) * np.arange(1, 11)
    save(study / "lesions.nii.gz", numbers, dtype="uint8")
    maps(study)
    assert (study / "indices.tsv").read_text() == expected


@pytest.mark.parametrize("value", [np.nan, 87.5])
def test_an_image_is_no_lesion_mask(study: Path, value: float) -> None:
    curve(study)
    lesions = np.asarray(nib.load(study / "lesions.nii.gz").dataobj, float)
    lesions[0, 0, 0] = value
    save(study / "lesions.nii.gz", lesions)
    with pytest.raises(InputError, match=r"(NaN or infinite voxels|not a mask), .*lesions\.nii\.gz"):
        maps(study)
    assert not (study / "m_t0.nii.gz").exists()


def test_outputs_have_the_name_of_their_kind(study: Path) -> None:
    curve(study)
    maps(study)
    before = sorted(study.iterdir())
    lesions = ["--lesions", study / "lesions.nii.gz"]
    rest = [*lesions, "--distance", study / "distance.nii.gz", "--curve", study / "curve.tsv"]
    for command, *words in (
        ("demyelination", study / "t0.nii.gz", *rest, "--out", study / "out"),
        ("change", study / "m_t0.nii.gz", study / "m_t1.nii.gz", *lesions, "--out", study / "out.tsv"),
        ("indices", study / "change_dseg.nii.gz", *lesions, "--out", study / "out.nii.gz"),
        ("white-core", study / "wm.nii.gz", study / "out", "--csf", study / "lesions.nii.gz"),
    ):
        with pytest.raises(InputError, match="output name unknown"):
            call(command, *words)
    with pytest.raises(InputError, match="output overwrites an input"):  # the sidecar and lookup table of the classes
        call("indices", study / "change_dseg.nii.gz", *lesions, "--out", study / "change_dseg.tsv")
    assert sorted(study.iterdir()) == before
