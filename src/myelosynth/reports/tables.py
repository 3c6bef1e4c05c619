"""Result tables: read with every fault named, shown as HTML tables, gaps told in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from myelosynth.errors import InputError

MISSING = "–"
_WORDS = ("participant_id", "session_id", "system")  # a table of the system `true` alone would read as a truth value


@dataclass(frozen=True)
class Table:
    """An HTML table: column heads, rows of ready text, a class per row (kind of system), caption and notes."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    classes: Sequence[str] = ()
    notes: Sequence[str] = field(default_factory=tuple)
    text_columns: int = 1

    def class_of(self, row: int) -> str:
        return self.classes[row] if row < len(self.classes) else ""


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame | None:
    """Read a TSV with at least the given columns, `n/a` as NaN; None where the file is not there (a gap).

    Raises InputError for an unreadable table or missing columns.
    """
    path = Path(path)
    if not path.is_file():
        return None
    try:
        frame = pd.read_csv(path, sep="\t", na_values=["n/a"], dtype=dict.fromkeys(_WORDS, str))
    except (ValueError, pd.errors.ParserError, UnicodeDecodeError) as fault:
        raise InputError("not a readable TSV", path, str(fault), "write it again with the command that makes it") from (
            fault
        )
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        values = f"no {', '.join(missing)}; found {', '.join(map(str, frame.columns))}"
        raise InputError("columns missing", path, values, "write it again with the command that makes it")
    return frame


def number(value: Any, digits: int = 3, sign: bool = False) -> str:
    """A number as text, a dash for None and NaN.

    >>> number(0.12345), number(None), number(-2.0, 1), number(2.0, 1, sign=True), number(-0.001, 1, sign=True)
    ('0.123', '–', '−2.0', '+2.0', '0.0')
    """
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return MISSING
    rounded = round(float(value), digits) + 0.0  # adding 0 turns -0.0 into 0.0
    text = f"{rounded:+.{digits}f}" if sign and rounded else f"{rounded:.{digits}f}"
    return text.replace("-", "−")


def points(value: Any, sign: bool = False) -> str:
    """A fraction in percent points, one decimal.

    >>> points(0.1234), points(-0.05, sign=True)
    ('12.3', '−5.0')
    """
    return number(None if value is None else 100 * float(value), 1, sign)


def count(value: Any) -> str:
    """A whole number, a dash for None and NaN."""
    return number(value, 0)


def p_value(value: Any) -> str:
    """A p-value with three decimals, `< .001` below them.

    >>> p_value(0.0004), p_value(0.0213)
    ('< 0.001', '0.021')
    """
    return "< 0.001" if value is not None and np.isfinite(value) and value < 0.001 else number(value)


def interval(low: Any, high: Any, show: Callable[[Any], str] = number) -> str:
    """An interval as `low to high`, a dash when both ends are missing."""
    ends = show(low), show(high)
    return MISSING if ends == (MISSING, MISSING) else f"{ends[0]} to {ends[1]}"


def word(value: Any) -> str:
    """A text cell, a dash for NaN."""
    return MISSING if value is None or (isinstance(value, float) and np.isnan(value)) else str(value)
