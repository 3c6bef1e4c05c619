"""Clinical scores as they are read: inside their scale, one row per participant and session."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from myelosynth.errors import InputError
from myelosynth.evaluation.tables import number

LARGEST = {"edss": 10.0, "msss": 10.0}
"""Scales from 0: the Expanded Disability Status Scale (Kurtzke 1983), the MS Severity Score (Roxburgh 2005)."""


def scale_warnings(rows: Sequence[Mapping[str, str]], column: str, path: Path | str) -> list[str]:
    """What is odd in a column of scores, one line each: EDSS that is no step of its scale (0, 1, 1.5, 2 to 10).

    rows: text cells of a table, whose first row is its line 2. Columns of other names pass. Steps are told and kept:
    .5 occurs in real tables. Raises InputError for a score outside its scale or a cell that is no number.
    """
    if column.lower() not in LARGEST:
        return []
    odd: dict[float, list[str]] = {}
    for line, row in enumerate(rows, start=2):
        score = number(row[column], column, f"{path} line {line}")
        if score is None:
            continue
        if not 0 <= score <= LARGEST[column.lower()]:
            values = f"{column} is {score:g}, expected 0 to {LARGEST[column.lower()]:g}"
            raise InputError("score outside its scale", f"{path} line {line}", values, "correct it, n/a where unknown")
        if column.lower() == "edss" and (score == 0.5 or not (2 * score).is_integer()):
            odd.setdefault(score, []).append(str(line))
    return [
        f"{column} {score:g} is no step of the scale (0, 1, 1.5, 2 to 10), kept as it is: {Path(path).name} line"
        f"{'s' if len(lines) > 1 else ''} {', '.join(lines)}"
        for score, lines in sorted(odd.items())
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
