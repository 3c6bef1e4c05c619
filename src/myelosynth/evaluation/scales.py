"""Clinical scores as they are read: inside their scale, one row per participant and session."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from myelosynth.errors import InputError
from myelosynth.evaluation.tables import number

LARGEST = {"edss": 10.0, "msss": 10.0}
"""Scales from 0: the Expanded Disability Status Scale (Kurtzke 1983), the MS Severity Score (Roxburgh 2005)."""
_NAME = re.compile(r"(edss|msss)([ _-]?(ses[_-]?)?(t\d+|bl|baseline|fu|follow[ _-]?up))?", re.IGNORECASE)


def scale_of(column: str) -> str | None:
    """The score of LARGEST that a column holds by its name, which may end in a session; None for other columns.

    >>> scale_of("EDSS"), scale_of("edss_t0"), scale_of("edss_ses-t1"), scale_of("edss_change")
    ('edss', 'edss', 'edss', None)
    """
    found = _NAME.fullmatch(column.strip())
    return found[1].lower() if found else None


def scale_warnings(
    rows: Sequence[Mapping[str, str]], column: str, path: Path | str, lines: Sequence[int] = ()
) -> list[str]:
    """What is odd in a column of scores, one line each: EDSS that is no step of its scale (0, 1, 1.5, 2 to 10).

    rows: text cells of a table; lines: where they stand in it, all of them from line 2 on where it is empty. Columns
    of other names pass (see `scale_of`). Steps are told and kept, once for each participant and session: .5 occurs in
    real tables. Raises InputError for a score outside its scale or a cell that is no number.
    """
    scale = scale_of(column)
    if scale is None:
        return []
    odd: dict[float, dict[object, str]] = {}
    for line, row in zip(lines or range(2, len(rows) + 2), rows, strict=True):
        score = number(row[column], column, f"{path} line {line}")
        if score is None:
            continue
        if not 0 <= score <= LARGEST[scale]:
            values = f"{column} is {score:g}, expected 0 to {LARGEST[scale]:g}"
            raise InputError("score outside its scale", f"{path} line {line}", values, "correct it, n/a where unknown")
        if scale == "edss" and (score == 0.5 or not (2 * score).is_integer()):
            who = (row.get("participant_id", line), row.get("session_id"))
            odd.setdefault(score, {}).setdefault(who, str(line))
    return [
        f"{column} {score:g} is no step of the scale (0, 1, 1.5, 2 to 10), kept as it is: {Path(path).name} line"
        f"{'s' if len(where) > 1 else ''} {', '.join(where.values())}"
        for score, where in sorted(odd.items())
    ]


def require_single_rows(rows: Sequence[Mapping[str, str]], keys: Sequence[str], path: Path) -> None:
    """Raise InputError where two rows are of one participant (and session): nobody could say which one counts."""
    seen: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(rows, start=2):
        key = tuple(row[name].removeprefix("sub-").removeprefix("ses-") for name in keys)
        first = seen.setdefault(key, line)
        if first != line:
            who = " ".join(row[name] for name in keys)
            values = f"{who} on lines {first} and {line}, expected one row"
            raise InputError("participant listed twice", path, values, "remove one of them")
