"""The session index: which contrast of which session is there, and where."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from myelosynth.bids.guard import require_image_name, require_label
from myelosynth.bids.layout import RawLayout
from myelosynth.bids.names import bids_name, entities_of, sidecar_path
from myelosynth.bids.ready import READY, find_ready, lesions_in_t1w, require_ready
from myelosynth.bids.sidecar import write_json
from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text

CONTRASTS = ("T1w", "T2w", "FLAIR", "MTon", "MToff", "DWI", "PET", "lesions")
COVERS = {"MTR": ("MTon", "MToff"), "FA": ("DWI",), "RD": ("DWI",), "AD": ("DWI",), "DVR": ("PET",)}
"""Ready maps and the raw images that nothing needs once all maps made of them are ready."""
TARGET = "DVR"
OF_PET = ("PET", TARGET, "reference")
"""What comes from a PET: a data set of MRI alone is looked at without them."""
BASELINE, FOLLOW_UP = "t0", "t1"
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
    """Who has what. Labels are bare (`001`, `t0`); the table on disk carries `sub-` and `ses-`.

    unused: one line for each image that lies beside the one that is used; only a scan knows them.
    """

    root: Path
    rows: tuple[IndexRow, ...]
    unused: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        paths = {(r.participant_id, r.session_id, r.contrast): r.path for r in self.rows if r.status == "present"}
        object.__setattr__(self, "_paths", paths)

    @cached_property
    def groups(self) -> dict[str, str]:
        """Participant label to group, in table order."""
        return {row.participant_id[4:]: row.group for row in self.rows}

    @cached_property
    def _sessions(self) -> dict[str, list[str]]:
        found: dict[str, set[str]] = {}
        for row in self.rows:
            if row.path:
                found.setdefault(row.participant_id[4:], set()).add(row.session_id[4:])
        return {sub: sorted(its, key=lambda ses: (ses != BASELINE, ses)) for sub, its in found.items()}

    def participants(self, group: str | None = None) -> list[str]:
        return [label for label, its in self.groups.items() if group in (None, its)]

    def sessions(self, sub: str) -> list[str]:
        """Sessions of a participant with at least one image, baseline first."""
        return list(self._sessions.get(sub, []))

    def has(self, sub: str, ses: str, *contrasts: str) -> bool:
        """Whether every one of the contrasts is there."""
        return all((f"sub-{sub}", f"ses-{ses}", contrast) in self._paths for contrast in contrasts)  # type: ignore[attr-defined]

    def path(self, sub: str, ses: str, contrast: str) -> Path:
        """Path of an image. Raises InputError when the index does not list it."""
        if not self.has(sub, ses, contrast):
            values = f"sub-{sub} ses-{ses} has no {contrast}"
            raise InputError("contrast absent", self.root, values, "leave the session out or add the image")
        return self.root / self._paths[f"sub-{sub}", f"ses-{ses}", contrast]  # type: ignore[attr-defined]

    def lesions_in_t1w(self, sub: str, ses: str = BASELINE) -> bool:
        """Whether the lesion mask of a session is there and was drawn on the T1w: the FLAIR's transform is not for it.

        Raises InputError for a mask that names no space and lies neither on the FLAIR's grid nor on the T1w's.
        """
        if not self.has(sub, ses, "lesions", "T1w"):
            return False
        flair = self.path(sub, ses, "FLAIR") if self.has(sub, ses, "FLAIR") else None
        return lesions_in_t1w(self.path(sub, ses, "lesions"), self.path(sub, ses, "T1w"), flair)

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
            "contrast": {
                "Description": "image of the session; the later ones are ready maps, listed where present",
                "Levels": [*CONTRASTS, *READY],
            },
            "path": {"Description": "path relative to the data set; n/a where absent"},
            "status": {
                "Levels": {
                    "present": "the file is there",
                    "absent": "a gap: listed, counted, skipped",
                    "ready": "the file is not there, and every map made of it is ready: no gap",
                }
            },
        }
        write_json(sidecar_path(Path(path)), columns)

    @classmethod
    def read(cls, path: Path, root: Path) -> "SessionIndex":
        """Read an index. Raises InputError for a missing file, other columns, odd labels or unknown contrasts."""
        rows = read_table(Path(path), IndexRow._fields)
        for number, row in enumerate(rows, start=2):
            require_label("sub", row["participant_id"].removeprefix("sub-"), f"{path} line {number}")
            require_label("ses", row["session_id"].removeprefix("ses-"), f"{path} line {number}")
            if row["contrast"] not in (*CONTRASTS, *READY):
                values = f"{row['contrast']}, expected {', '.join((*CONTRASTS, *READY))}"
                raise InputError("contrast unknown", f"{path} line {number}", values, "make the index again")
        return cls(Path(root), tuple(IndexRow(*(row[f].replace("n/a", "") for f in IndexRow._fields)) for row in rows))


def complete(
    root: Path,
    present: Iterable[tuple[str, str, str, str, str]],
    groups: Mapping[str, str] | None = None,
    unused: Sequence[str] = (),
) -> SessionIndex:
    """The index of the given (sub, ses, group, contrast, path), with a row for every gap.

    A session that any participant has is expected of all; lesion masks are expected of patients at baseline, and listed
    at later sessions where present. groups: participant to group, where somebody may be without any image; default:
    those who have one.
    """
    found = list(present)
    paths = {(sub, ses, contrast): path for sub, ses, _, contrast, path in found}
    people = groups if groups is not None else {sub: group for sub, _, group, _, _ in found}
    sessions = sorted({ses for _, ses, *_ in found}, key=lambda ses: (ses != BASELINE, ses))
    rows = []
    for sub, group in people.items():
        for ses in sessions:
            for contrast in CONTRASTS:
                path = paths.get((sub, ses, contrast), "")
                if contrast == "lesions" and (group != "patient" or (ses != BASELINE and not path)):
                    continue
                covering = [(sub, ses, kind) in paths for kind, images in COVERS.items() if contrast in images]
                covered = bool(covering) and all(covering)
                status = "present" if path else "ready" if covered else "absent"
                rows.append(IndexRow(f"sub-{sub}", f"ses-{ses}", group, contrast, path, status))
            for kind in READY:
                if (sub, ses, kind) in paths:
                    rows.append(IndexRow(f"sub-{sub}", f"ses-{ses}", group, kind, paths[sub, ses, kind], "present"))
    return SessionIndex(Path(root), tuple(rows), tuple(unused))


def expected(raw: RawLayout, roster: Iterable[Sequence[str]]) -> SessionIndex:
    """The index of a data set that is yet to be simulated, from rows (participant, group, session, contrast)."""
    return complete(raw.root, ((sub, ses, grp, c, _expected_path(raw, sub, ses, c)) for sub, grp, ses, c in roster))


def _expected_path(raw: RawLayout, sub: str, ses: str, contrast: str) -> str:
    if contrast == "lesions":
        return raw.lesion_mask(sub, ses).relative_to(raw.root).as_posix()
    datatype, suffix, entities = _WHERE[contrast]
    return f"sub-{sub}/ses-{ses}/{datatype}/{bids_name(suffix, sub=sub, ses=ses, **entities)}"


def scan(raw: RawLayout, participants: Sequence[str] | None = None, leave_out: Sequence[str] = ()) -> SessionIndex:
    """Find every session of a data set on disk.

    participants: labels; what else lies in the data set is not looked at (None: everybody). leave_out: contrasts and
    ready maps that are not looked for. Raises InputError for a missing data set, a participant who is not in it, a
    folder `sub-X` that participants.tsv does not list, a participant without a group or listed twice, images outside a
    session folder, a label or a name that is not BIDS, a file that is there by a link out of the data set (unless
    `raw.follow_symlinks`), a data set without the session `ses-t0`, or two images that could both be one contrast (say
    which one to use by moving the other away).
    """
    for table in ("participants.tsv", "dataset_description.json", "phenotype/edss.tsv"):
        raw.require_own(raw.root / table)
    groups = _read_groups(raw.root / "participants.tsv", participants)
    contrasts = [contrast for contrast in CONTRASTS if contrast not in leave_out]
    kinds = [kind for kind in READY if kind not in leave_out]
    present: list[tuple[str, str, str, str, str]] = []
    unused: list[str] = []
    for folder in sorted(path for path in raw.root.glob("sub-*") if path.is_dir()):
        sub = folder.name[4:]
        if participants is not None and sub not in participants:
            continue
        if sub not in groups:
            values = f"sub-{sub} has a folder, the table has {len(groups)} others"
            cure = "add a row with its group"
            raise InputError("participant not in the table", raw.root / "participants.tsv", values, cure)
        _require_sessions(folder, contrasts)
        raw.require_own(folder / f"sub-{sub}_sessions.tsv")
        for ses in sorted(require_label("ses", path.name[4:], path) for path in folder.glob("ses-*")):
            for fieldmap in (folder / f"ses-{ses}" / "fmap").glob("*"):
                raw.require_own(fieldmap)
            for contrast in contrasts:
                used, others = _find(raw, sub, ses, contrast)
                if used is not None:
                    raw.require_own(used)
                    present.append((sub, ses, groups[sub], contrast, _indexed(used, raw.root)))
                    unused += [f"not used: {other.name}, {used.name} is the {contrast}" for other in others]
            for kind in kinds:
                given, elsewhere = find_ready(raw.ready, sub, ses, kind) if raw.ready else (None, [])
                unused += [f"not used: {other.name}, a ready {kind} lies in no space or T1w" for other in elsewhere]
                if given is not None:
                    raw.require_own(given)
                    present.append((sub, ses, groups[sub], kind, _indexed(given, raw.root)))
    if raw.ready:
        whole = groups if participants is None else None
        unused += require_ready(raw.ready, whole, sum(contrast in READY for *_, contrast, _ in present))
    if not present:
        raise InputError("no images found", raw.root, "0 files sub-*/ses-*/...", "give a BIDS data set with sessions")
    sessions = sorted({ses for _, ses, *_ in present})
    if BASELINE not in sessions:
        values = f"found ses-{', ses-'.join(sessions)}, expected ses-{BASELINE} as the first scan"
        raise InputError("no baseline session", raw.root, values, f"name the first session ses-{BASELINE}")
    found = complete(raw.root, present, groups, unused)
    return replace(found, rows=tuple(row for row in found.rows if row.contrast not in leave_out))


def _read_groups(path: Path, wanted: Sequence[str] | None) -> dict[str, str]:
    groups: dict[str, str] = {}
    lines: dict[str, int] = {}
    rows = read_table(path, ("participant_id", "group"))
    for number, row in enumerate(rows, start=2):
        participant, group = row["participant_id"], row["group"]
        label = participant.removeprefix("sub-")
        if wanted is not None and label not in wanted:
            continue
        require_label("sub", label, f"{path} line {number}")
        if group not in GROUPS:
            values = f"{participant} has group {group or 'n/a'!r}, expected patient or control"
            cure = "fill in the column `group`"
            raise InputError("participant without a group", f"{path} line {number}", values, cure)
        if label in groups:
            values = f"{participant} as {group}, in line {lines[label]} as {groups[label]}"
            raise InputError("participant listed twice", f"{path} line {number}", values, "keep one row")
        groups[label], lines[label] = group, number
    unknown = [label for label in wanted or [] if label not in groups]
    if unknown:
        values = f"sub-{unknown[0]}; the data set has {', '.join(row['participant_id'] for row in rows) or 'nobody'}"
        raise InputError("participant not in the data set", path, values, "give a label of the table")
    return groups


def _require_sessions(folder: Path, contrasts: Sequence[str]) -> None:
    """Images straight below `sub-X` belong to no session and would be overlooked."""
    datatypes = sorted({_WHERE[contrast][0] for contrast in contrasts if contrast in _WHERE})
    stray = [datatype for datatype in datatypes if (folder / datatype).is_dir()]
    if stray:
        values = f"found {folder.name}/{stray[0]}, expected {folder.name}/ses-{BASELINE}/{stray[0]}"
        cure = f"move it into ses-{BASELINE}, and say so in its file names"
        raise InputError("images without a session", folder, values, cure)


def _find(raw: RawLayout, sub: str, ses: str, contrast: str) -> tuple[Path | None, list[Path]]:
    """The image of a contrast and those beside it that are left alone: the one without further entities is used."""
    if contrast == "lesions":
        needed = {"space", "label", "desc"}
        folder = raw.lesions / f"sub-{sub}" / f"ses-{ses}" / "anat"
        found = sorted(folder.glob("*_label-L_*mask.nii*"))
    else:
        datatype, suffix, entities = _WHERE[contrast]
        needed = set(entities)
        files = sorted((raw.root / f"sub-{sub}" / f"ses-{ses}" / datatype).glob(f"*_{suffix}.nii*"))
        found = [f for f in files if all(entities_of(f).get(key) == value for key, value in entities.items())]
    if not found:
        return None, []
    for path in found:
        require_image_name(path, sub, ses)
    plain = [path for path in found if not set(entities_of(path)) - needed - {"sub", "ses", "suffix"}]
    best = found if len(found) == 1 else plain
    if len(best) != 1:
        values = f"{len(found)} files: {', '.join(path.name for path in found)}"
        raise InputError(f"several images for {contrast}", found[0].parent, values, "keep one in the data set")
    return best[0], [path for path in found if path != best[0]]


def _indexed(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path.absolute())


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a TSV with at least the given columns, `n/a` kept as text.

    Raises InputError naming both sets of columns, for a column that stands twice, or for text that is not UTF-8.
    """
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        values = f"byte {fault.object[fault.start]:#04x} at {fault.start}, expected UTF-8"
        raise InputError("not a readable table", path, values, "save the table as UTF-8") from fault
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t")
    missing = [column for column in columns if column not in (reader.fieldnames or [])]
    if missing:
        values = f"no {', '.join(missing)}; found {', '.join(reader.fieldnames or ['nothing'])}"
        raise InputError("columns missing", path, values, "add the columns")
    names = [name for name in reader.fieldnames or [] if name]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        values = f"{', '.join(twice)} more than once in the first line, expected once"
        raise InputError("column repeated", path, values, "leave one of them, or rename the other")
    return [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]
