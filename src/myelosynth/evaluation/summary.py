"""Tables over subjects: mean and interval per system, agreement of indices, paired comparisons."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from myelosynth.evaluation.agreement import rows_of_systems, sign_errors, spearman
from myelosynth.evaluation.published import SIGN_ERRORS, published
from myelosynth.evaluation.scores import STRATA, Row, Scores
from myelosynth.evaluation.significance import bca_interval, holm, paired_test
from myelosynth.myelin.indices import COLUMNS as INDICES


def summary_rows(scores: Iterable[Scores], seed: int, resamples: int) -> list[Row]:
    """Mean, SD (n - 1) and BCa interval over subjects, with the published figure beside it where one was printed."""
    rows = []
    for score in scores:
        values = list(score.defined.values())
        low, high = bca_interval(values, seed, resamples)
        row: Row = {"system": score.system, **dict(zip(STRATA, score.key, strict=True))}
        row |= {
            "n": len(values),
            "mean": float(np.mean(values)) if values else None,
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "ci_low": low,
            "ci_high": high,
            "n_undefined": len(score.values) - len(values),
            "replicates": len(score.replicates),
            "seed_sd": score.seed_sd,
        }
        white_matter = score.group if score.metric.startswith("nawm") else ""
        printed = published(score.system, score.metric, score.session_id, score.map or white_matter)
        if printed and score.reference == "measured":
            row |= {"published": printed.mean, "published_sd": printed.sd, "published_source": printed.source}
        rows.append(row)
    return rows


def agreement_rows(indices: Sequence[Row]) -> list[Row]:
    """Bland-Altman, ICC, rank correlation and sign errors of each system's indices against the true PET's.

    With replicates every figure is the mean over them, each from its own predictions.
    """
    rows = list(rows_of_systems(indices, _ranks_and_signs))
    for row in rows:
        if row["index"] == "global":
            row["published_sign_errors"] = SIGN_ERRORS.get(row["system"])
    return rows


def _ranks_and_signs(index: str, pairs: NDArray[np.float64]) -> Row:
    """Rank correlation of (predicted, true) values (N, 2), and sign errors where the index has a sign."""
    pred, truth = pairs[:, 0], pairs[:, 1]
    row: Row = {"spearman": spearman(pred, truth)}
    if index == "global":
        row |= dict(zip(("sign_errors", "sign_n"), sign_errors(pred, truth), strict=True))
    return row


def comparison_rows(scores: Sequence[Scores], systems: Sequence[str], against: str) -> list[Row]:
    """Paired tests of every method against the method `against`, Holm-corrected over methods within a condition.

    Ceilings and floors without a model are not methods and are not tested. Subjects need a defined score of both.
    """
    compared = [s for s in scores if s.metric not in INDICES and not s.metric.endswith("_bias")]
    by_key = {(score.system, score.key): score for score in compared}
    rows: list[Row] = []
    for key in dict.fromkeys(score.key for score in compared if score.system == against):
        reference = by_key[against, key].defined
        family: list[Row] = []
        for system in systems:
            if system == against or (system, key) not in by_key:
                continue
            values = by_key[system, key].defined
            both = [who for who in values if who in reference]
            test = paired_test([values[who] for who in both], [reference[who] for who in both])
            head = {"system": system, "against": against, **dict(zip(STRATA, key, strict=True))}
            family.append({**head, **asdict(test), "tested": test.p_t is not None})
        for p in ("p_t", "p_wilcoxon"):
            for row, corrected in zip(family, holm([row[p] for row in family]), strict=True):
                row[f"{p}_holm"] = corrected
        rows += family
    return rows
