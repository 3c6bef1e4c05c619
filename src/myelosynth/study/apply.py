"""What `myelosynth apply` looks at before the first job, and the configuration that it runs the workflow with."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from myelosynth.bids.index import BASELINE, scan
from myelosynth.bids.layout import RawLayout
from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text
from myelosynth.images.grid import Grid
from myelosynth.images.volume import open_image
from myelosynth.study.roster import MADE_OF, Roster, without_pet
from myelosynth.synthesis.bundle.card import Card
from myelosynth.synthesis.bundle.statistics import TrainingStatistics

# How much longer a voxel may be than in training before it was moved to the analysis grid; where the bundle does not
# tell, than the analysis grid's own, onto which much coarser images are commonly brought.
_COARSER, _COARSER_THAN_GRID = 1.5, 2.5


@dataclass(frozen=True)
class Preflight:
    """Whom the bundle is applied to: (sub, ses), and one line for every session that is left out."""

    sessions: list[tuple[str, str]]
    gaps: list[str]


def look_ahead(
    raw: RawLayout, card: Card, participants: list[str] | None = None, allow_voxel_size: bool = False
) -> Preflight:
    """Find who can be predicted, by file names and headers alone.

    Raises InputError for faults of the data set, a task without rules, a participant who was asked for and lacks a
    channel, nobody at all, or images that are much coarser than those of training.
    """
    unknown = [source for source in card.sources if source not in MADE_OF]
    if unknown:
        values = f"{', '.join(unknown)}, expected {', '.join(MADE_OF)}"
        raise InputError("bundle without rules", card.folder, values, "predict with `myelosynth bundle-predict`")
    roster = Roster(without_pet(scan(raw), participants), card.sources)
    gaps = []
    for sub in roster.index.groups:
        for ses in roster.index.sessions(sub) or [BASELINE]:
            lacking = _lacking(roster, sub, ses)
            if lacking and participants and ses == BASELINE:
                values = f"sub-{sub} ses-{ses} lacks {', '.join(lacking)}; trained on {', '.join(card.sources)}"
                raise InputError("channel missing", raw.root, values, "add the images, or leave this participant out")
            if lacking:
                gaps.append(f"gap: sub-{sub} ses-{ses} lacks {', '.join(lacking)}: no prediction")
            elif (sub, ses) not in roster.applicable:
                gaps.append(f"gap: sub-{sub} ses-{ses} has no complete ses-{BASELINE} to lie on: no prediction")
        if roster.predictable(sub, BASELINE) and not roster.has_lesions(sub):
            gaps.append(f"gap: sub-{sub} has no lesion mask: a predicted DVR, no demyelination and no indices")
    if not roster.applicable:
        values = f"0 of {len(roster.index.groups)} participants have a T1w and {', '.join(card.sources)} at {BASELINE}"
        raise InputError("nobody to predict", raw.root, values, f"{gaps[0] if gaps else 'add participants'}")
    if not allow_voxel_size:
        _require_resolution(roster, card)
    return Preflight(roster.applicable, gaps)


def _lacking(roster: Roster, sub: str, ses: str) -> list[str]:
    """Channels, and the T1w, that a session lacks."""
    absent = [] if roster.index.has(sub, ses, "T1w") else ["T1w"]
    return absent + [name for name in roster.sources if not roster.has_map(sub, ses, name)]


def _require_resolution(roster: Roster, card: Card) -> None:
    trained = TrainingStatistics.read(card.statistics)
    for sub, ses in roster.applicable:
        for name in card.sources:
            ready = roster.index.has(sub, ses, name)
            path = roster.index.path(sub, ses, name if ready else MADE_OF[name][0])
            edge = max(Grid.of(open_image(path)).voxel_sizes)
            native = trained.channels[name].native_mm
            limit = _COARSER * native if native else _COARSER_THAN_GRID * max(trained.voxel_mm)
            if edge > limit:
                known = f"{native:g} mm in training" if native else f"an analysis grid of {max(trained.voxel_mm):g} mm"
                values = f"{name} of sub-{sub} ses-{ses} has voxels of {edge:g} mm against {known}"
                cure = "use images of the trained resolution, or give --allow-voxel-size"
                raise InputError("image coarser than trained", path, values, cure)


def overlay(
    card: Card, raw: RawLayout, out: Path, participants: list[str] | None, allow_intensity: bool
) -> dict[str, Any]:
    """The configuration that lies over the shipped one, all paths absolute."""
    return {
        "simulate": None,
        "output": str(out.absolute()),
        "dataset": {
            "bids_dir": str(raw.root.absolute()),
            "lesions": str(raw.lesions.absolute()),
            "ready": str(raw.ready.absolute()) if raw.ready else None,
        },
        "learning": {"task": str(card.task.absolute())},
        "apply": {
            "bundle": str(card.folder.absolute()),
            "participants": participants,
            "allow_intensity": allow_intensity,
        },
    }


def run_workflow(
    workflow: Path, settings: dict[str, Any], configfiles: list[Path], options: list[str], out: Path | None
) -> None:
    """Run the target `apply` of a checkout's Snakefile; the settings are kept in `out` where it is given.

    Raises InputError for a folder without the workflow, or when the run fails.
    """
    snakefile = workflow / "Snakefile"
    if not snakefile.is_file() or not (workflow / "config" / "config.yaml").is_file():
        cure = "run in a checkout of myelosynth, or name one with --workflow"
        raise InputError("workflow missing", workflow, "no Snakefile with config/config.yaml", cure)
    with tempfile.TemporaryDirectory(prefix="myelosynth-") as scratch:
        file = (out or Path(scratch)) / "apply.yaml"
        write_text(file, yaml.safe_dump(settings, sort_keys=False))
        command = [sys.executable, "-m", "snakemake", "--snakefile", "Snakefile", *options, "--keep-going"]
        command += ["--rerun-incomplete", "--show-failed-logs", "--configfile"]
        command += [*(str(path.absolute()) for path in configfiles), str(file.absolute()), "--", "apply"]
        # The rules call `myelosynth`: the one that runs here. One thread a job; Snakemake fills the cores.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        single = {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
        done = subprocess.run(command, cwd=workflow, env={**single, **os.environ, "PATH": path}, check=False)
    if done.returncode:
        values = f"Snakemake ended with {done.returncode}; what was refused or failed is told above"
        raise InputError(
            "not everybody was predicted", out or workflow, values, "mend it and run the same command again"
        )
