"""Commands: clinical scores beside the indices, and regressions of one on the other."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import output


@app.command("clinical")
def clinical(
    table: Annotated[Path, typer.Argument(help="one row per participant, TSV; missing values n/a")],
    response: Annotated[str, typer.Option(help="column of the clinical score, such as edss")],
    predictor: Annotated[str, typer.Option(help="column of the index")],
    out: Annotated[Path, typer.Option(help="one row per term, TSV; the sidecar says who was dropped")],
    covariate: Annotated[list[str] | None, typer.Option(help="further column; sex M/F is coded male = 1")] = None,
    where: Annotated[str | None, typer.Option(help="keep rows with COLUMN=VALUE, such as system=true")] = None,
) -> None:
    """Multiple linear regression of a clinical score on an index (wei2020, section 3.4)."""
    from myelosynth.bids.index import read_table
    from myelosynth.evaluation.clinical import COLUMNS, regress
    from myelosynth.evaluation.tables import write_table

    out, covariates = output(out, [table], ".tsv"), covariate or []
    rows = _kept(read_table(table, ()), where, table)
    fit = regress(rows, response, predictor, covariates, table)
    if fit.fault:
        raise fit.fault
    fields = {
        "Response": response,
        "Predictor": predictor,
        "Covariates": covariates,
        "Rows": where or "all",
        "n_dropped": len(fit.dropped),
        "dropped_participants": fit.dropped,
        "note": fit.note,
    }
    write_table(out, COLUMNS, fit.rows, [table], **fields)


def _kept(rows: list[dict[str, str]], where: str | None, table: Path) -> list[dict[str, str]]:
    from myelosynth.errors import InputError

    if where is None:
        return rows
    column, sign, value = where.partition("=")
    found = sorted({row[column] for row in rows}) if rows and column in rows[0] else []
    if not sign or value not in found:
        values = f"--where {where}, found {', '.join(found) or 'no such column'}"
        raise InputError("no row to keep", table, values, "give COLUMN=VALUE as in the table")
    return [row for row in rows if row[column] == value]


@app.command("clinical-table")
def clinical_table(
    index: Annotated[Path, typer.Option(help="session index of `myelosynth check`")],
    raw: Annotated[Path, typer.Option(help="raw BIDS data set: participants.tsv, phenotype/edss.tsv")],
    results: Annotated[Path, typer.Option(help="results of the study")],
    system: Annotated[list[str], typer.Option(help="system with indices, or `true`; repeat")],
    out: Annotated[Path, typer.Option(help="one row per patient and system, TSV")],
) -> None:
    """Indices of every system beside age, sex, baseline scores and lesion load."""
    from myelosynth.evaluation.clinical_table import participant_rows
    from myelosynth.evaluation.columns import CLINICAL_TABLE
    from myelosynth.evaluation.tables import write_table

    read = [index, raw / "participants.tsv", raw / "phenotype" / "edss.tsv"]
    out = output(out, read, ".tsv")
    rows, gaps = participant_rows(index, raw, results, system)
    write_table(out, CLINICAL_TABLE, rows, [path for path in read if path.is_file()], Gaps=gaps)


@app.command("clinical-summary")
def clinical_summary(
    table: Annotated[Path, typer.Argument(help="table of `myelosynth clinical-table`")],
    out: Annotated[Path, typer.Option(help="one row per system, predictor and term, TSV")],
    response: Annotated[str, typer.Option(help="column of the clinical score")] = "edss",
    predictor: Annotated[list[str], typer.Option(help="column of an index; repeat")] = [  # noqa: B006
        "demyelination",
        "remyelination",
    ],
    covariate: Annotated[list[str], typer.Option(help="further column; repeat")] = [  # noqa: B006
        "age",
        "sex",
        "t2_lesion_load_ml",
    ],
) -> None:
    """The paper's regressions for the true PET and every system (wei2020, appendix table 2)."""
    from myelosynth.bids.index import read_table
    from myelosynth.evaluation.clinical_table import regressions
    from myelosynth.evaluation.columns import CLINICAL_SUMMARY
    from myelosynth.evaluation.tables import write_table

    out = output(out, [table], ".tsv")
    rows = read_table(table, ("participant_id", "system"))
    model = {"Response": response, "Predictors": predictor, "Covariates": covariate}
    terms = regressions(rows, response, predictor, covariate, table)
    write_table(out, CLINICAL_SUMMARY, terms, [table], **model)
