"""The complete rows of one regression, as numbers, and the faults of the table that they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.evaluation.tables import MISSING, number

SEX_CODES = {"m": 1.0, "male": 1.0, "f": 0.0, "female": 0.0}
_OTHER_SEX = ("o", "other")  # BIDS: participants.tsv


@dataclass(frozen=True)
class Cases:
    """Participants with a value in every column of a regression.

    values: (N, 1 + K), response first, then the index and the covariates; names: their columns; terms: the intercept,
    then names without the response (`male` for sex); labels: the N participants; dropped: the others.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...]
    terms: tuple[str, ...]
    labels: tuple[str, ...]
    dropped: tuple[str, ...]

    @property
    def df(self) -> int:
        """Residual degrees of freedom."""
        return len(self.values) - len(self.terms)

    @property
    def response(self) -> NDArray[np.float64]:
        """(N,)"""
        return self.values[:, 0]

    @property
    def design(self) -> NDArray[np.float64]:
        """(N, 1 + K): ones, then the index and the covariates."""
        return np.column_stack([np.ones(len(self.values)), self.values[:, 1:]])

    def without(self, row: int) -> "Cases":
        """The same without one participant."""
        labels = tuple(label for place, label in enumerate(self.labels) if place != row)
        return replace(self, values=np.delete(self.values, row, axis=0), labels=labels)


def complete_cases(
    table: Sequence[Mapping[str, str]], response: str, predictor: str, covariates: Sequence[str], where: object
) -> Cases:
    """The rows of a table of text cells, one per participant, that have every column of a regression.

    A sex that is neither M nor F counts as missing (see `sex_warnings`). Raises InputError for a missing or repeated
    column, a participant listed twice or a cell that is no number.
    """
    wanted = (response, predictor, *covariates)
    _require_columns(table, wanted, where)
    columns = {name: _column(table, name, where) for name in wanted}
    labels = labels_of(table)
    _require_unique(labels, where)
    keep = [all(columns[name][i] is not None for name in wanted) for i in range(len(table))]
    values = [[columns[name][i] for name in wanted] for i, kept in enumerate(keep) if kept]
    return Cases(
        np.array(values, np.float64).reshape(-1, len(wanted)),
        wanted,
        ("intercept", *(_term(table, name) for name in wanted[1:])),
        tuple(label for label, kept in zip(labels, keep, strict=True) if kept),
        tuple(label for label, kept in zip(labels, keep, strict=True) if not kept),
    )


def labels_of(table: Sequence[Mapping[str, str]]) -> list[str]:
    """The participants of a table, `row N` where it has no such column."""
    return [row.get("participant_id", f"row {number_}") for number_, row in enumerate(table, start=1)]


def not_estimable(cases: Cases, where: object) -> InputError | None:
    """What keeps a model with residual degrees of freedom from being estimated."""
    values = cases.values
    constant = [name for name, column in zip(cases.names, values.T, strict=True) if np.ptp(column) == 0]
    if constant:
        told = f"{', '.join(constant)} has one value in all {len(values)} complete rows"
        return InputError("column is constant", where, told, "leave the column out")
    predictors = values[:, 1:]
    scaled = (predictors - predictors.mean(axis=0)) / predictors.std(axis=0)
    rank = int(np.linalg.matrix_rank(scaled))
    if rank == scaled.shape[1]:
        return None
    told = f"{', '.join(cases.names[1:])} have rank {rank}, expected {scaled.shape[1]}"
    return InputError("columns depend on one another", where, told, "leave one of them out")


def unknown_sex(table: Sequence[Mapping[str, str]], name: str) -> set[str]:
    """Lower-case cells of a column of sex codes that are neither M nor F, such as the `O` of BIDS; else empty."""
    if not _coded(table, name):
        return set()
    return {row[name].strip().lower() for row in table} - set(SEX_CODES) - set(MISSING)


def sex_warnings(table: Sequence[Mapping[str, str]], columns: Sequence[str]) -> list[str]:
    """One line for each sex code of the columns that regressions count as missing, with whose it is."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in (column for column in columns if table and column in table[0]):
        unknown = unknown_sex(table, name)
        for label, row in zip(labels_of(table), table, strict=True):
            if row[name].strip().lower() in unknown:
                found.setdefault((name, row[name].strip()), []).append(label)
    return [
        f"{name} {code} is neither M nor F, missing in the regression: {', '.join(dict.fromkeys(labels))}"
        for (name, code), labels in found.items()
    ]


def _coded(table: Sequence[Mapping[str, str]], name: str) -> bool:
    """Whether a column holds sex as letters or words."""
    return any(row[name].strip().lower() in (*SEX_CODES, *_OTHER_SEX) for row in table)


def _term(table: Sequence[Mapping[str, str]], name: str) -> str:
    return "male" if _coded(table, name) else name


def _column(table: Sequence[Mapping[str, str]], name: str, where: object) -> list[float | None]:
    if not _coded(table, name):
        return [number(row[name], name, where) for row in table]
    numbers = sorted(text for text in unknown_sex(table, name) if _is_number(text))
    if numbers:
        values = f"{name} holds codes of sex and {numbers[0]!r}, expected codes (M, F) or numbers in all rows"
        raise InputError("codes and numbers in one column", where, values, "write all of them alike")
    return [SEX_CODES.get(row[name].strip().lower()) for row in table]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _require_columns(table: Sequence[Mapping[str, str]], wanted: Sequence[str], where: object) -> None:
    if not table:
        raise InputError("table is empty", where, "0 rows, expected at least 1", "check how it was made")
    missing = [name for name in wanted if name not in table[0]]
    if missing:
        values = f"no {', '.join(missing)}; found {', '.join(table[0])}"
        raise InputError("columns missing", where, values, "name columns that are in the table")
    twice = sorted({name for name in wanted if wanted.count(name) > 1})
    if twice:
        raise InputError("column named twice", where, ", ".join(twice), "name every column once")


def _require_unique(labels: Sequence[str], where: object) -> None:
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        values = f"{', '.join(twice)} more than once, expected one row per participant"
        raise InputError("participant listed twice", where, values, "keep one row each, see --where")
