"""The command that hands an audit on to other programs."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import folder


@app.command("audit-crate")
def audit_crate(
    results: Annotated[Path, typer.Argument(help="results that `myelosynth audit` has audited")],
    out: Annotated[Path, typer.Argument(help="new folder")],
    license: Annotated[str, typer.Option(help="terms of use of the results, in words or as an address")],
    title: Annotated[str, typer.Option(help="name of the crate")] = "A myelosynth study",
    workflow: Annotated[Path, typer.Option(help="checkout that the study ran from")] = Path("."),
) -> None:
    """Export an audit as a Provenance Run RO-Crate: every job and file with SHA-256, no images."""
    from myelosynth.audit.crate import write_crate
    from myelosynth.study.workflow_run import find_checkout

    count = write_crate(results, find_checkout(workflow), folder(out), title, license)
    typer.echo(f"{count} files described: {out / 'ro-crate-metadata.json'}")
