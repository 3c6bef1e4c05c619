"""Predicted change where the truth has none, held against what noise alone makes of a measured PET."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.index import FOLLOW_UP
from myelosynth.evaluation.cohort import NOISE_FREE, RETEST, TRUE, Run, Study, Subject
from myelosynth.evaluation.significance import SMALLEST_N, bca_interval
from myelosynth.myelin.maps import DEMYELINATING, REMYELINATING, STABLE_DEMYELINATED, STABLE_NORMAL, load_classes

Row = dict[str, Any]
MEASURED, UNCHANGED = "measured", "unchanged"
MORE, LESS, SAME, FEW = "more than noise", "less than noise", "not told apart", "too few"


def hallucination_rows(study: Study) -> list[Row]:
    """One row a patient, system and reference: how many of the voxels that are stable in the reference are called
    demyelinating or remyelinating.

    References: the change of the noise-free PET where there is one (simulated data), the measured PET's, and for the
    nulls, which scan the tissue of t0 again, no change anywhere. `noise_share` is the same share of the measured PET
    against the noise-free one, or of the retest against the measured one: what noise alone calls.
    """
    rows: list[Row] = []
    for subject in study.patients():
        rows += _of_patient(study, subject)
    return rows


def _of_patient(study: Study, subject: Subject) -> list[Row]:
    runs = [Run(TRUE), *study.runs, *map(Run, study.nulls)]
    classes: dict[str, NDArray] = {}
    first = None
    for run in runs:
        path = study.layout.change(run.key, subject.label, FOLLOW_UP)
        if study.there(path, subject, FOLLOW_UP, run.key, "change map"):
            volume = load_classes(path, first.grid if first else None, first.path if first else "")
            first = first or volume
            classes[run.key] = volume.data
    rows: list[Row] = []
    for name, truth, noise in ((NOISE_FREE, NOISE_FREE, TRUE), (MEASURED, TRUE, RETEST)):
        if truth not in classes or (truth == NOISE_FREE and NOISE_FREE not in study.ceilings):
            continue
        stable = np.isin(classes[truth], (STABLE_DEMYELINATED, STABLE_NORMAL))
        beside = _called(classes[noise], stable)["share"] if noise in classes else None
        for run in runs:
            if run.key in classes and run.system != truth and run.system not in study.nulls:
                rows.append(_row(subject, run, name, _called(classes[run.key], stable), beside))
    for null in study.nulls:
        if null in classes:
            rows.append(_row(subject, Run(null), UNCHANGED, _called(classes[null], classes[null] > 0), None))
    return rows


def _called(classes: NDArray, stable: NDArray[np.bool_]) -> Row:
    """Counts and shares of the stable voxels that a map with a class there calls changing."""
    inside = stable & (classes > 0)
    total = int(inside.sum())
    lost, gained = (int((classes[inside] == label).sum()) for label in (DEMYELINATING, REMYELINATING))
    changing = int(np.isin(classes, (DEMYELINATING, REMYELINATING)).sum())
    return {
        "n_stable": total,
        "n_demyelinating": lost,
        "n_remyelinating": gained,
        "share": (lost + gained) / total if total else None,
        "net_share": (lost - gained) / total if total else None,
        "false_discovery": (lost + gained) / changing if changing else None,
    }


def _row(subject: Subject, run: Run, reference: str, called: Row, noise: float | None) -> Row:
    head = {"system": run.system, "replicate": run.replicate, "participant_id": subject.participant_id}
    excess = None if noise is None or called["share"] is None else called["share"] - noise
    return {**head, "fold": subject.fold, "reference": reference, **called, "noise_share": noise, "excess": excess}


def hallucination_summary(rows: Sequence[Row], seed: int, resamples: int) -> list[Row]:
    """Mean over patients of each system and reference, with the BCa interval of what goes beyond noise.

    The verdict is that interval's side of zero, with more than six patients: over fewer a bootstrap interval is too
    narrow. A method may call less than noise does, and also less than the truth.
    """
    found = []
    for system, reference in dict.fromkeys((row["system"], row["reference"]) for row in rows):
        own = [row for row in rows if (row["system"], row["reference"]) == (system, reference)]
        people: dict[str, list[Row]] = {}
        for row in own:
            people.setdefault(row["participant_id"], []).append(row)
        means = {name: _by_person(people.values(), name) for name in _AVERAGED}
        low, high = bca_interval(means["excess"], seed, resamples)
        line: Row = {"system": system, "reference": reference, "n": len(means["share"])}
        line |= {name: float(np.mean(values)) if values else None for name, values in means.items()}
        # The noise against itself has no verdict, nor has a null.
        compared = bool(means["excess"]) and (system, reference) not in ((TRUE, NOISE_FREE), (RETEST, MEASURED))
        line |= {
            "excess_low": low,
            "excess_high": high,
            "verdict": _verdict(low, high, len(means["excess"])) if compared else None,
        }
        found.append(line)
    return found


_AVERAGED = ("share", "net_share", "false_discovery", "noise_share", "excess")


def _by_person(people: Iterable[Sequence[Row]], name: str) -> list[float]:
    """The value of each patient who has one: the mean over the trainings of a system."""
    values = ([row[name] for row in own if row[name] is not None] for own in people)
    return [float(np.mean(known)) for known in values if known]


def _verdict(low: float | None, high: float | None, n: int) -> str:
    if low is None or high is None or n <= SMALLEST_N:
        return FEW
    return MORE if low > 0 else LESS if high < 0 else SAME
