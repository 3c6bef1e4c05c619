"""The ranking and what passes a ceiling, as tables of a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError
from myelosynth.evaluation.significance import SMALLEST_N
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import MISSING, Table, count, interval, number, p_value, word

FIRST = "measured"  # reference of the tables that are not folded away
_MEASURES = {
    "mse_masked": ("Masked MSE (DVR²)", 5),
    "lesion_mae": ("Lesion error, voxelwise (DVR)", 4),
    "lesion_mean_difference": ("Lesion error, |difference of means| (DVR)", 4),
    "dice": ("DICE", 3),
}


@dataclass(frozen=True)
class Verdict:
    """What the evaluation says in words, and the run it is of (the sidecar of ranking.tsv)."""

    statements: list[str]
    faults: list[str]
    notes: list[str]
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, tables: Path) -> "Verdict":
        """Raises InputError where the tables have not been made, or by an evaluation without a ranking."""
        record = read_json(sidecar_path(tables / "ranking.tsv"))
        words = [record.get(name) for name in ("Statements", "OracleFaults", "CeilingNotes", "Settings")]
        if None in words:
            values = "no Statements, OracleFaults, CeilingNotes or Settings in the sidecar"
            raise InputError("not a ranking", tables / "ranking.tsv", values, "run `myelosynth evaluate` again")
        return cls(*words)  # type: ignore[arg-type]

    def require(self, tables: Path, systems: list[str], ceilings: list[str], replicates: int, folds: list[int]) -> None:
        """Raises InputError when the tables are of other systems, replicates or folds than those asked for."""
        asked = {"replicates": replicates, **({"folds": sorted(set(folds))} if folds else {})}
        for name, value in asked.items():
            if self.settings.get(name) != value:
                values = f"{name} {value} asked for, the tables have {self.settings.get(name)}"
                raise InputError("tables of another run", tables, values, "evaluate with the same options")
        for names, kind in ((systems, "systems"), (ceilings, "ceilings")):
            missing = [name for name in names if name not in self.settings.get(kind, [])]
            if missing:
                values = f"{', '.join(missing)} not among {kind} {', '.join(self.settings.get(kind, []))}"
                raise InputError("tables of another run", tables, values, "evaluate with the same options")


def oracle_words(cohort: CohortInputs, verdict: Verdict) -> str:
    """What the oracle bounds, and over how many scores it was tested; faults stand elsewhere."""
    if "oracle" not in verdict.settings["ceilings"]:
        return "There is no oracle in these tables, so nothing bounds a score from above."
    bound = (
        "The oracle is all that MRI could tell: no error against the noise-free DVR may pass it by more than chance."
    )
    tested = int(cohort.table("ceilings")["p"].notna().sum())
    if not tested:
        return f"{bound} With {SMALLEST_N} subjects or fewer nothing was tested."
    return bound if verdict.faults else f"{bound} None of {tested} scores does."


def ranking_tables(cohort: CohortInputs, first: bool) -> list[Table]:
    """A table per measure: at t0 against the measured DVR where `first`, all other conditions else."""
    ranking = cohort.table("ranking")
    found = []
    keys = ["metric", "reference", "session_id", "map"]
    for key, part in ranking.groupby(keys, sort=False, dropna=False):
        metric, reference, session, which = (str(value) for value in key)
        early = reference == FIRST and session == "ses-t0"
        if early != first:
            continue
        head, digits = _MEASURES[metric]
        about = [word(value) for value in (which, session.removeprefix("ses-")) if value != "nan"]
        against = f", against the {reference} DVR" if metric != "dice" else ""
        rows = [_ranked(row, digits) for row in part.to_dict("records")]
        classes = [_row_class(cohort, row) for row in part.to_dict("records")]
        heads = ["System", "Part", "Rank", "n", "Mean\n(95 % interval)", "Difference\n(95 % interval)"]
        heads += ["p, Holm\n(t, Wilcoxon)", "Verdict", "SD of seeds"]
        if part["seed_sd"].isna().all():
            heads, rows = heads[:-1], [row[:-1] for row in rows]
        found.append(Table(heads, rows, f"{head}, {', '.join(about)}{against}", classes, _notes(part), 2))
    return found


def _notes(part: Any) -> tuple[str, ...]:
    against = next((str(value) for value in part["against"].dropna()), "")
    most = int(part["n"].max())
    small = f" n = {most} is too small: nothing is tested." if most <= SMALLEST_N else ""
    return (
        (f"Differences and verdicts are against {named(against).name}, over the same subjects.{small}",)
        if against
        else ()
    )


def _row_class(cohort: CohortInputs, row: Mapping[Any, Any]) -> str:
    return "main" if row["system"] == cohort.main else str(row["part"])


def _ranked(row: Mapping[Any, Any], digits: int) -> list[str]:
    def show(value: Any) -> str:
        return number(value, digits)

    def signed(value: Any) -> str:
        return number(value, digits, sign=True)

    verdict, tests = word(row["verdict"]), [p_value(row[name]) for name in ("p_t_holm", "p_wilcoxon_holm")]
    return [
        named(str(row["system"])).name,
        "model" if row["part"] == "method" else str(row["part"]),
        count(row["rank"]),
        count(row["n"]),
        _two_lines(show(row["mean"]), interval(row["ci_low"], row["ci_high"], show)),
        _two_lines(signed(row["difference"]), interval(row["difference_low"], row["difference_high"], signed)),
        MISSING if tests == [MISSING, MISSING] else ", ".join(tests),
        "" if verdict == MISSING else verdict,
        number(row["seed_sd"], digits + 1),
    ]


def _two_lines(value: str, ends: str) -> str:
    return value if ends == MISSING else f"{value}\n({ends})"
