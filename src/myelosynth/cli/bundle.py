"""Commands: a trained system in one folder, and its use on patients without PET."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from myelosynth.cli.app import app
from myelosynth.cli.devices import Device, torch_device
from myelosynth.cli.paths import FollowSymlinks, distinct, folder, given, output

if TYPE_CHECKING:
    from myelosynth.synthesis.bundle.card import Card
    from myelosynth.synthesis.bundle.check import Finding
    from myelosynth.synthesis.checkpoints import Checkpoint
    from myelosynth.synthesis.systems.base import PredictionInputs

Bundle = Annotated[Path, typer.Argument(help="folder that `myelosynth bundle` wrote")]
Sources = Annotated[list[str], typer.Option(help="NAME=IMG, names as in the bundle's task; template=XFM.txt")]
Mask = Annotated[Path, typer.Option(help="brain mask on the grid of the sources")]
AllowVoxels = Annotated[bool, typer.Option("--allow-voxel-size", help="accept voxels that differ from training")]
AllowIntensity = Annotated[
    bool, typer.Option("--allow-intensity", help="accept sources far outside the range of training; they stay flagged")
]


@app.command("bundle")
def bundle(
    checkpoint: Annotated[list[Path], typer.Option(help="checkpoint.pt of `myelosynth train`; several: an ensemble")],
    curve: Annotated[Path, typer.Option(help="control curve of the fold, TSV")],
    task: Annotated[str, typer.Option(help="name in config/tasks, or path of a YAML file")],
    data: Annotated[Path, typer.Option(help="manifest of the training images, TSV")],
    split: Annotated[Path, typer.Option(help="TSV of `myelosynth split`")],
    out: Annotated[Path, typer.Option(help="new folder")],
    metrics: Annotated[
        Path | None, typer.Option(help="summary.tsv of `myelosynth evaluate`, with its other tables beside it")
    ] = None,
    config: Annotated[
        list[Path] | None, typer.Option(help="configuration of the study, then its overlays: how images were made")
    ] = None,
    null: Annotated[
        Path | None, typer.Option(help="null of its indices, JSON of `myelosynth null-fit` on its predictions")
    ] = None,
) -> None:
    """Put a trained system, its statistics, control curve, task and model card into one folder."""
    from myelosynth.bids.sidecar import read_json
    from myelosynth.myelin.null import NullModel
    from myelosynth.study.metrics import bundle_metrics
    from myelosynth.synthesis.bundle.build import write_bundle
    from myelosynth.synthesis.bundle.parts import read_parts

    out = folder(out)
    for path in (curve, data, split, metrics, null):
        given(path)
    settings = _preprocessing(config) if config else None
    parts = read_parts(checkpoint, curve, task, data, split, null)
    if null:
        NullModel.of_record(read_json(null)["Null"], null)
    record = write_bundle(parts, out, bundle_metrics(metrics, parts) if metrics else None, settings)
    people = sum(record["Data"]["Learned"].values())
    typer.echo(f"{record['System']}: {len(record['Members'])} member(s), {people} participants learned from: {out}")


@app.command("bundle-check")
def bundle_check(
    bundle: Bundle,
    source: Sources,
    mask: Mask,
    out: Annotated[Path | None, typer.Option(help="what was found, JSON")] = None,
    allow_voxel_size: AllowVoxels = False,
    allow_intensity: AllowIntensity = False,
) -> None:
    """Hold a session's maps against the brains that a bundle was trained on: refused, flagged, or within range."""
    from myelosynth.bids.sidecar import write_json
    from myelosynth.cli.sources import load_inputs, named_sources
    from myelosynth.synthesis.bundle.card import load_bundle

    card = load_bundle(bundle)
    paths = named_sources(source, card.sources, card.inputs, card.optional)
    out = output(out, [mask, *paths.values()], ".json") if out else None
    findings = _compared(card, load_inputs(paths, mask), mask, allow_voxel_size, allow_intensity)
    if out:
        write_json(out, _found(card, paths, findings))
    for finding in findings:
        typer.echo(f"out of distribution: {finding}{f'; {finding.likely}' if finding.likely else ''}")
    if not findings:
        typer.echo(f"within the range of training: {', '.join(paths)}")


@app.command("bundle-predict")
def bundle_predict(
    bundle: Bundle,
    source: Sources,
    mask: Mask,
    out: Annotated[Path, typer.Option(help="predicted target, 0 outside the mask")],
    out_std: Annotated[Path | None, typer.Option(help="its SD, where the bundle has a spread")] = None,
    allow_voxel_size: AllowVoxels = False,
    allow_intensity: AllowIntensity = False,
    device: Device = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads")] = 1,
) -> None:
    """Check a session as `bundle-check` does and predict it, by the mean of the bundle's members."""
    from myelosynth.cli.sources import load_inputs, named_sources
    from myelosynth.errors import InputError
    from myelosynth.images.volume import save_volume
    from myelosynth.synthesis.bundle.card import load_bundle
    from myelosynth.synthesis.checkpoints import load_checkpoint
    from myelosynth.synthesis.ensemble import predict_ensemble

    card = load_bundle(bundle)
    if out_std and not card.spread:
        raise InputError("bundle offers no spread", "--out-std", f"system {card.system}", "leave --out-std out")
    paths = named_sources(source, card.sources, card.inputs, card.optional)
    read = [*card.files, mask, *paths.values()]
    out, out_std = output(out, read), output(out_std, read) if out_std else None
    distinct(out, out_std)
    inputs = load_inputs(paths, mask)
    findings = _compared(card, inputs, mask, allow_voxel_size, allow_intensity)
    members = [load_checkpoint(path) for path in card.checkpoints]
    prediction = predict_ensemble(members, inputs, torch_device(device, threads))
    fields = {**_found(card, paths, findings), "Units": "1", "SkullStripped": True}
    sources = [*card.checkpoints, *paths.values(), mask]
    save_volume(out, prediction.mean, inputs.grid)
    _write_sidecar(out, card, sources, fields)
    if out_std and prediction.std is not None:
        save_volume(out_std, prediction.std, inputs.grid)
        record = {"SpreadOf": _spread_of(members), **prediction.spread_record}
        _write_sidecar(out_std, card, sources, {**fields, **record})


@app.command("analysis-grid")
def analysis_grid(
    t1w: Annotated[Path, typer.Argument(metavar="T1W", help="baseline T1w")],
    out: Annotated[Path, typer.Argument(help="the T1w on the lattice: the reference of all maps")],
    mask: Annotated[Path, typer.Option(help="brain mask on the grid of the T1w")],
    bundle: Annotated[Path, typer.Option(help="bundle whose voxel size and voxel order the lattice gets")],
) -> None:
    """Lay a lattice of the trained voxel size over the brain, in the world of the T1w, where no PET gives one."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance, bids_uri, skull_stripped
    from myelosynth.images.lattice import MARGIN_MM, brain_lattice
    from myelosynth.images.resample import resample
    from myelosynth.images.transform import LinearTransform
    from myelosynth.images.volume import load_mask, load_volume, save_volume
    from myelosynth.synthesis.bundle.card import load_bundle
    from myelosynth.synthesis.bundle.statistics import TrainingStatistics

    out = output(out, [t1w, mask])
    card = load_bundle(bundle)
    trained, image = TrainingStatistics.read(card.statistics), load_volume(t1w)
    brain = load_mask(mask, image.grid, t1w)
    lattice = brain_lattice(brain, image.grid, trained.voxel_mm, trained.orientation)
    save_volume(out, resample(image.data, image.grid, lattice, LinearTransform.identity()), lattice)
    settings = {"VoxelSize": list(trained.voxel_mm), "Orientation": trained.orientation, "Margin": MARGIN_MM}
    fields = {"SpatialReference": bids_uri(out, out), "SkullStripped": skull_stripped(t1w)}
    sources = [t1w, mask, card.statistics]
    Provenance("analysis grid without PET", "myelosynth", __version__, sources, settings, fields).write(out)


@app.command("apply")
def apply(
    bundle: Bundle,
    bids_dir: Annotated[Path, typer.Argument(help="raw BIDS data set; PET in it is not used")],
    out: Annotated[Path, typer.Argument(help="folder of the results")],
    lesions: Annotated[
        Path | None, typer.Option(help="lesion mask derivative; default BIDS_DIR/derivatives/lesions")
    ] = None,
    ready: Annotated[Path | None, typer.Option(help="derivative with ready masks and maps; default: none")] = None,
    participant: Annotated[list[str] | None, typer.Option(help="label; repeat for more; default: all")] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="jobs at a time; default: 1, or the profile's")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="print every command, run none")] = False,
    allow_voxel_size: AllowVoxels = False,
    allow_intensity: AllowIntensity = False,
    unchanged: Annotated[
        bool, typer.Option("--unchanged", help="nothing changed between the sessions: fit the null of the predictions")
    ] = False,
    profile: Annotated[Path | None, typer.Option(help="Snakemake profile, such as profiles/slurm")] = None,
    configfile: Annotated[
        list[Path] | None, typer.Option(help="configuration overlay, such as config/presets/lab.yaml; repeat for more")
    ] = None,
    workflow: Annotated[Path, typer.Option(help="checkout with Snakefile and config/")] = Path("."),
    follow_symlinks: FollowSymlinks = False,
) -> None:
    """Predict myelin maps, demyelination, change and a page for each patient who has MRI and no PET."""
    from myelosynth.bids.layout import RawLayout
    from myelosynth.study.apply import look_ahead, overlay
    from myelosynth.study.workflow_run import WorkflowRun, parallel
    from myelosynth.synthesis.bundle.card import load_bundle

    card, out = load_bundle(bundle), folder(out)
    raw = RawLayout(bids_dir, lesions or bids_dir / "derivatives" / "lesions", ready, follow_symlinks)
    asked = [label.removeprefix("sub-") for label in participant] if participant else None
    preflight = look_ahead(raw, card, asked, allow_voxel_size)
    for line in preflight.gaps:
        typer.echo(line)
    people = preflight.participants
    typer.echo(f"{card.system}: {len(people)} participants, {len(preflight.sessions)} sessions to predict")
    settings = overlay(card, raw, out, people, allow_intensity, unchanged)
    files = [*([card.preprocessing] if card.preprocessing else []), *(configfile or [])]
    WorkflowRun("apply", "apply", workflow, out, settings, files, parallel(cores, profile)).start(dry_run)
    if not dry_run:
        typer.echo(f"Pages: {out / 'reports'}")


def _preprocessing(files: list[Path]) -> dict[str, Any]:
    """The sections of a configuration and its overlays that decide how images are made. Raises InputError."""
    from snakemake.utils import update_config

    from myelosynth.study.config import read_study
    from myelosynth.synthesis.config import read_yaml

    merged: dict[str, Any] = {}
    for path in files:
        given(path)
        update_config(merged, read_yaml(path))
    merged.pop("training", None)
    study = read_study(merged).model_dump(mode="json")
    kept = ("engines", "registration", "diffusion", "magnetisation")
    return {**{key: study[key] for key in kept}, "curve": {"csf": study["curve"]["csf"]}}


def _compared(
    card: "Card", inputs: "PredictionInputs", mask: Path, allow_voxel_size: bool, allow_intensity: bool
) -> "list[Finding]":
    """What of the inputs lies beyond training. Raises InputError for what is refused and not allowed."""
    from myelosynth.synthesis.bundle.check import compare, require_range, require_voxels
    from myelosynth.synthesis.bundle.statistics import TrainingStatistics

    trained = TrainingStatistics.read(card.statistics)
    if not allow_voxel_size:
        require_voxels(inputs.grid, trained, mask)
    findings = compare(inputs.images, inputs.mask, trained)
    if not allow_intensity:
        require_range(findings, mask)
    return findings


def _spread_of(members: "list[Checkpoint]") -> str:
    """What the SD of a prediction is made of, in words."""
    from myelosynth.synthesis.systems.registry import find_system

    own = find_system(members[0].model).spread
    if len(members) == 1:
        return "the model's own"
    between = "differences between the members, not calibrated"
    return f"the model's own and {between}" if own else between


def _found(card: "Card", paths: dict[str, Path], findings: "list[Finding]") -> dict[str, Any]:
    """Fields of a sidecar: which bundle, which sources it had to do without, and what lies beyond its training."""
    return {
        "Bundle": card.folder.name,
        "BundleSha256": card.sha256,
        "System": card.system,
        "MissingSources": [name for name in card.inputs if name not in paths],
        "OutOfDistribution": bool(findings),
        "BeyondTraining": [finding.record() for finding in findings],
    }


def _write_sidecar(image: Path, card: "Card", sources: list[Path], fields: dict[str, Any]) -> None:
    import torch

    from myelosynth.bids.sidecar import Provenance, spatial_reference

    record = card.record
    about = {
        "Synthetic": True,
        "Task": record["Task"],
        "Model": record["Model"],
        "Loss": record["Loss"],
        "SplitSha256": record["Training"]["SplitSha256"],
        "SpatialReference": spatial_reference(sources[-1], image),
    }
    Provenance("predict by a bundle", "torch", torch.__version__, sources, {}, {**about, **fields}).write(image)
