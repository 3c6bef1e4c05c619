"""Strata and made-up change, by hand on a study of two followed patients."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.bids.layout import Layout
from myelosynth.bids.names import sidecar_path
from myelosynth.cli import commands  # noqa: F401  (registers every command)
from myelosynth.cli.app import app
from myelosynth.errors import InputError
from myelosynth.evaluation import detail_columns
from myelosynth.evaluation.cohort import Run, Study, Subject
from myelosynth.evaluation.hallucination import hallucination_rows, hallucination_summary
from myelosynth.evaluation.strata import names_of, strata_rows
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume
from myelosynth.myelin.lesions import COLUMNS as LESION

GRID = Grid((12, 12, 12), np.diag([5.0, 5.0, 5.0, 1.0]))  # a voxel is .125 ml
DISTANCE = np.broadcast_to(np.arange(12.0)[:, None, None] + 1, GRID.shape)


def image(values):
    """Voxels of two lesions: four in a row from 1 to 4 mm, and one at 11 mm."""
    found = np.zeros(GRID.shape, np.uint8)
    found[:4, 5, 5], found[10, 5, 5] = values[:4], values[4]
    return found


CHANGES = {"true": (1, 2, 3, 4, 4), "net": (1, 3, 2, 1, 4), "noise-free": (4, 2, 3, 4, 4), "null": (2, 3, 3, 0, 4)}


@pytest.fixture
def study(tmp_path):
    layout = Layout(tmp_path)
    found = Study(layout, [Subject("1", "patient", 1, ("t0", "t1"))], ["net"], ["noise-free"], ["null"])
    save_volume(layout.label_mask("1", "t0", "L", space="dvrt0"), image((1, 1, 1, 1, 1)), GRID, np.uint8)
    save_volume(layout.csf_distance("1", "t0", space="dvrt0"), DISTANCE, GRID)
    for system, values in CHANGES.items():
        classes = image(values)
        save_volume(layout.change(system, "1", "t1"), classes, GRID, np.uint8)
        for session, called in (("t0", (2, 3)), ("t1", (1, 3))):
            save_volume(layout.demyelinated(system, "1", session), np.isin(classes, called), GRID, np.uint8)
    return found


def test_strata_by_hand(study):
    rows = {(r["system"], r["map"], r["session_id"], r["stratified_by"], r["stratum"]): r for r in strata_rows(study)}
    at_t0 = {key[3:]: r for key, r in rows.items() if key[:3] == ("net", "demyelinated", "ses-t0")}
    counts = {key: (r["n_lesions"], r["n_voxels"]) for key, r in at_t0.items()}
    assert counts == {
        ("lesion size", "0.1 to 0.5 ml"): (1, 1),
        ("lesion size", "0.5 to 2 ml"): (1, 4),
        ("lesion distance", "0 to 3 mm"): (1, 4),
        ("lesion distance", "10 mm and more"): (1, 1),
        ("voxel distance", "0 to 3 mm"): (1, 2),
        ("voxel distance", "3 to 10 mm"): (1, 2),
        ("voxel distance", "10 mm and more"): (1, 1),
    }
    large = at_t0["lesion size", "0.5 to 2 ml"]  # measured: voxels 1 and 2; predicted the same
    assert (large["dice"], large["true_share"], large["share"], large["bias"]) == (1, 0.5, 0.5, 0)
    assert large["all_positive_dice"] == pytest.approx(2 / 3)
    near, far = (at_t0["voxel distance", name] for name in ("0 to 3 mm", "10 mm and more"))
    assert (near["dice"], far["dice"], far["n_undefined"]) == (1, None, 1)
    lost = rows["net", "demyelinating", "change", "voxel distance", "3 to 10 mm"]  # predicted only
    assert (lost["dice"], lost["true_share"], lost["bias"], lost["n_patients"]) == (0, 0, 0.5, 1)
    assert lost["loa_low"] is None


def test_strata_are_means_over_replicates_first(study):
    study.replicates = 2
    layout = study.layout
    for session in ("t0", "t1"):
        save_volume(layout.demyelinated("net@2", "1", session), image((0, 0, 0, 0, 0)), GRID, np.uint8)
    rows = [r for r in strata_rows(study) if (r["system"], r["session_id"]) == ("net", "ses-t0")]
    large = next(r for r in rows if r["stratum"] == "0.5 to 2 ml")
    assert (large["n_patients"], large["n_lesions"], large["dice"], large["share"]) == (1, 1, 0.5, 0.25)
    assert [gap["system"] for gap in study.gaps] == ["net@2"]  # no change map of the second training


def second_patient(study):
    """Patient 2: nothing demyelinated in the measured PET at t0, one voxel of the large lesion by the system."""
    study.subjects.append(Subject("2", "patient", 1, ("t0", "t1")))
    layout = study.layout
    save_volume(layout.label_mask("2", "t0", "L", space="dvrt0"), image((1, 1, 1, 1, 1)), GRID, np.uint8)
    save_volume(layout.csf_distance("2", "t0", space="dvrt0"), DISTANCE, GRID)
    for system, called in (("true", (0, 0, 0, 0, 0)), ("net", (0, 0, 0, 0, 0)), ("net@2", (1, 0, 0, 0, 0))):
        save_volume(layout.demyelinated(system, "2", "t0"), image(called), GRID, np.uint8)


def test_the_floor_is_over_the_patients_of_the_dice(study):
    second_patient(study)
    rows = [r for r in strata_rows(study) if (r["system"], r["session_id"]) == ("net", "ses-t0")]
    large = next(r for r in rows if r["stratum"] == "0.5 to 2 ml")
    assert (large["n_patients"], large["n_undefined"], large["dice"]) == (2, 1, 1)
    assert large["all_positive_dice"] == pytest.approx(2 / 3)  # not the mean with patient 2, whose floor would be 0
    far = next(r for r in rows if r["stratum"] == "10 mm and more")
    assert (far["n_undefined"], far["dice"], far["all_positive_dice"]) == (2, None, None)


def test_limits_are_of_each_training_and_then_averaged(study):
    """Shares minus the true ones: 0 and 0 by the first training, -1/2 and 1/4 by the second; true shares 1/2 and 0."""
    study.replicates = 2
    second_patient(study)
    save_volume(study.layout.demyelinated("net@2", "1", "t0"), image((0, 0, 0, 0, 0)), GRID, np.uint8)
    rows = [r for r in strata_rows(study) if (r["system"], r["session_id"]) == ("net", "ses-t0")]
    large = next(r for r in rows if r["stratum"] == "0.5 to 2 ml")
    half = 1.96 * 0.75 / np.sqrt(2) / 2  # the mean of 0 and 1.96 sd
    found = [large[name] for name in ("bias", "loa_low", "loa_high")]
    assert found == pytest.approx([-0.0625, -0.0625 - half, -0.0625 + half])


def test_made_up_change_by_hand(study):
    rows = {(row["system"], row["reference"]): row for row in hallucination_rows(study)}
    assert set(rows) == {
        ("true", "noise-free"),
        ("net", "noise-free"),
        ("net", "measured"),
        ("noise-free", "measured"),
        ("null", "unchanged"),
    }
    net = rows["net", "noise-free"]  # stable: voxels 0, 2, 3 and 4; called: 0 and 3 lost, 2 gained
    assert (net["n_stable"], net["n_demyelinating"], net["n_remyelinating"]) == (4, 2, 1)
    assert (net["share"], net["net_share"], net["false_discovery"]) == (0.75, 0.25, 1)
    assert (net["noise_share"], net["excess"]) == (0.25, 0.5)  # the measured PET calls voxel 0
    assert rows["net", "measured"]["noise_share"] is None  # no retest here
    null = rows["null", "unchanged"]
    assert (null["n_stable"], null["share"], null["net_share"]) == (4, 0.25, -0.25)


def test_summary_holds_each_system_against_noise():
    """Seven patients: the measured PET calls a tenth of the stable voxels, one system more, one less."""
    random, rows = np.random.default_rng(0), []
    for patient in range(7):
        noise = 0.1 + 0.01 * random.standard_normal()
        for system, share in (("true", noise), ("calm", noise - 0.05), ("wild", noise + 0.2), ("same", noise)):
            share += 0.01 * random.standard_normal() * (system != "true")
            row = {"share": share, "net_share": 0.0, "false_discovery": None, "noise_share": noise}
            head = {"system": system, "reference": "noise-free", "participant_id": str(patient), "replicate": 1}
            rows.append({**head, **row, "excess": share - noise})
    found = {row["system"]: row for row in hallucination_summary(rows, 1, 999)}
    told = {system: row["verdict"] for system, row in found.items()}
    assert told == {"true": None, "calm": "less than noise", "wild": "more than noise", "same": "not told apart"}
    assert found["wild"]["excess"] == pytest.approx(0.2, abs=0.02)
    assert found["wild"]["n"] == 7
    few = hallucination_summary([row for row in rows if row["participant_id"] in "01"], 1, 999)
    assert {row["verdict"] for row in few if row["system"] != "true"} == {"too few"}
    six = {row["system"]: row for row in hallucination_summary([r for r in rows if r["participant_id"] < "6"], 1, 999)}
    assert (six["wild"]["n"], six["wild"]["verdict"]) == (6, "too few")
    assert six["wild"]["excess_low"] > 0  # the interval stands, without a verdict


def test_a_map_of_other_labels_is_no_change_map(study):
    path = study.layout.change("net", "1", "t1")
    save_volume(path, image((1, 3, 7, 1, 4)), GRID, np.uint8)
    for rows in (strata_rows, hallucination_rows):
        with pytest.raises(InputError, match=r"not a map of change classes, .*, 7 in it, expected 0 to 4"):
            rows(study)


def test_no_lesion_has_no_stratum(study):
    for session in ("t0",):
        save_volume(study.layout.label_mask("1", session, "L", space="dvrt0"), image((0,) * 5), GRID, np.uint8)
    assert strata_rows(study) == []
    for system in CHANGES:
        save_volume(study.layout.change(system, "1", "t1"), image((0,) * 5), GRID, np.uint8)
    rows = hallucination_rows(study)
    assert {(row["n_stable"], row["share"], row["excess"]) for row in rows} == {(0, None, None)}
    assert all(row["n"] == 0 for row in hallucination_summary(rows, 1, 200))


def test_all_strata_have_names():
    assert names_of("voxel distance") == ["0 to 3 mm", "3 to 10 mm", "10 mm and more"]
    assert Run("net", 2).key == "net@2"


def test_a_prediction_that_is_not_held_out_has_no_agreement(mini):
    """Its maps are scored, so its record is asked for, as `evaluate` does."""
    path = sidecar_path(mini.layout.prediction("unet-l1", "003", "t1"))
    record = json.loads(path.read_text())
    words = mini.command("--out-dir", str(mini.root / "tables"))[1:]
    for spoilt, what in (({"Fold": 1}, "not held out"), ({"Participants": {"train": ["sub-003"]}}, "leak: the model")):
        path.write_text(json.dumps(record | spoilt))
        fault = CliRunner().invoke(app, ["agreement", *words]).exception
        assert isinstance(fault, InputError)
        assert what in str(fault)


def test_the_command_writes_five_tables(mini, tables):
    for label in ("001", "003"):
        save_volume(
            mini.layout.csf_distance(label, "t0", space="dvrt0"), DISTANCE, Grid(GRID.shape, np.diag([2.0, 2, 2, 1]))
        )
    head = {"lesion": 1, "kind": "baseline", "voxels": 8}
    path = mini.layout.lesion_table("true", "001", "t1")
    path.write_text("\t".join(LESION) + "\n" + "\t".join(str(head.get(name, "n/a")) for name in LESION) + "\n")
    mini.layout.lesion_table("ridge", "001", "t1").write_text("\t".join(LESION) + "\n")
    words = mini.command("--out-dir", str(mini.root / "tables"))
    result = CliRunner().invoke(app, ["agreement", *words[1:]], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for name, columns in (
        ("agreement_intervals", detail_columns.AGREEMENT_INTERVALS),
        ("agreement_strata", detail_columns.AGREEMENT_STRATA),
        ("hallucination", detail_columns.HALLUCINATION),
        ("hallucination_summary", detail_columns.HALLUCINATION_SUMMARY),
        ("lesions", detail_columns.LESIONS),
    ):
        table = mini.root / "tables" / f"{name}.tsv"
        rows, record = tables.read(table), tables.sidecar(table)
        assert rows, name
        assert list(rows[0]) == list(columns)
        assert all(record[column]["Description"] for column in columns)
        assert {
            "participant_id": "sub-001",
            "session_id": "t1",
            "system": "unet-l1",
            "missing": "lesion table",
        } in record["Gaps"]
    (lesion,) = tables.read(mini.root / "tables" / "lesions.tsv")
    assert (lesion["participant_id"], lesion["system"], lesion["voxels"]) == ("sub-001", "true", "8")
    called = tables.read(mini.root / "tables" / "hallucination.tsv")
    row = next(
        r for r in called if (r["system"], r["reference"], r["participant_id"]) == ("true", "noise-free", "sub-001")
    )
    assert (row["n_stable"], row["share"]) == ("8", str(3 / 8))  # the measured change of 3 voxels, where truth has none
    assert json.loads((mini.root / "tables" / "lesions.json").read_text())["GapCount"] > 0
