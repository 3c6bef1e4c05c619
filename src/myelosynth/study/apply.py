"""What `myelosynth apply` looks at before the first job, and the configuration that it runs the workflow with."""

import fcntl
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from myelosynth.bids.index import BASELINE, OF_PET, scan
from myelosynth.bids.layout import RawLayout
from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text
from myelosynth.images.grid import Grid
from myelosynth.images.volume import open_image
from myelosynth.sharing import shared_with
from myelosynth.study.roster import MADE_OF, Roster
from myelosynth.synthesis.bundle.card import Card
from myelosynth.synthesis.bundle.statistics import TrainingStatistics
from myelosynth.synthesis.config import read_yaml
from myelosynth.synthesis.names import OPTIONAL_SOURCES

# How much longer a voxel may be than in training before it was moved to the analysis grid; where the bundle does not
# tell, than the analysis grid's own, onto which much coarser images are commonly brought.
_COARSER, _COARSER_THAN_GRID = 1.5, 2.5
_LOCK = ".apply.lock"


@dataclass(frozen=True)
class Preflight:
    """Whom the bundle is applied to: (sub, ses), and one line for every session that is left out."""

    sessions: list[tuple[str, str]]
    gaps: list[str]

    @property
    def participants(self) -> list[str]:
        """Labels of those who are served."""
        return list(dict(self.sessions))


def look_ahead(
    raw: RawLayout, card: Card, participants: list[str] | None = None, allow_voxel_size: bool = False
) -> Preflight:
    """Find who can be predicted, by file names and headers alone.

    Raises InputError for faults of the data set, a task without rules, a participant who was asked for and cannot be
    served, nobody at all, or images that are much coarser than those of training. Who was not asked for by name and
    cannot be served is told and left out.
    """
    unknown = [source for source in card.sources if source not in MADE_OF]
    if unknown:
        values = f"{', '.join(unknown)}, expected {', '.join(MADE_OF)}"
        raise InputError("bundle without rules", card.folder, values, "predict with `myelosynth bundle-predict`")
    roster = Roster(scan(raw, participants, OF_PET), card.sources, card.optional)
    gaps, edges = list[str](), list[_Edge]()
    sessions = list[tuple[str, str]]()
    for sub in roster.index.groups:
        for ses in roster.index.sessions(sub) or [BASELINE]:
            lacking = _lacking(roster, sub, ses)
            if lacking and not roster.predictable(sub, ses):
                if participants and ses == BASELINE:
                    values = f"sub-{sub} ses-{ses} lacks {', '.join(lacking)}; trained on {', '.join(card.sources)}"
                    raise InputError("channel missing", raw.root, values, _cure(card, lacking))
                gaps.append(f"gap: sub-{sub} ses-{ses} lacks {', '.join(lacking)}: no prediction")
            elif (sub, ses) not in roster.applicable:
                gaps.append(f"gap: sub-{sub} ses-{ses} has no complete ses-{BASELINE} to lie on: no prediction")
            elif lacking:
                gaps.append(f"gap: sub-{sub} ses-{ses} lacks {', '.join(lacking)}: predicted without, and flagged")
        its = [session for session in roster.applicable if session[0] == sub]
        try:
            # Which image the lesions were drawn on is asked of everybody who is served: it may not be known.
            drawn_on_t1w = bool(its) and roster.index.lesions_in_t1w(sub)
            if its and not (drawn_on_t1w or roster.has_lesions(sub)):
                gaps.append(f"gap: sub-{sub} has no lesion mask: a predicted DVR, no demyelination and no indices")
            edges += [_edge(roster, *session, name) for session in its for name in roster.seen(*session)]
        except InputError as fault:
            if participants:
                raise
            gaps.append(f"gap: sub-{sub} is left out: {fault}")
            continue
        sessions += its
    if not sessions:
        wanted = f"{'one of ' if card.optional else ''}{', '.join(card.sources)}"
        values = f"0 of {len(roster.index.groups)} participants have a T1w and {wanted} at {BASELINE}"
        raise InputError("nobody to predict", raw.root, values, f"{gaps[0] if gaps else 'add participants'}")
    if not allow_voxel_size:
        _require_resolution(edges, card)
    return Preflight(sessions, gaps)


def _lacking(roster: Roster, sub: str, ses: str) -> list[str]:
    """Channels, and the T1w, that a session lacks."""
    absent = [] if roster.index.has(sub, ses, "T1w") else ["T1w"]
    return absent + [name for name in roster.sources if not roster.has_map(sub, ses, name)]


def _cure(card: Card, lacking: list[str]) -> str:
    """What helps a participant whom the bundle cannot serve."""
    if "T1w" in lacking:
        return "add the images, or leave this participant out"
    others = ", ".join(OPTIONAL_SOURCES)
    return f"add the images, or use a bundle of {others}, which takes any of its sources ({card.system} needs all)"


class _Edge(NamedTuple):
    """The longest voxel edge, mm, of the image that a source is made of."""

    source: str
    session: str
    path: Path
    mm: float


def _edge(roster: Roster, sub: str, ses: str, name: str) -> _Edge:
    """Raises InputError for an image whose header cannot be read."""
    path = roster.index.path(sub, ses, name if roster.index.has(sub, ses, name) else MADE_OF[name][0])
    return _Edge(name, f"sub-{sub} ses-{ses}", path, max(Grid.of(open_image(path)).voxel_sizes))


def _require_resolution(edges: list[_Edge], card: Card) -> None:
    trained = TrainingStatistics.read(card.statistics)
    for name, session, path, edge in edges:
        native = trained.channels[name].native_mm
        limit = _COARSER * native if native else _COARSER_THAN_GRID * max(trained.voxel_mm)
        if edge > limit:
            known = f"{native:g} mm in training" if native else f"an analysis grid of {max(trained.voxel_mm):g} mm"
            values = f"{name} of {session} has voxels of {edge:g} mm against {known}"
            cure = "use images of the trained resolution, or give --allow-voxel-size"
            raise InputError("image coarser than trained", path, values, cure)


def overlay(
    card: Card, raw: RawLayout, out: Path, participants: list[str], allow_intensity: bool, unchanged: bool
) -> dict[str, Any]:
    """The configuration that lies over the shipped one, all paths absolute; nobody but these participants is read."""
    return {
        "simulate": None,
        "output": str(out.absolute()),
        "share": shared_with(),
        "dataset": {
            "bids_dir": str(raw.root.absolute()),
            "lesions": str(raw.lesions.absolute()),
            "ready": str(raw.ready.absolute()) if raw.ready else None,
            "follow_symlinks": raw.follow_symlinks,
        },
        "learning": {"task": str(card.task.absolute())},
        "apply": {
            "bundle": str(card.folder.absolute()),
            "participants": participants,
            "allow_intensity": allow_intensity,
            "unchanged": unchanged,
        },
    }


def run_workflow(
    workflow: Path, settings: dict[str, Any], configfiles: list[Path], options: list[str], out: Path, dry: bool
) -> None:
    """Run the target `apply` of a checkout's Snakefile in `out`, where the settings are kept; a dry run writes nothing.

    Each folder of results is a working directory of its own, with Snakemake's records in it, so that runs into
    different ones do not meet, and the checkout is only read. Raises InputError for a folder without the workflow, a
    configuration that Snakemake would run code of (a bundle brings one along), results that another run is writing, or
    when the run fails.
    """
    checkout = workflow.absolute()
    shipped = checkout / "config" / "config.yaml"
    if not (checkout / "Snakefile").is_file() or not shipped.is_file():
        cure = "run in a checkout of myelosynth, or name one with --workflow"
        raise InputError("workflow missing", workflow, "no Snakefile with config/config.yaml", cure)
    for path in configfiles:
        read_yaml(path)
    with tempfile.TemporaryDirectory(prefix="myelosynth-") as scratch, _alone(None if dry else out) as held:
        file = (Path(scratch) if dry else out) / "apply.yaml"
        write_text(file, yaml.safe_dump(settings, sort_keys=False))
        # A dry run looks at the records of earlier ones.
        where = Path(scratch) if dry and not (out / ".snakemake").is_dir() else out
        command = [sys.executable, "-m", "snakemake", "--snakefile", "Snakefile", "--directory", str(where), *options]
        command += ["--dry-run"] if dry else []
        # Snakemake's own lock outlives a run that was killed; `_alone` does not.
        command += ["--nolock", "--keep-going", "--rerun-incomplete", "--show-failed-logs", "--configfile"]
        files = [shipped, *(path.absolute() for path in configfiles), file.absolute()]
        command += [*map(str, files), "--", "apply"]
        done = subprocess.run(command, cwd=checkout, env=_environment(checkout), pass_fds=held, check=False)
    if done.returncode:
        values = f"Snakemake ended with {done.returncode}; what was refused or failed is told above"
        raise InputError("not everybody was predicted", out, values, "mend it and run the same command again")


def _environment(checkout: Path) -> dict[str, str]:
    """The environment of a run: one thread a job, since Snakemake fills the cores; the checkout's conda."""
    single = {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
    prefix = checkout / ".snakemake" / "conda"
    # Snakemake makes the folder that it is told, with conda or without.
    conda = {"SNAKEMAKE_CONDA_PREFIX": str(prefix)} if prefix.is_dir() else {}
    # The rules call `myelosynth`: the one that runs here.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**single, **conda, **os.environ, "PATH": path, "MYELOSYNTH_CHECKOUT": str(checkout)}


@contextmanager
def _alone(out: Path | None) -> Iterator[tuple[int, ...]]:
    """Hold a folder of results for one run; the system lets it go when the run ends, however it ends.

    Yields the open files that a child must inherit to hold it too. Raises InputError while another run holds it.
    """
    if out is None:
        yield ()
        return
    out.mkdir(parents=True, exist_ok=True)
    with (out / _LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            lock.seek(0)
            values = f"another `myelosynth apply` writes there ({lock.read().strip() or 'process not known'})"
            raise InputError("results in use", out, values, "wait for it, or give another folder") from fault
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {platform.node()}")
        lock.flush()
        yield (lock.fileno(),)
