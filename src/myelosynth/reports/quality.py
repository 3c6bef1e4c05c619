"""The quality control of a patient's sessions in short, folded into the patient's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from myelosynth.bids.index import SessionIndex
from myelosynth.bids.layout import Layout
from myelosynth.reports.names import qc_page, relative
from myelosynth.reports.page import Gap, Picture
from myelosynth.reports.registration import Pair, pairs
from myelosynth.reports.session import brain_outline, tissue_contours


@dataclass(frozen=True)
class Quality:
    """One session in short: outline and tissue in a row of slices each, registrations to flick, and the finer page."""

    session: str
    link: str
    brain: Picture | None
    tissue: Picture | None
    registrations: Sequence[Pair]
    gaps: Sequence[Gap]


def quality(layout: Layout, index: SessionIndex, sub: str, sessions: Sequence[str], page: Path) -> list[Quality]:
    """The sessions of a patient in short, for the page at `page`; a picture that cannot be drawn is a gap."""
    found = []
    for ses in sessions:
        drawn = [draw(layout, sub, ses, short=True) for draw in (brain_outline, tissue_contours)]
        registrations, missing = pairs(layout, index, sub, ses, short=True)
        brain, tissue = (item if isinstance(item, Picture) else None for item in drawn)
        gaps = [*(item for item in drawn if isinstance(item, Gap)), *missing]
        found.append(Quality(ses, relative(qc_page(layout, sub, ses), page), brain, tissue, registrations, gaps))
    return found
