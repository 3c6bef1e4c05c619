"""The null of the indices on a page: the interval of what a second scan without change gives."""

from dataclasses import dataclass

import pandas as pd

from myelosynth.bids.index import FOLLOW_UP
from myelosynth.bids.layout import Layout
from myelosynth.evaluation.null_table import COLUMNS
from myelosynth.myelin.null import COLUMNS as OF_PATIENT
from myelosynth.reports.indices import DYNAMIC, INDICES, Index
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.page import Gap
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import Table, count, interval, p_value, points, read_table


@dataclass(frozen=True)
class NullRange:
    """An index of one patient beside its null, fractions: what no change gives on average, its interval, p."""

    null: float
    low: float
    high: float
    level: float
    p: float
    outside: bool

    def words(self, index: Index) -> str:
        """The interval and what it makes of the value.

        >>> from myelosynth.reports.indices import DYNAMIC
        >>> NullRange(0.01, -0.05, 0.07, 0.95, 0.5, False).words(DYNAMIC[0])
        '95 % null interval −5.0 to +7.0: inside it, so not a finding'
        """
        ends = interval(self.low, self.high, lambda value: points(value, index.signed))
        verdict = "beyond it" if self.outside else "inside it, so not a finding"
        return f"{100 * self.level:.0f} % null interval {ends}: {verdict}"


def patient_nulls(layout: Layout, system: str, sub: str) -> dict[str, NullRange]:
    """The null of every index of a patient's maps; empty where there is none.

    Raises InputError for a table without the columns of `myelosynth index-null`.
    """
    table = read_table(layout.index_null(system, sub, FOLLOW_UP), list(OF_PATIENT))
    return {} if table is None else ranges(table)


def ranges(table: pd.DataFrame) -> dict[str, NullRange]:
    """Index to null of the rows that have one."""
    known = table[table["outside"].notna() & table["low"].notna()]
    return {
        str(row["index"]): NullRange(
            null=float(row["null"]),
            low=float(row["low"]),
            high=float(row["high"]),
            level=float(row["level"]),
            p=float(row["p"]),
            outside=str(row["outside"]).lower() == "true",
        )
        for row in known.to_dict("records")
    }


def null_table(cohort: CohortInputs) -> Table | Gap:
    """How many patients lie beyond their null interval, for every kind of map that has a null."""
    table = read_table(cohort.tables / "nulls.tsv", list(COLUMNS))
    if table is None:
        return Gap("null intervals of the indices", "no null has been made for these maps")
    table = table[table["outside"].notna()]
    rows, classes = [], []
    for index in DYNAMIC:
        here = table[table["index"] == index.key]
        for one in (each for each in cohort.ordered(here["system"]) if cohort.shows(each.key)):
            own = here[here["system"] == one.key]
            beyond = int((own["outside"].astype(str).str.lower() == "true").sum())
            ends = interval(own["low"].mean(), own["high"].mean(), lambda value: points(value, sign=True))
            cells = [count(len(own)), points(own["value"].mean(), sign=True), points(own["null"].mean(), sign=True)]
            rows.append([index.name, one.name, *cells, ends, f"{beyond} of {len(own)}"])
            classes.append(cohort.row_class(one))
    heads = ("Index", "Maps", "n", "Mean (points)", "Mean of the nulls", "Mean interval", "Beyond their interval")
    notes = (
        f"Nulls of {', '.join(one.name for one in cohort.ordered(table['system']))}. In a second scan of the same "
        "tissue (null) about 5 of 100 values lie beyond a 95 % interval by chance, and about one patient in ten has "
        "some index beyond; a real change has to do better.",
    )
    return Table(heads, rows, "Patients beyond their null interval", classes, notes, text_columns=2)


def null_rows_table(cohort: CohortInputs) -> Table:
    """Every measured and predicted patient beside the null."""
    table = read_table(cohort.tables / "nulls.tsv", list(COLUMNS))
    rows, classes = [], []
    records = [] if table is None else table[table["outside"].notna()].to_dict("records")
    names = {index.key: index.name for index in INDICES}
    for row in (each for each in records if each["system"] in ("true", cohort.main)):
        own = ranges(pd.DataFrame([row]))[str(row["index"])]
        cells = [points(row["value"], sign=True), points(own.null, sign=True)]
        ends = interval(own.low, own.high, lambda value: points(value, sign=True))
        who = [str(row["participant_id"]), named(str(row["system"])).name, names[str(row["index"])]]
        rows.append([*who, *cells, ends, p_value(own.p), "beyond" if own.outside else "inside"])
        classes.append(cohort.row_class(named(str(row["system"]))) if own.outside else "")
    heads = ("Patient", "Maps", "Index", "Value (points)", "Null", "Interval", "p", "Value is")
    return Table(heads, rows, "Each patient's indices of change beside the null", classes, text_columns=3)
