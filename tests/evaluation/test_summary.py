"""Comparisons of enough subjects, and the published figures."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from myelosynth.evaluation.published import CLINICAL, FIGURES, published
from myelosynth.evaluation.scores import all_scores
from myelosynth.evaluation.summary import agreement_rows, comparison_rows, summary_rows


def images(systems, n=12):
    rng = np.random.default_rng(2)
    return [
        {
            "system": system,
            "replicate": 1,
            "participant_id": f"sub-{i:02d}",
            "session_id": "ses-t0",
            "group": "patient",
            "reference": "measured",
            "mse": float(rng.normal(0.01 + 0.002 * s, 0.002)),
        }
        for s, system in enumerate(systems)
        for i in range(n)
    ]


def test_holm_runs_over_methods_and_ceilings_are_left_out():
    rows = images(["a", "b", "c", "d", "retest"])
    found = comparison_rows(all_scores(rows, [], []), ["a", "b", "c", "d"], "a")
    assert [row["system"] for row in found] == ["b", "c", "d"]
    value = {s: np.array([r["mse"] for r in rows if r["system"] == s]) for s in "abcd"}
    p = [stats.ttest_rel(value[s], value["a"]).pvalue for s in "bcd"]
    w = [stats.wilcoxon(value[s], value["a"]).pvalue for s in "bcd"]
    assert [row["p_t_holm"] for row in found] == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert [row["p_wilcoxon_holm"] for row in found] == pytest.approx(multipletests(w, method="holm")[1].tolist())
    assert all(row["tested"] for row in found)


def test_pairs_need_both_subjects():
    rows = images(["a", "b"])
    del rows[0]
    (found,) = comparison_rows(all_scores(rows, [], []), ["a", "b"], "a")
    pairs = {s: {r["participant_id"]: r["mse"] for r in rows if r["system"] == s} for s in "ab"}
    assert found["n"] == 11
    assert found["mean_difference"] == pytest.approx(np.mean([pairs["b"][k] - v for k, v in pairs["a"].items()]))


def test_sign_errors_stand_in_the_global_row_only():
    values = {"percent_t0": 0.5, "percent_t1": 0.6, "demyelination": 0.2, "remyelination": 0.1}
    rows = [
        {"system": system, "replicate": 1, "participant_id": f"sub-{i}", **values, "global": sign * 0.1}
        for system, signs in (("true", (1, -1, 1)), ("refiner-cf-sagan-nwl1", (1, 1, -1)))
        for i, sign in enumerate(signs)
    ]
    found = {row["index"]: row for row in agreement_rows(rows)}
    assert (found["global"]["sign_errors"], found["global"]["sign_n"]) == (2, 3)
    assert found["global"]["published_sign_errors"] == 1
    assert "sign_errors" not in found["remyelination"]


def test_published_rows_agree_with_their_own_arithmetic():
    """t is coefficient / standard error, and p follows with 10 degrees of freedom: n = 15 (models, known error 3)."""
    for term in CLINICAL:
        assert term.t == pytest.approx(term.coefficient / term.standard_error, abs=0.06)
        assert term.p == pytest.approx(2 * stats.t.sf(abs(term.t), 10), abs=0.012)
    assert len({(f.system, f.metric, f.session, f.region) for f in FIGURES}) == len(FIGURES)
    assert published("refiner-cf-sagan-nwl1", "dice", "change", "remyelinating").mean == 0.69
    assert published("mean-atlas", "mse", "ses-t0") is None


def test_error_of_an_index_is_absolute():
    values = dict.fromkeys(("percent_t0", "percent_t1", "global", "demyelination"), 0.1)
    rows = [
        {"system": system, "replicate": 1, "participant_id": f"sub-{i}", **values, "remyelination": value}
        for system, pair in (("true", (0.3, 0.1)), ("ridge", (0.1, 0.2)))
        for i, value in enumerate(pair)
    ]
    (found,) = [s for s in all_scores([], [], rows) if s.metric == "remyelination_error"]
    assert list(found.values.values()) == pytest.approx([0.2, 0.1])


def test_published_white_matter_stands_beside_its_own_group():
    rows = [
        {**row, "system": "unet-l1", "group": group, "participant_id": f"{group}{i}", "nawm_mean_difference": 0.1}
        for group in ("patient", "control")
        for i, row in enumerate(images(["unet-l1"], n=2))
    ]
    summary = summary_rows(all_scores(rows, [], []), seed=0, resamples=100)
    printed = {row["group"]: row["published"] for row in summary if row["metric"] == "nawm_mean_difference"}
    assert printed == {"patient": 0.039, "control": 0.053}
