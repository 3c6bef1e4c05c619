"""Agreement of the maps by the size of lesions and their distance to the CSF."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.index import BASELINE, FOLLOW_UP
from myelosynth.evaluation.agreement import bland_altman, mean_of
from myelosynth.evaluation.cohort import TRUE, Run, Study, Subject
from myelosynth.evaluation.overlap import all_positive_dice, dice
from myelosynth.evaluation.study import CHANGE_MAPS
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume
from myelosynth.myelin.lesions import number_lesions
from myelosynth.myelin.maps import load_classes

Row = dict[str, Any]
Mask = NDArray[np.bool_]
SIZE, DISTANCE, VOXEL = "lesion size", "lesion distance", "voxel distance"
_VOLUMES, _DISTANCES = (0.0, 0.1, 0.5, 2.0), (0.0, 3.0, 10.0)
_UNITS = {SIZE: "ml", DISTANCE: "mm", VOXEL: "mm"}


def names_of(kind: str) -> list[str]:
    """The strata of a kind in order, in words.

    >>> names_of("lesion size")
    ['0 to 0.1 ml', '0.1 to 0.5 ml', '0.5 to 2 ml', '2 ml and more']
    """
    edges, unit = _VOLUMES if kind == SIZE else _DISTANCES, _UNITS[kind]
    inner = [f"{low:g} to {high:g} {unit}" for low, high in pairwise(edges)]
    return [*inner, f"{edges[-1]:g} {unit} and more"]


def strata_rows(study: Study) -> list[Row]:
    """DICE and share of demyelinated, demyelinating and remyelinating voxels in each stratum, mean over patients.

    A patient counts in a stratum in which he has lesion voxels; his DICE is undefined there where neither map has any.
    Each stratum has its own floor, all-positive, since small or periventricular lesions may be all demyelinated; it is
    over the patients whose DICE is defined. Bias and limits are of each training, then averaged over them.
    """
    scores = [score for subject in study.patients() for score in _of_patient(study, subject)]
    keys = ("system", "session_id", "map", "stratified_by", "stratum")
    rows = []
    for key in dict.fromkeys(tuple(score[name] for name in keys) for score in scores):
        own = [score for score in scores if tuple(score[name] for name in keys) == key]
        rows.append(dict(zip(keys, key, strict=True)) | _pooled(own))
    order = {(kind, name): number for kind in _UNITS for number, name in enumerate(names_of(kind))}
    places = {kind: number for number, kind in enumerate(_UNITS)}
    return sorted(rows, key=lambda r: (places[r["stratified_by"]], order[r["stratified_by"], r["stratum"]]))


def _pooled(scores: list[Row]) -> Row:
    """Patients of a stratum together: each with the mean over the trainings of the system first, but for the limits of
    agreement, which such a mean would narrow."""
    people: dict[str, list[Row]] = {}
    for score in scores:
        people.setdefault(score["participant_id"], []).append(score)
    one_each = [its[0] for its in people.values()]
    overlaps = {who: [s["dice"] for s in its if s["dice"] is not None] for who, its in people.items()}
    defined = {who: float(np.mean(values)) for who, values in overlaps.items() if values}
    floors = [all_positive_dice(people[who][0]["true_share"]) for who in defined]
    predicted = [float(np.mean([s["share"] for s in its])) for its in people.values()]
    true = [score["true_share"] for score in one_each]
    trainings: dict[int, list[Row]] = {}
    for score in scores:
        trainings.setdefault(score["replicate"], []).append(score)
    limits = [bland_altman([s["share"] for s in its], [s["true_share"] for s in its]) for its in trainings.values()]
    return {
        "n_patients": len(people),
        "n_lesions": sum(score["lesions"] for score in one_each),
        "n_voxels": sum(score["voxels"] for score in one_each),
        "dice": mean_of(list(defined.values())),
        "n_undefined": len(people) - len(defined),
        "all_positive_dice": mean_of(floors),
        "true_share": float(np.mean(true)),
        "share": float(np.mean(predicted)),
        "bias": mean_of([found.bias for found in limits]),
        "loa_low": mean_of([found.low for found in limits]),
        "loa_high": mean_of([found.high for found in limits]),
    }


def _of_patient(study: Study, subject: Subject) -> Iterable[Row]:
    """A score for every map, system and stratum of one patient."""
    layout, label = study.layout, subject.label
    lesions = layout.label_mask(label, BASELINE, "L", space="dvrt0")
    distance = layout.csf_distance(label, BASELINE, space="dvrt0")
    for path, what in ((lesions, "lesion mask"), (distance, "distance to CSF")):
        if not study.there(path, subject, BASELINE, "n/a", what):
            return
    apart = load_volume(distance)
    load_mask(lesions, apart.grid, distance, allow_empty=True, labels=True)  # refuses an image in the place of a mask
    numbers = number_lesions(load_volume(lesions, allow_empty=True).data, apart.grid)
    parts = list(_strata(numbers, apart.data, apart.grid))
    for session in (BASELINE, FOLLOW_UP):
        truth = layout.demyelinated(TRUE, label, session)
        if study.there(truth, subject, session, TRUE, "demyelination map"):
            study.require_fair_map(truth, subject)
            true_mask = load_mask(truth, apart.grid, distance, allow_empty=True)
            for run, path in _runs(study, subject, session, layout.demyelinated, "demyelination map"):
                study.require_fair_map(path, subject)
                mask = load_mask(path, apart.grid, distance, allow_empty=True)
                yield from _scored(subject, run, f"ses-{session}", "demyelinated", mask, true_mask, parts)
    truth = layout.change(TRUE, label, FOLLOW_UP)
    if study.there(truth, subject, FOLLOW_UP, TRUE, "change map"):
        true_classes = load_classes(truth, apart.grid, distance).data
        for run, path in _runs(study, subject, FOLLOW_UP, layout.change, "change map"):
            classes = load_classes(path, apart.grid, distance).data
            for which, value in CHANGE_MAPS.items():
                yield from _scored(subject, run, "change", which, classes == value, true_classes == value, parts)


def _strata(numbers: NDArray, distance: NDArray, grid: Grid) -> Iterable[tuple[str, str, Mask, int]]:
    """Kind, name, voxels (X, Y, Z) and lesions of every stratum that is not empty."""
    inside = numbers > 0
    if not inside.any():
        return
    labels = numbers[inside]
    sizes = np.round(np.bincount(labels) * grid.voxel_volume / 1000, 6)  # a determinant is off by its last digits
    nearest = np.full(sizes.size, np.inf)
    np.minimum.at(nearest, labels, distance[inside])
    values = {SIZE: (sizes[labels], _VOLUMES), DISTANCE: (nearest[labels], _DISTANCES)}
    values[VOXEL] = (distance[inside], _DISTANCES)
    for kind, (each, edges) in values.items():
        where = np.searchsorted(edges, each, side="right") - 1
        for number, name in enumerate(names_of(kind)):
            if (where == number).any():
                voxels = np.zeros(inside.shape, bool)
                voxels[inside] = where == number
                yield kind, name, voxels, int(np.unique(labels[where == number]).size)


def _scored(
    subject: Subject, run: Run, session_id: str, which: str, mask: Mask, truth: Mask, parts: Iterable[Any]
) -> Iterable[Row]:
    for kind, name, voxels, lesions in parts:
        total = int(voxels.sum())
        head = {"system": run.system, "replicate": run.replicate, "participant_id": subject.participant_id}
        head |= {"session_id": session_id, "map": which}
        counts = {"lesions": lesions, "voxels": total}
        shares = {"share": int(mask[voxels].sum()) / total, "true_share": int(truth[voxels].sum()) / total}
        overlap = {"dice": dice(mask[voxels], truth[voxels])}
        yield {**head, "stratified_by": kind, "stratum": name, **counts, **shares, **overlap}


def _runs(
    study: Study, subject: Subject, session: str, where: Callable[[str, str, str], Path], what: str
) -> Iterable[tuple[Run, Path]]:
    """Every system whose map of a session is there; others are gaps."""
    for run in study.runs:
        path = where(run.key, subject.label, session)
        if study.there(path, subject, session, run.key, what):
            yield run, path
