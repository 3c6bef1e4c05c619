"""Scores for a model card: of the checkpoint's own test subjects, where the tables tell them apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from myelosynth.bids.index import read_table
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError
from myelosynth.evaluation.scores import REGIONAL, WHOLE, all_scores
from myelosynth.evaluation.summary import summary_rows
from myelosynth.evaluation.tables import cell, number
from myelosynth.myelin.indices import COLUMNS as INDICES
from myelosynth.synthesis.bundle.metrics import SUMMARY, Metrics, is_told, metric_rows, parts_of
from myelosynth.synthesis.bundle.parts import Parts

_BESIDE = {"image_metrics": (*WHOLE, *REGIONAL), "overlap": ("dice",), "indices": INDICES}
"""Tables of `evaluate` beside its summary with one row a subject, and the scores in them."""


def bundle_metrics(summary: Path, parts: Parts) -> Metrics:
    """The scores of a bundle's system, from the summary of `myelosynth evaluate` and the tables beside it.

    With the tables of single subjects: those of the test subjects of the members' folds, summarised as `evaluate` does.
    Without them the summary's own rows, pooled over every fold in it. Raises InputError where the summary lacks the
    system, or the tables test other people than the split.
    """
    rows = read_table(summary, SUMMARY)
    if parts.system not in {row["system"] for row in rows}:
        values = f"{parts.system}; the table has {', '.join(dict.fromkeys(row['system'] for row in rows))}"
        cure = "give the summary.tsv of this system's evaluation"
        raise InputError("system not in the summary", summary, values, cure)
    record = read_json(sidecar_path(summary)) if sidecar_path(summary).is_file() else {}
    settings = record.get("Settings") or {}
    trainings = int(settings.get("replicates", 1))
    beside = {name: summary.with_name(f"{name}.tsv") for name in _BESIDE}
    if not all(path.is_file() for path in beside.values()):
        folds = sorted(settings.get("folds") or [])
        own = bool(folds) and set(folds) <= {member.fold.number for member in parts.members}
        return Metrics(metric_rows(rows, parts.system), own, folds, settings.get("test_subjects"), trainings)
    tested = {member.fold.number: member.fold.participants("test") for member in parts.members}
    tables = {name: _own_rows(path, _BESIDE[name], tested) for name, path in beside.items()}
    # A score that a subject has not (lesions of a control) is no row, as in `evaluate`.
    images = [{key: value for key, value in row.items() if value is not None} for row in tables["image_metrics"]]
    if parts.system not in {row["system"] for row in images}:
        values = f"no row of {parts.system} for fold {', '.join(map(str, sorted(tested)))}"
        raise InputError("fold not evaluated", beside["image_metrics"], values, "evaluate the folds of the checkpoints")
    kinds = parts_of(parts.system)
    scores = [
        score
        for score in all_scores(images, tables["overlap"], tables["indices"])
        if score.system in kinds and is_told(score.metric, score.reference)
    ]
    found = summary_rows(scores, int(settings.get("seed", 1)), int(settings.get("resamples", 9999)))
    text = [{name: cell(row.get(name)) for name in SUMMARY} for row in found]
    subjects = len({row["participant_id"] for row in images})
    return Metrics(metric_rows(text, parts.system), True, sorted(tested), subjects, trainings)


def _own_rows(path: Path, scores: Sequence[str], tested: dict[int, list[str]]) -> list[dict[str, Any]]:
    """Rows of the folds in `tested`, scores as numbers. Raises InputError for somebody whom a fold does not test."""
    rows = []
    for row in read_table(path, ("system", "participant_id", "fold")):
        fold = int(row["fold"])
        if fold not in tested:
            continue
        if row["participant_id"] not in tested[fold]:
            values = f"{row['participant_id']} as test subject of fold {fold}, the split has {len(tested[fold])} others"
            raise InputError("metrics of another split", path, values, "evaluate with the split of the checkpoint")
        numbers = {name: number(row[name], name, path) for name in scores if name in row}
        rows.append({**row, "replicate": int(row.get("replicate", 1)), **numbers})
    return rows
