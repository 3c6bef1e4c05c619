"""Pictures and tables of the agreement: what they hold, and what they say where there is nothing to show."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myelosynth.bids.index import SessionIndex
from myelosynth.bids.layout import Layout
from myelosynth.evaluation.agreement_intervals import interval_rows
from myelosynth.evaluation.columns import INDICES
from myelosynth.evaluation.detail_columns import AGREEMENT_INTERVALS, AGREEMENT_STRATA, HALLUCINATION_SUMMARY
from myelosynth.evaluation.tables import write_table
from myelosynth.myelin.lesions import COLUMNS
from myelosynth.reports.agreement_plots import bland_altman_plots, index_scatter, strata_dots
from myelosynth.reports.agreement_tables import hallucination_table, interval_table
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.lesions import LesionTable, lesion_table
from myelosynth.reports.page import Gap, Picture
from myelosynth.reports.tables import MISSING

MAIN = "ridge"


@pytest.fixture
def cohort(tmp_path: Path) -> CohortInputs:
    return CohortInputs(Layout(tmp_path), SessionIndex(tmp_path, ()), tmp_path / "tables", (MAIN,), MAIN, None)


def write(cohort: CohortInputs) -> None:
    """Five patients; the predicted global index of the last is on the wrong side of zero."""
    random, rows = np.random.default_rng(1), []
    for n in range(5):
        truth = {"percent_t0": 0.5, "percent_t1": 0.5, "global": 0.05 * (n + 1), "demyelination": 0.1 * n}
        truth |= {"remyelination": 0.2, "coverage": 1.0}
        for system in ("true", MAIN, "retest"):
            noise = 0.0 if system == "true" else 0.02 * random.standard_normal()
            values = {name: value + noise for name, value in truth.items()}
            if system == MAIN and n == 4:
                values["global"] = -0.1
            rows.append({"system": system, "replicate": 1, "participant_id": f"sub-{n}", "fold": 1, **values})
    folder = cohort.tables
    write_table(folder / "indices.tsv", INDICES, rows, [])
    write_table(folder / "agreement_intervals.tsv", AGREEMENT_INTERVALS, interval_rows(rows), [])
    strata = []
    for system, dice in ((MAIN, 0.7), ("retest", 0.9), ("other", 0.1)):
        for stratum, undefined in (("0 to 0.1 ml", False), ("2 ml and more", True)):
            head = {"system": system, "session_id": "ses-t0", "map": "demyelinated", "stratified_by": "lesion size"}
            value = None if undefined and system == MAIN else dice
            strata.append({**head, "stratum": stratum, "n_lesions": 3, "dice": value, "all_positive_dice": 0.6})
    write_table(folder / "agreement_strata.tsv", AGREEMENT_STRATA, strata, [])
    called = [{"system": MAIN, "reference": "noise-free", "n": 5, "share": 0.25, "net_share": -0.1, "noise_share": 0.1}]
    called[0] |= {"excess": 0.15, "excess_low": 0.05, "excess_high": 0.2, "verdict": "more than noise"}
    called += [{"system": "true", "reference": "noise-free", "n": 5, "share": 0.1, "noise_share": 0.1}]
    write_table(folder / "hallucination_summary.tsv", HALLUCINATION_SUMMARY, called, [])


def test_pictures(cohort: CohortInputs) -> None:
    write(cohort)
    scatter, differences, strata = index_scatter(cohort), bland_altman_plots(cohort), strata_dots(cohort)
    assert all(isinstance(picture, Picture) for picture in (scatter, differences, strata))
    assert "wrong sign in 1 of 5 patients" in scatter.alt
    row = next(
        r
        for r in pd.read_csv(cohort.tables / "agreement_intervals.tsv", sep="\t").to_dict("records")
        if (r["system"], r["index"]) == (MAIN, "demyelination")
    )
    assert f"demyelination bias {100 * row['bias']:+.1f}".replace("-", "−") in differences.alt
    ax = differences.figure.axes[2]
    heights = [line.get_ydata()[0] for line in ax.get_lines() if len(set(np.ravel(line.get_ydata()))) == 1]
    limits = pd.read_csv(cohort.tables / "agreement_intervals.tsv", sep="\t")
    wanted = limits[(limits["system"] == MAIN) & (limits["index"] == "global")].iloc[0]
    for name in ("bias", "loa_low", "loa_high"):
        assert any(np.isclose(height, 100 * wanted[name]) for height in heights), name
    labels = [text.get_text() for text in strata.figure.axes[0].get_xticklabels()]
    assert labels == ["0–0.1 ml\nn = 3", "≥ 2 ml\nn = 3"]


def test_tables(cohort: CohortInputs) -> None:
    write(cohort)
    called = hallucination_table(cohort)
    assert [row[:2] for row in called.rows] == [["Measured PET", "noise-free"], ["Ridge regression", "noise-free"]]
    assert called.rows[1][2:9] == ["5", "25.0", "−10.0", "10.0", "+15.0", "+5.0 to +20.0", "more than noise"]
    assert called.rows[0][7:9] == [MISSING, MISSING]
    intervals = interval_table(cohort)
    assert {row[1] for row in intervals.rows} == {"Ridge regression", "Retest (second noise draw)"}
    assert all(len(row) == len(intervals.columns) for row in intervals.rows)


def test_nothing_to_show_is_told(cohort: CohortInputs) -> None:
    for show in (index_scatter, bland_altman_plots, strata_dots, hallucination_table, interval_table):
        assert isinstance(show(cohort), Gap), show


def lesions(path: Path, *rows: dict) -> Path:
    write_table(path, COLUMNS, rows, [])
    return path


def test_lesions_of_a_patient(tmp_path: Path) -> None:
    old = {"kind": "baseline", "volume_ml": 0.5, "distance_mm": 3.25, "percent_t0": 0.25, "percent_t1": 0.75}
    place = {"x": 1.0, "y": -2.0, "z": 3.0}
    rows = [{**old, **place, "lesion": n, "voxels": 50 - n, "state": "mixed"} for n in range(1, 43)]
    new = {**place, "lesion": 1, "kind": "new", "voxels": 99, "volume_ml": 1.0, "distance_mm": 0.0, "state": "new"}
    path = lesions(tmp_path / "true_lesions.tsv", new, *rows)
    other = lesions(tmp_path / "pred_lesions.tsv", *[{**row, "percent_t0": 0.5} for row in rows], new)
    found = lesion_table(path, other)
    assert isinstance(found, LesionTable)
    assert found.table.rows[0] == ["1", "0.50", "3.2", "25.0", "75.0", "mixed", "50.0", "75.0", "mixed"]
    assert len(found.table.rows) == len(found.places) == 41
    assert found.table.notes[-1] == "2 smaller lesions are in true_lesions.tsv only."
    assert found.places[0] == (1, -2, 3)
    assert found.new.startswith("New lesions at t1 were not looked for")
    record = {"NewLesions": 1, "NewLesionVolumeML": 1.0, "GrownVolumeML": 0.0}
    path.with_suffix(".json").write_text(json.dumps(record))
    few = lesion_table(lesions(tmp_path / "few_lesions.tsv", new, *rows[:2]))
    assert [row[0] for row in few.table.rows] == ["1", "2", "new 1"]
    assert few.table.notes[0].startswith("A lesion changes where at least 20 % of its voxels do")
    assert few.table.columns[3:] == ["Demyelinated t0 (%)", "t1 (%)", "State"]
    assert lesion_table(path).new == "1 new lesion at t1 (1.00 ml), in no index; 0.00 ml more beside baseline lesions."


def test_a_covered_part_is_told(tmp_path: Path) -> None:
    row = {
        "kind": "baseline",
        "volume_ml": 0.5,
        "distance_mm": 3.25,
        "percent_t0": 0.25,
        "percent_t1": 0.75,
        "voxels": 9,
    }
    row |= {"x": 1.0, "y": -2.0, "z": 3.0}
    parts = [(1, 1.0, "mixed"), (2, 0.9996, "mixed"), (3, 0.25, "too small to tell"), (4, 0.0, None)]
    rows = [{**row, "lesion": lesion, "coverage": part, "state": state} for lesion, part, state in parts]
    found = lesion_table(lesions(tmp_path / "part_lesions.tsv", *rows))
    told = ["mixed", "mixed (99.9 % covered)", "too small to tell (25 % covered)", "– (0 % covered)"]
    assert [cells[-1] for cells in found.table.rows] == told
    assert found.table.notes[1].startswith("Covered: ")
    whole = lesion_table(lesions(tmp_path / "whole_lesions.tsv", rows[0]))
    assert len(whole.table.notes) == 1


def test_no_lesions_are_a_gap(tmp_path: Path) -> None:
    assert lesion_table(tmp_path / "none.tsv").why == "no table of lesions has been made"
    assert lesion_table(lesions(tmp_path / "empty_lesions.tsv")).why == "the baseline mask has no lesion voxel"
