"""Scores of every test subject, from the files of a study."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.index import BASELINE, FOLLOW_UP
from myelosynth.evaluation.clinical_table import read_indices
from myelosynth.evaluation.cohort import NOISE_FREE, TRUE, Run, Study, Subject
from myelosynth.evaluation.image_metrics import compare, region_difference
from myelosynth.evaluation.overlap import dice
from myelosynth.images.grid import Grid
from myelosynth.images.volume import Volume, load_mask, load_volume, open_image
from myelosynth.myelin.maps import DEMYELINATING, REMYELINATING, load_classes

Row = dict[str, Any]
Mask = NDArray[np.bool_]
MEASURED = "measured"
ALL_POSITIVE, NO_CHANGE = "all-positive", "no-change"
NO_LESIONS = "no lesion voxel in the baseline mask"
CHANGE_MAPS = {"demyelinating": DEMYELINATING, "remyelinating": REMYELINATING}
Track = Callable[[list[Subject]], Iterable[Subject]]


def image_rows(study: Study, track: Track = iter) -> list[Row]:
    """Image metrics of every prediction against the measured DVR and, where it exists, the noise-free one.

    Images are in DVR units, so MAX of the PSNR is the reference's largest DVR. The measured PET itself is scored
    against the noise-free one (system `true`): that row is what measurement noise alone does. The noise-free DVR has
    gone through the same reference region and kinetic model as the measured one.

    Raises InputError for a prediction that is not of the fold which tests the subject.
    """
    rows = []
    for subject in track(study.subjects):
        first: Volume | None = None
        for session in subject.sessions:
            references = _references(study, subject, session)
            if not references:
                continue
            if first is None:
                first = next(iter(references.values()))
                regions = _regions(study, subject, first.grid, first.path)
            for volume in references.values():
                first.grid.require(volume.grid, volume.path, first.path)
            for run, pred in _candidates(study, subject, session, references):
                for name, target in references.items():
                    if run.system == name or (run.system == TRUE and name == MEASURED):
                        continue
                    target.grid.require(pred.grid, pred.path, target.path)
                    head = _head(subject, session, run) | {"reference": name}
                    rows.append(head | _image_scores(pred.data, target.data, regions))
    return rows


def _references(study: Study, subject: Subject, session: str) -> dict[str, Volume]:
    """Measured and noise-free DVR of a session, whichever exist."""
    paths = {MEASURED: study.layout.source(subject.label, session, "DVR")}
    if NOISE_FREE in study.ceilings:
        paths[NOISE_FREE] = study.layout.prediction(NOISE_FREE, subject.label, session)
    names = {MEASURED: TRUE, NOISE_FREE: NOISE_FREE}
    return {
        name: load_volume(path)
        for name, path in paths.items()
        if study.there(path, subject, session, names[name], "DVR")
    }


def _candidates(
    study: Study, subject: Subject, session: str, references: dict[str, Volume]
) -> Iterable[tuple[Run, Volume]]:
    """Every image to be scored, one at a time; already loaded references are not read again."""
    if MEASURED in references and NOISE_FREE in references:
        yield Run(TRUE), references[MEASURED]
    for run in study.runs:
        if run.system in references:
            yield run, references[run.system]
            continue
        path = study.layout.prediction(run.key, subject.label, session)
        if study.there(path, subject, session, run.key, "predicted DVR"):
            if run.system in study.systems:
                study.require_held_out(path, subject)
            yield run, load_volume(path)


def _regions(study: Study, subject: Subject, grid: Grid, where: Path) -> dict[str, Mask | None]:
    """Brain, lesions and normal-appearing white matter on the analysis grid; None where absent or empty.

    Controls have no lesions, so all their white matter is normal (the "WM in HC" of the published region table).
    """
    layout, label = study.layout, subject.label
    paths = {"brain": layout.brain_mask(label, BASELINE, space="dvrt0")}
    if subject.group == "patient":
        paths["lesion"] = layout.label_mask(label, BASELINE, "L", space="dvrt0")
        paths["nawm"] = layout.label_mask(label, BASELINE, "NAWM", space="dvrt0")
    else:
        paths["nawm"] = layout.label_mask(label, BASELINE, "WM", space="dvrt0")
    masks: dict[str, Mask | None] = {"brain": None, "lesion": None, "nawm": None}
    for name, path in paths.items():
        if study.there(path, subject, BASELINE, "n/a", f"{name} mask"):
            mask = load_mask(path, grid, where, allow_empty=True, labels=name == "lesion")
            masks[name] = mask if mask.any() else None
    return masks


def _image_scores(pred: NDArray, target: NDArray, regions: dict[str, Mask | None]) -> Row:
    scores: Row = {**compare(pred, target, regions["brain"])}
    for name in ("lesion", "nawm"):
        region = regions[name]
        if region is not None and target[region].any():  # a DVR of 0 everywhere: outside the field of view
            found = region_difference(pred, target, region)
            scores |= {f"{name}_{reading}": value for reading, value in found.items()}
    return scores


def overlap_rows(study: Study, track: Track = iter) -> list[Row]:
    """DICE of demyelination and change maps against those of the measured PET, with their floors.

    `all-positive` calls every lesion voxel positive, so its DICE is 2p / (1 + p); `no-change` calls none changing.
    """
    rows: list[Row] = []
    layout = study.layout
    for subject in track(list(study.patients())):
        lesions = layout.label_mask(subject.label, BASELINE, "L", space="dvrt0")
        if not study.there(lesions, subject, BASELINE, "n/a", "lesion mask"):
            continue
        grid = Grid.of(open_image(lesions))
        lesion_mask = load_mask(lesions, allow_empty=True, labels=True)
        if not lesion_mask.any():
            study.note_gap(subject.participant_id, BASELINE, "n/a", NO_LESIONS)
            continue
        for session in (BASELINE, FOLLOW_UP):
            truth = layout.demyelinated(TRUE, subject.label, session)
            if not study.there(truth, subject, session, TRUE, "demyelination map"):
                continue
            study.require_fair_map(truth, subject)
            true_mask = load_mask(truth, grid, lesions, allow_empty=True)
            for run in study.runs:
                path = layout.demyelinated(run.key, subject.label, session)
                if study.there(path, subject, session, run.key, "demyelination map"):
                    study.require_fair_map(path, subject)
                    pred = load_mask(path, grid, lesions, allow_empty=True)
                    rows.append(_overlap(subject, f"ses-{session}", run, "demyelinated", pred, true_mask))
            floor = Run(ALL_POSITIVE)
            rows.append(_overlap(subject, f"ses-{session}", floor, "demyelinated", lesion_mask, true_mask))
        rows += _change_rows(study, subject, lesion_mask, grid, lesions)
    return rows


def _change_rows(study: Study, subject: Subject, lesion_mask: Mask, grid: Grid, where: Path) -> list[Row]:
    """DICE of the demyelinating and remyelinating voxels of one patient."""
    layout, rows = study.layout, []
    truth = layout.change(TRUE, subject.label, FOLLOW_UP)
    if not study.there(truth, subject, FOLLOW_UP, TRUE, "change map"):
        return []
    true_classes = load_classes(truth, grid, where).data
    for run in study.runs:
        path = layout.change(run.key, subject.label, FOLLOW_UP)
        if not study.there(path, subject, FOLLOW_UP, run.key, "change map"):
            continue
        classes = load_classes(path, grid, where).data
        for name, label in CHANGE_MAPS.items():
            rows.append(_overlap(subject, "change", run, name, classes == label, true_classes == label))
    for name, label in CHANGE_MAPS.items():
        for floor, pred in ((ALL_POSITIVE, lesion_mask), (NO_CHANGE, np.zeros_like(lesion_mask))):
            rows.append(_overlap(subject, "change", Run(floor), name, pred, true_classes == label))
    return rows


def _overlap(subject: Subject, session_id: str, run: Run, which: str, pred: Mask, truth: Mask) -> Row:
    score = dice(pred, truth)
    counts = {"n_true": int(truth.sum()), "n_predicted": int(pred.sum()), "defined": score is not None}
    head = {"system": run.system, "replicate": run.replicate, "participant_id": subject.participant_id}
    head |= {"session_id": session_id, "map": which}
    return {**head, "fold": subject.fold, "dice": score, **counts}


def index_rows(study: Study) -> list[Row]:
    """The five indices of every patient with a follow-up, true, predicted and under the null, as fractions."""
    rows = []
    for subject in study.patients():
        for run in [Run(TRUE), *study.runs, *map(Run, study.nulls)]:
            path = study.layout.indices(run.key, subject.label, FOLLOW_UP)
            if study.there(path, subject, FOLLOW_UP, run.key, "indices"):
                head = {"system": run.system, "replicate": run.replicate, "participant_id": subject.participant_id}
                values = read_indices(path)
                rows.append({**head, "fold": subject.fold, **values})
                if what := _uncovered(values["coverage"]):
                    study.note_gap(subject.participant_id, FOLLOW_UP, run.key, what)
    return rows


def _uncovered(coverage: float | None) -> str:
    """What the indices of a patient miss, by the share of the baseline lesions that they cover; None: no lesions."""
    if coverage is None:
        return f"indices: {NO_LESIONS}"
    return f"DVR in {1 - coverage:.1%} of the lesion volume" if coverage < 1 else ""


def _head(subject: Subject, session: str, run: Run) -> Row:
    return {
        "system": run.system,
        "replicate": run.replicate,
        "participant_id": subject.participant_id,
        "session_id": f"ses-{session}",
        "group": subject.group,
        "fold": subject.fold,
    }
