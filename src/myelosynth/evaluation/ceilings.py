"""Methods held against the ceilings: nothing that sees only MRI can do better than the oracle.

The oracle is the noise-free DVR with what only PET can see at its mean, that is the mean of the truth given
everything that MRI could tell. No other function of the MRI has a smaller expected squared error against the
noise-free DVR; absolute errors of voxels and regions follow it closely. So the oracle bounds the *error* scores
against the noise-free DVR, the truth of the simulation, and a method that passes it there by more than chance has
seen what it must not: a leak or a bug. That is a *fault* where three things hold: more than SMALLEST_N subjects, the
BCa interval of the paired gain above zero, and a one-sided paired t test of the gain below .05 after Holm's
correction over every bound row of the evaluation (all methods, metrics, sessions and groups), so that about one clean
study in twenty has a fault, at most.

Nothing else is a bound, and what passes it is a note that says why. Against the measured DVR: at high noise the slope
of a Logan plot is too low, a method learns that bias from its measured targets, and the oracle lacks it. SSIM, DICE
and the indices: calling more voxels positive can raise a DICE beyond what the mean earns.

The retest is another scan: it carries noise that a smooth prediction has not, so a prediction may pass it.
"""

from collections.abc import Sequence

import numpy as np

from myelosynth.evaluation.cohort import NOISE_FREE, ORACLE, RETEST
from myelosynth.evaluation.scores import Row, Scores
from myelosynth.evaluation.significance import SMALLEST_N, bca_interval, equal, gain_p, holm
from myelosynth.myelin.indices import COLUMNS as INDICES

BOUND = (
    *("mse", "psnr", "mae", "mse_masked", "psnr_masked", "mae_masked"),
    *("lesion_mae", "lesion_mean_difference", "nawm_mae", "nawm_mean_difference"),
)
LEVEL = 0.05
PASSES, BELOW, ALIKE, FEW = "passes", "below", "not told apart", "too few"


def ceiling_rows(scores: Sequence[Scores], systems: Sequence[str], seed: int, resamples: int) -> list[Row]:
    """Every method against oracle and retest: paired gain (positive: better) with its BCa interval over subjects.

    `p` and `p_holm`, corrected over all rows that have one, are of the rows where the oracle is a bound.
    """
    by_key = {(score.system, score.key): score for score in scores}
    rows: list[Row] = []
    for score in scores:
        if score.system not in systems or score.metric in INDICES or score.metric.endswith("_bias"):
            continue
        for ceiling in (ORACLE, RETEST):
            other = by_key.get((ceiling, score.key))
            both = [who for who in score.defined if other and who in other.defined]
            if other and both:
                rows.append(_held_against(score, other, both, seed, resamples))
    for row, corrected in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = corrected
        row["fault"] = corrected is not None and corrected < LEVEL and row["verdict"] == PASSES
    return rows


def _held_against(score: Scores, ceiling: Scores, both: Sequence[str], seed: int, resamples: int) -> Row:
    own = np.array([score.defined[who] for who in both])
    best = np.array([ceiling.defined[who] for who in both])
    gain = own - best if score.rising else best - own
    low, high = paired_interval(gain, seed, resamples)
    verdict = FEW if low is None or high is None else PASSES if low > 0 else BELOW if high < 0 else ALIKE
    bound = ceiling.system == ORACLE and score.metric in BOUND and score.reference == NOISE_FREE
    return {
        "system": score.system,
        "ceiling": ceiling.system,
        **dict(zip(("metric", "reference", "session_id", "map", "group"), score.key, strict=True)),
        "n": len(both),
        "mean": float(own.mean()),
        "ceiling_mean": float(best.mean()),
        "gain": float(gain.mean()),
        "gain_low": low,
        "gain_high": high,
        "bound": bound,
        "p": gain_p(gain) if bound else None,
        "verdict": verdict,
    }


def paired_interval(difference: np.ndarray, seed: int, resamples: int) -> tuple[float | None, float | None]:
    """The BCa interval of a mean paired difference (N,); the value itself where all of 3 or more are equal."""
    if len(difference) >= 3 and equal(difference):
        return float(difference[0]), float(difference[0])
    return bca_interval(difference, seed, resamples)


def oracle_faults(rows: Sequence[Row]) -> list[str]:
    """A line for every score that passes the oracle where it is a bound, by more than chance."""
    return [
        f"{_told(row)}, Holm p {row['p_holm']:.2g}: no function of the MRI can; look for a leak"
        for row in rows
        if row["fault"]
    ]


def ceiling_notes(rows: Sequence[Row]) -> list[str]:
    """A line for every score that passes a ceiling without being a fault."""
    return [f"{_told(row)}: {_why(row)}" for row in rows if row["verdict"] == PASSES and not row["fault"]]


def _why(row: Row) -> str:
    """Why a score that passes a ceiling is no fault."""
    if row["ceiling"] == RETEST:
        return "a scan carries noise that a smooth prediction has not"
    if row["bound"] and row["p"] is None:
        return f"no fault with {row['n']} subjects, {SMALLEST_N} or fewer"
    if row["bound"]:
        return f"within chance over all bounds tested (p = {row['p']:.2g}, {row['p_holm']:.2g} after Holm)"
    if row["metric"] in BOUND:
        return "no bound here, since methods learn the bias that noise leaves in a measured DVR and the oracle lacks it"
    return "it is no bound of this score"


def _told(row: Row) -> str:
    condition = ", ".join(part for part in (row["map"], row["reference"], row["session_id"], row["group"]) if part)
    values = f"{row['mean']:.4g} against {row['ceiling_mean']:.4g}"
    interval = f"better by {row['gain']:.2g} (95 % {row['gain_low']:.2g} to {row['gain_high']:.2g}), n = {row['n']}"
    return f"{row['system']} passes the {row['ceiling']} in {row['metric']} ({condition}): {values}, {interval}"
