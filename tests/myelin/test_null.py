"""The null of the indices: what is put in is found, coverage of drawn patients, what must not change them."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from myelosynth.bids.layout import Layout
from myelosynth.cli import null  # noqa: F401  (registers the commands)
from myelosynth.cli.app import app
from myelosynth.errors import InputError
from myelosynth.images.fields import LENGTHS_MM, FieldModel
from myelosynth.myelin.curve import Curve
from myelosynth.myelin.intervals import Patient, lesion_indices
from myelosynth.myelin.maps import MapRules
from myelosynth.myelin.null import CHANGED, NullModel, Pair, fit_null, index_nulls, null_draws

SHAPE, VOXEL = (16, 14, 12), (2.0, 2.0, 2.0)
CURVE = Curve(np.array([0.0, 50.0]), np.array([1000]), np.array([1.2]), np.array([0.1]))
FIELD = FieldModel(LENGTHS_MM, (0.5, 0.5, 0.0, 0.0, 0.0), 0.0)
TRUE = NullModel(0.01, -0.3, 0.015, 0.05, 0.03, 0.0024, FIELD, 40)


def lesions(random, blocks=4):
    mask = np.zeros(SHAPE, bool)
    for _ in range(blocks):
        x, y, z = (int(random.integers(1, n - 6)) for n in SHAPE)
        mask[x : x + 5, y : y + 5, z : z + 4] = True
    return mask


def pair(seed, model=TRUE, blocks=4):
    """A patient scanned twice: the baseline's DVR about the threshold of 1.1, the follow-up as the model says."""
    random = np.random.default_rng(seed)
    patient = Patient(lesions(random, blocks), np.full(SHAPE, 5.0), VOXEL, CURVE)
    before = 1.08 + 0.08 * random.standard_normal(SHAPE)
    noise = next(model.field.pairs(random, SHAPE, VOXEL))[0]
    offset = model.shift + model.between * random.standard_normal()
    tilt = model.slope_between * random.standard_normal() * (before - before[patient.lesions].mean())
    return Pair(patient, before, before + offset + model.slope * (before - 1.2) + tilt + model.sd * noise)


@pytest.fixture(scope="module")
def fitted():
    return fit_null([pair(seed) for seed in range(100, 140)])


def test_what_was_put_in_is_found(fitted):
    assert fitted.slope == pytest.approx(TRUE.slope, abs=3 * TRUE.slope_between / 40**0.5)
    assert fitted.slope_between == pytest.approx(TRUE.slope_between, rel=0.4)
    assert fitted.shift == pytest.approx(TRUE.shift, abs=3 * TRUE.between / 40**0.5)
    # Lesions are too near each other to tell a whole scan from a wide field: both together are what counts.
    assert np.hypot(fitted.sd, fitted.between) == pytest.approx(np.hypot(TRUE.sd, TRUE.between), rel=0.05)
    covariance = [m.sd**2 * m.field.correlation(np.array([2.0, 4.0])) + m.between**2 for m in (fitted, TRUE)]
    np.testing.assert_allclose(*covariance, rtol=0.15)
    assert fitted.uncertainty == pytest.approx(TRUE.uncertainty, rel=0.4)
    assert fitted.patients == 40


def test_tiny_lesions_do_not_hide_the_correlation():
    """One voxel has no neighbour: the correlation is that of the patients who tell one."""
    mask = np.zeros(SHAPE, bool)
    mask[5, 5, 5] = True
    large = [pair(seed) for seed in range(100, 108)]
    tiny = [replace(one, patient=replace(one.patient, lesions=mask)) for one in map(pair, range(3))]
    near = [fit_null(pairs).field.correlation(np.array([2.0]))[0] for pairs in (large, [*large, *tiny])]
    assert near[1] == pytest.approx(near[0], abs=0.1)


def test_coverage_of_patients_without_change(fitted):
    """Patients from the same noise, none of them used for the fit: nearly every index lies within its interval."""
    inside = {name: [] for name in CHANGED}
    for seed in range(500, 560):
        for name, row in index_nulls(pair(seed), fitted, draws=199, level=0.95, seed=1).items():
            inside[name].append(not row.outside)
    assert all(0.88 <= np.mean(held) <= 1.0 for held in inside.values()), inside
    assert 0.9 <= np.mean(list(inside.values())) <= 0.99


def test_twelve_patients_are_enough():
    few = fit_null([pair(seed) for seed in range(12)])
    held = [not row.outside for seed in range(700, 740) for row in index_nulls(pair(seed), few, 99, 0.95, 1).values()]
    assert 0.88 <= np.mean(held) <= 1.0


def test_a_change_lies_outside(fitted):
    one = pair(900)
    after = np.where(one.patient.lesions, one.after + 0.15, one.after)
    rows = index_nulls(replace(one, after=after), fitted, 199, 0.95, 1)
    assert rows["remyelination"].outside
    assert rows["global"].outside
    assert rows["global"].value < rows["global"].low
    assert rows["global"].p == 1 / 200


def test_one_slope_for_everybody_has_no_spread():
    """The slopes of single patients vary by the noise of their voxels, which is no spread of their own."""
    alike = replace(TRUE, slope_between=0.0)
    assert fit_null([pair(seed, alike) for seed in range(100, 140)]).slope_between < 0.02


def test_without_the_slope_the_null_is_off(fitted):
    """Regression to the mean: demyelinated voxels come up by noise alone, and the null knows."""
    one = pair(901)
    flat = replace(fitted, slope=0.0, shift=0.0)
    mean = {name: null_draws(one, model, 60, 1)["global"].mean() for name, model in (("fit", fitted), ("flat", flat))}
    assert mean["fit"] < mean["flat"] - 0.02


def test_no_noise_gives_the_point():
    one = pair(5)
    same = [replace(pair(seed), after=pair(seed).before) for seed in range(4)]
    model = fit_null(same)
    assert (model.shift, model.slope, model.between, model.slope_between, model.sd) == (0, 0, 0, 0, 0)
    for name, row in index_nulls(replace(one, after=one.before), model, 20, 0.95, 1).items():
        truth = lesion_indices(one.patient, one.covered, (one.before[one.covered],) * 2)[name]
        assert (row.value, row.null, row.low, row.high) == pytest.approx((truth,) * 4)
        assert (row.p, row.outside) == (1, False)


def test_the_rules_of_the_maps_hold_for_the_draws(fitted):
    """No draw moves a voxel by more than the threshold of change: nothing changes, in value and null alike."""
    one = pair(6)
    strict = replace(one, patient=replace(one.patient, rules=MapRules(change_threshold=5.0)))
    rows = index_nulls(strict, fitted, 20, 0.95, 1)
    assert all((rows[name].value, rows[name].low, rows[name].high) == (0, 0, 0) for name in ("global", "remyelination"))
    assert index_nulls(one, fitted, 20, 0.95, 1)["remyelination"].high > 0


def test_larger_lesions_are_narrower():
    still = replace(TRUE, between=0.0, uncertainty=0.0)
    widths = []
    for blocks in (1, 12):
        row = index_nulls(pair(3, blocks=blocks), still, 99, 0.95, 1)["global"]
        widths.append(row.high - row.low)
    assert widths[1] < 0.6 * widths[0]


def test_scans_that_differ_widen_the_interval_of_any_lesion(fitted):
    widths = []
    for between in (0.0, 0.03):
        row = index_nulls(pair(3, blocks=12), replace(fitted, between=between), 99, 0.95, 1)["global"]
        widths.append(row.high - row.low)
    assert widths[1] > 2 * widths[0]


def test_few_patients_widen_it_too(fitted):
    """Three patients tell little of how much scans differ: t of 2 degrees of freedom."""
    wide = [null_draws(pair(3), replace(fitted, between=0.02, patients=n), 199, 1)["global"].std() for n in (3, 40)]
    assert wide[0] > 1.3 * wide[1]


def test_one_voxel_has_a_null(fitted):
    mask = np.zeros(SHAPE, bool)
    mask[5, 5, 5] = True
    one = pair(7)
    one = replace(one, patient=replace(one.patient, lesions=mask))
    rows = index_nulls(one, fitted, 50, 0.95, 1)
    assert {row.low for row in rows.values()} <= {-1, 0, 1}
    assert fit_null([*[pair(n) for n in range(3)], one]).sd > 0


def test_three_single_voxels_can_be_fitted():
    """Nothing varies within a patient: all is between them."""
    mask = np.zeros(SHAPE, bool)
    mask[5, 5, 5] = True
    model = fit_null([replace(p, patient=replace(p.patient, lesions=mask)) for p in map(pair, range(5))])
    assert (model.slope, model.sd) == (0, 0)
    assert model.between > 0


def test_the_voxels_beyond_the_lesions_do_not_count(fitted):
    one = pair(8)
    other = replace(one, before=np.where(one.patient.lesions, one.before, 9), after=np.where(one.covered, one.after, 3))
    assert index_nulls(one, fitted, 30, 0.95, 1) == index_nulls(other, fitted, 30, 0.95, 1)


def test_the_record_comes_back(fitted):
    assert NullModel.of_record(fitted.record(), "null.json") == fitted
    for broken in ({}, {**fitted.record(), "sd": -1}, {**fitted.record(), "shift": None}, {"field": {}}):
        with pytest.raises(InputError, match=r"null\.json"):
            NullModel.of_record(broken, "null.json")


def test_faults(fitted):
    empty = replace(pair(1), patient=replace(pair(1).patient, lesions=np.zeros(SHAPE, bool)))
    with pytest.raises(InputError, match=r"too few pairs for a null.*2 of 3 patients"):
        fit_null([pair(0), pair(1), empty])
    with pytest.raises(InputError, match="voxel sizes differ"):
        fit_null([pair(0), pair(1), replace(pair(2), patient=replace(pair(2).patient, voxel_sizes=(3.0, 2.0, 2.0)))])


def test_many_voxels_are_drawn_on_a_lattice(fitted, monkeypatch):
    """Both ways draw the same field: means and spreads agree."""
    ways = []
    for few in (3000, 0):
        monkeypatch.setattr("myelosynth.myelin.null._FEW_VOXELS", few)
        ways.append(null_draws(pair(3), replace(TRUE, between=0.0, uncertainty=0.0), 300, 1)["global"])
    assert ways[0].mean() == pytest.approx(ways[1].mean(), abs=4 * ways[0].std() / 300**0.5)
    assert ways[0].std() == pytest.approx(ways[1].std(), rel=0.2)


# -- the commands ------------------------------------------------------------------------------------------------------


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
    options = ["--lesions", images[2], "--distance", images[3], "--curve", folder / "curve.tsv", "--draws", 30]
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
