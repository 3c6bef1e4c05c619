"""Command: evaluation of the images, the maps and the indices."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import folder


@app.command("evaluate")
def evaluate(
    results: Annotated[Path, typer.Argument(help="results of the study")],
    index: Annotated[Path, typer.Option(help="session index of `myelosynth check`")],
    split: Annotated[Path, typer.Option(help="split of `myelosynth split`")],
    system: Annotated[list[str], typer.Option(help="method; repeat")],
    out_dir: Annotated[Path, typer.Option(help="folder of the eight tables")],
    ceiling: Annotated[list[str] | None, typer.Option(help="retest, noise-free, oracle; repeat")] = None,
    null: Annotated[list[str] | None, typer.Option(help="follow-up without change, indices only; repeat")] = None,
    reference: Annotated[str | None, typer.Option(help="method the others are tested against; default: last")] = None,
    replicates: Annotated[int, typer.Option(min=1, help="trainings of each method: SYSTEM, SYSTEM@2 to SYSTEM@N")] = 1,
    fold: Annotated[list[int] | None, typer.Option(help="only its test subjects; repeat; default: all folds")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="fail when a score passes the oracle")] = False,
    resamples: Annotated[int, typer.Option(min=100, help="bootstrap resamples over subjects")] = 9999,
    seed: Annotated[int, typer.Option(help="seed of the bootstrap")] = 1,
) -> None:
    """Image metrics, overlap, agreement, tests and ranking over the test subjects of all folds."""
    from myelosynth.errors import InputError
    from myelosynth.evaluation.cohort import open_study
    from myelosynth.evaluation.report import evaluate_study
    from myelosynth.evaluation.tables import write_table

    out_dir, against = folder(out_dir), reference or system[-1]
    if against not in system:
        values = f"{against}, systems are {', '.join(system)}"
        raise InputError("reference is not a system", "--reference", values, "name one of the systems")
    study = open_study(results, index, split, system, ceiling or [], null or [], replicates, fold or [])
    found = evaluate_study(study, against, seed, resamples)
    if strict and found.faults:
        values = f"{found.faults[0]} ({len(found.faults)} in all)"
        cure = "look for a leak; `evaluation: oracle: tell` (here: no --strict) writes the tables, which list them all"
        raise InputError("score passes the oracle", results, values, cure)
    settings = {"systems": system, "ceilings": ceiling or [], "nulls": null or [], "reference": against, "seed": seed}
    settings |= {"resamples": resamples, "test_subjects": len(study.subjects), "replicates": replicates}
    settings["folds"] = sorted({subject.fold for subject in study.subjects})
    words = {"OracleFaults": found.faults, "CeilingNotes": found.notes, "Statements": found.statements}
    gaps = {"GapCount": len(study.gaps), "Gaps": study.gaps}
    for name, (columns, rows) in found.tables.items():
        write_table(out_dir / f"{name}.tsv", columns, rows, [index, split], Settings=settings, **words, **gaps)
    for fault in found.faults:
        typer.echo(f"fault: {fault}", err=True)
    for line in found.statements:
        typer.echo(line)
