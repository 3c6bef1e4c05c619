"""Commands: phantom."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import folder


@app.command("simulate")
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder of the BIDS data set: new, empty or simulated before.")],
    patients: Annotated[int, typer.Option(help="Number of patients (sessions t0 and t1), labels first.")] = 6,
    controls: Annotated[int, typer.Option(help="Number of controls (session t0).")] = 4,
    resolution: Annotated[
        float | None, typer.Option(help="Isotropic voxel of every image, mm; native sizes if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
    scenario: Annotated[str, typer.Option(help="default, no-change, controls-only, missing or shifted.")] = "default",
    noise: Annotated[str, typer.Option(help="DVR voxel noise: easy .015, default .03, hard .05, clinical .08.")] = (
        "default"
    ),
    tasks: Annotated[str, typer.Option(help="Studies to write images for: myelin.")] = "myelin",
    lesion_masks: Annotated[
        Path | None, typer.Option(help="Folder of lesion masks on FSL's 1 mm MNI152 lattice, used in turn by name.")
    ] = None,
    participant: Annotated[str | None, typer.Option(help="Write this participant's files only, such as 001.")] = None,
    tables: Annotated[bool, typer.Option("--tables", help="Write the data-set-level files only.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Write a simulated raw BIDS data set with known truth; labelled simulated throughout."""
    from rich.console import Console
    from rich.progress import track

    from myelosynth.errors import InputError
    from myelosynth.phantom.dataset import write_participant, write_participants, write_tables
    from myelosynth.phantom.roster import Cohort
    from myelosynth.phantom.settings import Settings

    if tasks != "myelin":
        raise InputError("unknown task", "--tasks", f"got {tasks!r}", "choose myelin")
    if tables and participant is not None:
        raise InputError("options exclude each other", "simulate", "--tables and --participant", "give one of them")
    masks = None if lesion_masks is None else lesion_masks.absolute()
    settings = Settings(Cohort(patients, controls, scenario, seed), resolution, noise, masks)
    root = folder(out)
    if participant is not None:
        settings.cohort.sessions(participant)
        write_participant(settings, root, participant)
        return
    write_tables(settings, root)
    if not tables:
        console = Console(stderr=True)
        total = len(settings.cohort.participants())
        shown = track(
            write_participants(settings, root, jobs),
            description="simulate",
            total=total,
            console=console,
            disable=not console.is_terminal,
        )
        for _ in shown:
            pass
