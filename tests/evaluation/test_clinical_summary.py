"""The paper's regressions over systems, indices and scores."""

import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import clinical  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.evaluation import clinical_columns as columns
from myelosynth.evaluation.clinical import regress
from myelosynth.evaluation.clinical_summary import Model, summarise
from myelosynth.evaluation.significance import holm


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
REFINER = "refiner-cf-sagan-nwl1"


def model(*predictors, responses=("edss",), main=None):
    return Model(responses, predictors, COVARIATES, main, resamples=0)


def index_rows(made):
    return {(row["system"], row["predictor"]): row for row in made.terms if row["term"] == row["predictor"]}


def test_every_system_has_the_papers_regressions():
    table = cohort(["true", REFINER])
    made = summarise(table, model("demyelination", "remyelination"), "t")
    assert len(made.terms) == 2 * 2 * 5
    own = regress([row for row in table if row["system"] == "true"], "edss", "remyelination", COVARIATES).rows[1]
    found = index_rows(made)["true", "remyelination"]
    assert {key: found[key] for key in own} == own
    assert (found["response"], found["df"], found["too_small"]) == ("edss", 10, False)
    printed = [found[f"published_{name}"] for name in ("coefficient", "standard_error", "t", "p", "beta")]
    assert printed == [-0.233, 0.085, -2.75, 0.021, -0.703]
    assert index_rows(made)[REFINER, "remyelination"]["published_beta"] == -0.734
    load = next(row for row in made.terms if (row["predictor"], row["term"]) == ("demyelination", COVARIATES[2]))
    assert (load["published_coefficient"], load["published_standard_error"]) == (0.0101, 0.0175), "mm3 to ml"


def test_an_index_that_never_changes_is_noted_and_not_a_crash():
    made = summarise(cohort(["mean-atlas", "true"]), model("remyelination"), "t")
    flat = [row for row in made.terms if row["system"] == "mean-atlas"]
    assert [row["term"] for row in flat] == ["intercept", "remyelination", "age", "male", "t2_lesion_load_ml"]
    assert all("p" not in row and "constant" in row["note"] for row in flat)
    assert all(row["p"] is not None for row in made.terms if row["system"] == "true")
    assert {row["system"] for row in made.influence} == {"true"}
    assert [(row["system"], "shapiro_p" in row) for row in made.checks] == [("mean-atlas", False), ("true", True)]


def test_truth_and_main_system_are_one_family_of_tests():
    table = cohort(["true", REFINER, "ridge"])
    made = index_rows(summarise(table, model("demyelination", "remyelination", main=REFINER), "t"))
    both = [made[key] for key in made if key[0] != "ridge"]
    assert [row["p_holm_tests"] for row in both] == [4] * 4
    assert [row["p_holm"] for row in both] == holm([row["p"] for row in both])
    alone = [made[key] for key in made if key[0] == "ridge"]
    assert [row["p_holm"] for row in alone] == holm([row["p"] for row in alone])
    without = index_rows(summarise(table, model("demyelination", "remyelination"), "t"))
    assert {row["p_holm_tests"] for row in without.values()} == {2}


def test_two_scores_are_two_families_and_only_edss_has_published_figures():
    table = [row | {"msss": repr(float(row["edss"]) + 1)} for row in cohort(["true"])]
    made = summarise(table, model("remyelination", responses=("edss", "msss")), "t")
    found = {row["response"]: row for row in made.terms if row["term"] == "remyelination"}
    assert found["msss"]["beta"] == pytest.approx(found["edss"]["beta"])
    assert {row["p_holm_tests"] for row in found.values()} == {1}
    assert "published_beta" in found["edss"]
    assert "published_beta" not in found["msss"]


def test_summary_of_a_tiny_cohort_is_flagged(mini, tmp_path, tables):
    where = ["--index", str(mini.index), "--raw", str(mini.raw), "--results", str(mini.root)]
    table, out = tmp_path / "table.tsv", tmp_path / "out.tsv"
    CliRunner().invoke(app, ["clinical-table", *where, "--system", "true", "--system", "ridge", "--out", str(table)])
    more = [word for name in ("influence", "checks", "flow") for word in (f"--{name}", str(tmp_path / f"{name}.tsv"))]
    outcome = CliRunner().invoke(app, ["clinical-summary", str(table), "--out", str(out), "--main", "ridge", *more])
    assert outcome.exit_code == 0, outcome.exception
    rows = tables.read(out)
    assert list(rows[0]) == list(columns.SUMMARY)
    assert {row["too_small"] for row in rows} == {"true"}
    assert {row["predictor"] for row in rows} == {"global", "demyelination", "remyelination"}
    assert {row["response"] for row in rows} == {"edss", "msss"}
    assert "n = 1 is too small" in rows[0]["note"]
    assert tables.read(tmp_path / "influence.tsv") == []
    flow = tables.read(tmp_path / "flow.tsv")[:8]
    assert [(row["stage"], row["n"], row["lost_participants"]) for row in flow] == [
        ("in the table", "3", "n/a"),
        ("with a follow-up", "2", "sub-002"),
        ("with global", "2", "n/a"),
        ("with edss", "1", "sub-003"),
        ("with age", "1", "n/a"),
        ("with sex", "1", "n/a"),
        ("with t2_lesion_load_ml", "1", "n/a"),
        ("in the regression", "1", "n/a"),
    ]
    checks = tables.read(tmp_path / "checks.tsv")
    assert {row["max_vif"] for row in checks} == {"n/a"}
    described = tables.sidecar(tmp_path / "checks.tsv")
    assert set(columns.CHECKS) < set(described)


def test_a_main_system_that_is_not_in_the_table_is_a_fault(tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text("participant_id\tsystem\nsub-1\ttrue\n")
    outcome = CliRunner().invoke(app, ["clinical-summary", str(table), "--out", str(tmp_path / "o.tsv"), "--main", "x"])
    assert isinstance(outcome.exception, InputError)
    assert "main is not a system, --main, x, the table has true" in str(outcome.exception)


def written(path, rows):
    path.write_text("\n".join("\t".join(cells) for cells in (rows[0], *(row.values() for row in rows))) + "\n")
    return str(path)


def test_odd_scores_and_codes_are_told_once_for_all_systems(tmp_path, tables):
    rows = [row | {"msss": "5"} for row in cohort(["true", "ridge"])]
    for row in rows:
        row["edss"] = "0.5" if row["participant_id"] == "sub-003" else row["edss"][:1]
        row["sex"] = "O" if row["participant_id"] == "sub-004" else row["sex"]
        row["global"] = row["remyelination"]
    command = ["clinical-summary", written(tmp_path / "t.tsv", rows), "--out", str(tmp_path / "out.tsv")]
    outcome = CliRunner().invoke(app, [*command, "--bootstrap", "0", "--flow", str(tmp_path / "flow.tsv")])
    assert outcome.exit_code == 0, outcome.exception
    warnings = tables.sidecar(tmp_path / "out.tsv")["Warnings"]
    assert warnings == [
        "edss 0.5 is no step of the scale (0, 1, 1.5, 2 to 10), kept as it is: t.tsv line 8",
        "sex O is neither M nor F, missing in the regression: sub-004",
    ]
    assert outcome.stderr.splitlines() == [f"warning: {line}" for line in warnings]
    assert {row["n"] for row in tables.read(tmp_path / "out.tsv") if row["response"] == "edss"} == {"14"}
    assert {row["lost_participants"] for row in tables.read(tmp_path / "flow.tsv") if row["lost"] == "1"} == {"sub-004"}
    rows[3]["msss"] = "11"
    written(tmp_path / "t.tsv", rows)
    fault = CliRunner().invoke(app, command).exception
    assert isinstance(fault, InputError)
    assert "score outside its scale" in str(fault)
    assert "line 5, msss is 11, expected 0 to 10" in str(fault)
