"""The measured tables as a Markdown document for docs/results."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from myelosynth import __version__
from myelosynth.reports.effort import Effort, effort_table, efforts_of
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.simulated import is_simulated
from myelosynth.reports.systems import System
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import MISSING, Table, number
from myelosynth.reports.verdicts import Verdict, ranking_tables

# caption, session, reference, then metric, map, group, head, digits
_TABLES = (
    (
        "Images at t0 against the measured DVR (wei2020, table .2, table 1a)",
        (
            ("mse", "", "all", "MSE, whole", 5),
            ("psnr", "", "all", "PSNR, whole (dB)", 2),
            ("mse_masked", "", "all", "MSE, brain", 5),
            ("psnr_masked", "", "all", "PSNR, brain (dB)", 2),
            ("ssim_masked", "", "all", "SSIM, brain", 3),
        ),
        "ses-t0",
        "measured",
    ),
    (
        "Images at t1, by the fixed model of the fold, against the measured DVR",
        (("mse_masked", "", "all", "MSE, brain", 5), ("psnr_masked", "", "all", "PSNR, brain (dB)", 2)),
        "ses-t1",
        "measured",
    ),
    (
        "Images at t0 against the noise-free DVR",
        (("mse_masked", "", "all", "MSE, brain", 5), ("lesion_mae", "", "patient", "lesions, voxelwise (DVR)", 4)),
        "ses-t0",
        "noise-free",
    ),
    (
        "Discrepancy in regions at t0 against the measured DVR (wei2020, table 1b; regions of the 2019 paper)",
        (
            ("lesion_mae", "", "patient", "lesions, voxelwise (DVR)", 4),
            ("lesion_mean_difference", "", "patient", "lesions, means (DVR)", 4),
            ("nawm_mean_difference", "", "patient", "NAWM, means (DVR)", 4),
            ("nawm_mean_difference", "", "control", "controls' WM, means (DVR)", 4),
        ),
        "ses-t0",
        "measured",
    ),
    (
        "DICE of the demyelination maps at t0",
        (("dice", "demyelinated", "patient", "demyelinated", 3),),
        "ses-t0",
        "measured",
    ),
    (
        "DICE of the demyelination maps at t1",
        (("dice", "demyelinated", "patient", "demyelinated", 3),),
        "ses-t1",
        "measured",
    ),
    (
        "DICE of the change maps",
        (
            ("dice", "demyelinating", "patient", "demyelinating", 3),
            ("dice", "remyelinating", "patient", "remyelinating", 3),
        ),
        "change",
        "measured",
    ),
    (
        "Absolute error of the indices of change (fraction of the lesion volume)",
        (
            ("global_error", "", "patient", "global", 3),
            ("demyelination_error", "", "patient", "demyelination", 3),
            ("remyelination_error", "", "patient", "remyelination", 3),
        ),
        "change",
        "measured",
    ),
)


def results_markdown(cohort: CohortInputs, verdict: Verdict, title: str, hardware: str | None) -> str:
    """The document: what was run, who comes first, every table with floors and ceilings, published values, cost.

    Published values come with a numbered source each. Raises InputError for a table that lacks columns.
    """
    settings, sources = verdict.settings, dict[str, int]()
    efforts = efforts_of(cohort.layout, cohort.systems, settings)
    parts = [f"# {title}", _provenance(cohort, settings, hardware, efforts)]
    if verdict.faults:
        parts.append("**Fault: a score passes the oracle.**\n\n" + _bullets(verdict.faults))
    parts += ["## Who comes first", _bullets(verdict.statements)]
    parts += [_table(table.columns, table.rows, table.caption) for table in ranking_tables(cohort, True)]
    parts += [_bullets(verdict.notes), "## Tables", _LEGEND]
    summary = cohort.table("summary")
    for caption, metrics, session, reference in _TABLES:
        here = summary[(summary["session_id"] == session) & (summary["reference"] == reference)]
        made = _summary_table(cohort, here, metrics, sources)
        if made.rows:
            parts.append(_table(made.columns, made.rows, caption))
    parts.append(_sign_errors(cohort))
    if sources:
        parts.append(
            "Published values are of other data, never a target: "
            + "; ".join(f"[{number_}] {source}" for source, number_ in sources.items())
            + "."
        )
    effort = effort_table(efforts)
    parts += ["## Training and prediction", _table(effort.columns, effort.rows, effort.caption), *effort.notes]
    return "\n\n".join(part for part in parts if part) + "\n"


_LEGEND = (
    "Mean over subjects (95 % BCa interval over subjects), n, and with several seeds ± the SD between seeds. Floors "
    "and ceilings stand in the same tables; *published* is mean (SD) of clinical data that is not public."
)


def _provenance(
    cohort: CohortInputs, settings: Mapping[str, Any], hardware: str | None, efforts: Sequence[Effort]
) -> str:
    seeds = sorted({seed for one in efforts for seed in one.seeds}, key=lambda text: (len(text), text))
    devices = sorted({device for one in efforts for device in one.devices})
    lines = [
        "Simulated data: no clinical finding." if is_simulated(cohort.layout.root, cohort.raw) else "",
        f"{settings['test_subjects']} pooled test subjects of folds {', '.join(map(str, settings['folds']))}; "
        f"{settings['replicates']} training(s) of each system, seeds {', '.join(seeds) or 'not recorded'}.",
        f"Hardware: {hardware or 'not told'}; device of the training: {', '.join(devices) or 'not recorded'}.",
        f"Reference method of the tests: {named(settings['reference']).name}. Bootstrap: {settings['resamples']} "
        f"resamples, seed {settings['seed']}. Made by myelosynth {__version__}.",
    ]
    return _bullets([line for line in lines if line])


def _summary_table(
    cohort: CohortInputs, part: pd.DataFrame, metrics: Sequence[tuple[str, str, str, str, int]], sources: dict[str, int]
) -> Table:
    part = part.assign(map=part["map"].fillna(""))
    by = {(r["system"], r["metric"], r["map"], r["group"]): r for r in part.to_dict("records")}
    rows = []
    for one in cohort.ordered(part["system"]):
        own = [by.get((one.key, metric, which, group)) for metric, which, group, *_ in metrics]
        if one.kind == "null" or all(row is None for row in own):
            continue
        cells = [_cell(row, digits) for row, (*_, digits) in zip(own, metrics, strict=True)]
        printed = [_printed(row, head, digits, sources) for row, (*_, head, digits) in zip(own, metrics, strict=True)]
        counts = " / ".join(str(n) for n in dict.fromkeys(int(row["n"]) for row in own if row is not None))
        rows.append([*_head(one), counts, *cells, "; ".join(filter(None, printed))])
    return Table(["System", "Part", "n", *(head for *_, head, _ in metrics), "Published"], rows)


def _head(one: System) -> list[str]:
    return [one.name, one.tag]


def _cell(row: Mapping[Any, Any] | None, digits: int) -> str:
    if row is None or pd.isna(row["mean"]):
        return MISSING
    seeds = "" if pd.isna(row["seed_sd"]) else f" ± {number(row['seed_sd'], digits + 1)}"
    if pd.isna(row["ci_low"]):
        return number(row["mean"], digits) + seeds
    return f"{number(row['mean'], digits)}{seeds} ({number(row['ci_low'], digits)} to {number(row['ci_high'], digits)})"


def _printed(row: Mapping[Any, Any] | None, head: str, digits: int, sources: dict[str, int]) -> str:
    if row is None or pd.isna(row["published"]):
        return ""
    source = sources.setdefault(str(row["published_source"]), len(sources) + 1)
    digits = 2 if row["metric"] == "dice" else min(digits, 4)  # as printed
    deviation = "" if pd.isna(row["published_sd"]) else f" ({number(row['published_sd'], digits)})"
    return f"{head.split(' (')[0]}: {number(row['published'], digits)}{deviation} [{source}]"


def _sign_errors(cohort: CohortInputs) -> str:
    table = cohort.table("agreement")
    table = table[table["index"] == "global"]
    rows = []
    for one in cohort.ordered(table["system"]):
        row = table[table["system"] == one.key].iloc[0]
        beside = "" if pd.isna(row["published_sign_errors"]) else f"{number(row['published_sign_errors'], 0)} of 15"
        whole = float(row["sign_errors"]).is_integer()
        wrong = f"{number(row['sign_errors'], 0 if whole else 1)} of {number(row['sign_n'], 0)}"
        rows.append([*_head(one), wrong, number(row["icc"], 2), number(row["spearman"], 2), beside])
    heads = ["System", "Part", "Sign errors", "ICC", "Spearman", "Published sign errors"]
    return _table(heads, rows, "Global index of change: agreement with the measured PET") if rows else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A Markdown table below its caption; a column without anything in it is left out."""
    kept = [n for n in range(len(heads)) if any(row[n] not in ("", MISSING) for row in rows)]
    flat = [[_one_line(heads[n]) for n in kept], ["---"] * len(kept)]
    flat += [[_one_line(row[n]) for n in kept] for row in rows]
    return f"### {caption}\n\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in flat)


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line.rstrip('.')}." for line in lines)
