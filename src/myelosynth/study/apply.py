"""What `myelosynth apply` looks at before the first job, and the configuration that it runs the workflow with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from myelosynth.bids.index import BASELINE, OF_PET, scan
from myelosynth.bids.layout import RawLayout
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import open_image
from myelosynth.sharing import shared_with
from myelosynth.study.roster import MADE_OF, Roster
from myelosynth.synthesis.bundle.card import Card
from myelosynth.synthesis.bundle.statistics import TrainingStatistics
from myelosynth.synthesis.names import OPTIONAL_SOURCES

# How much longer a voxel may be than in training before it was moved to the analysis grid; where the bundle does not
# tell, than the analysis grid's own, onto which much coarser images are commonly brought.
_COARSER, _COARSER_THAN_GRID = 1.5, 2.5


@dataclass(frozen=True)
class Preflight:
    """Whom the bundle is applied to: (sub, ses), and one line for every session that is left out."""

    sessions: list[tuple[str, str]]
    gaps: list[str]

    @property
    def participants(self) -> list[str]:
        """Labels of those who are served."""
        return list(dict(self.sessions))


def look_ahead(
    raw: RawLayout, card: Card, participants: list[str] | None = None, allow_voxel_size: bool = False
) -> Preflight:
    """Find who can be predicted, by file names and headers alone.

    Raises InputError for faults of the data set, a task without rules, a participant who was asked for and cannot be
    served, nobody at all, or images that are much coarser than those of training. Who was not asked for by name and
    cannot be served is told and left out.
    """
    unknown = [source for source in card.sources if source not in MADE_OF]
    if unknown:
        values = f"{', '.join(unknown)}, expected {', '.join(MADE_OF)}"
        raise InputError("bundle without rules", card.folder, values, "predict with `myelosynth bundle-predict`")
    roster = Roster(scan(raw, participants, OF_PET), card.sources, card.optional)
    gaps, edges = list[str](), list[_Edge]()
    sessions = list[tuple[str, str]]()
    for sub in roster.index.groups:
        for ses in roster.index.sessions(sub) or [BASELINE]:
            lacking = _lacking(roster, sub, ses)
            if lacking and not roster.predictable(sub, ses):
                if participants and ses == BASELINE:
                    values = f"sub-{sub} ses-{ses} lacks {', '.join(lacking)}; trained on {', '.join(card.sources)}"
                    raise InputError("channel missing", raw.root, values, _cure(card, lacking))
                gaps.append(f"gap: sub-{sub} ses-{ses} lacks {', '.join(lacking)}: no prediction")
            elif (sub, ses) not in roster.applicable:
                gaps.append(f"gap: sub-{sub} ses-{ses} has no complete ses-{BASELINE} to lie on: no prediction")
            elif lacking:
                gaps.append(f"gap: sub-{sub} ses-{ses} lacks {', '.join(lacking)}: predicted without, and flagged")
        its = [session for session in roster.applicable if session[0] == sub]
        try:
            # Which image the lesions were drawn on is asked of everybody who is served: it may not be known.
            drawn_on_t1w = bool(its) and roster.index.lesions_in_t1w(sub)
            if its and not (drawn_on_t1w or roster.has_lesions(sub)):
                gaps.append(f"gap: sub-{sub} has no lesion mask: a predicted DVR, no demyelination and no indices")
            edges += [_edge(roster, *session, name) for session in its for name in roster.seen(*session)]
        except InputError as fault:
            if participants:
                raise
            gaps.append(f"gap: sub-{sub} is left out: {fault}")
            continue
        sessions += its
    if not sessions:
        wanted = f"{'one of ' if card.optional else ''}{', '.join(card.sources)}"
        values = f"0 of {len(roster.index.groups)} participants have a T1w and {wanted} at {BASELINE}"
        raise InputError("nobody to predict", raw.root, values, f"{gaps[0] if gaps else 'add participants'}")
    if not allow_voxel_size:
        _require_resolution(edges, card)
    return Preflight(sessions, gaps)


def _lacking(roster: Roster, sub: str, ses: str) -> list[str]:
    """Channels, and the T1w, that a session lacks."""
    absent = [] if roster.index.has(sub, ses, "T1w") else ["T1w"]
    return absent + [name for name in roster.sources if not roster.has_map(sub, ses, name)]


def _cure(card: Card, lacking: list[str]) -> str:
    """What helps a participant whom the bundle cannot serve."""
    if "T1w" in lacking:
        return "add the images, or leave this participant out"
    others = ", ".join(OPTIONAL_SOURCES)
    return f"add the images, or use a bundle of {others}, which takes any of its sources ({card.system} needs all)"


class _Edge(NamedTuple):
    """The longest voxel edge, mm, of the image that a source is made of."""

    source: str
    session: str
    path: Path
    mm: float


def _edge(roster: Roster, sub: str, ses: str, name: str) -> _Edge:
    """Raises InputError for an image whose header cannot be read."""
    path = roster.index.path(sub, ses, name if roster.index.has(sub, ses, name) else MADE_OF[name][0])
    return _Edge(name, f"sub-{sub} ses-{ses}", path, max(Grid.of(open_image(path)).voxel_sizes))


def _require_resolution(edges: list[_Edge], card: Card) -> None:
    trained = TrainingStatistics.read(card.statistics)
    for name, session, path, edge in edges:
        native = trained.channels[name].native_mm
        limit = _COARSER * native if native else _COARSER_THAN_GRID * max(trained.voxel_mm)
        if edge > limit:
            known = f"{native:g} mm in training" if native else f"an analysis grid of {max(trained.voxel_mm):g} mm"
            values = f"{name} of {session} has voxels of {edge:g} mm against {known}"
            cure = "use images of the trained resolution, or give --allow-voxel-size"
            raise InputError("image coarser than trained", path, values, cure)


def overlay(
    card: Card, raw: RawLayout, out: Path, participants: list[str], allow_intensity: bool, unchanged: bool
) -> dict[str, Any]:
    """The configuration that lies over the shipped one, all paths absolute; nobody but these participants is read."""
    return {
        "simulate": None,
        "output": str(out.absolute()),
        "share": shared_with(),
        "dataset": {
            "bids_dir": str(raw.root.absolute()),
            "lesions": str(raw.lesions.absolute()),
            "ready": str(raw.ready.absolute()) if raw.ready else None,
            "follow_symlinks": raw.follow_symlinks,
        },
        "learning": {"task": str(card.task.absolute())},
        "apply": {
            "bundle": str(card.folder.absolute()),
            "participants": participants,
            "allow_intensity": allow_intensity,
            "unchanged": unchanged,
        },
    }
