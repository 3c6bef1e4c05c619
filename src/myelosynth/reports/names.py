"""Where the pages lie, and the links between them."""

import os
from pathlib import Path

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


def relative(target: Path, page: Path) -> str:
    """A link from one page to another, for a browser.

    >>> relative(Path("r/qc/a.html"), Path("r/cohort.html"))
    'qc/a.html'
    """
    return Path(os.path.relpath(target.absolute(), page.absolute().parent)).as_posix()
