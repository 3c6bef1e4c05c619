"""Command: audit."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app

_SHOWN = 20


@app.command("audit")
def audit_study(
    results: Annotated[Path, typer.Argument(help="results folder of the study")],
    workdir: Annotated[
        Path | None, typer.Option(help="folder in which snakemake was run; RESULTS itself where it holds the records")
    ] = None,
) -> None:
    """Prove from its records what a study did; each violation is a line, and ends the command with 1."""
    import hashlib

    from myelosynth.audit.files import OWN
    from myelosynth.audit.lineage import METADATA
    from myelosynth.audit.study import audit
    from myelosynth.errors import InputError
    from myelosynth.reports.audit import write_audit_page

    if workdir is None:  # `myelosynth run` and `apply` work in the folder of results
        workdir = results if (results / METADATA).is_dir() else Path()
    for folder, what in ((results, "results folder"), (workdir, "working directory")):
        if not folder.is_dir():
            raise InputError(f"{what} missing", folder, "no such folder", "check the path")
    found = audit(results, workdir)
    out, page = results / OWN / "audit.json", results / OWN / "audit.html"
    found.write(out)
    write_audit_page(out, results, page)
    for violation in found.violations[:_SHOWN]:
        typer.echo(f"violation: {violation}")
    if len(found.violations) > _SHOWN:
        typer.echo(f"and {len(found.violations) - _SHOWN} more violations in {out}")
    for gap in found.gaps:
        typer.echo(f"not proven: {gap}")
    folds = len({one.fold for one in found.proof})
    learned = f"{len(found.proof)} learned files of {folds} folds"
    typer.echo(
        f"{len(found.files)} files, {len(found.lineage.jobs)} jobs, {learned}: {len(found.violations)} violations"
    )
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    typer.echo(f"audit.json has SHA-256 {digest}: keep it elsewhere, it seals all others")
    if found.violations:
        raise typer.Exit(1)
