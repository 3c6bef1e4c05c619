"""Negative controls: what the study says where there is nothing to find, beside what it says of the real data.

permuted-pairs: a system that learned from the MRI of one participant and the PET of another, tested on real subjects.
permuted-edss: regressions of scores that were dealt out to the patients anew. no-change: second scans of tissue that
did not change, held against the null of the indices.

A control is "not as expected" only beyond chance: by an interval (over subjects; of the shuffles' share of p), or by an
exact test after Holm's correction over the rows of the control. With SMALLEST_N subjects or fewer it is "too few to
tell".
"""

from collections.abc import Mapping, Sequence
from itertools import product
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from myelosynth.evaluation.clinical_summary import Model
from myelosynth.evaluation.cohort import TRUE
from myelosynth.evaluation.null_table import NULL_SCAN
from myelosynth.evaluation.permutation import permuted_regression
from myelosynth.evaluation.significance import SMALLEST_N, bca_interval, equal, holm

Row = dict[str, Any]
PAIRS, EDSS, UNCHANGED = "permuted-pairs", "permuted-edss", "no-change"
EXPECTED, UNEXPECTED, FEW, UNMADE = "as expected", "not as expected", "too few to tell", "not made"
LEVEL = 0.05
REAL, PERMUTED, FLOOR = "real", "permuted", "floor"
ROLES = (REAL, PERMUTED, FLOOR)
SCORES = {"lesion_mae": -1, "lesion_correlation": 1}
"""The scores of permuted pairs; -1: less is better."""
UNSHOWN = "not shown: the interval holds 0"
DESCRIBED = "not judged: permuted pairs teach what patients share, such as tissue contrast, as well"
COLUMNS = {
    "control": {"Description": f"{PAIRS}, {EDSS} or {UNCHANGED}"},
    "system": {"Description": "the system that is controlled; true is the measured PET"},
    "measure": {
        "Description": "lesion_mae: mean absolute DVR error of a patient's baseline lesions; lesion_correlation: "
        "Pearson's correlation of predicted and measured DVR over their voxels; gain over a floor: how much better "
        "than a system that looks at no MRI; SCORE ~ INDEX, p < .05: whether the index is significant, a share of the "
        "shuffles in the control; SCORE ~ INDEX, p: of the t test, in the control the share of shuffles with a |t| as "
        "large; INDEX beyond the null: share of patients outside the interval of their null"
    },
    "real": {"Description": "from the real data"},
    "control_value": {"Description": "from the control"},
    "ci_low": {
        "Description": f"lower end of a 95 % interval; {PAIRS}: of the mean paired difference control_value - real, of "
        "a gain of control_value itself, BCa bootstrap over patients; others: of control_value, Clopper-Pearson"
    },
    "ci_high": {"Description": "upper end of that interval"},
    "n": {"Description": "patients"},
    "verdict": {
        "Description": f"{EXPECTED}, {UNEXPECTED}, {FEW}, not shown, not judged or {UNMADE}, with the reason. {PAIRS}: "
        "the score must get worse, beyond the interval, and what is kept of the gain over a floor is told alone; "
        f"{EDSS}: p < .05 in no more than 5 % of the shuffles (exact test, Holm), and no significant index that "
        "shuffles match "
        f"more often; {UNCHANGED}: no more patients beyond the null than its level allows (exact test, Holm)"
    },
}


def unmade(control: str, reason: str) -> Row:
    """The row of a control that the study cannot have."""
    return {"control": control, "n": 0, "verdict": f"{UNMADE}: {reason}"}


def pair_rows(scores: Sequence[Mapping[str, Any]], seed: int, resamples: int) -> list[Row]:
    """A system that learned permuted pairs beside the real one, and beside the floor where there is one.

    scores: one row per patient and trained (REAL, PERMUTED, FLOOR) with participant_id, system and SCORES, None where
    undefined; one system beside the floor.
    """
    named = {str(row["trained"]): str(row["system"]) for row in scores}
    rows: list[Row] = []
    for name, sign in SCORES.items():
        real, permuted = _paired(scores, name, (REAL, PERMUTED))
        low, high = _interval(permuted - real, seed, resamples)
        least, most = (low, high) if sign < 0 else (-high, -low)  # how much worse
        row = {"control": PAIRS, "system": named[REAL], "measure": name, "real": _mean(real)}
        row |= {"control_value": _mean(permuted), "ci_low": low, "ci_high": high, "n": len(real)}
        rows.append(row | {"verdict": _fallen(least, most, len(real))})
        if FLOOR in named:
            real, permuted, floor = (sign * values for values in _paired(scores, name, ROLES))
            gain, kept = _mean(real - floor), permuted - floor
            low, high = _interval(kept, seed, resamples)
            row = {"control": PAIRS, "system": named[REAL], "measure": f"{name}, gain over {named[FLOOR]}"}
            row |= {"real": gain, "control_value": _mean(kept), "ci_low": low, "ci_high": high, "n": len(kept)}
            rows.append(row | {"verdict": DESCRIBED})
    return rows


def permuted_score_rows(table: Sequence[Mapping[str, str]], model: Model, where: object) -> list[Row]:
    """Every regression of the study beside those of shuffled scores: how many are significant, and the index's p.

    table: rows of text cells with `system`; model: its resamples are the shuffles. Regressions that cannot be estimated
    have no row. Raises InputError for faults of the table.
    """
    rows, liberal = [], []
    systems = list(dict.fromkeys(row["system"] for row in table))
    for response, system, index in product(model.responses, systems, model.predictors):
        part = [row for row in table if row["system"] == system]
        place = f"{where} system {system}"
        found = permuted_regression(part, response, index, model.covariates, model.resamples, model.seed, place)
        if found is None:
            continue
        head = {"control": EDSS, "system": system, "n": found.n}
        significant = stats.binomtest(int((found.p < LEVEL).sum()), model.resamples, LEVEL, alternative="greater")
        low, high = _exact(significant.k, model.resamples)
        values = {"real": float(found.real_p < LEVEL), "control_value": significant.statistic}
        rows.append({**head, "measure": f"{response} ~ {index}, p < .05", **values, "ci_low": low, "ci_high": high})
        liberal.append((rows[-1], float(significant.pvalue)))
        low, high = _exact(found.as_large, model.resamples)
        values = {"real": found.real_p, "control_value": (found.as_large + 1) / (model.resamples + 1)}
        rows.append({**head, "measure": f"{response} ~ {index}, p", **values, "ci_low": low, "ci_high": high})
        rows[-1]["verdict"] = _judged(not (found.real_p < LEVEL < low), found.n)
    _judge(liberal)
    return rows or [unmade(EDSS, "no regression could be estimated")]


def unchanged_rows(nulls: Sequence[Mapping[str, Any]], real: str = TRUE, control: str = NULL_SCAN) -> list[Row]:
    """For each index the share of patients beyond their null: with the real follow-up, and with a second scan alone.

    nulls: rows of `evaluation.null_table`; real, control: systems of theirs.
    """
    rows, beyond = [], []
    for index in dict.fromkeys(str(row["index"]) for row in nulls):
        found = {
            name: [
                row for row in nulls if (row["system"], row["index"]) == (name, index) and row["outside"] is not None
            ]
            for name in (real, control)
        }
        if not found[control]:
            continue
        outside = {name: [bool(row["outside"]) for row in its] for name, its in found.items()}
        k, n = sum(outside[control]), len(outside[control])
        low, high = _exact(k, n)
        head = {"control": UNCHANGED, "system": real, "measure": f"{index} beyond the null", "n": n}
        shares = {"real": float(np.mean(outside[real])) if outside[real] else None, "control_value": k / n}
        rows.append({**head, **shares, "ci_low": low, "ci_high": high})
        allowed = 1 - float(found[control][0]["level"])
        beyond.append((rows[-1], float(stats.binomtest(k, n, allowed, alternative="greater").pvalue)))
    _judge(beyond)
    return rows or [unmade(UNCHANGED, "no second scan without change has a null")]


def _paired(scores: Sequence[Mapping[str, Any]], name: str, trained: Sequence[str]) -> list[NDArray[np.float64]]:
    """One score of each way to train, over the patients in whom all of them define it."""
    by = {(row["trained"], row["participant_id"]): row[name] for row in scores if row[name] is not None}
    people = [who for way, who in by if way == trained[0] and all((other, who) in by for other in trained)]
    return [np.array([by[way, who] for who in people], float) for way in trained]


def _interval(values: NDArray[np.float64], seed: int, resamples: int) -> tuple[float, float]:
    """The interval of the mean over subjects; the value itself where all are equal, NaN where too few have one."""
    if len(values) > SMALLEST_N and equal(values):
        return float(values[0]), float(values[0])
    low, high = bca_interval(values, seed, resamples)
    return (nan if low is None else low), (nan if high is None else high)


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _exact(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share by Clopper and Pearson."""
    found = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    return float(found.low), float(found.high)


def _judge(tested: Sequence[tuple[Row, float]]) -> None:
    """Verdicts of rows whose p says that there is more than chance allows, after Holm's correction over them all."""
    for (row, _), p in zip(tested, holm([p for _, p in tested]), strict=True):
        row["verdict"] = _judged(p is None or p >= LEVEL, row["n"])


def _fallen(least: float, most: float, n: int) -> str:
    """The verdict on a score that must get worse, by between `least` and `most`."""
    return UNSHOWN if n > SMALLEST_N and least <= 0 < most else _judged(least > 0, n)


def _judged(holds: bool, n: int) -> str:
    if n <= SMALLEST_N:
        return FEW
    return EXPECTED if holds else UNEXPECTED
