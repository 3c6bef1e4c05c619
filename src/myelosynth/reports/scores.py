"""The tables of the cohort page: metrics, overlap, agreement, tests, published values."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from myelosynth.evaluation.published import FIGURES
from myelosynth.evaluation.significance import SMALLEST_N
from myelosynth.reports.indices import INDICES
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import MISSING, Table, count, interval, number, p_value, points, word

PUBLISHED_NOTE = "* Published values, mean (SD): other data, not comparable."
MAPS = (
    ("ses-t0", "demyelinated", "demyelinated, t0"),
    ("ses-t1", "demyelinated", "demyelinated, t1"),
    ("change", "demyelinating", "demyelinating"),
    ("change", "remyelinating", "remyelinating"),
)
# metric, group, head, digits
WHOLE = (("mse", "all", "MSE (DVR²)", 5), ("psnr", "all", "PSNR (dB)", 2), ("ssim", "all", "SSIM", 3))
BRAIN = (
    ("mse_masked", "all", "MSE (DVR²)", 5),
    ("psnr_masked", "all", "PSNR (dB)", 2),
    ("ssim_masked", "all", "SSIM", 3),
    ("mae_masked", "all", "MAE (DVR)", 4),
)
WITHIN = (
    ("lesion_mae", "patient", "lesions, MAE (DVR)", 4),
    ("lesion_mean_difference", "patient", "lesions, |difference of means| (DVR)", 4),
    ("nawm_mean_difference", "patient", "NAWM, |difference of means| (DVR)", 4),
    ("nawm_mean_difference", "control", "controls' WM, |difference of means| (DVR)", 4),
)
_PARTS = ((BRAIN, "brain mask"), (WHOLE, "whole image"), (WITHIN, "regions"))


def spread(row: Any, digits: int) -> str:
    """Mean, SD and interval of a row of summary.tsv, on two lines."""
    if row is None or pd.isna(row["mean"]):
        return MISSING
    first = f"{number(row['mean'], digits)} ± {number(row['sd'], digits)}"
    ends = interval(row["ci_low"], row["ci_high"], lambda value: number(value, digits))
    return first if ends == MISSING else f"{first}\n({ends})"


def image_tables(cohort: CohortInputs, session: str, reference: str) -> list[Table]:
    """Image metrics of every system: whole image, brain mask and regions; published values where there are some."""
    summary = cohort.table("summary")
    chosen = summary[(summary["session_id"] == session) & (summary["reference"] == reference)]
    found = []
    for metrics, words in _PARTS:
        part = chosen[chosen["metric"].isin([metric for metric, *_ in metrics])]
        if not part.empty:
            caption = f"Image metrics, {words}, {session.removeprefix('ses-')}, against the {reference} DVR"
            found.append(_metric_table(cohort, part, metrics, caption))
    return found


def _metric_table(
    cohort: CohortInputs, part: pd.DataFrame, metrics: Sequence[tuple[str, str, str, int]], caption: str
) -> Table:
    by = {(r["system"], r["metric"], r["group"]): r for r in part.to_dict("records")}
    rows, classes = [], []
    for one in cohort.ordered(part["system"]):
        own = [by.get((one.key, metric, group)) for metric, group, *_ in metrics]
        counts = {row["group"]: int(row["n"]) for row in own if row is not None}
        cells = [spread(row, digits) for row, (*_, digits) in zip(own, metrics, strict=True)]
        printed = [(head, _published(row, digits)) for row, (*_, head, digits) in zip(own, metrics, strict=True)]
        rows.append([one.name, one.tag, _people(counts), *cells, _beside(printed)])
        classes.append(cohort.row_class(one))
    heads = ["System", "Part", "n", *(head for _, _, head, _ in metrics), "Published*"]
    notes = (PUBLISHED_NOTE,) if any(row[-1] for row in rows) else ()
    return Table(*_without_empty(heads, rows), caption, classes, notes, text_columns=2)


def _people(counts: Mapping[str, int]) -> str:
    """How many subjects, and who they are where a table has several groups.

    >>> _people({"all": 10}), _people({"patient": 6, "control": 4})
    ('10', '6 patients\\n4 controls')
    """
    if len(counts) == 1:
        return str(*counts.values())
    return "\n".join(f"{n} {group}{'' if n == 1 else 's'}" for group, n in counts.items())


def _beside(printed: Sequence[tuple[str, str]]) -> str:
    """Published values of one system, one a line, each with its head; empty without any."""
    return "\n".join(f"{head.split(' (')[0]}: {value}" for head, value in printed if value != MISSING)


def _without_empty(heads: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows without the last column where no row has anything in it."""
    if any(row[-1] for row in rows):
        return heads, rows
    return heads[:-1], [row[:-1] for row in rows]


def _published(row: Any, digits: int) -> str:
    if row is None or pd.isna(row["published"]):
        return MISSING
    digits = min(digits, 4)  # as printed
    deviation = f" ({number(row['published_sd'], digits)})" if pd.notna(row["published_sd"]) else ""
    return f"{number(row['published'], digits)}{deviation}"


def dice_table(cohort: CohortInputs) -> Table:
    """DICE of the demyelination and change maps: mean, SD, interval, n, undefined, published."""
    summary = cohort.table("summary")
    part = summary[summary["metric"] == "dice"]
    by = {(row["system"], row["session_id"], row["map"]): row for row in part.to_dict("records")}
    rows, classes = [], []
    for one in cohort.ordered(part["system"]):
        cells = [_dice_cell(by.get((one.key, session, which))) for session, which, _ in MAPS]
        printed = [(words, _published(by.get((one.key, session, which)), 2)) for session, which, words in MAPS]
        rows.append([one.name, one.tag, *cells, _beside(printed)])
        classes.append(cohort.row_class(one))
    heads = ["System", "Part", *(words for *_, words in MAPS), "Published*"]
    notes = (
        "Mean ± SD, 95 % interval of the mean, patients. Where both maps are empty DICE is undefined: left out of the "
        "mean and counted.",
        PUBLISHED_NOTE,
    )
    caption = "DICE with the maps of the measured PET"
    return Table(*_without_empty(heads, rows), caption, classes, notes, text_columns=2)


def _dice_cell(row: Any) -> str:
    if row is None:
        return MISSING
    undefined = f", {count(row['n_undefined'])} undefined" if row["n_undefined"] else ""
    return f"{spread(row, 3)}\nn = {count(row['n'])}{undefined}"


def index_table(cohort: CohortInputs) -> Table:
    """Mean of every index over patients, measured, predicted and where nothing changed."""
    summary = cohort.table("summary")
    rows, classes = [], []
    for index in INDICES:
        part = summary[summary["metric"] == index.key]
        by = {row["system"]: row for row in part.to_dict("records")}
        for one in cohort.ordered(by):
            if one.kind == "null" and not index.needs_change:
                continue
            row = by[one.key]
            ends = interval(row["ci_low"], row["ci_high"], partial(points, sign=index.signed))
            mean = points(row["mean"], index.signed)
            rows.append([index.name, one.name, one.tag, count(row["n"]), mean, points(row["sd"]), ends])
            classes.append(cohort.row_class(one))
    heads = ("Index", "System", "Part", "n", "Mean (points)", "SD (points)", "95 % interval")
    notes = (
        "Points are percent of the baseline lesion volume. Null: the baseline tissue scanned again at t1; what it "
        "shows is noise and processing. Change that does not exceed it is not a finding.",
    )
    return Table(heads, rows, "Indices over patients, beside what no change gives", classes, notes, text_columns=3)


def agreement_table(cohort: CohortInputs) -> Table:
    """Agreement of every index with the measured PET's."""
    table = cohort.table("agreement")
    rows, classes = [], []
    for index in INDICES:
        here = {row["system"]: row for row in table[table["index"] == index.key].to_dict("records")}
        for one in cohort.ordered(here):
            row = here[one.key]
            sign = f"{count(row['sign_errors'])} of {count(row['sign_n'])}" if index.key == "global" else ""
            printed = row["published_sign_errors"]
            beside = f"{count(printed)} of 15" if index.key == "global" and pd.notna(printed) else ""
            limits = interval(row["loa_low"], row["loa_high"], lambda value: points(value, True))
            shown = [points(row["bias"], True), points(row["sd"]), limits, number(row["icc"], 2)]
            rows.append([index.name, one.name, count(row["n"]), *shown, number(row["spearman"], 2), sign, beside])
            classes.append(cohort.row_class(one))
    heads = ["Index", "System", "n", "Bias (points)", "SD (points)", "Limits of agreement (points)", "ICC", "Spearman"]
    heads += ["Sign errors", "Sign errors, published*"]
    notes = ["Points are percent points of the baseline lesion volume. ICC(2,1), absolute agreement.", PUBLISHED_NOTE]
    most = int(table["n"].max()) if len(table) else 0
    if most <= SMALLEST_N:
        notes.insert(0, f"n = {most} is too small: limits of agreement and ICC of so few patients mean little.")
    return Table(heads, rows, "Indices: predicted against measured PET", classes, notes, text_columns=2)


def comparison_table(cohort: CohortInputs) -> Table:
    """Paired tests of every system against the reference method, Holm-corrected; or why there is none."""
    table = cohort.table("comparisons")
    rows = []
    for row in table.to_dict("records"):
        note = word(row["note"])
        rows.append(
            [
                " ".join(str(row[key]) for key in ("metric", "map", "session_id") if pd.notna(row[key])),
                f"{word(row['reference'])}, {word(row['group'])}",
                f"{named(str(row['system'])).name} − {named(str(row['against'])).name}",
                count(row["n"]),
                number(row["mean_difference"], 4, True),
                p_value(row["p_t_holm"]),
                p_value(row["p_wilcoxon_holm"]),
                "" if note == MISSING else note,
            ]
        )
    heads = ("Metric", "Reference, group", "Difference", "n", "Mean", "p (t, Holm)", "p (Wilcoxon, Holm)", "Note")
    return Table(heads, rows, "Paired comparisons over subjects", text_columns=3)


def published_table() -> Table:
    """Every published figure, with its source."""
    rows = []
    for figure in FIGURES:
        about = " ".join(part for part in (figure.metric, figure.region, figure.session) if part)
        digits = 2 if figure.metric in ("dice", "psnr") else 4
        rows.append([figure.system, about, number(figure.mean, digits), number(figure.sd, digits), figure.source])
    heads = ("System", "Metric", "Mean", "SD", "Source")
    caption = "Published values: clinical data that is not public. Never a target for these data."
    return Table(heads, rows, caption, ["published"] * len(rows), text_columns=2)
