"""What the Snakefile asks of the roster grows with the cohort, not with its square."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from myelosynth.bids.index import SessionIndex, expected
from myelosynth.bids.layout import RawLayout
from myelosynth.phantom.roster import Cohort, roster
from myelosynth.study.roster import Roster


def lines_run(ask: Callable[[], object]) -> int:
    """How many lines of Python something takes; the same on every machine."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        ask()
    finally:
        sys.settrace(before)
    return count


def asked(patients: int) -> Roster:
    """Everything that the input functions ask, for each participant once or more."""
    raw = RawLayout(Path("raw"), Path("raw/derivatives/lesions"))
    cohort = Cohort(patients, 4, "missing", 3)
    people = Roster(expected(raw, roster(cohort)), ["MTR", "FA", "RD", "AD"])
    for sub in people.index.groups:
        people.index.sessions(sub)
        people.has_lesions(sub)
    _ = people.synthesised, people.measured, people.applicable
    people.followed(people.measured)
    return people


def test_twice_the_patients_are_twice_the_work():
    small, large = (lines_run(lambda n=n: asked(n)) for n in (40, 80))
    assert large < 2.2 * small, f"{small} lines for 40 patients, {large} for 80"


def test_the_index_answers_as_its_rows_say():
    index: SessionIndex = asked(6).index
    for sub in index.participants():
        rows = {row.session_id[4:] for row in index.rows if row.participant_id == f"sub-{sub}" and row.path}
        assert index.sessions(sub) == sorted(rows)
    index.sessions("001").append("t9")
    assert "t9" not in index.sessions("001")
    assert index.sessions("nobody") == []
