"""Regression against the normal equations, a real table, and its faults."""

import csv
import json

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import clinical  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.evaluation.clinical import COLUMNS, regress
from myelosynth.evaluation.scales import scale_of, scale_warnings


def people(n, seed=0):
    """n participants as text cells: score falls with the index, sex in letters."""
    rng = np.random.default_rng(seed)
    index, age, male = rng.uniform(0.05, 0.25, n), rng.uniform(20, 60, n), rng.integers(0, 2, n)
    male[:2] = 0, 1
    score = 4 - 8 * index + 0.02 * age + 0.5 * male + rng.normal(0, 0.3, n)
    rows = [
        {"participant_id": f"sub-{i:03d}", "edss": repr(s), "index": repr(x), "age": repr(a), "sex": "FM"[m]}
        for i, (s, x, a, m) in enumerate(
            zip(score.tolist(), index.tolist(), age.tolist(), male.tolist(), strict=True), start=1
        )
    ]
    return rows, score, np.column_stack([np.ones(n), index, age, male])


def write(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(path):
    with path.open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def run(table, out, predictor="index", covariates=("age", "sex"), extra=()):
    options = [item for name in covariates for item in ("--covariate", name)]
    arguments = ["clinical", str(table), "--response", "edss", "--predictor", predictor, *options, "--out", str(out)]
    return CliRunner().invoke(app, [*arguments, *extra])


def test_estimates_equal_the_normal_equations():
    rows, y, x = people(20)
    fit = regress(rows, "edss", "index", ["age", "sex"])
    b = np.linalg.lstsq(x, y, rcond=None)[0]
    residual = y - x @ b
    se = np.sqrt(residual @ residual / 16 * np.diag(np.linalg.inv(x.T @ x)))
    assert [row["term"] for row in fit.rows] == ["intercept", "index", "age", "male"]
    half = stats.t.ppf(0.975, 16) * se
    for i, row in enumerate(fit.rows):
        assert row["coefficient"] == pytest.approx(b[i])
        assert row["standard_error"] == pytest.approx(se[i])
        assert row["t"] == pytest.approx(b[i] / se[i])
        assert row["p"] == pytest.approx(2 * stats.t.sf(abs(b[i] / se[i]), 16))
        assert (row["ci_low"], row["ci_high"]) == (pytest.approx(b[i] - half[i]), pytest.approx(b[i] + half[i]))
        assert (row["n"], row["df"]) == (20, 16)
        assert row["r2"] == pytest.approx(1 - residual @ residual / ((y - y.mean()) ** 2).sum())
        beta = b[i] * x[:, i].std(ddof=1) / y.std(ddof=1) if i else None
        assert row["beta"] == pytest.approx(beta)


@pytest.mark.realdata
def test_real_example_is_reproduced(realdata, tmp_path):
    example = realdata / "regression_example"
    outcome = run(example / "table.tsv", tmp_path / "out.tsv", predictor="lesion_load_ml")
    assert outcome.exit_code == 0, outcome.exception
    expected = json.loads((example / "expected.json").read_text())
    rows = read(tmp_path / "out.tsv")
    assert list(rows[0]) == list(COLUMNS)
    assert [row["term"] for row in rows] == ["intercept", "lesion_load_ml", "age", "male"]
    for row in rows:
        for name, value in expected[row["term"]].items():
            assert row[name] == "n/a" if value is None else float(row[name]) == pytest.approx(value, rel=1e-9)
        assert (int(row["n"]), int(row["df"])) == (expected["n"], expected["df"])
        assert float(row["r2"]) == pytest.approx(expected["r2"])
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["n_dropped"] == expected["dropped"]
    assert record["dropped_participants"] == ["patient03", "patient20"]


def test_missing_values_are_dropped_and_named(tmp_path):
    rows, *_ = people(12)
    rows[2]["edss"], rows[5]["sex"], rows[7]["age"] = "n/a", "n/a", ""
    outcome = run(write(tmp_path / "t.tsv", rows), tmp_path / "out.tsv")
    assert outcome.exit_code == 0, outcome.exception
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["dropped_participants"] == ["sub-003", "sub-006", "sub-008"]
    assert read(tmp_path / "out.tsv")[0]["n"] == "9"


@pytest.mark.parametrize("n", [2, 4])
def test_too_few_participants_give_an_empty_table_and_a_note(tmp_path, n):
    rows, *_ = people(n)
    outcome = run(write(tmp_path / "t.tsv", rows), tmp_path / "out.tsv")
    assert outcome.exit_code == 0, outcome.exception
    table = read(tmp_path / "out.tsv")
    assert [row["term"] for row in table] == ["intercept", "index", "age", "male"]
    assert {row[name] for row in table for name in ("coefficient", "p", "beta", "r2")} == {"n/a"}
    assert {(row["n"], row["df"]) for row in table} == {(str(n), str(n - 4))}
    assert f"n = {n} is too small" in json.loads((tmp_path / "out.json").read_text())["note"]


def test_six_participants_are_estimated_and_flagged():
    fit = regress(people(6)[0], "edss", "index", ["age"])
    assert fit.too_small
    assert "too small for a conclusion" in fit.note
    assert fit.rows[1]["coefficient"] is not None
    assert not regress(people(7)[0], "edss", "index", ["age"]).too_small


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: [row.pop("index") for row in rows], "no index; found participant_id, edss, age, sex"),
        (lambda rows: rows[3].update(index="high"), "index holds 'high'"),
        (lambda rows: rows[3].update(sex="1"), "codes and numbers in one column.*sex holds codes of sex and '1'"),
        (lambda rows: rows[3].update(age="O"), "codes and numbers in one column.*age holds"),
        (lambda rows: [row.update(index="0.5") for row in rows], "column is constant.*index has one value in all 12"),
        (lambda rows: [row.update(sex="F") for row in rows], "sex has one value"),
        (lambda rows: [row.update(age=row["index"]) for row in rows], "columns depend on one another"),
        (lambda rows: rows[3].update(participant_id="sub-001"), "participant listed twice.*sub-001"),
    ],
)
def test_faults_are_named_and_leave_nothing_behind(tmp_path, spoil, message):
    rows, *_ = people(12)
    spoil(rows)
    outcome = run(write(tmp_path / "t.tsv", rows), tmp_path / "out.tsv")
    assert isinstance(outcome.exception, InputError)
    with pytest.raises(InputError, match=message):
        raise outcome.exception
    assert not list(tmp_path.glob("*out*"))


def test_where_keeps_one_system(tmp_path):
    rows, *_ = people(10)
    other, *_ = people(10, seed=1)
    both = [{"system": "true", **row} for row in rows] + [{"system": "ridge", **row} for row in other]
    table = write(tmp_path / "t.tsv", both)
    assert run(table, tmp_path / "out.tsv", extra=["--where", "system=true"]).exit_code == 0
    alone = regress(rows, "edss", "index", ["age", "sex"]).rows[1]["coefficient"]
    assert float(read(tmp_path / "out.tsv")[1]["coefficient"]) == pytest.approx(alone)
    fault = run(table, tmp_path / "no.tsv", extra=["--where", "system=unet"]).exception
    assert "found ridge, true" in str(fault)


def test_scores_are_checked_against_their_scale(tmp_path):
    rows, *_ = people(12)
    for place, row in enumerate(rows):
        row["edss"] = str(place / 2)
    outcome = run(write(tmp_path / "t.tsv", rows), tmp_path / "out.tsv")
    assert outcome.exit_code == 0, outcome.exception
    (line,) = json.loads((tmp_path / "out.json").read_text())["Warnings"]
    assert line.startswith("edss 0.5 is no step of the scale")
    assert outcome.stderr == f"warning: {line}\n"
    rows[4]["edss"] = "99"
    fault = run(write(tmp_path / "t.tsv", rows), tmp_path / "no.tsv").exception
    assert "line 6, edss is 99, expected 0 to 10" in str(fault)


@pytest.mark.parametrize("code", ["O", "other", "X"])
def test_another_sex_is_missing_and_told(tmp_path, code):
    """BIDS has O for other: no fault of the table, and nobody's sex is guessed."""
    rows, *_ = people(12)
    rows[4]["sex"] = rows[6]["sex"] = code
    flow = ["--flow", str(tmp_path / "flow.tsv")]
    outcome = run(write(tmp_path / "t.tsv", rows), tmp_path / "out.tsv", extra=flow)
    assert outcome.exit_code == 0, outcome.exception
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["dropped_participants"] == ["sub-005", "sub-007"]
    (line,) = [line for line in record["Warnings"] if "sex" in line]
    assert line == f"sex {code} is neither M nor F, missing in the regression: sub-005, sub-007"
    assert f"warning: {line}" in outcome.stderr.splitlines()
    table = read(tmp_path / "out.tsv")
    assert (table[-1]["term"], table[-1]["n"]) == ("male", "10")
    lost = {row["stage"]: row["lost_participants"] for row in read(tmp_path / "flow.tsv")}
    assert lost["with sex"] == "sub-005, sub-007"
    assert read(tmp_path / "flow.tsv")[-1]["n"] == "10"


def test_rows_that_are_not_kept_are_not_checked(tmp_path):
    rows, *_ = people(10)
    other = [{**row, "edss": "0.5"} for row in people(10, seed=1)[0]]
    other[2]["edss"] = "11"
    both = [{"system": "ridge", **row} for row in other] + [{"system": "true", **row} for row in rows]
    both[13]["edss"] = "0.5"
    table = write(tmp_path / "t.tsv", both)
    assert run(table, tmp_path / "out.tsv", extra=["--where", "system=true"]).exit_code == 0
    warnings = json.loads((tmp_path / "out.json").read_text())["Warnings"]
    assert warnings[0] == "edss 0.5 is no step of the scale (0, 1, 1.5, 2 to 10), kept as it is: t.tsv line 15"
    fault = run(table, tmp_path / "no.tsv", extra=["--where", "system=ridge"]).exception
    assert "line 4, edss is 11, expected 0 to 10" in str(fault)


@pytest.mark.parametrize(
    ("column", "scale"),
    [("EDSS_t0", "edss"), ("msss_ses-t1", "msss"), ("edss baseline", "edss"), ("delta_edss", None), ("edss_t", None)],
)
def test_a_score_is_known_by_its_name_with_a_session(tmp_path, column, scale):
    """A change of EDSS may be negative; the EDSS of a session may not."""
    assert scale_of(column) == scale
    rows = [{"participant_id": "a", column: "2"}, {"participant_id": "b", column: "-1"}]
    if scale is None:
        assert scale_warnings(rows, column, "t.tsv") == []
    else:
        with pytest.raises(InputError, match=rf"t\.tsv line 3, {column} is -1, expected 0 to 10"):
            scale_warnings(rows, column, "t.tsv")


def test_further_tables_of_any_table(tmp_path):
    rows, *_ = people(20)
    rows[2]["age"] = "n/a"
    more = [word for name in ("influence", "checks", "flow") for word in (f"--{name}", str(tmp_path / f"{name}.tsv"))]
    outcome = run(write(tmp_path / "t.tsv", rows), tmp_path / "out.tsv", extra=[*more, "--bootstrap", "200"])
    assert outcome.exit_code == 0, outcome.exception
    influence, (checks,), flow = (read(tmp_path / f"{name}.tsv") for name in ("influence", "checks", "flow"))
    assert len(influence) == 1 + 19
    assert influence[0]["left_out"] == "n/a"
    assert "sub-003" not in {row["left_out"] for row in influence}
    assert (checks["n"], checks["df"]) == ("19", "15")
    assert [row["lost_participants"] for row in flow if row["lost"] == "1"] == ["sub-003"]
    assert json.loads((tmp_path / "checks.json").read_text())["Bootstrap"] == {"resamples": 200, "seed": 1}
    clash = run(tmp_path / "t.tsv", tmp_path / "x.tsv", extra=["--flow", str(tmp_path / "x.tsv")]).exception
    assert "outputs share a sidecar" in str(clash)
