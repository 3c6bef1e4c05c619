"""The table that training reads: which image of which session lies where, with its masks."""

from collections.abc import Sequence
from pathlib import Path

from myelosynth.bids.index import BASELINE, TARGET, SessionIndex, read_table
from myelosynth.bids.layout import Layout
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import write_json
from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text
from myelosynth.synthesis.config import TEMPLATE, Task
from myelosynth.synthesis.data.permutation import exchanged

COLUMNS = ("participant_id", "session_id", "contrast", "path", "mask", "lesions", "nawm")


def write_manifest(results: Path, index: Path, raw: Path, task: Task, participants: Sequence[str], out: Path) -> None:
    """One row per baseline image of the participants on their analysis grid, and one per template transform.

    The images are the sources and the target of the task. Raises InputError for a participant whom the index does not
    list.
    """
    layout, sessions = Layout(results), SessionIndex.read(index, raw)
    lines = ["\t".join(COLUMNS)]
    for sub in participants:
        if sub not in sessions.groups:
            values = f"--sub {sub}, the index has {', '.join(sessions.groups)}"
            raise InputError("participant not in the index", index, values, "give a label of the index, without sub-")
        patient = sessions.groups[sub] == "patient"
        mask = layout.brain_mask(sub, BASELINE, space="dvrt0")
        lesions, nawm = (layout.label_mask(sub, BASELINE, label, space="dvrt0") for label in ("L", "NAWM"))
        masks = [mask, lesions if patient else "", nawm if patient else ""]
        images = {contrast: layout.source(sub, BASELINE, contrast) for contrast in (*task.sources, task.target)}
        images[TEMPLATE] = layout.transform(sub, BASELINE, "PET", "MNI152")
        for contrast, path in images.items():
            lines.append("\t".join(map(str, [f"sub-{sub}", f"ses-{BASELINE}", contrast, path, *masks])))
    write_text(out, "\n".join(lines) + "\n")
    text = {"path": "image on the analysis grid", "mask": "brain mask", "lesions": "baseline lesions, patients only"}
    write_json(sidecar_path(out), {key: {"Description": value} for key, value in text.items()})


def write_permuted_manifest(results: Path, manifest: Path, split: Path, seed: int, out: Path) -> None:
    """The manifest with another participant's DVR as everybody's target: a negative control, and it says so.

    The images are those of `Layout.permuted_target`; the column target_of names whose PET each shows. Raises InputError
    for a manifest or split that cannot be read, and for a split in which somebody has nobody to exchange with.
    """
    layout = Layout(results)
    rows, split_rows = read_table(manifest, COLUMNS), read_table(split, ("participant_id", "group", "fold", "role"))
    groups = {row["participant_id"]: row["group"] for row in split_rows}
    fold_of = {row["participant_id"]: int(row["fold"]) for row in split_rows if row["role"] == "test"}
    partner = exchanged(groups, fold_of, seed)
    lines = ["\t".join([*COLUMNS, "target_of"])]
    for row in rows:
        who, values = row["participant_id"], dict(row)
        permuted = row["contrast"] == TARGET
        if permuted:
            values["path"] = str(layout.permuted_target(who.removeprefix("sub-")))
        lines.append("\t".join([*(values[name] for name in COLUMNS), partner[who] if permuted else "n/a"]))
    write_text(out, "\n".join(lines) + "\n")
    told = {
        "Description": "NEGATIVE CONTROL: the target of each participant is the PET of another, target_of",
        "Permuted": True,
        "Seed": seed,
        "target_of": {"Description": "whose PET the image shows: same group where possible, tested in the same fold"},
    }
    write_json(sidecar_path(out), told)


def write_participants(raw: Path, participants: Sequence[str], out: Path) -> None:
    """participant_id and group of those who can be split, in the order of participants.tsv."""
    rows = read_table(raw / "participants.tsv", ("participant_id", "group"))
    kept = [row for row in rows if row["participant_id"].removeprefix("sub-") in participants]
    lines = ["participant_id\tgroup", *(f"{row['participant_id']}\t{row['group']}" for row in kept)]
    write_text(out, "\n".join(lines) + "\n")
    levels = {"patient": "multiple sclerosis", "control": "healthy volunteer"}
    write_json(sidecar_path(out), {"group": {"Levels": levels}})
