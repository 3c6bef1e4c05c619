"""A healthy study passes its negative controls, and each planted failure is flagged."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.cli import commands  # noqa: F401  (registers every command)
from myelosynth.cli.app import app
from myelosynth.evaluation.cases import complete_cases
from myelosynth.evaluation.clinical import fitted
from myelosynth.evaluation.clinical_summary import Model
from myelosynth.evaluation.negative_controls import (
    COLUMNS,
    DESCRIBED,
    EXPECTED,
    FEW,
    UNEXPECTED,
    UNSHOWN,
    pair_rows,
    permuted_score_rows,
    unchanged_rows,
)
from myelosynth.evaluation.null_table import COLUMNS as NULLS
from myelosynth.evaluation.permutation import index_tests
from myelosynth.evaluation.tables import write_table

COVARIATES = ("age", "sex", "t2_lesion_load_ml")


def scores(permuted, n=18, floor="mean-atlas", real=0.04):
    """Patients with an error of `real` where pairs are true, of `permuted` where not, and of .08 for the floor."""
    noise = 0.005 * np.random.default_rng(3).standard_normal((3, n))
    ways = [("real", "ridge", real), ("permuted", "ridge", permuted)] + ([("floor", floor, 0.08)] if floor else [])
    return [
        {
            "participant_id": f"sub-{number:02d}",
            "trained": trained,
            "system": system,
            "lesion_mae": error + noise[way, number],
            "lesion_correlation": 0.9 - 5 * (error + noise[way, number]),
        }
        for way, (trained, system, error) in enumerate(ways)
        for number in range(n)
    ]


def verdicts(rows):
    return {row["measure"]: row["verdict"] for row in rows}


def test_permuted_pairs_that_lose_the_skill_are_as_expected():
    rows = pair_rows(scores(permuted=0.08), 1, 999)
    assert verdicts(rows) == {
        "lesion_mae": EXPECTED,
        "lesion_mae, gain over mean-atlas": DESCRIBED,
        "lesion_correlation": EXPECTED,
        "lesion_correlation, gain over mean-atlas": DESCRIBED,
    }
    error = rows[0]
    assert error["ci_low"] < error["control_value"] - error["real"] < error["ci_high"]
    assert error["ci_low"] > 0.035
    assert (error["system"], error["n"]) == ("ridge", 18)
    gain = rows[1]
    assert gain["real"] == pytest.approx(0.04, abs=0.004)
    assert gain["ci_low"] < gain["control_value"] < gain["ci_high"]


@pytest.mark.parametrize(("permuted", "verdict"), [(0.04, UNSHOWN), (0.03, UNEXPECTED)])
def test_a_system_that_scores_as_before_shows_no_fall_and_one_that_scores_better_is_flagged(permuted, verdict):
    found = verdicts(pair_rows(scores(permuted), 1, 999))
    assert found["lesion_mae"] == found["lesion_correlation"] == verdict


def test_pairs_that_were_never_permuted_are_flagged():
    real = [row for row in scores(0.08) if row["trained"] != "permuted"]
    same = [row | {"trained": "permuted"} for row in real if row["trained"] == "real"]
    rows = pair_rows(real + same, 1, 999)
    assert [row["verdict"] for row in rows] == [UNEXPECTED, DESCRIBED, UNEXPECTED, DESCRIBED]
    assert (rows[0]["ci_low"], rows[0]["ci_high"]) == (0, 0)


def test_few_patients_decide_nothing():
    assert verdicts(pair_rows(scores(0.08, n=6), 1, 999))["lesion_mae"] == FEW
    assert len(pair_rows(scores(0.08, floor=None), 1, 999)) == 2


def clinic(n=18, lone=False, effect=0.0):
    """Patients whose score follows an index by `effect`, or one of whom alone has a score and an index (`lone`)."""
    random = np.random.default_rng(5)
    index, load = random.uniform(0, 20, n), random.uniform(1, 30, n)
    score = 3 + effect * (index - 10) + random.normal(0, 0.8, n)
    if lone:
        index, score = 20.0 * (np.arange(n) == 0), score * 1e-3 + 6.0 * (np.arange(n) == 0)
    return [
        {
            "participant_id": f"sub-{i:02d}",
            "system": "true",
            "age": str(30 + i * 7 % 23),
            "sex": "FM"[i % 2],
            "edss": repr(float(score[i])),
            "t2_lesion_load_ml": repr(float(load[i])),
            "global": repr(float(index[i])),
        }
        for i in range(n)
    ]


def permuted(table, covariates=COVARIATES):
    rows = permuted_score_rows(table, Model(("edss",), ("global",), covariates, resamples=1000, seed=2), "table")
    return {row["measure"]: row for row in rows}


def test_shuffled_scores_are_tested_as_statsmodels_tests_them():
    cases = complete_cases(clinic(effect=0.1), "edss", "global", COVARIATES, "table")
    shuffled = np.column_stack([cases.response, np.random.default_rng(1).permutation(cases.response)])
    t, p = index_tests(cases, shuffled)
    fit = fitted(cases)
    assert (t[0], p[0]) == pytest.approx((fit.tvalues[1], fit.pvalues[1]))
    assert abs(t[1]) != pytest.approx(abs(t[0]))


def test_shuffled_scores_are_significant_in_one_of_twenty_regressions():
    rows = permuted(clinic(effect=0.2))
    share, p = rows["edss ~ global, p < .05"], rows["edss ~ global, p"]
    assert share["ci_low"] < 0.05 < share["ci_high"]
    assert (share["real"], share["verdict"], share["n"]) == (1.0, EXPECTED, 18)
    assert p["real"] < 0.01
    assert p["control_value"] < 0.02
    assert p["verdict"] == EXPECTED


def test_a_regression_that_one_patient_makes_is_flagged():
    # One in ten shuffles puts the one score onto the one index: t says p = 1e-10, shuffling says p = .1.
    rows = permuted(clinic(n=10, lone=True), covariates=())
    share, p = rows["edss ~ global, p < .05"], rows["edss ~ global, p"]
    assert share["ci_low"] > 0.05
    assert share["verdict"] == UNEXPECTED
    assert p["real"] < 1e-6 < 0.06 < p["control_value"]
    assert p["verdict"] == UNEXPECTED


def test_few_patients_and_no_regression_are_told():
    assert permuted(clinic(n=6), covariates=())["edss ~ global, p"]["verdict"] == FEW
    constant = [row | {"global": "0.0"} for row in clinic()]
    (row,) = permuted_score_rows(constant, Model(("edss",), ("global",), COVARIATES, resamples=100), "table")
    assert (row["n"], row["verdict"]) == (0, "not made: no regression could be estimated")


def nulls(beyond, patients=20, system="null-scan"):
    """Patients with two indices; of the first, `beyond` of them lie outside their interval."""
    return [
        {
            "system": name,
            "participant_id": f"sub-{number:02d}",
            "index": index,
            "level": 0.95,
            "outside": number < (beyond if name == system else 15) and index == "global",
        }
        for name in ("true", system)
        for index in ("global", "demyelination")
        for number in range(patients)
    ]


@pytest.mark.parametrize(("beyond", "verdict"), [(1, EXPECTED), (3, EXPECTED), (8, UNEXPECTED)])
def test_unchanged_patients_beyond_the_null_must_be_rare(beyond, verdict):
    rows = unchanged_rows(nulls(beyond))
    found = {row["measure"]: row for row in rows}
    assert [row["system"] for row in rows] == ["true", "true"]
    of = found["global beyond the null"]
    assert (of["real"], of["control_value"], of["n"], of["verdict"]) == (0.75, beyond / 20, 20, verdict)
    assert of["ci_low"] < of["control_value"] < of["ci_high"]
    assert found["demyelination beyond the null"]["verdict"] == EXPECTED


def test_without_a_second_scan_there_is_no_such_control():
    (row,) = unchanged_rows([row | {"system": "true"} for row in nulls(1)[:20]])
    assert row["verdict"] == "not made: no second scan without change has a null"
    assert {row["verdict"] for row in unchanged_rows(nulls(5, patients=6))} == {FEW}


def test_the_command_writes_one_table_and_tells_what_is_not_as_expected(tmp_path, tables):
    out = tmp_path / "negative_controls.tsv"
    patients = [row | {"demyelination": "0", "remyelination": "0"} for row in clinic(effect=0.1)]
    for name, rows in (("clinical", patients), ("nulls", nulls(8)), ("pairs", scores(0.08))):
        columns = NULLS if name == "nulls" else {column: {} for column in rows[0]}
        write_table(tmp_path / f"{name}.tsv", columns, rows, [])
    words = ["negative-controls", out, "--response", "edss", "--permutations", 200, "--bootstrap", 200]
    for name in ("pairs", "clinical", "nulls"):
        words += [f"--{name}", tmp_path / f"{name}.tsv"]
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    rows = tables.read(out)
    assert list(rows[0]) == list(COLUMNS)
    assert list(dict.fromkeys(row["control"] for row in rows)) == ["permuted-pairs", "permuted-edss", "no-change"]
    assert "warning: no-change true global beyond the null: not as expected" in done.output
    assert json.loads(out.with_suffix(".json").read_text())["Settings"]["permutations"] == 200
    done = CliRunner().invoke(app, ["negative-controls", str(out)])
    assert done.exit_code == 0, done.output
    assert [row["verdict"].partition(":")[0] for row in tables.read(out)] == ["not made"] * 3
