"""Commands that run the workflow on a data set, or plan it for an audit."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import folder

if TYPE_CHECKING:
    from myelosynth.audit.signed_plan import Plan

SignedOffBy = Annotated[str | None, typer.Option(help="who signs the plan off")]
Replace = Annotated[bool, typer.Option("--replace", help="file a new plan; the old one is kept beside it")]
SnakemakeOptions = Annotated[list[str] | None, typer.Argument(metavar="[-- OPTION ...]", help="options of Snakemake")]


class Level(StrEnum):
    """Level of a BIDS App."""

    participant = "participant"
    group = "group"


@app.command("run")
def run(
    bids_dir: Annotated[Path, typer.Argument(help="raw BIDS data set")],
    out: Annotated[Path, typer.Argument(help="folder of the results")],
    level: Annotated[Level, typer.Argument(help="participant: imaging alone; group: everything")],
    snakemake_options: SnakemakeOptions = None,
    participant_label: Annotated[
        list[str] | None, typer.Option(help="level participant: label; repeat for more; default: all")
    ] = None,
    lesions: Annotated[
        Path | None, typer.Option(help="lesion mask derivative; default BIDS_DIR/derivatives/lesions")
    ] = None,
    ready: Annotated[Path | None, typer.Option(help="derivative with ready masks and maps; default: none")] = None,
    configfile: Annotated[
        list[Path] | None, typer.Option(help="configuration overlay, such as config/presets/cpu.yaml; repeat for more")
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="jobs at a time; default: 1, or the profile's")] = None,
    profile: Annotated[Path | None, typer.Option(help="Snakemake profile, such as profiles/slurm")] = None,
    workflow: Annotated[Path, typer.Option(help="checkout with Snakefile and config/")] = Path("."),
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="print every command, run none")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="file the dry run as OUT/audit/plan.json, run nothing")] = False,
    signed_off_by: SignedOffBy = None,
    replace: Replace = False,
) -> None:
    """Run the workflow on a data set, as BIDS Apps do: its imaging half, or all of it to the cohort's report."""
    from myelosynth.bids.layout import RawLayout
    from myelosynth.errors import InputError
    from myelosynth.study.bids_app import bids_run
    from myelosynth.study.workflow_run import parallel

    raw = RawLayout(bids_dir, lesions or bids_dir / "derivatives" / "lesions", ready)
    labels = [label.removeprefix("sub-") for label in participant_label] if participant_label else None
    options = [*parallel(cores, profile), *(snakemake_options or [])]
    job = bids_run(level, raw, folder(out), labels, workflow, configfile or [], options)
    if (signed_off_by or replace) and not plan:
        raise InputError("nothing to sign", "--plan", "not given", "give it too")
    if plan:
        from myelosynth.audit.signed_plan import plan_run, refuse_filed

        refuse_filed(out, replace)  # before the dry run, which may take minutes
        _file(plan_run(job), signed_off_by, replace)
        return
    job.start(dry_run)
    if not dry_run:
        typer.echo(f"Pages: {out / 'reports'}")


@app.command("plan")
def plan(
    snakemake_options: SnakemakeOptions = None, signed_off_by: SignedOffBy = None, replace: Replace = False
) -> None:
    """File the plan of `snakemake OPTION ...`, typed in this folder, for the audit: RESULTS/audit/plan.json."""
    from myelosynth.audit.signed_plan import plan_snakemake

    _file(plan_snakemake(snakemake_options or []), signed_off_by, replace)


def _file(planned: "Plan", signed_off_by: str | None, replace: bool) -> None:
    path = planned.file(signed_off_by, replace)
    who = f"signed off by {signed_off_by}" if signed_off_by else "signed off by nobody"
    typer.echo(f"{len(planned.jobs)} jobs for {', '.join(planned.targets)}, {who}: {path}")
