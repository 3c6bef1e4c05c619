"""Tables over subjects: mean and interval per system, agreement of indices, paired comparisons."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from myelosynth.evaluation.agreement import bland_altman, icc_agreement, sign_errors, spearman
from myelosynth.evaluation.cohort import TRUE
from myelosynth.evaluation.published import SIGN_ERRORS, published
from myelosynth.evaluation.significance import bca_interval, holm, paired_test
from myelosynth.myelin.indices import COLUMNS as INDICES

Row = dict[str, Any]
WHOLE = ("mse", "psnr", "ssim", "mae", "mse_masked", "psnr_masked", "ssim_masked", "mae_masked")
REGIONAL = ("lesion_mae", "lesion_mean_difference", "lesion_bias", "nawm_mae", "nawm_mean_difference", "nawm_bias")
Key = tuple[str, str, str, str, str, str]  # system, metric, reference, session, map, group
_STRATA = ("metric", "reference", "session_id", "map", "group")


@dataclass(frozen=True)
class Scores:
    """One metric of one system under one condition: value by participant, None where undefined."""

    system: str
    metric: str
    reference: str
    session_id: str
    map: str
    group: str
    values: dict[str, float | None]

    @property
    def key(self) -> tuple[str, ...]:
        """The condition without the system: scores with one key can be compared."""
        return (self.metric, self.reference, self.session_id, self.map, self.group)

    @property
    def defined(self) -> dict[str, float]:
        return {who: value for who, value in self.values.items() if value is not None}


def all_scores(
    images: Sequence[Row], overlaps: Sequence[Row], indices: Sequence[Row], nulls: Sequence[str] = ()
) -> list[Scores]:
    """Every metric of every system, t0, t1 and change kept apart, one value per subject.

    Lesion metrics are of patients; white-matter metrics are split into patients (NAWM) and controls (WM). The indices
    come as they are and, but for the nulls, as their absolute error against the true PET (`demyelination_error` and so
    on).
    """
    found: dict[Key, dict[str, float | None]] = {}
    for row in images:
        for metric in (*WHOLE, *REGIONAL):
            if metric in row:
                group = "all" if metric in WHOLE else row["group"]
                key: Key = (row["system"], metric, row["reference"], row["session_id"], "", group)
                found.setdefault(key, {})[row["participant_id"]] = row[metric]
    for row in overlaps:
        key = (row["system"], "dice", "measured", row["session_id"], row["map"], "patient")
        found.setdefault(key, {})[row["participant_id"]] = row["dice"]
    truth = {row["participant_id"]: row for row in indices if row["system"] == TRUE}
    for row in indices:
        who = row["participant_id"]
        for name in INDICES:
            found.setdefault((row["system"], name, "", "change", "", "patient"), {})[who] = row[name]
            if row["system"] not in (TRUE, *nulls) and who in truth and None not in (row[name], truth[who][name]):
                key = (row["system"], f"{name}_error", "measured", "change", "", "patient")
                found.setdefault(key, {})[who] = abs(row[name] - truth[who][name])
    return [Scores(*key, values) for key, values in found.items()]


def summary_rows(scores: Iterable[Scores], seed: int, resamples: int) -> list[Row]:
    """Mean, SD (n - 1) and BCa interval over subjects, with the published figure beside it where one was printed."""
    rows = []
    for score in scores:
        values = list(score.defined.values())
        low, high = bca_interval(values, seed, resamples)
        row: Row = {"system": score.system, **dict(zip(_STRATA, score.key, strict=True))}
        row |= {
            "n": len(values),
            "mean": float(np.mean(values)) if values else None,
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "ci_low": low,
            "ci_high": high,
            "n_undefined": len(score.values) - len(values),
        }
        white_matter = score.group if score.metric.startswith("nawm") else ""
        printed = published(score.system, score.metric, score.session_id, score.map or white_matter)
        if printed and score.reference == "measured":
            row |= {"published": printed.mean, "published_sd": printed.sd, "published_source": printed.source}
        rows.append(row)
    return rows


def agreement_rows(indices: Sequence[Row]) -> list[Row]:
    """Bland-Altman, ICC, rank correlation and sign errors of each system's indices against the true PET's."""
    table = {(row["system"], row["participant_id"]): row for row in indices}
    rows = []
    for system in dict.fromkeys(row["system"] for row in indices if row["system"] != TRUE):
        both = [who for name, who in table if name == system and (TRUE, who) in table]
        for index in INDICES:
            pairs = [(table[system, who][index], table[TRUE, who][index]) for who in both]
            known = np.array([pair for pair in pairs if None not in pair], float).reshape(-1, 2)
            pred, truth = known[:, 0], known[:, 1]
            limits = bland_altman(pred, truth)
            row: Row = {"system": system, "index": index, "n": len(known), "bias": limits.bias, "sd": limits.sd}
            row |= {"loa_low": limits.low, "loa_high": limits.high, "icc": icc_agreement(known)}
            row |= {"spearman": spearman(pred, truth)}
            if index == "global":
                row["sign_errors"], row["sign_n"] = sign_errors(pred, truth)
                row["published_sign_errors"] = SIGN_ERRORS.get(system)
            rows.append(row)
    return rows


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
            head = {"system": system, "against": against, **dict(zip(_STRATA, key, strict=True))}
            family.append({**head, **asdict(test), "tested": test.p_t is not None})
        for p in ("p_t", "p_wilcoxon"):
            for row, corrected in zip(family, holm([row[p] for row in family]), strict=True):
                row[f"{p}_holm"] = corrected
        rows += family
    return rows
