"""Commands that learn: split, inner-split, train, compare-images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from myelosynth.cli.app import app
from myelosynth.cli.devices import Device, Threads, torch_device
from myelosynth.cli.paths import folder, output
from myelosynth.synthesis.names import LOSSES

if TYPE_CHECKING:
    from myelosynth.synthesis.data.split import Assignment
    from myelosynth.synthesis.systems.base import TrainingJob

MODELS = f"{', '.join(LOSSES)}; refinerN- for stage N + 1 of a cascade"
LOSS_CHOICE = "l1, wl1, nwl1, for refiners also learned (no masks); not needed where a model has one loss"


@app.command("split")
def split(
    participants: Annotated[Path, typer.Argument(help="participants.tsv with participant_id and group")],
    out: Annotated[Path, typer.Argument(help="TSV: participant_id, group, fold, role")],
    folds: Annotated[int, typer.Option(help="number of folds; everybody is test in exactly one")] = 3,
    validation: Annotated[int, typer.Option(min=0, help="validation participants of each fold")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="random seed")] = 0,
) -> None:
    """Deal participants over cross-validation folds, stratified by group."""
    from myelosynth.synthesis.data.folds import read_groups
    from myelosynth.synthesis.data.split import assign_folds

    out = output(out, [participants], ".tsv")
    rows = assign_folds(read_groups(participants), folds, validation, seed)
    _write_split(out, rows, {"folds": folds, "validation": validation, "seed": seed})


@app.command("inner-split")
def inner_split(
    split: Annotated[Path, typer.Argument(help="TSV of `myelosynth split`")],
    out: Annotated[Path, typer.Argument(help="TSV: participant_id, group, fold, role")],
    fold: Annotated[int, typer.Option(help="fold of SPLIT whose training participants are dealt")],
    folds: Annotated[int, typer.Option(help="number of inner folds")] = 3,
    validation: Annotated[int, typer.Option(min=0, help="validation participants of each inner fold")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="random seed")] = 0,
) -> None:
    """Deal the training participants of one fold over inner folds; who the fold validates or tests is excluded."""
    from myelosynth.synthesis.data.folds import read_fold
    from myelosynth.synthesis.data.split import Assignment, assign_within

    out, outer = output(out, [split], ".tsv"), read_fold(split, fold)
    people = [Assignment(name, outer.groups[name], fold, role) for name, role in outer.roles.items()]
    settings = {"folds": folds, "validation": validation, "seed": seed, "outer_fold": fold}
    _write_split(out, assign_within(people, fold, folds, validation, seed), settings | {"outer_split": outer.sha256})


@app.command("train")
def train(
    task: Annotated[str, typer.Option(help="name in config/tasks, or path of a YAML file")],
    model: Annotated[str, typer.Option(help=MODELS)],
    fold: Annotated[int, typer.Option(help="fold of the split, from 1")],
    split_file: Annotated[Path, typer.Option("--split", help="TSV of `myelosynth split`")],
    data: Annotated[Path, typer.Option(help="manifest TSV; relative paths in it start at the working directory")],
    out: Annotated[Path, typer.Option(help="folder for checkpoint.pt, last.pt and log.tsv")],
    loss: Annotated[str | None, typer.Option(help=LOSS_CHOICE)] = None,
    sketches: Annotated[Path | None, typer.Option(help="training folder of the stage before (refiners only)")] = None,
    out_of_fold: Annotated[
        bool, typer.Option("--out-of-fold", help="learn from the images in the Sketcher's `sketches/`, not its own")
    ] = False,
    preset: Annotated[str, typer.Option(help="name in config/presets, or path of a YAML file")] = "paper",
    device: Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="random seed")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="continue from last.pt, to the same result")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="log to OUT/tensorboard as well (networks only)")
    ] = False,
    threads: Threads = 1,
) -> None:
    """Train one system on one fold; validation participants choose the weights, test participants are never read.

    Several GPUs share each batch when started by torchrun: torchrun --nproc-per-node N -m myelosynth train ...
    """
    from myelosynth.errors import InputError
    from myelosynth.synthesis.config import load_preset, load_task
    from myelosynth.synthesis.data.folds import read_fold
    from myelosynth.synthesis.data.manifest import read_manifest, select
    from myelosynth.synthesis.engine.distributed import Ranks, joined
    from myelosynth.synthesis.engine.logs import require_tensorboard
    from myelosynth.synthesis.systems.base import TrainingJob
    from myelosynth.synthesis.systems.registry import check_choice

    out = folder(out)
    if tensorboard:
        require_tensorboard()
    system, loss = check_choice(model, loss, sketches)
    if out_of_fold and not sketches:
        raise InputError("no Sketcher", "--out-of-fold", f"{model} without --sketches", "give its training folder")
    settings, training = load_task(task), load_preset(preset)
    roles = read_fold(split_file, fold)
    contrasts = system.training_contrasts(settings)
    scans = select(read_manifest(data), roles, settings.training_sessions, contrasts, data)
    with joined(torch_device(device, threads)) as where:
        if Ranks.current().count > 1 and not system.windows:
            values = f"{Ranks.current().count} processes, {model} trains in one"
            raise InputError(
                "several processes mean nothing to the model", "torchrun", values, "start it without torchrun"
            )
        job = TrainingJob(
            model,
            loss,
            settings,
            training,
            roles,
            scans,
            out,
            seed,
            where,
            sketches,
            out_of_fold=out_of_fold,
            resume=resume,
            tensorboard=tensorboard,
        )
        trained = system.train(job)
        if Ranks.current().leads:
            trained.checkpoint.save(out / "checkpoint.pt")
            sources = [split_file, data, *([sketches / "checkpoint.pt"] if sketches else [])]
            _write_training_sidecar(job, trained.report, sources, preset)


@app.command("compare-images")
def compare_images(
    prediction: Annotated[Path, typer.Argument(help="predicted image")],
    target: Annotated[Path, typer.Argument(help="measured image on the same grid")],
    mask: Annotated[Path | None, typer.Option(help="brain mask for the masked values")] = None,
    data_range: Annotated[
        float | None, typer.Option(help="of PSNR and SSIM; default: TARGET's maximum; SSIM its range in the mask")
    ] = None,
) -> None:
    """Print MSE, PSNR, SSIM and MAE as JSON, over the whole image and in the mask."""
    import json

    from myelosynth.evaluation.image_metrics import compare
    from myelosynth.images.volume import load_mask, load_volume

    truth, predicted = load_volume(target), load_volume(prediction)
    truth.grid.require(predicted.grid, prediction, target)
    inside = load_mask(mask, truth.grid, target) if mask else None
    print(json.dumps(compare(predicted.data, truth.data, inside, data_range), indent=2))


def _write_split(out: Path, rows: list["Assignment"], settings: dict[str, Any]) -> None:
    from myelosynth.bids.names import sidecar_path
    from myelosynth.bids.sidecar import write_json
    from myelosynth.images.atomic import write_text
    from myelosynth.synthesis.data.folds import EXCLUDED, split_table

    write_text(out, split_table(rows).to_csv(sep="\t", index=False, lineterminator="\n"))
    levels = {
        "train": "models and statistics are fitted on it",
        "validation": "chooses the weights that are kept",
        "test": "never seen in training; predicted and scored",
    }
    if any(row.role == EXCLUDED for row in rows):
        levels[EXCLUDED] = "validation or test participant of the outer fold: takes part in nothing here"
    columns = {
        "participant_id": {"Description": "participant; all sessions follow its role"},
        "group": {"Description": "group of the participant, by which folds are stratified"},
        "fold": {"Description": f"cross-validation fold, 1 to {settings['folds']}"},
        "role": {"Description": "role of the participant in this fold", "Levels": levels},
    }
    write_json(sidecar_path(out), {**columns, "Settings": settings})


def _write_training_sidecar(job: "TrainingJob", report: dict[str, Any], sources: list[Path], preset: str) -> None:
    import torch

    from myelosynth.bids.sidecar import Provenance
    from myelosynth.synthesis.checkpoints import file_sha256

    path = job.out / "checkpoint.pt"
    settings = {"preset": preset, **job.preset.model_dump(mode="json")}
    fields = {
        "Task": job.task.name,
        "Model": job.model,
        "Loss": job.loss,
        "Fold": job.fold.number,
        "Seed": job.seed,
        "Device": job.device.type,
        "CheckpointSha256": file_sha256(path),
        "SplitSha256": job.fold.sha256,
        "Participants": {role: job.fold.participants(role) for role in ("train", "validation", "test")},
        "TrainingScans": [scan.name for scan in job.scans.training],
        "ValidationScans": [scan.name for scan in job.scans.validation],
        "Gaps": job.scans.gaps,
        **report,
    }
    Provenance("train", "torch", torch.__version__, sources, settings, fields).write(path)
