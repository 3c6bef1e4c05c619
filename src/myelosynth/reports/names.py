"""Where the pages lie, and the links between them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from myelosynth.bids.index import BASELINE, GROUPS
from myelosynth.bids.layout import Layout


def patient_page(layout: Layout, sub: str) -> Path:
    """The page of a patient."""
    return layout.page(f"sub-{sub}")


def qc_page(layout: Layout, sub: str, ses: str) -> Path:
    """The quality-control page of a session."""
    return layout.page(f"qc/sub-{sub}_ses-{ses}")


def cohort_page(layout: Layout) -> Path:
    """The page of the cohort."""
    return layout.page("cohort")


def applied_cohort_page(layout: Layout) -> Path:
    """The page of everybody to whom a bundle was applied."""
    return layout.page("applied_cohort")


def relative(target: Path, page: Path) -> str:
    """A link from one page to another, for a browser.

    >>> relative(Path("r/qc/a.html"), Path("r/cohort.html"))
    'qc/a.html'
    """
    return Path(os.path.relpath(target.absolute(), page.absolute().parent)).as_posix()


def predicted_patients(layout: Layout, groups: Mapping[str, str], system: str) -> list[str]:
    """The patients who have a page: those with a prediction at baseline, in the order of the index."""
    return [
        sub
        for sub, group in groups.items()
        if group == GROUPS[0] and layout.prediction(system, sub, BASELINE).is_file()
    ]


def neighbours(layout: Layout, people: Sequence[str], sub: str, page: Path) -> list[tuple[str, str]]:
    """Words and links to the patients before and after one."""
    if sub not in people:
        return []
    place = people.index(sub)
    found = [("previous", place - 1), ("next", place + 1)]
    return [
        (f"{words}: sub-{people[at]}", relative(patient_page(layout, people[at]), page))
        for words, at in found
        if 0 <= at < len(people)
    ]
