"""The manifest of training images: which files belong to whom, and who may be learned from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from myelosynth.bids.guard import require_label, require_word
from myelosynth.bids.names import participant_of
from myelosynth.errors import InputError
from myelosynth.synthesis.data.folds import Fold
from myelosynth.synthesis.data.tables import read_table

COLUMNS = ("participant_id", "session_id", "contrast", "path", "mask", "lesions", "nawm")


@dataclass(frozen=True)
class Scan:
    """One session: a path per contrast, all on one grid, with brain mask, lesion mask and NAWM (None where absent)."""

    participant: str
    session: str
    paths: dict[str, Path]
    mask: Path
    lesions: Path | None
    nawm: Path | None

    @property
    def name(self) -> str:
        return f"{self.participant}_{self.session}"


@dataclass(frozen=True)
class Selection:
    """The scans of one fold that may be learned from, and the scans left out because a contrast is not there."""

    training: list[Scan]
    validation: list[Scan]
    gaps: list[str] = field(default_factory=list)

    def require_held_out(self, fold: Fold) -> None:
        """Raises InputError for a scan of a participant whom the fold tests or does not know: statistics and weights
        fitted on a test participant, or early stopping on one. Inner splits of the others are no leak."""
        for what, scans in (("in the training data", self.training), ("chooses the weights", self.validation)):
            for scan in scans:
                role = fold.roles.get(scan.participant, "unknown")
                if role not in ("train", "validation"):
                    values = f"{scan.name} is {role} in fold {fold.number}"
                    cure = "select scans by the split of this fold"
                    raise InputError(f"leak: test participant {what}", "training job", values, cure)


def read_manifest(path: Path) -> list[Scan]:
    """Read a manifest; relative paths start at the working directory.

    Raises InputError for odd labels, an empty path or mask, a contrast listed twice, differing masks within a session,
    and for leaks: one image listed for two participants (by two names too), an image whose name is of another
    participant, and a mask in the place of an image.
    """
    table = read_table(path, COLUMNS)
    scans: dict[tuple[str, str], Scan] = {}
    owners: dict[Path, str] = {}
    for number, row in enumerate(table.to_dict("records"), 2):
        if not row["path"] or not row["mask"]:
            empty = "path" if not row["path"] else "mask"
            raise InputError("manifest incomplete", path, f"row {number}: {empty} is empty", "fill it in")
        where = f"{path} row {number}"
        require_label("sub", row["participant_id"].removeprefix("sub-"), where)
        require_label("ses", row["session_id"].removeprefix("ses-"), where)
        require_word("contrast", row["contrast"], where)
        image, mask = Path(row["path"]).absolute(), Path(row["mask"]).absolute()
        key = row["participant_id"], row["session_id"]
        masks = [Path(row[name]).absolute() if row[name] else None for name in ("lesions", "nawm")]
        scan = scans.setdefault(key, Scan(*key, {}, mask, *masks))
        if (scan.mask, scan.lesions, scan.nawm) != (mask, *masks):
            values = f"row {number}: masks of {scan.name} differ from its first row"
            raise InputError("manifest inconsistent", path, values, "give one set of masks per session")
        if row["contrast"] in scan.paths:
            values = f"row {number}: {row['contrast']} of {scan.name} again"
            raise InputError("contrast listed twice", path, values, "keep one row per contrast")
        owner = owners.setdefault(image.resolve(), scan.participant)
        if owner != scan.participant:
            values = f"row {number}: {image} listed for {owner} and {scan.participant}"
            raise InputError("leak: one image for two participants", path, values, "give each their own image")
        if scan.participant != (participant_of(image.name) or scan.participant):
            values = f"row {number}: {image.name} listed for {scan.participant}"
            raise InputError("leak: image of another participant", path, values, "give each their own image")
        if image in (mask, *masks):
            values = f"row {number}: {row['contrast']} of {scan.name} is its mask {image.name}"
            raise InputError("leak: mask as an image", path, values, "masks may weigh a loss, never be a source")
        scan.paths[row["contrast"]] = image
    return list(scans.values())


def select(
    scans: Sequence[Scan], fold: Fold, sessions: Sequence[str], contrasts: Sequence[str], where: Path
) -> Selection:
    """The training and validation scans of a fold; test participants never pass.

    sessions: labels such as t0; contrasts: what a scan must have, a scan without is a gap. Raises InputError for a
    participant who is not in the split, or when fewer than two participants are left to train on.
    """
    strangers = [scan.participant for scan in scans if scan.participant not in fold.roles]
    if strangers:
        values = f"{strangers[0]} is in the manifest but not in the split"
        raise InputError("role unknown", where, values, "make the split again with `myelosynth split`")
    chosen: dict[str, list[Scan]] = {"train": [], "validation": []}
    gaps = []
    for scan in scans:
        role = fold.roles[scan.participant]
        if role not in chosen or scan.session.removeprefix("ses-") not in sessions:
            continue
        absent = [contrast for contrast in contrasts if contrast not in scan.paths]
        if absent:
            gaps.append(f"{scan.name}: no {', '.join(absent)}")
        else:
            chosen[role].append(scan)
    if not chosen["train"]:
        values = f"0 scans of fold {fold.number}, sessions {', '.join(sessions)}, contrasts {', '.join(contrasts)}"
        raise InputError("no training scans", where, values, "check the manifest")
    learned = sorted({scan.participant for scan in chosen["train"]})
    if len(learned) == 1:
        values = f"{learned[0]} alone in fold {fold.number}, expected 2 participants or more"
        raise InputError("one training participant", where, values, "add participants, or split into fewer folds")
    if fold.participants("validation") and not chosen["validation"]:
        values = f"0 scans of {', '.join(fold.participants('validation'))}"
        raise InputError("no validation scans", where, values, "check the manifest")
    return Selection(chosen["train"], chosen["validation"], gaps)
