"""Commands: clinical scores beside the indices, and regressions of one on the other."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import distinct, output

Output = tuple[Path | None, Mapping[str, Mapping[str, str]], Sequence[Mapping[str, Any]]]
"""Where a table goes (None: not asked for), its columns, its rows."""
Resamples = Annotated[
    int, typer.Option("--bootstrap", min=0, help="resamples for the interval of beta; 0: no interval")
]
Seed = Annotated[int, typer.Option(help="seed of the bootstrap")]
Influence = Annotated[Path | None, typer.Option(help="the index's coefficient without each participant in turn, TSV")]
Checks = Annotated[Path | None, typer.Option(help="VIF, residuals, leverage and power, TSV")]
Flow = Annotated[Path | None, typer.Option(help="participants from all of them to the complete ones, TSV")]


@app.command("clinical")
def clinical(
    table: Annotated[Path, typer.Argument(help="one row per participant, TSV; missing values n/a")],
    response: Annotated[str, typer.Option(help="column of the clinical score, such as edss")],
    predictor: Annotated[str, typer.Option(help="column of the index")],
    out: Annotated[Path, typer.Option(help="one row per term, TSV; the sidecar says who was dropped")],
    covariate: Annotated[list[str] | None, typer.Option(help="further column; sex M/F is coded male = 1")] = None,
    where: Annotated[str | None, typer.Option(help="keep rows with COLUMN=VALUE, such as system=true")] = None,
    influence: Influence = None,
    checks: Checks = None,
    flow: Flow = None,
    bootstrap: Resamples = 2000,
    seed: Seed = 1,
) -> None:
    """Multiple linear regression of a clinical score on an index (wei2020, section 3.4)."""
    from myelosynth.bids.index import read_table
    from myelosynth.evaluation import clinical_checks, clinical_flow, diagnostics
    from myelosynth.evaluation.clinical import COLUMNS, regress

    out = output(out, [table], ".tsv")
    influence, checks, flow = _beside(out, table, influence, checks, flow)
    covariates, every = covariate or [], read_table(table, ())
    lines = _kept(every, where, table)
    rows = [every[line - 2] for line in lines]
    warnings = _odd(rows, (response, predictor, *covariates), table, lines)
    fit = regress(rows, response, predictor, covariates, table)
    if fit.fault:
        raise fit.fault
    fields = {
        "Response": response,
        "Predictor": predictor,
        "Covariates": covariates,
        "Rows": where or "all",
        "Bootstrap": {"resamples": bootstrap, "seed": seed},
        "n_dropped": len(fit.dropped),
        "dropped_participants": fit.dropped,
        "note": fit.note,
        "Warnings": warnings,
    }
    found = diagnostics.influence_rows(fit) if influence or checks else []
    made: list[Output] = [
        (out, COLUMNS, diagnostics.described_rows(fit, bootstrap, seed)),
        (influence, diagnostics.INFLUENCE, found),
        (checks, clinical_checks.COLUMNS, [clinical_checks.checks_row(fit, found)] if checks else []),
        (flow, clinical_flow.COLUMNS, clinical_flow.flow_rows(rows, response, predictor, covariates)),
    ]
    _write(made, table, fields)


def _beside(out: Path, table: Path, *more: Path | None) -> list[Path | None]:
    """Further outputs made absolute, those not asked for as None; checked before any work starts."""
    paths = [None if path is None else output(path, [table], ".tsv") for path in more]
    distinct(out, *paths)
    return paths


def _write(made: Iterable[Output], table: Path, fields: Mapping[str, Any]) -> None:
    """Write the tables that were asked for, all with the same fields in their sidecars, and tell the warnings."""
    from myelosynth.evaluation.tables import write_table

    for path, columns, rows in made:
        if path:
            write_table(path, columns, rows, [table], **fields)
    _warn(fields["Warnings"])


def _odd(
    rows: Sequence[Mapping[str, str]], columns: Sequence[str], table: Path, lines: Sequence[int] = ()
) -> list[str]:
    """What is odd in the columns of a regression. Raises InputError for a score outside its scale.

    lines: where the rows stand in the table; empty where they are all of it.
    """
    from myelosynth.evaluation.cases import sex_warnings
    from myelosynth.evaluation.scales import scale_warnings

    there = [column for column in dict.fromkeys(columns) if rows and column in rows[0]]
    return [line for name in there for line in scale_warnings(rows, name, table, lines)] + sex_warnings(rows, there)


def _warn(warnings: Sequence[str]) -> None:
    for line in warnings:
        typer.echo(f"warning: {line}", err=True)


def _kept(rows: list[dict[str, str]], where: str | None, table: Path) -> list[int]:
    """Lines of the table, whose first row is line 2, that `where` keeps."""
    from myelosynth.errors import InputError

    if where is None:
        return list(range(2, len(rows) + 2))
    column, sign, value = where.partition("=")
    found = sorted({row[column] for row in rows}) if rows and column in rows[0] else []
    if not sign or value not in found:
        values = f"--where {where}, found {', '.join(found) or 'no such column'}"
        raise InputError("no row to keep", table, values, "give COLUMN=VALUE as in the table")
    return [line for line, row in enumerate(rows, start=2) if row[column] == value]


@app.command("clinical-table")
def clinical_table(
    index: Annotated[Path, typer.Option(help="session index of `myelosynth check`")],
    raw: Annotated[Path, typer.Option(help="raw BIDS data set: participants.tsv, phenotype/edss.tsv")],
    results: Annotated[Path, typer.Option(help="results of the study")],
    system: Annotated[list[str], typer.Option(help="system with indices, or `true`; repeat")],
    out: Annotated[Path, typer.Option(help="one row per patient and system, TSV")],
) -> None:
    """Indices of every system, in percent points, beside age, sex, baseline scores and lesion load."""
    from myelosynth.evaluation.clinical_columns import TABLE
    from myelosynth.evaluation.clinical_table import participant_rows
    from myelosynth.evaluation.tables import write_table

    read = [index, raw / "participants.tsv", raw / "phenotype" / "edss.tsv"]
    out = output(out, read, ".tsv")
    made = participant_rows(index, raw, results, system)
    sources = [path for path in read if path.is_file()]
    write_table(out, TABLE, made.rows, sources, Gaps=made.gaps, Warnings=made.warnings)
    _warn(made.warnings)


@app.command("clinical-summary")
def clinical_summary(
    table: Annotated[Path, typer.Argument(help="table of `myelosynth clinical-table`")],
    out: Annotated[Path, typer.Option(help="one row per score, system, predictor and term, TSV")],
    response: Annotated[list[str] | None, typer.Option(help="clinical score; repeat; default: edss, msss")] = None,
    predictor: Annotated[
        list[str] | None,
        typer.Option(help="index; repeat; default: global, demyelination, remyelination"),
    ] = None,
    covariate: Annotated[
        list[str] | None, typer.Option(help="further column; repeat; default: age, sex, t2_lesion_load_ml")
    ] = None,
    main: Annotated[str | None, typer.Option(help="system beside the measured PET: one family of tests")] = None,
    influence: Influence = None,
    checks: Checks = None,
    flow: Flow = None,
    bootstrap: Resamples = 2000,
    seed: Seed = 1,
) -> None:
    """The paper's regressions for the true PET and every system (wei2020, appendix table 2)."""
    from myelosynth.bids.index import read_table
    from myelosynth.errors import InputError
    from myelosynth.evaluation import clinical_columns as columns
    from myelosynth.evaluation.clinical_summary import COVARIATES, PREDICTORS, RESPONSES, Model, summarise

    out = output(out, [table], ".tsv")
    influence, checks, flow = _beside(out, table, influence, checks, flow)
    rows = read_table(table, ("participant_id", "system"))
    systems = list(dict.fromkeys(row["system"] for row in rows))
    if main is not None and rows and main not in systems:
        values = f"{main}, the table has {', '.join(systems)}"
        raise InputError("main is not a system", "--main", values, "name one of the systems")
    chosen = (response or RESPONSES, predictor or PREDICTORS, covariate or COVARIATES)
    warnings = _odd(rows, [name for names in chosen for name in names], table)
    made = summarise(rows, Model(*chosen, main, bootstrap, seed), table)
    named = dict(zip(("Responses", "Predictors", "Covariates"), map(list, chosen), strict=True))
    fields = {**named, "Main": main, "Bootstrap": {"resamples": bootstrap, "seed": seed}, "Warnings": warnings}
    tables: list[Output] = [
        (out, columns.SUMMARY, made.terms),
        (influence, columns.INFLUENCE, made.influence),
        (checks, columns.CHECKS, made.checks),
        (flow, columns.FLOW, made.flow),
    ]
    _write(tables, table, fields)
