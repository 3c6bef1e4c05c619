"""The paper's threshold beside others: what each makes of measured and of predicted PET."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from myelosynth.errors import InputError
from myelosynth.evaluation.agreement import bland_altman, sign_errors
from myelosynth.evaluation.tables import number
from myelosynth.myelin.thresholds import COMPARED, RULES

COLUMNS: dict[str, dict[str, str]] = {
    "rule": {"Description": "; ".join(f"{rule}: {text}" for rule, text in RULES.items())},
    "index": {"Description": f"one of {', '.join(COMPARED)}; z_t0, z_t1: mean z of lesion voxels"},
    "n": {"Description": "patients in whom the index is defined from measured and, where given, from predicted PET"},
    "measured": {"Description": "mean over patients from measured PET; the rule `predicted` is held against `paper`"},
    "predicted": {"Description": "mean over patients from predicted PET"},
    "bias": {"Description": "predicted - measured"},
    "limits_low": {"Description": "lower 95 % limit of agreement (Bland and Altman 1986)"},
    "limits_high": {"Description": "upper 95 % limit of agreement"},
    "sign_errors": {"Description": "patients whose predicted change has another sign than the measured one"},
    "signed": {"Description": "patients whose measured change has a sign"},
}
_SIGNED = ("global", "z_change")
_OWN_CURVE = "predicted"  # a rule that tables of measured PET need not have
Rules = Mapping[str, Mapping[str, float | None]]


def read_rules(path: Path) -> Rules:
    """Rule to index to value, of one patient. Raises InputError for a table not from `myelosynth thresholds`."""
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t")) if path.is_file() else []
    missing = [name for name in ("rule", *COMPARED) if not rows or name not in rows[0]]
    if missing or rows[0]["rule"] != "paper":
        values = f"{len(rows)} rows, lacks {', '.join(missing) or 'the rule paper'}"
        raise InputError("not a table of thresholds", path, values, "run `myelosynth thresholds` first")
    return {row["rule"]: {name: number(row[name], name, path) for name in COMPARED} for row in rows}


def compared(measured: Sequence[Rules], predicted: Sequence[Rules]) -> list[dict[str, Any]]:
    """One row per rule and index over the same patients; `predicted` may be empty.

    Raises InputError for lists of different length, and for tables with other rules than the first of their list, or
    of measured PET without a rule of the predicted that is not held against `paper`.
    """
    if predicted and len(measured) != len(predicted):
        values = f"{len(measured)} tables from measured, {len(predicted)} from predicted PET"
        raise InputError("patients differ", "threshold-comparison", values, "give both of every patient")
    asked = set((predicted or measured)[0])
    _require_rules(measured, asked - {_OWN_CURVE} if predicted else asked, "--measured", exactly=not predicted)
    _require_rules(predicted, asked, "--predicted", exactly=True)
    rows = []
    for rule in RULES:
        if rule not in asked:
            continue
        for index in COMPARED:
            true = [one.get(rule, one["paper"])[index] for one in measured]
            made = [one[rule][index] for one in predicted] if predicted else true
            pairs = [(a, b) for a, b in zip(true, made, strict=True) if a is not None and b is not None]
            row: dict[str, Any] = {"rule": rule, "index": index, "n": len(pairs)}
            if pairs:
                a, b = np.array(pairs).T
                row["measured"] = float(a.mean())
                if predicted:
                    limits = bland_altman(b, a)
                    row |= {"predicted": float(b.mean()), "bias": limits.bias}
                    row |= {"limits_low": limits.low, "limits_high": limits.high}
                    if index in _SIGNED:
                        row["sign_errors"], row["signed"] = sign_errors(b, a)
            rows.append(row)
    return rows


def _require_rules(tables: Sequence[Rules], wanted: set[str], option: str, exactly: bool) -> None:
    """Raise InputError for a table that lacks one of the wanted rules or, where `exactly`, has another one."""
    for place, table in enumerate(tables, start=1):
        if wanted - set(table) or (exactly and set(table) - wanted):
            values = f"table {place} of {len(tables)} has {', '.join(table)}, expected {', '.join(sorted(wanted))}"
            raise InputError("tables with other rules", option, values, "run `myelosynth thresholds` alike for all")
