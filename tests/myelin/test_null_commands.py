"""The commands null-fit, index-null and null-table: files, gaps, and what is refused."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from myelosynth.bids.layout import Layout
from myelosynth.cli import commands  # noqa: F401  (registers every command)
from myelosynth.cli.app import app
from myelosynth.errors import InputError
from myelosynth.myelin.null import CHANGED

from .null_cases import CURVE, SHAPE, pair


@pytest.fixture
def files(tmp_path):
    """Five patients with both scans, and the curve."""
    CURVE.write(tmp_path / "curve.tsv")
    for number in range(1, 6):
        one = pair(number, blocks=2)
        images = {"t0": one.before, "t1": one.after, "L": one.patient.lesions, "d": one.patient.distance}
        for name, data in images.items():
            image = nib.Nifti1Image(data.astype(np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
            nib.save(image, tmp_path / f"sub-00{number}_{name}.nii.gz")
    return tmp_path


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False, standalone_mode=False).stderr


def fit(folder, numbers=(1, 2, 3, 4), *more):
    kinds = {"--before": "t0", "--after": "t1", "--lesions": "L", "--distance": "d"}
    images = [part for n in numbers for o, k in kinds.items() for part in (o, folder / f"sub-00{n}_{k}.nii.gz")]
    return call("null-fit", *images, "--curve", folder / "curve.tsv", "--out", folder / "null.json", *more)


def judge(folder, *more, number=5, out="a.tsv"):
    images = [folder / f"sub-00{number}_{name}.nii.gz" for name in ("t0", "t1", "L", "d")]
    options = ["--lesions", images[2], "--distance", images[3], "--curve", folder / "curve.tsv", "--draws", 40]
    return call("index-null", *images[:2], "--null", folder / "null.json", *options, "--out", folder / out, *more)


def test_the_commands_write_the_same_twice(files):
    fit(files)
    record = json.loads((files / "null.json").read_text())
    assert record["Participants"] == [f"sub-00{n}" for n in range(1, 5)]
    assert (record["System"], record["VoxelSize"], record["Null"]["patients"]) == ("true", [2, 2, 2], 4)
    for out in ("a.tsv", "b.tsv"):
        assert judge(files, out=out) == ""
    assert (files / "a.tsv").read_bytes() == (files / "b.tsv").read_bytes()
    table = pd.read_csv(files / "a.tsv", sep="\t")
    assert table["index"].tolist() == list(CHANGED)
    assert (table.low <= table.high).all()
    sidecar = json.loads((files / "a.json").read_text())
    assert set(table.columns) <= set(sidecar)
    assert sidecar["NullOf"]["Participants"] == record["Participants"]


def test_a_patient_of_the_null_is_refused(files):
    fit(files)
    with pytest.raises(InputError, match=r"leak: null saw the subject.*sub-003"):
        judge(files, number=3)
    assert not (files / "a.tsv").exists()
    judge(files, "--new-participant", number=3)
    assert (files / "a.tsv").exists()


def test_no_lesion_and_too_few_pairs_are_gaps(files):
    empty = nib.Nifti1Image(np.zeros(SHAPE, np.uint8), np.diag([2.0, 2.0, 2.0, 1.0]))
    fit(files)
    nib.save(empty, files / "sub-005_L.nii.gz")
    assert "gap: no null, " in judge(files)
    rows = pd.read_csv(files / "a.tsv", sep="\t")
    assert rows["index"].tolist() == list(CHANGED)
    assert rows[["value", "null", "low", "high", "p", "outside"]].isna().all(axis=None)
    assert "2 of 2 patients have a lesion voxel" in fit(files, (1, 2))
    assert "made from too few pairs" in judge(files, number=4)


def test_another_voxel_size_and_another_file_are_refused(files):
    fit(files)
    record = json.loads((files / "null.json").read_text())
    (files / "null.json").write_text(json.dumps(record | {"VoxelSize": [1.2, 1.2, 1.2]}))
    with pytest.raises(InputError, match=r"2 x 2 x 2 mm, null.json has 1.2 x 1.2 x 1.2 mm"):
        judge(files)
    (files / "null.json").write_text("{}")
    with pytest.raises(InputError, match="not a null model"):
        judge(files)
    with pytest.raises(InputError, match=r"pairs are incomplete.*4 --before, 4 --after, 5 --lesions"):
        fit(files, (1, 2, 3, 4), "--lesions", files / "sub-005_L.nii.gz")


def test_the_table_counts_who_lies_within(tmp_path):
    layout = Layout(tmp_path)
    head = "index\tvalue\tnull\tlow\thigh\tlevel\tp\toutside\n"
    for sub, row in (("001", "global\t0.1\t0.0\t-0.2\t0.2\t0.95\t0.5\tfalse"), ("002", "global" + 7 * "\tn/a")):
        path = layout.index_null("true", sub, "t1")
        path.parent.mkdir(parents=True)
        path.write_text(head + row + "\n")
    people = [word for sub in ("001", "002", "003") for word in ("--sub", sub)]
    call("null-table", tmp_path, "--system", "true", *people, "--out", tmp_path / "nulls.tsv")
    assert pd.read_csv(tmp_path / "nulls.tsv", sep="\t")["participant_id"].tolist() == ["sub-001", "sub-002"]
    record = json.loads((tmp_path / "nulls.json").read_text())
    assert record["Inside"] == {"true": {"global": {"n": 1, "inside": 1.0}}}
    assert [gap["participant_id"] for gap in record["Gaps"]] == ["sub-002", "sub-003"]
    with pytest.raises(InputError, match="no null"):
        call("null-table", tmp_path, "--system", "ridge", *people, "--out", tmp_path / "other.tsv")


def test_maps_of_another_system_are_refused(files):
    """By the sidecar of a prediction, and in `null-fit` too."""
    fit(files)
    (files / "sub-005_t1.json").write_text(json.dumps({"Synthetic": True, "Model": "unet", "Loss": "wl1"}))
    with pytest.raises(InputError, match=r"different systems.*sub-005_t1.*unet-wl1 by its sidecar.*of true"):
        judge(files)
    with pytest.raises(InputError, match=r"different systems.*unet-wl1 by its sidecar, the null is of ridge"):
        fit(files, (3, 4, 5), "--system", "ridge")
    record = json.loads((files / "null.json").read_text())
    (files / "null.json").write_text(json.dumps(record | {"System": "unet-wl1@2"}))
    judge(files)
    (files / "sub-005_t0.json").write_text(json.dumps({"Model": "logan"}))
    with pytest.raises(InputError, match=r"sub-005_t0.*true by its sidecar, the null is of unet-wl1@2"):
        judge(files)


def test_a_control_of_the_curve_is_refused(files):
    fit(files)
    (files / "curve.json").write_text(json.dumps({"Participants": ["sub-005"]}))
    with pytest.raises(InputError, match=r"leak: control curve saw the subject.*sub-005"):
        judge(files)
    judge(files, "--new-participant")
    assert (files / "a.tsv").exists()


def test_nobody_counts_twice(files):
    with pytest.raises(InputError, match=r"image given twice, null-fit.*sub-002_t0.nii.gz 2 times"):
        fit(files, (1, 2, 2))
    again = files / "sub-001_run-2_t0.nii.gz"
    again.write_bytes((files / "sub-001_t0.nii.gz").read_bytes())
    more = ["--before", again, "--after", files / "sub-005_t1.nii.gz", "--lesions", files / "sub-001_L.nii.gz"]
    more += ["--distance", files / "sub-001_d.nii.gz"]
    with pytest.raises(InputError, match="participant given twice, null-fit, sub-001 2 times"):
        fit(files, (1, 2), *more)


def test_fold_0_is_a_fold_that_is_not_there(files):
    split = files / "split.tsv"
    split.write_text("participant_id\tgroup\tfold\trole\nsub-001\tpatient\t1\ttest\n")
    with pytest.raises(InputError, match=r"no such fold.*fold 0"):
        fit(files, (1, 2, 3), "--split", split, "--fold", 0)
    with pytest.raises(InputError, match=r"options belong together.*--split not given, --fold 0"):
        fit(files, (1, 2, 3), "--fold", 0)
