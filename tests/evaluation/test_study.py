"""`evaluate` from files on disk to its six tables, gaps and faults included."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.bids.layout import Layout
from myelosynth.bids.names import sidecar_path
from myelosynth.cli.app import app
from myelosynth.cli.commands import evaluation  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.evaluation.cohort import open_study
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_volume, save_volume

GRID = Grid((12, 12, 12), np.diag([2.0, 2.0, 2.0, 1.0]))
NAMES = ("image_metrics", "overlap", "indices", "agreement", "summary", "comparisons", "ranking")


@pytest.fixture
def run(mini, tmp_path):
    def call(*extra):
        return CliRunner().invoke(app, mini.command("--out-dir", str(tmp_path / "out"), *extra))

    return call


def pick(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def test_image_metrics_are_of_test_subjects_against_both_references(run, mini, tmp_path, tables):
    assert run().exit_code == 0
    rows = tables.read(tmp_path / "out" / "image_metrics.tsv")
    assert {row["participant_id"] for row in rows} == {"sub-001", "sub-002", "sub-003", "sub-004"}
    assert {row["participant_id"]: row["fold"] for row in rows}["sub-003"] == "2"
    (row,) = pick(rows, system="ridge", participant_id="sub-001", session_id="ses-t1", reference="noise-free")
    assert float(row["mse"]) == pytest.approx(0.1**2, rel=1e-4)
    assert float(row["lesion_mae"]) == pytest.approx(0.1, rel=1e-4)
    assert float(row["nawm_bias"]) == pytest.approx(0.1, rel=1e-4)
    assert float(row["data_range"]) == pytest.approx(1.2)
    measured = load_volume(mini.layout.source("001", "t0", "DVR")).data.astype(float)
    predicted = load_volume(mini.layout.prediction("ridge", "001", "t0")).data.astype(float)
    (row,) = pick(rows, system="ridge", participant_id="sub-001", session_id="ses-t0", reference="measured")
    assert float(row["mse"]) == pytest.approx(((predicted - measured) ** 2).mean())
    assert float(row["data_range"]) == pytest.approx(measured.max())
    brain = (slice(2, 10),) * 3
    assert float(row["mae_masked"]) == pytest.approx(abs(predicted - measured)[brain].mean())
    (control,) = pick(rows, system="ridge", participant_id="sub-004", reference="measured")
    assert control["lesion_mae"] == "n/a"
    assert float(control["nawm_mae"]) == pytest.approx(float(control["mae_masked"]), rel=0.2)


def test_measurement_noise_has_its_own_row_and_no_reference_scores_itself(run, tmp_path, tables):
    run()
    rows = tables.read(tmp_path / "out" / "image_metrics.tsv")
    assert {row["reference"] for row in pick(rows, system="true")} == {"noise-free"}
    assert {row["reference"] for row in pick(rows, system="noise-free")} == {"measured"}
    for row in pick(rows, system="true"):
        assert float(row["mse"]) == pytest.approx(0.03**2, rel=0.2)


def test_overlap_has_floors_ceilings_and_undefined_pairs(run, tmp_path, tables):
    run()
    rows = tables.read(tmp_path / "out" / "overlap.tsv")

    def score(system, which, session="change", who="sub-001"):
        (row,) = pick(rows, system=system, map=which, session_id=session, participant_id=who)
        return row["dice"]

    # truth at t0: voxels 0-3; ridge calls 0-1; at t1 the truth is 2-4, ridge as before
    assert float(score("ridge", "demyelinated", "ses-t0")) == pytest.approx(2 * 2 / (2 + 4))
    assert float(score("ridge", "demyelinated", "ses-t1")) == 0
    assert float(score("all-positive", "demyelinated", "ses-t0")) == pytest.approx(2 * 0.5 / 1.5)
    assert float(score("unet-l1", "remyelinating")) == 1
    assert float(score("all-positive", "remyelinating")) == pytest.approx(2 * 2 / (8 + 2))
    assert float(score("no-change", "demyelinating")) == 0
    assert {row["n_true"] for row in pick(rows, participant_id="sub-001", map="demyelinating")} == {"1"}
    assert {row["n_true"] for row in pick(rows, participant_id="sub-001", map="remyelinating")} == {"2"}
    assert score("retest", "demyelinated", "ses-t0") == "1.0"
    (nothing,) = pick(rows, system="ridge", participant_id="sub-003", session_id="ses-t0")
    assert (nothing["dice"], nothing["defined"], nothing["n_true"]) == ("n/a", "false", "0")
    assert not pick(rows, participant_id="sub-004")
    assert not pick(rows, participant_id="sub-002", session_id="change")


def test_indices_and_agreement_follow_from_the_maps(run, tmp_path, tables):
    run()
    rows = tables.read(tmp_path / "out" / "indices.tsv")
    (true,) = pick(rows, system="true", participant_id="sub-001")
    assert [float(true[name]) for name in ("percent_t0", "demyelination", "remyelination")] == [0.5, 0.125, 0.25]
    assert {row["participant_id"] for row in rows} == {"sub-001", "sub-003"}
    agreement = tables.read(tmp_path / "out" / "agreement.tsv")
    (row,) = pick(agreement, system="ridge", index="remyelination")
    assert (row["n"], float(row["bias"])) == ("2", pytest.approx(-0.125))
    assert row["sign_errors"] == "n/a"
    (row,) = pick(agreement, system="unet-l1", index="demyelination")
    assert float(row["icc"]) == pytest.approx(1)
    (row,) = pick(agreement, system="ridge", index="global")
    assert (row["sign_errors"], row["sign_n"]) == ("1", "1")  # ridge sees no change; 003 has none to see


def test_summary_keeps_sessions_apart_and_counts_the_undefined(run, tmp_path, tables):
    run()
    rows = tables.read(tmp_path / "out" / "summary.tsv")
    at = {"metric": "mse", "reference": "measured", "system": "ridge"}
    images = tables.read(tmp_path / "out" / "image_metrics.tsv")
    for session, n in (("ses-t0", 4), ("ses-t1", 2)):
        (row,) = pick(rows, session_id=session, **at)
        values = [float(r["mse"]) for r in pick(images, system="ridge", session_id=session, reference="measured")]
        assert (int(row["n"]), float(row["mean"])) == (n, pytest.approx(np.mean(values)))
        assert float(row["sd"]) == pytest.approx(np.std(values, ddof=1))
        assert (row["ci_low"] == "n/a") == (n < 3)
    (row,) = pick(rows, system="ridge", metric="dice", map="demyelinated", session_id="ses-t0")
    assert (row["n"], row["n_undefined"]) == ("2", "1")
    (row,) = pick(rows, system="unet-l1", metric="mse", session_id="ses-t0", reference="measured")
    assert (row["published"], row["published_sd"]) == ("0.0107", "0.0041")
    (row,) = pick(rows, system="unet-l1", metric="mse", session_id="ses-t0", reference="noise-free")
    assert row["published"] == "n/a"
    groups = {row["group"] for row in pick(rows, metric="nawm_mae", session_id="ses-t0")}
    assert groups == {"patient", "control"}


def test_six_or_fewer_subjects_are_compared_but_not_tested(run, tmp_path, tables):
    run("--reference", "ridge")
    rows = tables.read(tmp_path / "out" / "comparisons.tsv")
    assert {(row["system"], row["against"]) for row in rows} == {("unet-l1", "ridge")}
    assert {row["tested"] for row in rows} == {"false"}
    (row,) = pick(rows, metric="mae", session_id="ses-t0", reference="noise-free")
    assert float(row["mean_difference"]) == pytest.approx(-0.05, rel=1e-4)
    assert row["p_t"] == row["p_wilcoxon_holm"] == "n/a"
    assert "n = 4 is too small to reach p < .03" in row["note"]


def test_gaps_are_counted_and_named(run, mini, tmp_path, tables):
    mini.layout.source("003", "t1", "DVR").unlink()
    mini.layout.prediction("ridge", "002", "t0").unlink()
    mini.layout.demyelinated("unet-l1", "002", "t0").unlink()
    assert run().exit_code == 0
    record = tables.sidecar(tmp_path / "out" / "summary.tsv")
    gaps = {(g["participant_id"], g["session_id"], g["system"], g["missing"]) for g in record["Gaps"]}
    assert ("sub-003", "t1", "true", "DVR") in gaps
    assert ("sub-002", "t0", "ridge", "predicted DVR") in gaps
    assert ("sub-002", "t0", "unet-l1", "demyelination map") in gaps
    assert ("sub-002", "t1", "true", "change map") in gaps
    assert not any(who == "sub-004" for who, *_ in gaps)
    assert record["GapCount"] == len(gaps)
    rows = tables.read(tmp_path / "out" / "image_metrics.tsv")
    session = pick(rows, participant_id="sub-003", session_id="ses-t1")
    assert {row["reference"] for row in session} == {"noise-free"}


def test_columns_are_described_and_bytes_repeat(run, tmp_path, tables):
    run()
    before = {name: (tmp_path / "out" / f"{name}.tsv").read_bytes() for name in NAMES}
    for name in NAMES:
        rows, record = tables.read(tmp_path / "out" / f"{name}.tsv"), tables.sidecar(tmp_path / "out" / f"{name}.tsv")
        assert rows
        assert all("Description" in record[column] for column in rows[0])
    run()
    assert before == {name: (tmp_path / "out" / f"{name}.tsv").read_bytes() for name in NAMES}


def test_without_ceilings_only_the_measured_reference_remains(mini, tmp_path, tables):
    command = mini.command("--out-dir", str(tmp_path / "out"))
    for name in ("retest", "noise-free"):
        at = command.index(name)
        del command[at - 1 : at + 1]
    assert CliRunner().invoke(app, command).exit_code == 0
    rows = tables.read(tmp_path / "out" / "image_metrics.tsv")
    assert {row["reference"] for row in rows} == {"measured"}
    assert {row["system"] for row in rows} == {"ridge", "unet-l1"}


def fault_of(outcome):
    assert isinstance(outcome.exception, InputError), outcome.exception
    return str(outcome.exception)


def test_a_map_on_another_grid_is_a_fault(run, mini, tmp_path):
    path = mini.layout.demyelinated("ridge", "001", "t1")
    save_volume(path, np.ones((12, 12, 12)), Grid((12, 12, 12), np.diag([2.0, 2.0, 3.0, 1.0])), np.uint8)
    assert "grids differ" in fault_of(run())
    assert not (tmp_path / "out").exists()


def test_followup_on_another_grid_than_baseline_is_a_fault(run, mini):
    moved = Grid((12, 12, 12), np.array([[2.0, 0, 0, 9], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]))
    for path in (mini.layout.source("001", "t1", "DVR"), *mini.root.glob("derivatives/*/sub-001/ses-t1/pet/*.nii.gz")):
        save_volume(path, np.ones((12, 12, 12)), moved)
    assert "grids differ" in fault_of(run())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sub-001\tx\t1\ttrain", "leakage: participant on both sides.*001 is test and train in fold 1"),
        ("sub-001\tx\t3\ttest", "participant tested twice.*folds 1 and 3"),
        ("sub-077\tx\t1\ttest", "split and index disagree.*077"),
        ("sub-005\tx\tone\ttest", "fold is not a number"),
    ],
)
def test_a_leaking_split_is_a_fault(run, mini, line, message):
    mini.split.write_text(mini.split.read_text() + line + "\n")
    with pytest.raises(InputError, match=message):
        raise run().exception


def test_wrong_names_are_faults(run, mini):
    assert "reference is not a system" in fault_of(run("--reference", "cgan-l1"))
    with pytest.raises(InputError, match="named twice or reserved"):
        open_study(mini.root, mini.index, mini.split, ["ridge", "true"], [], [])
    with pytest.raises(InputError, match="results missing"):
        open_study(Layout(mini.root / "no").root, mini.index, mini.split, ["ridge"], [], [])


def test_a_prediction_of_another_fold_or_split_is_a_fault(run, mini, tmp_path):
    sidecar = sidecar_path(mini.layout.prediction("unet-l1", "003", "t1"))
    kept = sidecar.read_text()
    for key, value in (("Fold", 1), ("SplitSha256", "0" * 64)):
        sidecar.write_text(json.dumps({**json.loads(kept), key: value}))
        assert "prediction is not held out" in fault_of(run())
        assert not (tmp_path / "out").exists()


def test_a_null_stands_beside_the_indices_and_is_no_estimate(run, mini, tmp_path, tables):
    path = mini.layout.indices("null-scan", "001", "t1")
    path.parent.mkdir(parents=True)
    path.write_text(mini.layout.indices("true", "001", "t1").read_text())
    assert run("--null", "null-scan").exit_code == 0
    assert pick(tables.read(tmp_path / "out" / "indices.tsv"), system="null-scan")
    assert not pick(tables.read(tmp_path / "out" / "agreement.tsv"), system="null-scan")
    metrics = {row["metric"] for row in pick(tables.read(tmp_path / "out" / "summary.tsv"), system="null-scan")}
    assert metrics == {"percent_t0", "percent_t1", "global", "demyelination", "remyelination"}


def without_lesions(mini, number):
    """What the commands of the maps write where a patient's lesion mask is empty."""
    layout, none = mini.layout, np.zeros(GRID.shape, np.uint8)
    save_volume(layout.label_mask(number, "t0", "L", space="dvrt0"), none, GRID, np.uint8)
    for system in ("true", "ridge", "unet-l1", "retest", "noise-free"):
        for path in (
            *(layout.demyelinated(system, number, s) for s in ("t0", "t1")),
            layout.change(system, number, "t1"),
        ):
            save_volume(path, none, GRID, np.uint8)
        path = layout.indices(system, number, "t1")
        path.write_text(path.read_text().splitlines()[0] + "\n" + "\t".join(6 * ["n/a"]) + "\n")


@pytest.mark.parametrize("numbers", [("001",), ("001", "003")])
def test_a_patient_without_lesions_is_a_gap(run, mini, tmp_path, tables, numbers):
    for number in numbers:
        without_lesions(mini, number)
    outcome = run()
    assert outcome.exit_code == 0, outcome.exception
    out, lost = tmp_path / "out", {f"sub-{number}" for number in numbers}
    gaps = {
        (gap["participant_id"], gap["system"], gap["missing"]) for gap in tables.sidecar(out / "overlap.tsv")["Gaps"]
    }
    for who in lost:
        assert (who, "n/a", "no lesion voxel in the baseline mask") in gaps
        assert (who, "unet-l1", "indices: no lesion voxel in the baseline mask") in gaps
    assert not lost & {row["participant_id"] for row in tables.read(out / "overlap.tsv")}
    images = [row for row in tables.read(out / "image_metrics.tsv") if row["participant_id"] in lost]
    assert images
    assert {row["lesion_mae"] for row in images} == {"n/a"}
    assert "n/a" not in {row["mse_masked"] for row in images}
    indices = [row for row in tables.read(out / "indices.tsv") if row["participant_id"] in lost]
    assert {value for row in indices for value in list(row.values())[4:]} == {"n/a"}
    summary = tables.read(out / "summary.tsv")
    (row,) = pick(summary, system="unet-l1", metric="percent_t0")
    assert (row["n"], row["n_undefined"]) == (str(2 - len(lost)), str(len(lost)))
    (row,) = pick(tables.read(out / "agreement.tsv"), system="unet-l1", index="global")
    assert row["n"] == str(2 - len(lost))


def test_lesions_beyond_the_field_of_view_have_no_score(run, mini, tmp_path, tables):
    """Where no lesion voxel has a DVR, an error of 0 would be no agreement."""
    lesions = np.zeros(GRID.shape, np.uint8)
    lesions[0, 0, :4] = 1
    save_volume(mini.layout.label_mask("001", "t0", "L", space="dvrt0"), lesions, GRID, np.uint8)
    for path in [mini.layout.source("001", s, "DVR") for s in ("t0", "t1")] + [
        mini.layout.prediction(system, "001", s)
        for system in ("ridge", "unet-l1", "retest", "noise-free")
        for s in ("t0", "t1")
    ]:
        save_volume(path, np.where(lesions, 0, load_volume(path).data), GRID)
    run()
    rows = pick(tables.read(tmp_path / "out" / "image_metrics.tsv"), participant_id="sub-001")
    assert {row["lesion_mae"] for row in rows} == {"n/a"}


def test_lesions_beyond_the_field_of_view_are_told(run, mini, tmp_path, tables):
    path = mini.layout.indices("true", "001", "t1")
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    rows[1][-1] = "0.875"
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n")
    run()
    (row,) = pick(tables.read(tmp_path / "out" / "indices.tsv"), system="true", participant_id="sub-001")
    assert row["coverage"] == "0.875"
    gaps = tables.sidecar(tmp_path / "out" / "indices.tsv")["Gaps"]
    assert "DVR in 12.5% of the lesion volume" in {gap["missing"] for gap in gaps}
