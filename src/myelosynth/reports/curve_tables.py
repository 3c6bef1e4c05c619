"""What stands behind the threshold: the check of the control curves, and other rules beside the paper's."""

from pathlib import Path

import pandas as pd

from myelosynth.evaluation.thresholds import COLUMNS as RULES
from myelosynth.myelin.leave_one_out import COLUMNS
from myelosynth.myelin.thresholds import STRICT_SDS
from myelosynth.reports.indices import INDICES
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.page import Gap
from myelosynth.reports.tables import Table, count, interval, number, points, read_table

_STRICT = f"share_z{STRICT_SDS}"
_NAMES = {index.key: index.name for index in INDICES} | {
    "z_t0": "Mean z of lesion voxels at t0",
    "z_t1": "Mean z of lesion voxels at t1",
    "z_change": "Change of the mean z",
}


def _checks(cohort: CohortInputs) -> list[tuple[str, pd.DataFrame]]:
    paths = sorted(cohort.tables.glob("curve_check_fold-*.tsv"))
    found = [(path, read_table(path, list(COLUMNS))) for path in paths]
    return [(_fold(path), table) for path, table in found if table is not None and not table.empty]


def _fold(path: Path) -> str:
    return path.stem.rsplit("-", 1)[-1]


def curve_check_table(cohort: CohortInputs) -> Table | Gap:
    """Each control of each fold against the curve of the others."""
    tables = _checks(cohort)
    if not tables:
        return Gap("leave-one-out check of the control curves", "no fold has one")
    rows, classes = [], []
    for fold, table in tables:
        for row in table[table["part"] == "all"].to_dict("records"):
            cells = [count(row["n"]), points(row["share"]), points(row[_STRICT]), number(row["mean_z"], 2)]
            who = str(row["control"])
            rows.append([fold, "all controls" if who == "all" else who, *cells])
            classes.append("total" if row["control"] == "all" else "")
    heads = (
        "Fold",
        "Control left out",
        "Voxels",
        "Below mean − 1 SD (%)",
        f"Below mean − {STRICT_SDS} SD (%)",
        "Mean z",
    )
    notes = (
        "Normal values of the same distribution would lie below in 15.9 % and 5.0 % of the voxels. A control far above "
        "that would be called demyelinated where nothing is; so would a patient with a scan like it.",
    )
    return Table(heads, rows, "Controls against the curve of all others", classes, notes, text_columns=2)


def curve_check_bins(cohort: CohortInputs) -> Table:
    """The same by distance to the CSF, all controls of a fold together."""
    rows = []
    for fold, table in _checks(cohort):
        for row in table[(table["control"] == "all") & (table["part"] == "bin")].to_dict("records"):
            where = interval(row["distance_low"], row["distance_high"], lambda value: number(value, 1))
            rows.append([fold, where, count(row["n"]), points(row["share"]), number(row["mean_z"], 2)])
    heads = ("Fold", "Distance to CSF (mm)", "Voxels", "Below mean − 1 SD (%)", "Mean z")
    return Table(heads, rows, "The same by distance to the CSF", text_columns=2)


def threshold_table(cohort: CohortInputs) -> Table | Gap:
    """Each index by each rule of calling a voxel demyelinated, measured beside predicted."""
    table = read_table(cohort.tables / "threshold_comparison.tsv", list(RULES))
    if table is None:
        return Gap("other thresholds", "the table threshold_comparison.tsv has not been made")
    rows, classes = [], []
    for row in table.to_dict("records"):
        z = str(row["index"]).startswith("z_")

        def shown(value: object, z: bool = z) -> str:
            return number(value, 2) if z else points(value)

        signs = "" if pd.isna(row["sign_errors"]) else f"{count(row['sign_errors'])} of {count(row['signed'])}"
        values = [shown(row[name]) for name in ("measured", "predicted", "bias")]
        ends = interval(row["limits_low"], row["limits_high"], shown)
        rows.append([str(row["rule"]), _NAMES.get(row["index"], row["index"]), count(row["n"]), *values, ends, signs])
        classes.append("total" if row["rule"] == "paper" else "")
    heads = ("Rule", "Index", "n", "Measured", "Predicted", "Bias", "Limits of agreement", "Wrong signs")
    notes = (f"{RULES['rule']['Description']}.",)
    return Table(heads, rows, "Other thresholds than the paper's", classes, notes, text_columns=2)
