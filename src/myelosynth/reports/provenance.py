"""What made the images of a page: engines with versions, model, fold, checksums."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from myelosynth.bids.index import BASELINE
from myelosynth.bids.layout import Layout
from myelosynth.reports.sidecars import engine_of, record_of
from myelosynth.reports.tables import Table


@dataclass(frozen=True)
class Independence:
    """Whether the model of a prediction ever saw the subject: `proven`, `broken` or `unknown`, told in words."""

    state: str
    words: str


def independence(layout: Layout, sub: str, system: str) -> Independence:
    """Compare the prediction's checkpoint with the participants that its training lists."""
    prediction = record_of(layout.prediction(system, sub, BASELINE))
    fold = prediction.get("Fold")
    if fold is None:
        return Independence("unknown", "The prediction's sidecar names no fold: independence is not verified here.")
    training = record_of(layout.checkpoint(system, fold))
    roles = training.get("Participants") or {}
    names = {role: {str(name).removeprefix("sub-") for name in people} for role, people in roles.items()}
    if not names or training.get("CheckpointSha256") != prediction.get("CheckpointSha256"):
        words = f"Fold {fold}; the training record of exactly this checkpoint was not found: not verified here."
        return Independence("unknown", words)
    seen = [role for role in ("train", "validation") if sub in names.get(role, set())]
    if seen:
        words = (
            f"Warning: this subject was in the {' and '.join(seen)} part of fold {fold}. Do not use this prediction."
        )
        return Independence("broken", words)
    people = sum(len(names.get(role, ())) for role in ("train", "validation"))
    words = (
        f"The prediction comes from the model of fold {fold}, fitted on {people} other subjects; "
        f"this subject was in neither its training nor its validation part (read from the checkpoint's record)."
    )
    return Independence("proven", words)


def provenance_table(layout: Layout, sub: str, system: str, sessions: Sequence[str]) -> Table:
    """One row per image of the page that has a sidecar: what it is, who made it, what identifies it."""
    rows = []
    for ses in sessions:
        items: list[tuple[str, Path]] = [
            ("T1w, preprocessed", layout.anat(sub, ses, "T1w")),
            ("Brain mask", layout.brain_mask(sub, ses)),
            ("White matter mask", layout.label_mask(sub, ses, "WM")),
            ("Measured DVR", layout.source(sub, ses, "DVR")),
            *((f"{name} on the analysis grid", layout.source(sub, ses, name)) for name in ("MTR", "FA", "RD", "AD")),
            ("Predicted DVR", layout.prediction(system, sub, ses)),
            ("Demyelinated voxels, measured", layout.demyelinated("true", sub, ses)),
            ("Demyelinated voxels, predicted", layout.demyelinated(system, sub, ses)),
            ("Change classes, predicted", layout.change(system, sub, ses)),
        ]
        for words, path in items:
            record = record_of(path)
            if record:
                made = [m for m in record.get("GeneratedBy", []) if m.get("Name") == "myelosynth"]
                ours = f"myelosynth {made[0].get('Version', '')}" if made else ""
                engine = engine_of(record)
                makers = ", ".join(dict.fromkeys(part for part in (ours, engine) if part))
                rows.append([f"{words}, {ses}", makers or "not recorded", _identity(record)])
    heads = ("Image", "Made by", "Model and checksums")
    return Table(heads, rows, "Engines and versions, from the JSON sidecars", text_columns=3)


def _identity(record: dict) -> str:
    """Model, fold, seed and checksums of a sidecar, where it has them."""
    words = {"Model": "model", "Loss": "loss", "Fold": "fold", "Seed": "seed"}
    parts = [f"{text} {record[key]}" for key, text in words.items() if record.get(key) is not None]
    sums = {"CheckpointSha256": "checkpoint sha256", "SplitSha256": "split sha256"}
    return ", ".join([*parts, *(f"{text} {record[key]}" for key, text in sums.items() if record.get(key))])
