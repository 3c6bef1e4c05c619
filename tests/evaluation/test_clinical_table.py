"""Indices beside scores, and the paper's regressions on them."""

import re

import pytest
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import clinical  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.evaluation.clinical_columns import TABLE
from myelosynth.evaluation.clinical_table import read_indices


def build(mini, out):
    where = ["--index", str(mini.index), "--raw", str(mini.raw), "--results", str(mini.root), "--out", str(out)]
    return CliRunner().invoke(app, ["clinical-table", *where, "--system", "true", "--system", "ridge"])


def test_one_row_per_patient_and_system_with_baseline_scores(mini, tmp_path, tables):
    assert build(mini, tmp_path / "out.tsv").exit_code == 0
    rows = tables.read(tmp_path / "out.tsv")
    assert list(rows[0]) == list(TABLE)
    assert [(row["participant_id"], row["system"]) for row in rows] == [
        (f"sub-00{n}", system) for n in (1, 2, 3) for system in ("true", "ridge")
    ]
    assert (rows[0]["edss"], rows[0]["age"], rows[0]["remyelination"]) == ("1", "31", "25.0")
    assert (rows[2]["edss"], rows[2]["remyelination"]) == ("2", "n/a")
    assert rows[4]["edss"] == "n/a"
    assert [row["follow_up"] for row in rows[::2]] == ["true", "false", "true"]
    units = {name: tables.sidecar(tmp_path / "out.tsv")[name]["Units"] for name in ("global", "coverage")}
    assert units == {"global": "percent points of the baseline lesion volume", "coverage": "1"}
    assert (rows[0]["global"], rows[0]["coverage"]) == ("-12.5", "1.0"), "points, and a share that is none"
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


def test_indices_must_be_one_row(tmp_path):
    path = tmp_path / "i.tsv"
    path.write_text("percent_t0\tpercent_t1\tglobal\tdemyelination\tremyelination\tcoverage\n")
    with pytest.raises(InputError, match="0 rows"):
        read_indices(path)


def add_score(mini, line):
    path = mini.raw / "phenotype" / "edss.tsv"
    path.write_text(path.read_text() + line + "\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sub-001\tses-t0\t3\t4\t2", "participant listed twice.*edss.tsv, sub-001 ses-t0 on lines 2 and 5"),
        ("001\tt0\t3\t4\t2", "participant listed twice.*001 t0 on lines 2 and 5"),
        ("sub-003\tses-t0\t10.5\t4\t2", "score outside its scale.*edss.tsv line 5, edss is 10.5, expected 0 to 10"),
        ("sub-003\tses-t0\t-1\t4\t2", "edss is -1, expected 0 to 10"),
        ("sub-003\tses-t0\t3\t11\t2", "line 5, msss is 11, expected 0 to 10"),
        ("sub-003\tses-t0\tmild\t4\t2", "not a number.*line 5, edss holds 'mild'"),
    ],
)
def test_faults_of_the_scores_are_one_line_and_leave_nothing(mini, tmp_path, line, message):
    add_score(mini, line)
    outcome = build(mini, tmp_path / "out.tsv")
    assert isinstance(outcome.exception, InputError)
    assert re.search(message, str(outcome.exception)), outcome.exception
    assert not list(tmp_path.glob("out*"))


def test_a_participant_listed_twice_is_refused(mini, tmp_path):
    path = mini.raw / "participants.tsv"
    path.write_text(path.read_text() + "sub-002\t77\tM\tpatient\n")
    with pytest.raises(InputError, match=r"participant listed twice.*participants\.tsv, sub-002 on lines 3 and 6"):
        raise build(mini, tmp_path / "out.tsv").exception


def test_scores_between_the_steps_are_kept_and_told_once(mini, tmp_path, tables):
    add_score(mini, "sub-003\tses-t0\t0.5\t4\t2\nsub-003\tses-t1\t2.3\t4\t2")
    outcome = build(mini, tmp_path / "out.tsv")
    assert outcome.exit_code == 0, outcome.exception
    told = [
        "edss 0.5 is no step of the scale (0, 1, 1.5, 2 to 10), kept as it is: edss.tsv line 5",
        "edss 2.3 is no step of the scale (0, 1, 1.5, 2 to 10), kept as it is: edss.tsv line 6",
    ]
    assert tables.sidecar(tmp_path / "out.tsv")["Warnings"] == told
    assert outcome.stderr.splitlines() == [f"warning: {line}" for line in told]
    assert tables.read(tmp_path / "out.tsv")[4]["edss"] == "0.5"
