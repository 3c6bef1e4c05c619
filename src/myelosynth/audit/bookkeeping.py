"""Tables that list everybody and that every job waits for: what they hold, and why they carry no measurement.

A walk from a checkpoint back to the raw images does not pass through them, or everybody would be behind everything. So
that nothing hides there, they are held to their columns, and each of their rows to its own participant.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from myelosynth.audit.files import within
from myelosynth.audit.findings import Violation
from myelosynth.bids.index import IndexRow
from myelosynth.bids.names import participant_of
from myelosynth.study.manifest import COLUMNS as OF_MANIFEST
from myelosynth.synthesis.data.folds import COLUMNS as OF_SPLIT


@dataclass(frozen=True)
class Book:
    """A table of everybody: its columns (None: not ours to say), what is read of it, and its columns of paths."""

    columns: tuple[str, ...] | None
    read: str
    paths: tuple[str, ...] = ()


_INDEX = Book(IndexRow._fields, "which image of which session is there; jobs wait for it, few open it", ("path",))
_SPLIT = Book(OF_SPLIT, "participant_id, fold and role: who learns, who chooses, who is tested")
_IMAGES = ("path", "mask", "lesions", "nawm")
_BOOKS = {
    r"tables/index(_sub-[0-9A-Za-z]+)?\.tsv": _INDEX,
    r"tables/manifest\.tsv": Book(OF_MANIFEST, "the rows of the fold's training and validation participants", _IMAGES),
    # Whose PET stands in a row is told (target_of); that image is an input of the training: the walk goes through it.
    r"tables/permuted_manifest\.tsv": Book(
        (*OF_MANIFEST, "target_of"), "the same of a control's training, with the PET of others", _IMAGES
    ),
    r"tables/participants\.tsv": Book(("participant_id", "group"), "who can be split, stratified by group"),
    r"tables/(inner_)?split(_fold-\d+)?\.tsv": _SPLIT,
}
_ROSTER = Book(None, "participant_id and group, by the rule manifest; nothing that learns may open it")
_DESCRIPTION = Book(None, "names and links of data sets")


def book_of(path: str, results: str) -> Book | None:
    """What a bookkeeping file is (or its sidecar); None for every other file."""
    inside = within(path, results)
    name = Path(path).name
    if name == "dataset_description.json":
        return _DESCRIPTION
    if inside is None:
        return _ROSTER if name in ("participants.tsv", "participants.json") else None
    table = re.sub(r"\.json$", ".tsv", inside)
    return next((book for pattern, book in _BOOKS.items() if re.fullmatch(pattern, table)), None)


def grows(path: str, results: str) -> bool:
    """Whether a book may be another than its readers saw: an index, or names of data sets, when people are added."""
    return book_of(path, results) in (_INDEX, _DESCRIPTION)


def is_roster(path: str, results: str) -> bool:
    """Whether a file is a table of people outside the results: it may hold age, sex or scores of everybody."""
    return within(path, results) is None and path.endswith((".tsv", ".csv")) and participant_of(path) is None


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a TSV."""
    reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), delimiter="\t")
    rows = [{key: value or "" for key, value in row.items() if key} for row in reader]
    return list(reader.fieldnames or []), rows


def faults(paths: Iterable[str], root: Path, results: str) -> list[Violation]:
    """Bookkeeping tables with other columns than theirs, or with a row that names the image of somebody else."""
    found = []
    for path in paths:
        book = book_of(path, results)
        if book is None or book.columns is None or not path.endswith(".tsv"):
            continue
        try:
            columns, rows = read_rows(root / path)
        except (ValueError, csv.Error) as fault:
            cure = "run the rule that makes it again"
            found.append(Violation("bookkeeping table that cannot be read", path, str(fault), cure))
            continue
        if columns != list(book.columns):
            values = f"columns {', '.join(columns)}, expected {', '.join(book.columns)}"
            cure = "run the rule that makes it again; if the columns are meant, teach audit/bookkeeping.py why"
            found.append(Violation("bookkeeping table with other columns", path, values, cure))
        found += _strangers(path, book.paths, rows)
    return found


def _strangers(path: str, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> list[Violation]:
    found = []
    for number, row in enumerate(rows, 2):
        for column in columns:
            value = row.get(column, "")
            named = participant_of(value) if value not in ("", "n/a") else row.get("participant_id")
            if named != row.get("participant_id"):
                what = f"row of one participant names a file of {'another' if named else 'nobody'}"
                values = f"row {number}: {column} {value} of {named or 'nobody'} for {row.get('participant_id')}"
                cure = "run the rule that makes it again, and everything that read it"
                found.append(Violation(what, path, values, cure))
    return found
