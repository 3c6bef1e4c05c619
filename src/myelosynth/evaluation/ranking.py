"""Who comes first: methods in order by what matters, between floors and ceilings, against the reference method."""

from collections.abc import Sequence

import numpy as np

from myelosynth.evaluation.ceilings import paired_interval
from myelosynth.evaluation.cohort import TRUE
from myelosynth.evaluation.scores import STRATA, Row, Scores
from myelosynth.evaluation.significance import bca_interval
from myelosynth.evaluation.study import ALL_POSITIVE, MEASURED, NO_CHANGE
from myelosynth.synthesis.names import FLOORS

MEASURES = ("mse_masked", "lesion_mae", "lesion_mean_difference", "dice")
_WITHOUT_MODEL = (ALL_POSITIVE, NO_CHANGE)
_LEVEL = 0.05
_CLAIMED = ("mse_masked", "lesion_mae")  # what the default should win
_OPPONENTS = ("ridge", "mean-atlas")  # in the statements
_WORDS = {"mse_masked": "masked MSE", "lesion_mae": "lesion error", "ses-t0": "t0", "ses-t1": "t1"}


def ranking_rows(
    scores: Sequence[Scores],
    comparisons: Sequence[Row],
    systems: Sequence[str],
    against: str,
    seed: int,
    resamples: int,
) -> list[Row]:
    """Rows condition x system, best first, with intervals and Holm-corrected tests against the method `against`.

    comparisons: rows of comparisons.tsv for the same `against`. The null and the true PET's own noise row are left out.
    """
    tests = {(row["system"], *(row[name] for name in STRATA)): row for row in comparisons}
    rows: list[Row] = []
    for key in dict.fromkeys(score.key for score in scores if score.metric in MEASURES):
        here = [score for score in scores if score.key == key and score.system != TRUE and score.defined]
        reference = next((score for score in here if score.system == against), None)
        here.sort(key=lambda score: (-1 if score.rising else 1) * float(np.mean(list(score.defined.values()))))
        place = 0
        for score in here:
            place += score.system in systems
            row: Row = {**dict(zip(STRATA, key, strict=True)), "rank": place if score.system in systems else None}
            row |= _standing(score, systems, seed, resamples)
            if reference:
                row |= _against(score, reference, tests.get((score.system, *key)), seed, resamples)
            rows.append(row)
    return rows


def _standing(score: Scores, systems: Sequence[str], seed: int, resamples: int) -> Row:
    values = list(score.defined.values())
    low, high = bca_interval(values, seed, resamples)
    floor = score.system in (*FLOORS, *_WITHOUT_MODEL)
    part = "floor" if floor else "method" if score.system in systems else "ceiling"
    row: Row = {"system": score.system, "part": part, "n": len(values), "mean": float(np.mean(values))}
    return row | {"ci_low": low, "ci_high": high, "seed_sd": score.seed_sd}


def _against(score: Scores, reference: Scores, test: Row | None, seed: int, resamples: int) -> Row:
    if score.system == reference.system:
        return {"against": reference.system, "verdict": "reference"}
    both = [who for who in score.defined if who in reference.defined]
    difference = np.array([score.defined[who] - reference.defined[who] for who in both])
    low, high = paired_interval(difference, seed, resamples)
    row: Row = {"against": reference.system, "n_pairs": len(both), "difference_low": low, "difference_high": high}
    row["difference"] = float(difference.mean()) if both else None
    if test is None:
        return row
    row |= {name: test[name] for name in ("p_t_holm", "p_wilcoxon_holm")}
    if not test["tested"]:
        return row | {"verdict": "not tested"}
    sure = max(row["p_t_holm"], row["p_wilcoxon_holm"]) < _LEVEL
    better = (row["difference"] > 0) == score.rising
    return row | {"verdict": ("better" if better else "worse") if sure else "not told apart"}


def statements(ranking: Sequence[Row], against: str) -> list[str]:
    """Whether the reference method beats ridge and the mean atlas on masked MSE and lesion error at t0, in words.

    It does where both tests, Holm-corrected over the methods, fall below .05 in its favour.
    """
    told = []
    for row in sorted(ranking, key=lambda row: (row["reference"] != MEASURED, row["session_id"])):
        if row["metric"] not in _CLAIMED or row["session_id"] != "ses-t0":
            continue
        if row["system"] not in _OPPONENTS or row["system"] == against:
            continue
        if row.get("difference") is None:
            continue
        own = next(other for other in ranking if other["system"] == against and _condition(other) == _condition(row))
        verdict = {
            "worse": f"{against} beats {row['system']}",
            "better": f"{against} loses to {row['system']}",
            "not told apart": f"{against} and {row['system']} cannot be told apart",
        }.get(row["verdict"], f"{against} against {row['system']} was not tested")
        interval = (
            ""
            if row["difference_low"] is None
            else f" (95 % {-row['difference_high']:+.2g} to {-row['difference_low']:+.2g})"
        )
        tested = (
            ""
            if row["p_t_holm"] is None
            else f", Holm p {row['p_t_holm']:.2g} (t) and {row['p_wilcoxon_holm']:.2g} (Wilcoxon)"
        )
        where = f"{_WORDS[row['metric']]}, {row['reference']} DVR, {_WORDS.get(row['session_id'], row['session_id'])}"
        told.append(
            f"{verdict} in {where}: {own['mean']:.4g} against {row['mean']:.4g}, difference "
            f"{-row['difference']:+.2g}{interval}{tested}, n = {row['n_pairs']} pooled test subjects"
        )
    return told


def _condition(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in STRATA)
