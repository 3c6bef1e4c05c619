"""Scores per subject, gathered from the tables: one metric of one system under one condition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from myelosynth.evaluation.cohort import TRUE
from myelosynth.myelin.indices import COLUMNS as INDICES

Row = dict[str, Any]
WHOLE = ("mse", "psnr", "ssim", "mae", "mse_masked", "psnr_masked", "ssim_masked", "mae_masked")
REGIONAL = ("lesion_mae", "lesion_mean_difference", "lesion_bias", "nawm_mae", "nawm_mean_difference", "nawm_bias")
STRATA = ("metric", "reference", "session_id", "map", "group")
_RISING = ("psnr", "ssim", "psnr_masked", "ssim_masked", "dice")  # better when larger
Condition = tuple[str, str, str, str, str]  # metric, reference, session, map, group


@dataclass(frozen=True)
class Scores:
    """One metric of one system under one condition: by replicate, value by participant, None where undefined."""

    system: str
    metric: str
    reference: str
    session_id: str
    map: str
    group: str
    replicates: dict[int, dict[str, float | None]]

    @property
    def key(self) -> Condition:
        """The condition without the system: scores with one key can be compared."""
        return (self.metric, self.reference, self.session_id, self.map, self.group)

    @property
    def rising(self) -> bool:
        """Whether a larger value is a better one."""
        return self.metric in _RISING

    @property
    def values(self) -> dict[str, float | None]:
        """Each subject's mean over the replicates that define its value; None where none does."""
        people = dict.fromkeys(who for part in self.replicates.values() for who in part)
        found = {who: [v for part in self.replicates.values() if (v := part.get(who)) is not None] for who in people}
        return {who: float(np.mean(values)) if values else None for who, values in found.items()}

    @property
    def defined(self) -> dict[str, float]:
        return {who: value for who, value in self.values.items() if value is not None}

    @property
    def seed_sd(self) -> float | None:
        """SD (n - 1) between replicates of the mean over the subjects that every replicate defines."""
        parts = list(self.replicates.values())
        common = [who for who in parts[0] if all(part.get(who) is not None for part in parts)]
        if len(parts) < 2 or not common:
            return None
        values = np.array([[part[who] for who in common] for part in parts], float)
        return float(values.mean(axis=1).std(ddof=1))


def all_scores(
    images: Sequence[Row], overlaps: Sequence[Row], indices: Sequence[Row], nulls: Sequence[str] = ()
) -> list[Scores]:
    """Every metric of every system, t0, t1 and change kept apart, one value per subject and replicate.

    Lesion metrics are of patients; white-matter metrics are split into patients (NAWM) and controls (WM). The indices
    come as they are and, but for the nulls, as their absolute error against the true PET (`demyelination_error` and so
    on).
    """
    found: dict[tuple[str, Condition], dict[int, dict[str, float | None]]] = {}

    def note(row: Row, key: Condition, value: float | None) -> None:
        parts = found.setdefault((row["system"], key), {})
        parts.setdefault(row["replicate"], {})[row["participant_id"]] = value

    for row in images:
        for metric in (*WHOLE, *REGIONAL):
            if metric in row:
                group = "all" if metric in WHOLE else row["group"]
                note(row, (metric, row["reference"], row["session_id"], "", group), row[metric])
    for row in overlaps:
        note(row, ("dice", "measured", row["session_id"], row["map"], "patient"), row["dice"])
    truth = {row["participant_id"]: row for row in indices if row["system"] == TRUE}
    for row in indices:
        who = row["participant_id"]
        for name in INDICES:
            note(row, (name, "", "change", "", "patient"), row[name])
            if row["system"] not in (TRUE, *nulls) and who in truth and None not in (row[name], truth[who][name]):
                error = abs(row[name] - truth[who][name])
                note(row, (f"{name}_error", "measured", "change", "", "patient"), error)
    return [Scores(system, *key, parts) for (system, key), parts in found.items()]
