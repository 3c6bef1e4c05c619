"""Faults of a raw data set stop a study before it starts; gaps are told and counted."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.index import BASELINE, FOLLOW_UP, TARGET, SessionIndex, read_table
from myelosynth.bids.layout import RawLayout
from myelosynth.bids.names import companion_path, sidecar_path
from myelosynth.bids.ready import READY, anchor_of, in_t1w
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import Volume, load_mask, load_volume, open_image
from myelosynth.physics.frames import Frames
from myelosynth.physics.gradients import read_gradients
from myelosynth.study.ready import load_ready
from myelosynth.study.roster import Roster

FOUR_DIMENSIONAL = ("DWI", "PET")
REGION = "reference"
# How far the clock of a file server may be ahead, seconds.
_AHEAD = 60


def check_files(index: SessionIndex, raw: RawLayout) -> list[str]:
    """Open the description, every image of the index and its companions; the first fault is raised as InputError.

    Returns the participants whose lesion mask is empty: a gap.
    """
    without_lesions = []
    read_json(raw.root / "dataset_description.json")
    for row in index.rows:
        if row.status != "present":
            continue
        sub, ses = row.participant_id[4:], row.session_id[4:]
        path = index.path(sub, ses, row.contrast)
        _require_past(path)
        if row.contrast == "lesions":
            if not _lesions(path, index, sub, ses).any() and ses == BASELINE:
                without_lesions.append(sub)
            continue
        if row.contrast in READY:
            anchor = anchor_of(row.contrast, path)
            if index.has(sub, ses, anchor):
                load_ready(row.contrast, path, index.path(sub, ses, anchor))
            continue
        volume = load_volume(path, ndim=4 if row.contrast in FOUR_DIMENSIONAL else 3)
        if row.contrast == "MTon" and index.has(sub, ses, "MToff"):
            off = index.path(sub, ses, "MToff")
            Grid.of(open_image(off)).require(volume.grid, path, off)
        if row.contrast == "DWI":
            _check_gradients(path, volume)
        if row.contrast == "PET":
            Frames.from_sidecar(read_json(sidecar_path(path)), volume.data.shape[3], sidecar_path(path))
    return without_lesions


def _require_past(path: Path) -> None:
    """Raise InputError for a file that is newer than now: what is made of it would look older than it for ever."""
    if not path.is_file():  # told where it is opened
        return
    changed, now = path.stat().st_mtime, time.time()
    if changed > now + _AHEAD:
        values = f"changed at {_clock(changed)}, the clock says {_clock(now)}"
        cure = "set the clock, or `touch` the file: what is made of it would be made again in every run"
        raise InputError("file from the future", path, values, cure)


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _lesions(path: Path, index: SessionIndex, sub: str, ses: str) -> NDArray[np.bool_]:
    drawn_on = "T1w" if index.lesions_in_t1w(sub, ses) else "FLAIR"
    image = index.path(sub, ses, drawn_on) if index.has(sub, ses, drawn_on) else None
    grid = Grid.of(open_image(image)) if image else None
    return load_mask(path, grid, image or "", allow_empty=True, labels=True)


def _check_gradients(path: Path, volume: Volume) -> None:
    bvals, bvecs = (companion_path(path, extension) for extension in (".bval", ".bvec"))
    read_gradients(bvals, bvecs, volume.data.shape[3], np.asarray(volume.grid.affine))


def missing_scores(index: SessionIndex, raw: RawLayout) -> list[str]:
    """Patients without a baseline EDSS."""
    table = raw.root / "phenotype" / "edss.tsv"
    scored = set()
    if table.is_file():
        rows = read_table(table, ("participant_id", "session_id", "edss"))
        scored = {
            row["participant_id"][4:]
            for row in rows
            if row["session_id"] == f"ses-{BASELINE}" and row["edss"] not in ("", "n/a")
        }
    return [sub for sub in index.participants("patient") if sub not in scored]


def describe_ready(index: SessionIndex) -> list[str]:
    """One line a session with ready maps: which are used, and in which space each lies."""
    lines = []
    for sub in index.groups:
        for ses in index.sessions(sub):
            given = [kind for kind in READY if index.has(sub, ses, kind)]
            told = [
                f"{kind} (T1w space)" if _moves(index, sub, ses, kind) else kind for kind in given if kind != REGION
            ]
            if told:
                lines.append(f"ready: sub-{sub} ses-{ses} {', '.join(told)}, given by the data set: steps skipped")
            if REGION in given:
                space = " (T1w space)" if _moves(index, sub, ses, REGION) else ""
                lines.append(f"ready: sub-{sub} ses-{ses} {REGION}{space}: used with pet.reference: given")
        if index.lesions_in_t1w(sub):
            lines.append(f"ready: sub-{sub} lesions were drawn on the T1w: used without a transform of the FLAIR")
    return lines


def _moves(index: SessionIndex, sub: str, ses: str, kind: str) -> bool:
    """Whether a kind may lie in the T1w's space or in another, and lies in the T1w's."""
    return (READY[kind].limits is not None or READY[kind].image != "T1w") and in_t1w(index.path(sub, ses, kind))


def describe_gaps(
    index: SessionIndex,
    raw: RawLayout,
    sources: Sequence[str],
    without_lesions: Sequence[str] = (),
    applied: bool = False,
) -> list[str]:
    """One line a gap and a count at the end, in words a person reads.

    A whole session that is absent is one gap. What follows from a gap is said beside it; sources: the maps that models
    see; without_lesions: participants with an empty lesion mask, of `check_files`; applied: a bundle predicts, nothing
    is learned.
    """
    roster = Roster(index, sources)
    lines = []
    for sub, group in index.groups.items():
        who = f"gap: sub-{sub} ({group})"
        if not index.sessions(sub):
            lines.append(f"{who} has no images: left out")
            continue
        rows = [row for row in index.gaps() if row.participant_id == f"sub-{sub}"]
        for session in sorted({row.session_id for row in rows}):
            ses = session.removeprefix("ses-")
            absent = [row.contrast for row in rows if row.session_id == session]
            if ses not in index.sessions(sub):
                follows = _unapplied_session(ses) if applied else _without_session(group, ses)
                lines.append(f"{who} has no {session}: {follows}")
            else:
                follows = (_unapplied if applied else _without)(absent, roster, sub, ses)
                lines.append(f"{who} {session} lacks {', '.join(absent)}: {follows}")
    lines += [f"gap: sub-{sub} ({index.groups[sub]}) has an empty lesion mask: no indices" for sub in without_lesions]
    lines += [
        f"gap: sub-{sub} (patient) has no baseline EDSS: left out of the regressions"
        for sub in ([] if applied else missing_scores(index, raw))
    ]
    counts = Counter(index.groups.values())
    sessions_found = sum(len(index.sessions(sub)) for sub in index.groups)
    people = ", ".join(f"{number} {group}s" for group, number in counts.items())
    return [*lines, f"{people}, {sessions_found} sessions, {len(lines)} gaps, 0 faults"]


def _without_session(group: str, ses: str) -> str:
    if ses == BASELINE:
        return "no learning, maps or indices; later sessions are only preprocessed, each by itself"
    if group == "control":
        return "the control curve needs the baseline only"
    return "no change maps for this patient" if ses == FOLLOW_UP else "this session is skipped"


def _unapplied_session(ses: str) -> str:
    """What a bundle cannot tell without a session."""
    return "no prediction of any session" if ses == BASELINE else f"no prediction of {ses}"


def _unapplied(absent: list[str], roster: Roster, sub: str, ses: str) -> str:
    """What a bundle cannot tell where these contrasts of a session are absent."""
    scope = "any session" if ses == BASELINE else ses
    if "T1w" in absent:
        return f"no prediction of {scope}"
    missing = [name for name in roster.sources if not roster.has_map(sub, ses, name)]
    follows = [f"no prediction of {scope} by a bundle that needs {', '.join(missing)}"] if missing else []
    if ses == BASELINE and roster.index.groups[sub] == "patient" and not roster.has_lesions(sub):
        follows.append("no demyelination and no indices")
    return "; ".join(follows) or "the image is skipped"


def _without(absent: list[str], roster: Roster, sub: str, ses: str) -> str:
    """What is skipped where these contrasts of a session are absent."""
    if "T1w" in absent:
        baseline = "; no learning, maps or indices, and later sessions are only preprocessed, each by itself"
        return "the session is skipped" + (baseline if ses == BASELINE else "")
    if ses == BASELINE and sub not in roster.eligible:
        return "no learning, maps or indices; the session is only preprocessed"
    follows = []
    if roster.index.groups[sub] == "patient" and ses == FOLLOW_UP:
        if not roster.predictable(sub, ses):
            follows.append(f"no predicted map of {ses} and no predicted change")
        if not roster.has_map(sub, ses, TARGET):
            follows.append(f"no measured map of {ses} and no measured change")
    return "; ".join(follows) or "the image is skipped"
