"""Methods held against the ceilings: nothing that sees only MRI can do better than the oracle.

The oracle is the noise-free DVR with what only PET can see at its mean, that is the mean of the truth given
everything that MRI could tell. No other function of the MRI has a smaller expected squared error against the noise-
free DVR; absolute errors of voxels and regions follow it closely. So the oracle bounds the *error* scores against the
noise-free DVR, and a method that passes it there, over the same subjects and by more than chance, has seen what it
must not: a leak or a bug. SSIM, DICE and the indices are no such bound (calling more voxels positive can raise a DICE
beyond what the mean earns), and are told without being a fault.

Against the measured DVR the bound holds up to the bias that noise leaves in a Logan slope: at high noise the measured
DVR is lower than the noise-free one, a method that learned from measured targets is as well, and the oracle is not. A
fault told there alone may be that bias. The rows are tested one by one, down to three subjects, without a correction.

The retest is another scan: it carries noise that a smooth prediction has not, so a prediction may pass it.
"""

from collections.abc import Sequence

import numpy as np

from myelosynth.evaluation.cohort import ORACLE, RETEST
from myelosynth.evaluation.scores import Row, Scores
from myelosynth.evaluation.significance import bca_interval, equal
from myelosynth.myelin.indices import COLUMNS as INDICES

BOUND = (
    *("mse", "psnr", "mae", "mse_masked", "psnr_masked", "mae_masked"),
    *("lesion_mae", "lesion_mean_difference", "nawm_mae", "nawm_mean_difference"),
)
PASSES, BELOW, ALIKE, FEW = "passes", "below", "not told apart", "too few"


def ceiling_rows(scores: Sequence[Scores], systems: Sequence[str], seed: int, resamples: int) -> list[Row]:
    """Every method against oracle and retest: paired gain (positive: better) with its BCa interval over subjects."""
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
    return rows


def _held_against(score: Scores, ceiling: Scores, both: Sequence[str], seed: int, resamples: int) -> Row:
    own = np.array([score.defined[who] for who in both])
    best = np.array([ceiling.defined[who] for who in both])
    gain = own - best if score.rising else best - own
    low, high = paired_interval(gain, seed, resamples)
    verdict = FEW if low is None or high is None else PASSES if low > 0 else BELOW if high < 0 else ALIKE
    bound = ceiling.system == ORACLE and score.metric in BOUND
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
        "verdict": verdict,
        "fault": bound and verdict == PASSES,
    }


def paired_interval(difference: np.ndarray, seed: int, resamples: int) -> tuple[float | None, float | None]:
    """The BCa interval of a mean paired difference (N,); the value itself where all of 3 or more are equal."""
    if len(difference) >= 3 and equal(difference):
        return float(difference[0]), float(difference[0])
    return bca_interval(difference, seed, resamples)


def oracle_faults(rows: Sequence[Row]) -> list[str]:
    """A line for every score that passes the oracle where it is a bound."""
    return [f"{_told(row)}: no function of the MRI can; look for a leak" for row in rows if row["fault"]]


def ceiling_notes(rows: Sequence[Row]) -> list[str]:
    """A line for every score that passes a ceiling without being a fault."""
    notes = []
    for row in rows:
        if row["verdict"] != PASSES or row["fault"]:
            continue
        why = (
            "a scan carries noise that a smooth prediction has not"
            if row["ceiling"] == RETEST
            else "it is no bound here"
        )
        notes.append(f"{_told(row)}: {why}")
    return notes


def _told(row: Row) -> str:
    condition = ", ".join(part for part in (row["map"], row["reference"], row["session_id"], row["group"]) if part)
    values = f"{row['mean']:.4g} against {row['ceiling_mean']:.4g}"
    interval = f"better by {row['gain']:.2g} (95 % {row['gain_low']:.2g} to {row['gain_high']:.2g}), n = {row['n']}"
    return f"{row['system']} passes the {row['ceiling']} in {row['metric']} ({condition}): {values}, {interval}"
