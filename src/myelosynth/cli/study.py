"""Commands that look after the data set: check, describe, manifest, schema."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import distinct, folder, output

BidsDir = Annotated[Path, typer.Argument(help="raw BIDS data set")]
Raw = Annotated[Path, typer.Option(help="raw BIDS data set")]


@app.command("check")
def check(
    bids_dir: BidsDir,
    lesions: Annotated[
        Path | None, typer.Option(help="lesion mask derivative; default BIDS_DIR/derivatives/lesions")
    ] = None,
    index: Annotated[Path | None, typer.Option(help="write the session index (TSV) here")] = None,
) -> None:
    """List what every session has; a fault is an error, a gap is listed and counted."""
    from myelosynth.bids.index import scan
    from myelosynth.bids.layout import RawLayout
    from myelosynth.study.check import check_files, describe_gaps

    raw = RawLayout(bids_dir, lesions or bids_dir / "derivatives" / "lesions")
    found = scan(raw)
    check_files(found, raw)
    if index is not None:
        found.write(index)
    for line in [*found.unused, *describe_gaps(found, raw)]:
        typer.echo(line)


@app.command("describe")
def describe(
    results: Annotated[Path, typer.Argument(help="results folder of the study")],
    raw: Raw,
    lesions: Annotated[Path, typer.Option(help="lesion mask derivative")],
    system: Annotated[list[str], typer.Option(help="a system that files its predictions")],
) -> None:
    """Write dataset_description.json and .bidsignore of every derivative folder."""
    from myelosynth.study.derivatives import describe_derivatives

    folder(results)
    describe_derivatives(results, raw, lesions, system)


@app.command("manifest")
def manifest(
    results: Annotated[Path, typer.Argument(help="results folder of the study")],
    index: Annotated[Path, typer.Option(help="session index")],
    raw: Raw,
    task: Annotated[str, typer.Option(help="name in config/tasks, or path of a YAML file")],
    sub: Annotated[list[str], typer.Option(help="label of a participant that can be split; repeat")],
    out: Annotated[Path, typer.Option(help="table of training images")],
    out_participants: Annotated[Path, typer.Option(help="participants that can be split")],
) -> None:
    """Write the table of training images (baseline sessions) and the participants that can be split."""
    from myelosynth.study.manifest import write_manifest, write_participants
    from myelosynth.synthesis.config import load_task

    inputs = [index, raw / "participants.tsv"]
    out, out_participants = output(out, inputs, ".tsv"), output(out_participants, inputs, ".tsv")
    distinct(out, out_participants)
    write_manifest(results, index, raw, load_task(task), sub, out)
    write_participants(raw, sub, out_participants)


@app.command("schema")
def schema(out: Annotated[Path, typer.Argument(help="JSON Schema of the configuration")]) -> None:
    """Export the JSON Schema that Snakemake validates the configuration with."""
    from myelosynth.bids.sidecar import write_json
    from myelosynth.study.config import json_schema

    write_json(output(out, [], ".json"), json_schema())
