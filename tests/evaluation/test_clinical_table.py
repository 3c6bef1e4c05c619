"""Indices beside scores, and the paper's regressions on them."""

import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import evaluation  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.evaluation.clinical import regress
from myelosynth.evaluation.clinical_table import read_indices, regressions
from myelosynth.evaluation.columns import CLINICAL_TABLE


def build(mini, out):
    where = ["--index", str(mini.index), "--raw", str(mini.raw), "--results", str(mini.root), "--out", str(out)]
    return CliRunner().invoke(app, ["clinical-table", *where, "--system", "true", "--system", "ridge"])


def test_one_row_per_patient_and_system_with_baseline_scores(mini, tmp_path, tables):
    assert build(mini, tmp_path / "out.tsv").exit_code == 0
    rows = tables.read(tmp_path / "out.tsv")
    assert list(rows[0]) == list(CLINICAL_TABLE)
    assert [(row["participant_id"], row["system"]) for row in rows] == [
        (f"sub-00{n}", system) for n in (1, 2, 3) for system in ("true", "ridge")
    ]
    assert (rows[0]["edss"], rows[0]["age"], rows[0]["remyelination"]) == ("1", "31", "0.25")
    assert (rows[2]["edss"], rows[2]["remyelination"]) == ("2", "n/a")
    assert rows[4]["edss"] == "n/a"
    gaps = tables.sidecar(tmp_path / "out.tsv")["Gaps"]
    assert gaps == [
        {"participant_id": "sub-002", "session_id": "t1", "system": "true", "missing": "indices"},
        {"participant_id": "sub-002", "session_id": "t1", "system": "ridge", "missing": "indices"},
        {"participant_id": "sub-003", "session_id": "t0", "system": "n/a", "missing": "EDSS, MSSS, T2 lesion load"},
    ]


def test_a_score_that_is_not_available_is_a_gap_like_an_absent_row(mini, tmp_path, tables):
    scores = mini.raw / "phenotype" / "edss.tsv"
    lines = [line.split("\t") for line in scores.read_text().splitlines()]
    column = lines[0].index("edss")
    for line in lines[1:]:
        line[column] = "n/a" if line[0] == "sub-001" else line[column]
    scores.write_text("\n".join(map("\t".join, lines)) + "\n")
    (mini.raw / "participants.tsv").write_text("participant_id\tgroup\nsub-001\tpatient\n")
    assert build(mini, tmp_path / "out.tsv").exit_code == 0
    gaps = {gap["participant_id"]: gap["missing"] for gap in tables.sidecar(tmp_path / "out.tsv")["Gaps"][:1]}
    assert gaps == {"sub-001": "age, sex, EDSS"}


def test_a_patient_without_lesions_has_no_indices_and_a_gap(mini, tmp_path, tables):
    path = mini.layout.indices("ridge", "001", "t1")
    path.write_text(path.read_text().splitlines()[0] + "\n" + "\t".join(6 * ["n/a"]) + "\n")
    out = tmp_path / "table.tsv"
    assert build(mini, out).exit_code == 0
    (row,) = [r for r in tables.read(out) if (r["participant_id"], r["system"]) == ("sub-001", "ridge")]
    assert (row["demyelination"], row["coverage"], row["edss"]) == ("n/a", "n/a", "1")
    gap = {"participant_id": "sub-001", "session_id": "t1", "system": "ridge"}
    assert gap | {"missing": "indices: no lesion voxel with a DVR"} in tables.sidecar(out)["Gaps"]


def test_a_study_without_scores_has_a_table_and_one_gap(mini, tmp_path, tables):
    (mini.raw / "phenotype" / "edss.tsv").unlink()
    assert build(mini, tmp_path / "out.tsv").exit_code == 0
    assert {row["edss"] for row in tables.read(tmp_path / "out.tsv")} == {"n/a"}
    gaps = [gap["missing"] for gap in tables.sidecar(tmp_path / "out.tsv")["Gaps"]]
    assert gaps.count("phenotype/edss.tsv") == 1
    assert not any("EDSS" in gap for gap in gaps)


def cohort(systems, n=15):
    rng = np.random.default_rng(8)
    remyelination, load = rng.uniform(0.05, 0.25, n), rng.uniform(1, 30, n)
    rows = []
    for i in range(n):
        for system in systems:
            seen = 0.0 if system == "mean-atlas" else remyelination[i] + (0.001 * i if system != "true" else 0)
            rows.append(
                {
                    "participant_id": f"sub-{i:03d}",
                    "system": system,
                    "age": str(25 + 2 * i % 17),
                    "sex": "FMF"[i % 3],
                    "edss": repr(float(5 - 14 * remyelination[i] + rng.normal(0, 0.2))),
                    "t2_lesion_load_ml": repr(float(load[i])),
                    "demyelination": repr(float(rng.uniform(0, 0.2))) if seen else "0.0",
                    "remyelination": repr(float(seen)),
                }
            )
    return rows


COVARIATES = ["age", "sex", "t2_lesion_load_ml"]


def test_every_system_has_the_papers_regressions():
    table = cohort(["true", "refiner-cf-sagan-nwl1"])
    rows = regressions(table, "edss", ["demyelination", "remyelination"], COVARIATES, "t")
    assert len(rows) == 2 * 2 * 5
    own = regress([row for row in table if row["system"] == "true"], "edss", "remyelination", COVARIATES).rows[1]
    (found,) = [r for r in rows if (r["system"], r["term"]) == ("true", "remyelination")]
    assert {key: found[key] for key in own} == own
    assert (found["df"], found["published_beta"], found["published_p"]) == (10, -0.703, 0.021)
    assert found["too_small"] is False
    (found,) = [r for r in rows if (r["system"], r["term"]) == ("refiner-cf-sagan-nwl1", "remyelination")]
    assert found["published_beta"] == -0.734


def test_an_index_that_never_changes_is_noted_and_not_a_crash():
    rows = regressions(cohort(["mean-atlas", "true"]), "edss", ["remyelination"], COVARIATES, "t")
    flat = [row for row in rows if row["system"] == "mean-atlas"]
    assert [row["term"] for row in flat] == ["intercept", "remyelination", "age", "male", "t2_lesion_load_ml"]
    assert all("p" not in row and "constant" in row["note"] for row in flat)
    assert all(row["p"] is not None for row in rows if row["system"] == "true")


def test_summary_of_a_tiny_cohort_is_flagged(mini, tmp_path, tables):
    build(mini, tmp_path / "table.tsv")
    outcome = CliRunner().invoke(
        app, ["clinical-summary", str(tmp_path / "table.tsv"), "--out", str(tmp_path / "out.tsv")]
    )
    assert outcome.exit_code == 0, outcome.exception
    rows = tables.read(tmp_path / "out.tsv")
    assert {row["too_small"] for row in rows} == {"true"}
    assert {row["predictor"] for row in rows} == {"demyelination", "remyelination"}
    assert "n = 1 is too small" in rows[0]["note"]


def test_indices_must_be_one_row(tmp_path):
    path = tmp_path / "i.tsv"
    path.write_text("percent_t0\tpercent_t1\tglobal\tdemyelination\tremyelination\tcoverage\n")
    with pytest.raises(InputError, match="0 rows"):
        read_indices(path)
