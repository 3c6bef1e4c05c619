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


def test_maps_of_a_prediction_are_synthetic_and_keep_its_grid(study: Path) -> None:
    (study / "dataset_description.json").write_text("{}")
    curve(study)
    told = {"Synthetic": True, "SpatialReference": "bids::sub-1/dvr.nii.gz"}
    (study / "t1.json").write_text(json.dumps(told))
    (study / "lesions.json").write_text(json.dumps({"SpatialReference": "bids::sub-1/dvr.nii.gz"}))
    maps(study)
    measured, mapped, changed = (
        json.loads((study / f"{name}.json").read_text()) for name in ("m_t0", "m_t1", "change_dseg")
    )
    assert "Synthetic" not in measured
    assert measured["SpatialReference"] == "bids::t0.nii.gz"
    for record in (mapped, changed):
        assert {key: record[key] for key in told} == told


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


def table(path: Path) -> list[dict[str, object]]:
    return pd.read_csv(path, sep="\t").to_dict("records")


def test_the_check_of_a_curve_is_written_beside_it(study: Path) -> None:
    """Both controls are 1.2 and 1.4 +- .1 by halves, so half of each lies at mean - 1 SD or just above it."""
    curve(study, "--out-check", study / "check.tsv", "--smoothing", "linear", "--extrapolation", "refuse")
    rows = table(study / "check.tsv")
    assert {row["control"] for row in rows} == {str(study / "a.nii.gz"), str(study / "b.nii.gz"), "all"}
    assert [row["n"] for row in rows if row["control"] == "all"] == [1000, 1000, 2000]
    record = json.loads((study / "check.json").read_text())
    assert set(rows[0]) <= set(record)
    assert record["Settings"]["smoothing"] == "linear"
    assert set(table(study / "curve.tsv")[0]) <= set(json.loads((study / "curve.json").read_text()))
    assert table(study / "curve.tsv")[0]["extrapolation"] == "refuse"
    with pytest.raises(InputError, match="output"):
        curve(study, "--out-check", study / "curve.tsv")


def test_a_lone_control_has_a_curve_and_a_gap(study: Path) -> None:
    images = ["--dvr", study / "a.nii.gz", "--distance", study / "distance.nii.gz", "--wm", study / "wm.nii.gz"]
    (told,) = call("myelin-curve", *images, "--out", study / "curve.tsv", "--out-check", study / "check.tsv")
    assert told.startswith("gap: no leave-one-out check, ")
    assert table(study / "check.tsv") == []
    assert "1 control, expected 2 or more" in json.loads((study / "check.json").read_text())["Gaps"][0]
    assert len(table(study / "curve.tsv")) == 2


def test_lesions_beyond_the_curve_are_counted_or_refused(study: Path) -> None:
    far = np.asarray(nib.load(study / "distance.nii.gz").dataobj).copy()
    far[5, 5, :4], far[5, 5, 4] = 60, 0
    curve(study)
    save(study / "distance.nii.gz", far)
    maps(study)
    record = json.loads((study / "m_t0.json").read_text())
    assert (record["LesionVoxelsBeyondCurve"], record["LesionVoxelsInCSF"]) == (4, 1)
    assert (record["Settings"]["smoothing"], record["Settings"]["extrapolation"]) == ("none", "hold")
    strict = (study / "curve.tsv").read_text().replace("hold", "refuse")
    (study / "curve.tsv").write_text(strict)
    with pytest.raises(InputError, match=r"4 of 20 voxels at 6 mm or farther, up to 60"):
        maps(study)


def test_smallest_cluster_and_change(study: Path) -> None:
    """At t0 ten voxels in a row of 8 ul each, at t1 five and three; the five that recover change by .11."""
    curve(study)
    shared = ["--lesions", study / "lesions.nii.gz"]
    inputs = [*shared, "--distance", study / "distance.nii.gz", "--curve", study / "curve.tsv"]
    for session in ("t0", "t1"):
        options = ["--out", study / f"m_{session}.nii.gz", "--minimum-cluster", 0.03]
        call("demyelination", study / f"{session}.nii.gz", *inputs, *options)
    record = json.loads((study / "m_t1.json").read_text())
    assert (record["DemyelinatedVoxels"], record["VoxelsInSmallClusters"]) == (5, 3)
    images = ["--dvr", study / "t0.nii.gz", "--dvr", study / "t1.nii.gz"]
    masks = [study / "m_t0.nii.gz", study / "m_t1.nii.gz"]
    out = ["--out", study / "c_dseg.nii.gz"]
    for threshold, remyelinating in (("0.1", 5), ("0.2", 0), (study / "noise.tsv", 0)):
        (study / "noise.tsv").write_text("n\tbias\tsd\tchange_threshold\n9\t0\t.1\t.196\n")
        call("change", *masks, *images, *shared, *out, "--change-threshold", threshold)
        record = json.loads((study / "c_dseg.json").read_text())
        assert record["Voxels"]["remyelinating"] == remyelinating
    assert record["Settings"] == {"change_threshold": 0.196}
    with pytest.raises(InputError, match="DVR of both times needed"):
        call("change", *masks, *images[:2], *shared, *out, "--change-threshold", "0.1")
    for threshold, told in (("-1", "got -1"), ("nan", "got nan"), ("x.tsv", "neither a number nor a file")):
        with pytest.raises(InputError, match=told):
            call("change", *masks, *images, *shared, *out, "--change-threshold", threshold)
    (study / "noise.tsv").write_text("n\n9\n")
    with pytest.raises(InputError, match="not a table of retest noise"):
        call("change", *masks, *images, *shared, *out, "--change-threshold", study / "noise.tsv")


def test_thresholds_of_a_patient_and_their_comparison(study: Path) -> None:
    curve(study)
    (study / "smooth.tsv").write_text((study / "curve.tsv").read_text().replace("0.1000", "0.0500"))
    shared = ["--lesions", study / "lesions.nii.gz", "--distance", study / "distance.nii.gz"]
    images = [study / "t0.nii.gz", study / "t1.nii.gz", *shared, "--curve", study / "curve.tsv"]
    call("thresholds", *images, "--out", study / "true.tsv")
    call("thresholds", *images, "--predicted-curve", study / "smooth.tsv", "--out", study / "made.tsv")
    (study / "sub-001_t0.nii.gz").write_bytes((study / "t0.nii.gz").read_bytes())
    (study / "one.tsv").write_text((study / "curve.tsv").read_text())
    (study / "one.json").write_text(json.dumps({"Participants": ["sub-001"]}))
    words = [study / "sub-001_t0.nii.gz", study / "t1.nii.gz", *shared, "--curve", study / "one.tsv"]
    with pytest.raises(InputError, match=r"leak: control curve saw the subject.*sub-001"):
        call("thresholds", *words, "--out", study / "leak.tsv")
    maps(study)
    rows = table(study / "made.tsv")
    assert [row["rule"] for row in rows] == ["paper", "z", "predicted"]
    names = ["percent_t0", "percent_t1", "global", "demyelination", "remyelination", "coverage"]
    assert [rows[0][name] for name in names] == [table(study / "indices.tsv")[0][name] for name in names]
    assert set(rows[0]) <= set(json.loads((study / "made.json").read_text()))
    call("threshold-comparison", "--measured", study / "true.tsv", "--out", study / "alone.tsv")
    pair = ["--measured", study / "true.tsv", "--predicted", study / "made.tsv"]
    call("threshold-comparison", *pair, "--out", study / "both.tsv")
    both = {(row["rule"], row["index"]): row for row in table(study / "both.tsv")}
    assert both["paper", "global"]["bias"] == 0
    assert both["predicted", "percent_t0"]["bias"] == rows[2]["percent_t0"] - rows[0]["percent_t0"]
    assert set(table(study / "both.tsv")[0]) <= set(json.loads((study / "both.json").read_text()))
    with pytest.raises(InputError, match="not a table of thresholds"):
        call("threshold-comparison", "--measured", study / "indices.tsv", "--out", study / "x.tsv")


def test_noise_of_second_scans(study: Path) -> None:
    split = study / "split.tsv"
    split.write_text("participant_id\tgroup\tfold\trole\nsub-1\tpatient\t1\ttrain\nsub-2\tpatient\t1\ttest\n")
    wave = np.where(np.arange(10) % 2, 0.03, -0.03) * np.ones(SHAPE)
    for name, dvr in (("sub-1_a", np.full(SHAPE, 1.2)), ("sub-1_b", 1.21 + wave), ("sub-2_a", np.full(SHAPE, 1.2))):
        save(study / f"{name}.nii.gz", dvr)
    scans = ["--dvr", study / "sub-1_a.nii.gz", "--retest", study / "sub-1_b.nii.gz"]
    rest = ["--mask", study / "lesions.nii.gz", "--split", split, "--fold", 1, "--out", study / "noise.tsv"]
    call("retest-noise", *scans, *rest)
    (row,) = table(study / "noise.tsv")
    assert (row["n"], row["bias"]) == (20, pytest.approx(0.01, abs=1e-6))
    assert row["sd"] == pytest.approx(0.03 * (20 / 19) ** 0.5, rel=1e-4)
    assert row["change_threshold"] == pytest.approx(1.96 * row["sd"])
    record = json.loads((study / "noise.json").read_text())
    assert (record["Participants"], record["Roles"]) == (["sub-1"], {"train": 1})
    with pytest.raises(InputError, match=r"leak: retest noise of test subjects.*sub-2 among the participants"):
        call("retest-noise", "--dvr", study / "sub-2_a.nii.gz", *scans[2:], *rest)
