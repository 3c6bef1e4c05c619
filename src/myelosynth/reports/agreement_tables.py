"""Tables of a page: intervals of the agreement, and change called where the truth has none."""

from collections.abc import Hashable, Mapping
from typing import Any

from myelosynth.reports.indices import INDICES
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.page import Gap
from myelosynth.reports.tables import MISSING, Table, count, interval, number, points


def hallucination_table(cohort: CohortInputs) -> Table | Gap:
    """Change called where the reference is stable, as a share of the stable voxels, beside what noise alone calls."""
    table = cohort.table("hallucination_summary")
    if table.empty:
        return Gap("change where the truth has none", "no patient has change maps of measured and predicted PET")
    rows, classes = [], []
    for reference in dict.fromkeys(table["reference"]):
        here = table[table["reference"] == reference].set_index("system").to_dict("index")
        for one in cohort.ordered(here):
            row = here[one.key]
            verdict = row["verdict"] if isinstance(row["verdict"], str) else MISSING
            rows.append(
                [
                    f"{one.name}",
                    str(reference),
                    count(row["n"]),
                    points(row["share"]),
                    points(row["net_share"], sign=True),
                    points(row["noise_share"]),
                    points(row["excess"], sign=True),
                    interval(row["excess_low"], row["excess_high"], lambda value: points(value, sign=True)),
                    verdict,
                    points(row["false_discovery"]),
                ]
            )
            classes.append(cohort.row_class(one))
    heads = ["System", "Stable in", "n", "Called changing (%)", "Net (points)", "Noise calls (%)"]
    heads += ["Excess (points)", "95 % interval", "Verdict", "False of all called (%)"]
    caption = "Change called in lesion voxels that are stable: mean over patients."
    notes = (
        "Noise: the measured PET against the noise-free one; against the measured PET, its retest. A system that calls "
        "little change anywhere also calls little here: read it beside the DICE of the change maps.",
        "Net: demyelinating minus remyelinating. Far from zero, a system drifts one way where nothing changes.",
    )
    return Table(heads, rows, caption, classes, notes, text_columns=2)


def interval_table(cohort: CohortInputs) -> Table | Gap:
    """Bias, limits of agreement and ICC of the main system and the retest, each with its 95 % interval."""
    table = cohort.table("agreement_intervals")
    table = table[table["system"].isin([cohort.main, "retest"])]
    if table.empty:
        return Gap("intervals of the agreement", "no patient has measured and predicted indices")
    rows, classes = [], []
    for index in INDICES:
        here = table[table["index"] == index.key].set_index("system").to_dict("index")
        for one in cohort.ordered(here):
            row = here[one.key]
            cells = [f"{points(row[name], sign=True)} ({_ends(row, name)})" for name in ("bias", "loa_low", "loa_high")]
            icc = f"{number(row['icc'], 2)} ({interval(row['icc_ci_low'], row['icc_ci_high'], lambda v: number(v, 2))})"
            rows.append([index.name, one.name, count(row["n"]), *cells, icc])
            classes.append(cohort.row_class(one))
    heads = ["Index", "System", "n", "Bias (points)", "Lower limit", "Upper limit", "ICC(2,1)"]
    caption = "Agreement with the measured PET, in brackets the 95 % interval of each figure."
    return Table(heads, rows, caption, classes, text_columns=2)


def _ends(row: Mapping[Hashable, Any], name: str) -> str:
    return interval(row[f"{name}_ci_low"], row[f"{name}_ci_high"], lambda value: points(value, sign=True))
