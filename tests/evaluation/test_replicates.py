"""Seeds are averaged within a subject, folds may be restricted, and nothing passes the oracle unnoticed."""

import re
import shutil

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import evaluation  # noqa: F401  (registers the commands)
from myelosynth.errors import InputError
from myelosynth.evaluation.ceilings import ceiling_notes, ceiling_rows, oracle_faults
from myelosynth.evaluation.ranking import ranking_rows, statements
from myelosynth.evaluation.scores import all_scores
from myelosynth.evaluation.summary import agreement_rows, comparison_rows, summary_rows
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_volume, save_volume

GRID = Grid((12, 12, 12), np.diag([2.0, 2.0, 2.0, 1.0]))


@pytest.fixture
def run(mini, tmp_path):
    def call(*extra):
        return CliRunner().invoke(app, mini.command("--out-dir", str(tmp_path / "out"), *extra))

    return call


def pick(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def second_seed(mini, system, shift):
    """SYSTEM@2: the same files, the images brighter by `shift`."""
    shutil.copytree(mini.layout.system(system), mini.layout.system(f"{system}@2"))
    for image in mini.layout.system(f"{system}@2").rglob("*predDvr_pet.nii.gz"):
        save_volume(image, load_volume(image).data + shift, GRID)


def test_a_subject_is_scored_once_over_its_seeds(run, mini, tmp_path, tables):
    second_seed(mini, "unet-l1", 0.1)
    assert run("--replicates", "3").exit_code == 0
    images = tables.read(tmp_path / "out" / "image_metrics.tsv")
    at = {"system": "unet-l1", "session_id": "ses-t0", "reference": "noise-free"}
    assert {row["replicate"] for row in pick(images, **at)} == {"1", "2"}
    assert not pick(images, system="unet-l1@2")
    summary = tables.read(tmp_path / "out" / "summary.tsv")
    (row,) = pick(summary, metric="mae", **at)
    assert (row["n"], row["replicates"]) == ("4", "2")
    assert float(row["mean"]) == pytest.approx((0.05 + 0.15) / 2, rel=1e-4)
    assert float(row["seed_sd"]) == pytest.approx(np.std([0.05, 0.15], ddof=1), rel=1e-4)
    (row,) = pick(summary, system="ridge", metric="mae", session_id="ses-t0", reference="noise-free")
    assert (row["replicates"], row["seed_sd"]) == ("1", "n/a")
    gaps = tables.sidecar(tmp_path / "out" / "summary.tsv")["Gaps"]
    whole = [gap["system"] for gap in gaps if "none of its files" in gap["missing"]]
    assert whole == ["ridge@2", "ridge@3", "unet-l1@3"]


def test_a_missing_file_of_one_seed_is_a_gap_of_that_seed(run, mini, tmp_path, tables):
    second_seed(mini, "unet-l1", 0.1)
    mini.layout.prediction("unet-l1@2", "001", "t0").unlink()
    assert run("--replicates", "2").exit_code == 0
    gaps = tables.sidecar(tmp_path / "out" / "summary.tsv")["Gaps"]
    assert ("sub-001", "unet-l1@2") in {(gap["participant_id"], gap["system"]) for gap in gaps}
    (row,) = pick(
        tables.read(tmp_path / "out" / "summary.tsv"),
        **{"system": "unet-l1", "metric": "mae", "session_id": "ses-t0", "reference": "noise-free"},
    )
    assert float(row["mean"]) == pytest.approx((0.05 + 3 * 0.1) / 4, rel=1e-4)
    assert float(row["seed_sd"]) == pytest.approx(np.std([0.05, 0.15], ddof=1), rel=1e-4)


def test_a_leaking_seed_is_refused_as_its_system_is(run, mini):
    second_seed(mini, "unet-l1", 0.0)
    for sidecar in mini.layout.system("unet-l1@2").rglob("*predDvr_pet.json"):
        sidecar.write_text('{"Fold": 9}')
    with pytest.raises(InputError, match=r"prediction is not held out.*unet-l1@2"):
        raise run("--replicates", "2").exception
    with pytest.raises(InputError, match="replicate named as a system"):
        raise run("--system", "unet-l1@2").exception


def test_only_test_subjects_of_the_given_folds_are_scored(run, tmp_path, tables):
    assert run("--fold", "2").exit_code == 0
    images = tables.read(tmp_path / "out" / "image_metrics.tsv")
    assert {row["participant_id"] for row in images} == {"sub-002", "sub-003"}
    record = tables.sidecar(tmp_path / "out" / "summary.tsv")
    assert (record["Settings"]["folds"], record["Settings"]["test_subjects"]) == ([2], 2)
    told = [gap for gap in record["Gaps"] if "not in the run" in gap["missing"]]
    assert [gap["participant_id"] for gap in told] == ["sub-001", "sub-004"]
    with pytest.raises(InputError, match=r"no such fold.*7, the split has 1, 2"):
        raise run("--fold", "7").exception


def plant(mini):
    """An oracle that errs a little, and the noise-free truth under the name of a method."""
    rng = np.random.default_rng(0)
    shutil.copytree(mini.layout.system("noise-free"), mini.layout.system("oracle"))
    for path in mini.layout.system("oracle").rglob("*predDvr_pet.nii.gz"):
        save_volume(path, load_volume(path).data + rng.normal(0, 0.02, GRID.shape), GRID)
    for path in mini.layout.system("unet-l1").rglob("*predDvr_pet.nii.gz"):
        truth = mini.layout.system("noise-free") / path.relative_to(mini.layout.system("unet-l1"))
        save_volume(path, load_volume(truth).data, GRID)


def test_truth_planted_as_a_prediction_is_a_fault(larger, tmp_path, tables):
    """The noise-free truth under the name of a method passes the oracle, which lacks what only PET can see."""
    plant(larger)

    def run(*extra):
        options = ("--out-dir", str(tmp_path / "out"), "--ceiling", "oracle", *extra)
        return CliRunner().invoke(app, larger.command(*options))

    outcome = run()
    assert outcome.exit_code == 0
    assert "fault: unet-l1 passes the oracle in mse" in outcome.stderr
    record = tables.sidecar(tmp_path / "out" / "summary.tsv")
    assert {line.split()[0] for line in record["OracleFaults"]} == {"unet-l1"}
    assert all("noise-free, ses-t0, all" in line for line in record["OracleFaults"])
    assert any("mse (measured, ses-t0, all)" in line and "bias" in line for line in record["CeilingNotes"])
    rows = tables.read(tmp_path / "out" / "ceilings.tsv")
    which = {"system": "unet-l1", "ceiling": "oracle", "session_id": "ses-t0", "metric": "mse_masked"}
    (row,) = pick(rows, **which, reference="noise-free")
    assert (row["bound"], row["verdict"], row["fault"], row["n"]) == ("true", "passes", "true", "8")
    assert 0 < float(row["gain_low"]) <= float(row["gain"]) == pytest.approx(0.02**2, rel=0.2)
    assert 0 <= float(row["p"]) <= float(row["p_holm"]) < 0.05
    (row,) = pick(rows, **which, reference="measured")
    assert (row["bound"], row["verdict"], row["fault"], row["p"]) == ("false", "passes", "false", "n/a")
    shutil.rmtree(tmp_path / "out")
    strict = run("--strict").exception
    assert isinstance(strict, InputError)
    assert re.search(
        r"score passes the oracle.*unet-l1 .* in mse .*\(\d+ in all\).*`evaluation: oracle: tell`", str(strict)
    )
    assert not (tmp_path / "out").exists()


def test_with_six_subjects_or_fewer_a_passed_oracle_is_told_and_no_fault(run, mini, tmp_path, tables):
    plant(mini)
    assert run("--ceiling", "oracle", "--strict").exit_code == 0
    record = tables.sidecar(tmp_path / "out" / "ceilings.tsv")
    assert record["OracleFaults"] == []
    assert any(
        "mse_masked (noise-free" in line and "no fault with 4 subjects" in line for line in record["CeilingNotes"]
    )


def made_up(means, n=12, metric="mse_masked", reference="noise-free"):
    rng = np.random.default_rng(4)
    head = {"replicate": 1, "session_id": "ses-t0", "group": "patient", "reference": reference}
    return [
        {**head, "system": system, "participant_id": f"sub-{i:02d}", metric: float(rng.normal(mean, 0.0005))}
        for system, mean in means.items()
        for i in range(n)
    ]


def test_a_smooth_prediction_may_pass_the_retest_and_it_is_said():
    scores = all_scores(made_up({"net": 0.003, "oracle": 0.001, "retest": 0.006}), [], [])
    rows = ceiling_rows(scores, ["net"], seed=1, resamples=500)
    assert {row["ceiling"]: row["verdict"] for row in rows} == {"oracle": "below", "retest": "passes"}
    assert oracle_faults(rows) == []
    (note,) = ceiling_notes(rows)
    assert "net passes the retest" in note
    assert "noise" in note


def test_a_passed_oracle_against_the_measured_dvr_is_no_fault_and_it_is_said_why():
    scores = all_scores(made_up({"net": 0.001, "oracle": 0.003}, reference="measured"), [], [])
    rows = ceiling_rows(scores, ["net"], seed=1, resamples=500)
    assert [(row["verdict"], row["bound"], row["p"], row["fault"]) for row in rows] == [("passes", False, None, False)]
    (note,) = ceiling_notes(rows)
    assert "bias that noise leaves in a measured DVR" in note


@pytest.mark.parametrize(("n", "fault"), [(6, False), (7, True)])
def test_a_fault_needs_more_than_six_subjects(n, fault):
    scores = all_scores(made_up({"net": 0.001, "oracle": 0.003}, n=n), [], [])
    (row,) = ceiling_rows(scores, ["net"], seed=1, resamples=500)
    assert (row["verdict"], row["fault"], row["p"] is None) == ("passes", fault, not fault)
    assert bool(ceiling_notes([row])) != fault


def test_many_methods_as_good_as_the_oracle_are_no_fault_but_a_better_one_among_them_is():
    """One by one some of 40 equal methods pass by chance; Holm's correction runs over all of them."""
    means = {"oracle": 0.003} | {f"net-{i}": 0.003 for i in range(40)}
    rows = ceiling_rows(all_scores(made_up(means), [], []), list(means)[1:], seed=1, resamples=200)
    passed = [row for row in rows if row["verdict"] == "passes"]
    assert passed
    assert min(row["p"] for row in passed) < 0.05
    assert oracle_faults(rows) == []
    assert all("within chance over all bounds tested" in note for note in ceiling_notes(rows))
    rows = ceiling_rows(all_scores(made_up(means | {"net-7": 0.001}), [], []), list(means)[1:], seed=1, resamples=200)
    (fault,) = oracle_faults(rows)
    assert fault.startswith("net-7 passes the oracle in mse_masked")


@pytest.mark.parametrize(("metric", "fault"), [("psnr_masked", True), ("ssim_masked", False), ("mae", True)])
def test_the_oracle_bounds_errors_and_nothing_else(metric, fault):
    better, worse = ({"net": 2.0, "oracle": 1.0}, {"net": 1.0, "oracle": 2.0})[:: 1 if metric != "mae" else -1]
    for means, passes in ((better, True), (worse, False)):
        (row,) = ceiling_rows(all_scores(made_up(means, metric=metric), [], []), ["net"], seed=1, resamples=500)
        assert (row["verdict"] == "passes", row["fault"]) == (passes, passes and fault)


def test_two_subjects_are_too_few_for_a_verdict():
    (row,) = ceiling_rows(all_scores(made_up({"net": 0.0, "oracle": 9.0}, n=2), [], []), ["net"], 1, 500)
    assert (row["verdict"], row["fault"]) == ("too few", False)


def test_ranking_orders_methods_between_floors_and_ceilings():
    means = {"ridge": 0.005, "net": 0.003, "twin": 0.003, "mean-atlas": 0.009, "oracle": 0.001, "true": 0.0005}
    systems = ["ridge", "net", "twin", "mean-atlas"]
    scores = all_scores(made_up(means, reference="measured"), [], [])
    tests = comparison_rows(scores, systems, "net")
    rows = ranking_rows(scores, tests, systems, "net", seed=1, resamples=500)
    assert rows[0]["system"] == "oracle"
    assert [row["system"] for row in rows][-2:] == ["ridge", "mean-atlas"]
    by = {row["system"]: row for row in rows}
    assert [by[name]["rank"] for name in ("oracle", "ridge", "mean-atlas")] == [None, 3, 4]
    assert {name: by[name]["part"] for name in ("net", "ridge", "oracle")} == {
        "net": "method",
        "ridge": "floor",
        "oracle": "ceiling",
    }
    verdicts = {name: row.get("verdict") for name, row in by.items()}
    assert verdicts == {
        "oracle": None,
        "net": "reference",
        "twin": "not told apart",
        "ridge": "worse",
        "mean-atlas": "worse",
    }
    own, other = ([r["mse_masked"] for r in made_up(means) if r["system"] == name] for name in ("net", "ridge"))
    p = stats.ttest_rel(other, own).pvalue
    assert by["ridge"]["p_t_holm"] >= p
    assert by["ridge"]["difference_low"] < by["ridge"]["difference"] < by["ridge"]["difference_high"]
    told = statements(rows, "net")
    assert len(told) == 2
    assert told[0].startswith("net beats ridge in masked MSE, measured DVR, t0")
    assert told[0].endswith("n = 12 pooled test subjects")


def test_a_larger_dice_is_the_better_one():
    rows = [
        {"system": s, "replicate": 1, "participant_id": f"sub-{i}", "session_id": "ses-t0", "map": "demyelinated"}
        | {"dice": value - 0.01 * i * (2 - (s == "net"))}
        for s, value in (("net", 0.9), ("ridge", 0.7), ("all-positive", 0.8))
        for i in range(8)
    ]
    scores = all_scores([], rows, [])
    ranked = ranking_rows(scores, comparison_rows(scores, ["ridge", "net"], "ridge"), ["ridge", "net"], "ridge", 1, 200)
    assert [row["system"] for row in ranked] == ["net", "all-positive", "ridge"]
    assert [row["rank"] for row in ranked] == [1, None, 2]
    assert ranked[1]["part"] == "floor"
    assert ranked[0]["difference"] == pytest.approx(0.2 + 0.035)


def test_agreement_is_averaged_over_seeds_and_not_of_their_average():
    """Two seeds that err in opposite directions agree as badly as each, not as well as their mean."""
    names = ("percent_t0", "percent_t1", "demyelination", "remyelination", "global")
    truth = {f"sub-{i}": 0.1 * (i + 1) for i in range(5)}
    rows = [
        {"system": system, "replicate": r, "participant_id": who} | dict.fromkeys(names, value + shift)
        for system, r, shift in (("true", 1, 0.0), ("net", 1, 0.1), ("net", 2, -0.1))
        for who, value in truth.items()
    ]
    found = {row["index"]: row for row in agreement_rows(rows)}
    assert found["global"]["bias"] == pytest.approx(0)
    assert found["global"]["icc"] < 0.9
    assert (found["global"]["n"], found["global"]["replicates"]) == (5, 2)
    (error,) = [s for s in all_scores([], [], rows) if s.metric == "global_error"]
    assert list(error.values.values()) == pytest.approx([0.1] * 5)
    (row,) = summary_rows([error], seed=1, resamples=100)
    assert (row["mean"], row["seed_sd"]) == (pytest.approx(0.1), pytest.approx(0, abs=1e-12))
