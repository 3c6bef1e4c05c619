"""A violation: one line of what, where, both values, the cure."""

from typing import NamedTuple


class Violation(NamedTuple):
    """Something that the study's records do not allow.

    >>> print(Violation("file missing", "a.tsv", "made by rule split, not there now", "run it again"))
    file missing, a.tsv, made by rule split, not there now, run it again
    """

    what: str
    where: str
    values: str
    cure: str

    def __str__(self) -> str:
        return ", ".join(self).replace("\n", " ")
