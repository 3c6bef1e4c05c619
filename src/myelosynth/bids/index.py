"""The session index: which contrast of which session is there, and where."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from myelosynth.bids.layout import RawLayout
from myelosynth.bids.names import bids_name, entities_of, sidecar_path
from myelosynth.bids.sidecar import write_json
from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text

CONTRASTS = ("T1w", "T2w", "FLAIR", "MTon", "MToff", "DWI", "PET", "lesions")
BASELINE = "t0"
GROUPS = ("patient", "control")

_WHERE = {
    "T1w": ("anat", "T1w", {}),
    "T2w": ("anat", "T2w", {}),
    "FLAIR": ("anat", "FLAIR", {}),
    "MTon": ("anat", "MTR", {"mt": "on"}),
    "MToff": ("anat", "MTR", {"mt": "off"}),
    "DWI": ("dwi", "dwi", {}),
    "PET": ("pet", "pet", {"trc": "11CPIB"}),
}


class IndexRow(NamedTuple):
    """One contrast of one session; path is relative to the data set and empty where absent."""

    participant_id: str
    session_id: str
    group: str
    contrast: str
    path: str
    status: str


@dataclass(frozen=True)
class SessionIndex:
    """Who has what. Labels are bare (`001`, `t0`); the table on disk carries `sub-` and `ses-`."""

    root: Path
    rows: tuple[IndexRow, ...]

    def __post_init__(self) -> None:
        paths = {(r.participant_id, r.session_id, r.contrast): r.path for r in self.rows if r.status == "present"}
        object.__setattr__(self, "_paths", paths)

    @property
    def groups(self) -> dict[str, str]:
        """Participant label to group, in table order."""
        return {row.participant_id[4:]: row.group for row in self.rows}

    def participants(self, group: str | None = None) -> list[str]:
        return [label for label, its in self.groups.items() if group in (None, its)]

    def sessions(self, sub: str) -> list[str]:
        """Sessions of a participant with at least one image, baseline first."""
        found = {row.session_id[4:] for row in self.rows if row.participant_id == f"sub-{sub}" and row.path}
        return sorted(found, key=lambda ses: (ses != BASELINE, ses))

    def has(self, sub: str, ses: str, *contrasts: str) -> bool:
        """Whether every one of the contrasts is there."""
        return all((f"sub-{sub}", f"ses-{ses}", contrast) in self._paths for contrast in contrasts)  # type: ignore[attr-defined]

    def path(self, sub: str, ses: str, contrast: str) -> Path:
        """Path of an image. Raises InputError when the index does not list it."""
        if not self.has(sub, ses, contrast):
            values = f"sub-{sub} ses-{ses} has no {contrast}"
            raise InputError("contrast absent", self.root, values, "leave the session out or add the image")
        return self.root / self._paths[f"sub-{sub}", f"ses-{ses}", contrast]  # type: ignore[attr-defined]

    def gaps(self) -> list[IndexRow]:
        """What a complete data set would have and this one lacks."""
        return [row for row in self.rows if row.status == "absent"]

    def write(self, path: Path) -> None:
        """Write the index as TSV with a sidecar that describes its columns."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(IndexRow._fields)
        writer.writerows([field or "n/a" for field in row] for row in self.rows)
        write_text(Path(path), text.getvalue())
        columns = {
            "contrast": {"Description": "image of the session", "Levels": list(CONTRASTS)},
            "path": {"Description": "path relative to the data set; n/a where absent"},
            "status": {"Levels": {"present": "the file is there", "absent": "a gap: listed, counted, skipped"}},
        }
        write_json(sidecar_path(Path(path)), columns)

    @classmethod
    def read(cls, path: Path, root: Path) -> "SessionIndex":
        """Read an index. Raises InputError for a missing file or other columns."""
        rows = read_table(Path(path), IndexRow._fields)
        return cls(Path(root), tuple(IndexRow(*(row[f].replace("n/a", "") for f in IndexRow._fields)) for row in rows))


def complete(root: Path, present: Iterable[tuple[str, str, str, str, str]]) -> SessionIndex:
    """The index of the given (sub, ses, group, contrast, path), with a row for every gap.

    A session that any participant has is expected of all; lesion masks are expected of patients at baseline.
    """
    found = list(present)
    paths = {(sub, ses, contrast): path for sub, ses, _, contrast, path in found}
    groups = {sub: group for sub, _, group, _, _ in found}
    sessions = sorted({ses for _, ses, *_ in found}, key=lambda ses: (ses != BASELINE, ses))
    rows = []
    for sub, group in groups.items():
        for ses in sessions:
            for contrast in CONTRASTS:
                if contrast == "lesions" and (group != "patient" or ses != BASELINE):
                    continue
                path = paths.get((sub, ses, contrast), "")
                status = "present" if path else "absent"
                rows.append(IndexRow(f"sub-{sub}", f"ses-{ses}", group, contrast, path, status))
    return SessionIndex(Path(root), tuple(rows))


def expected(raw: RawLayout, roster: Iterable[Sequence[str]]) -> SessionIndex:
    """The index of a data set that is yet to be simulated, from rows (participant, group, session, contrast)."""
    return complete(raw.root, ((sub, ses, grp, c, _expected_path(raw, sub, ses, c)) for sub, grp, ses, c in roster))


def _expected_path(raw: RawLayout, sub: str, ses: str, contrast: str) -> str:
    if contrast == "lesions":
        return raw.lesion_mask(sub, ses).relative_to(raw.root).as_posix()
    datatype, suffix, entities = _WHERE[contrast]
    return f"sub-{sub}/ses-{ses}/{datatype}/{bids_name(suffix, sub=sub, ses=ses, **entities)}"


def scan(raw: RawLayout) -> SessionIndex:
    """Find every session of a data set on disk.

    Raises InputError for a missing data set, a folder `sub-X` that participants.tsv does not list, a participant
    without a group, or two images that could both be one contrast (say which one to use by moving the other away).
    """
    table = read_table(raw.root / "participants.tsv", ("participant_id", "group"))
    groups = {}
    for number, row in enumerate(table, start=2):
        if row["group"] not in GROUPS:
            where = f"{raw.root / 'participants.tsv'} line {number}"
            values = f"{row['participant_id']} has group {row['group'] or 'n/a'!r}, expected patient or control"
            raise InputError("participant without a group", where, values, "fill in the column `group`")
        groups[row["participant_id"].removeprefix("sub-")] = row["group"]
    present: list[tuple[str, str, str, str, str]] = []
    for folder in sorted(raw.root.glob("sub-*/ses-*")):
        sub, ses = folder.parent.name[4:], folder.name[4:]
        if sub not in groups:
            values = f"sub-{sub} has images, the table has {len(groups)} others"
            cure = "add a row with its group"
            raise InputError("participant not in the table", raw.root / "participants.tsv", values, cure)
        for contrast in CONTRASTS:
            if found := _find(raw, sub, ses, contrast):
                present.append((sub, ses, groups[sub], contrast, found))
    if not present:
        raise InputError("no images found", raw.root, "0 files sub-*/ses-*/...", "give a BIDS data set with sessions")
    order = {sub: number for number, sub in enumerate(groups)}
    return complete(raw.root, sorted(present, key=lambda row: order[row[0]]))


def _find(raw: RawLayout, sub: str, ses: str, contrast: str) -> str:
    if contrast == "lesions":
        folder = raw.lesions / f"sub-{sub}" / f"ses-{ses}" / "anat"
        found = sorted(folder.glob("*_label-L_*mask.nii.gz"))
    else:
        datatype, suffix, entities = _WHERE[contrast]
        files = sorted((raw.root / f"sub-{sub}" / f"ses-{ses}" / datatype).glob(f"*_{suffix}.nii*"))
        found = [f for f in files if all(entities_of(f).get(key) == value for key, value in entities.items())]
    if len(found) > 1:
        values = f"{len(found)} files: {', '.join(path.name for path in found)}"
        raise InputError(f"several images for {contrast}", found[0].parent, values, "keep one in the data set")
    if not found:
        return ""
    inside = found[0].is_relative_to(raw.root)
    return found[0].relative_to(raw.root).as_posix() if inside else str(found[0].absolute())


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a TSV with at least the given columns, `n/a` kept as text. Raises InputError naming both sets."""
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path")
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        missing = [column for column in columns if column not in (reader.fieldnames or [])]
        if missing:
            values = f"no {', '.join(missing)}; found {', '.join(reader.fieldnames or ['nothing'])}"
            raise InputError("columns missing", path, values, "add the columns")
        return [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]
