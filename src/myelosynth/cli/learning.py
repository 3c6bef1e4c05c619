"""Commands that learn: split, train, predict, compare-images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from myelosynth.cli.app import app
from myelosynth.cli.devices import Device, torch_device
from myelosynth.cli.paths import distinct, folder, output

if TYPE_CHECKING:
    from myelosynth.synthesis.checkpoints import Checkpoint
    from myelosynth.synthesis.systems.base import PredictionInputs, TrainingJob

Threads = Annotated[int, typer.Option(min=1, help="CPU threads; the result may depend on their number in the last bit")]


@app.command("split")
def split(
    participants: Annotated[Path, typer.Argument(help="participants.tsv with participant_id and group")],
    out: Annotated[Path, typer.Argument(help="TSV: participant_id, group, fold, role")],
    folds: Annotated[int, typer.Option(help="number of folds; everybody is test in exactly one")] = 3,
    validation: Annotated[int, typer.Option(min=0, help="validation participants of each fold")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="random seed")] = 0,
) -> None:
    """Deal participants over cross-validation folds, stratified by group."""
    from myelosynth.bids.names import sidecar_path
    from myelosynth.bids.sidecar import write_json
    from myelosynth.images.atomic import write_text
    from myelosynth.synthesis.data.folds import read_groups, split_table
    from myelosynth.synthesis.data.split import assign_folds

    out = output(out, [participants], ".tsv")
    table = split_table(assign_folds(read_groups(participants), folds, validation, seed))
    write_text(out, table.to_csv(sep="\t", index=False, lineterminator="\n"))
    columns = {
        "participant_id": {"Description": "participant; all sessions follow its role"},
        "group": {"Description": "group of the participant, by which folds are stratified"},
        "fold": {"Description": f"cross-validation fold, 1 to {folds}"},
        "role": {
            "Description": "role of the participant in this fold",
            "Levels": {
                "train": "models and statistics are fitted on it",
                "validation": "chooses the weights that are kept",
                "test": "never seen in training; predicted and scored",
            },
        },
    }
    settings = {"folds": folds, "validation": validation, "seed": seed}
    write_json(sidecar_path(out), {**columns, "Settings": settings})


@app.command("train")
def train(
    task: Annotated[str, typer.Option(help="name in config/tasks, or path of a YAML file")],
    model: Annotated[str, typer.Option(help="mean-atlas, ridge, unet, cf-sagan, refiner-cf-sagan")],
    fold: Annotated[int, typer.Option(help="fold of the split, from 1")],
    split_file: Annotated[Path, typer.Option("--split", help="TSV of `myelosynth split`")],
    data: Annotated[Path, typer.Option(help="manifest TSV; relative paths in it start at the working directory")],
    out: Annotated[Path, typer.Option(help="folder for checkpoint.pt, last.pt and log.tsv")],
    loss: Annotated[str | None, typer.Option(help="l1, wl1 or nwl1 for networks; ridge: l2; mean-atlas: mean")] = None,
    sketches: Annotated[Path | None, typer.Option(help="training folder of the Sketcher (refiners only)")] = None,
    preset: Annotated[str, typer.Option(help="name in config/presets, or path of a YAML file")] = "paper",
    device: Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="random seed")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="continue from last.pt, to the same result")] = False,
    threads: Threads = 1,
) -> None:
    """Train one system on one fold; validation participants choose the weights, test participants are never read."""
    from myelosynth.synthesis.config import load_preset, load_task
    from myelosynth.synthesis.data.folds import read_fold
    from myelosynth.synthesis.data.manifest import read_manifest, select
    from myelosynth.synthesis.systems.base import TrainingJob
    from myelosynth.synthesis.systems.registry import check_choice

    out = folder(out)
    system, loss = check_choice(model, loss, sketches)
    settings, training = load_task(task), load_preset(preset)
    roles = read_fold(split_file, fold)
    contrasts = system.training_contrasts(settings)
    scans = select(read_manifest(data), roles, settings.training_sessions, contrasts, data)
    where = torch_device(device, threads)
    job = TrainingJob(model, loss, settings, training, roles, scans, out, seed, where, sketches, resume)
    trained = system.train(job)
    trained.checkpoint.save(out / "checkpoint.pt")
    sources = [split_file, data, *([sketches / "checkpoint.pt"] if sketches else [])]
    _write_training_sidecar(job, trained.report, sources, preset)


@app.command("predict")
def predict(
    checkpoint: Annotated[Path, typer.Option(help="checkpoint.pt of `myelosynth train`")],
    source: Annotated[list[str], typer.Option(help="NAME=IMG, names as in the task; template=XFM.txt for mean-atlas")],
    mask: Annotated[Path, typer.Option(help="brain mask on the grid of the sources")],
    out: Annotated[Path, typer.Option(help="predicted target, 0 outside the mask")],
    out_std: Annotated[Path | None, typer.Option(help="its SD, where the model offers one (mean-atlas)")] = None,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Predict one session with a trained system."""
    from myelosynth.errors import InputError
    from myelosynth.images.volume import save_volume
    from myelosynth.synthesis.checkpoints import load_checkpoint
    from myelosynth.synthesis.systems.registry import find_system

    trained = load_checkpoint(checkpoint)
    system = find_system(trained.model)
    if out_std and not system.spread:
        cure = "leave --out-std out, or use mean-atlas"
        raise InputError("model offers no spread", "--out-std", f"model {trained.model}", cure)
    paths = _named_sources(source, trained.sources, system.prediction_sources(trained.sources))
    read = [checkpoint, mask, *paths.values()]
    out, out_std = output(out, read), output(out_std, read) if out_std else None
    distinct(out, out_std)
    inputs = _load_inputs(paths, mask)
    prediction = system.predict(trained, inputs, torch_device(device, threads))
    outputs = [(out, prediction.mean)]
    if out_std and prediction.std is not None:
        outputs.append((out_std, prediction.std))
    for path, values in outputs:
        save_volume(path, values, inputs.grid)
        _write_prediction_sidecar(path, trained, checkpoint, [*paths.values(), mask])


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


def _named_sources(given: list[str], known: list[str], needed: list[str]) -> dict[str, Path]:
    """The needed NAME=IMG pairs; known names that the model does not use are left out. Raises InputError."""
    from myelosynth.errors import InputError
    from myelosynth.synthesis.config import TEMPLATE

    paths: dict[str, Path] = {}
    for pair in given:
        name, equals, path = pair.partition("=")
        if not equals or not path or name not in (*known, TEMPLATE):
            names = ", ".join((*known, TEMPLATE))
            raise InputError("source not understood", "--source", f"got {pair!r}", f"write NAME=IMG, NAME of {names}")
        if name in paths:
            raise InputError("source given twice", "--source", f"{name}: {paths[name]} and {path}", "give one of them")
        paths[name] = Path(path).absolute()
    missing = [name for name in needed if name not in paths]
    if missing:
        values = f"no {', '.join(missing)}; got {', '.join(paths)}"
        raise InputError("sources missing", "--source", values, f"the model needs {', '.join(needed)}")
    return {name: paths[name] for name in needed}


def _load_inputs(paths: dict[str, Path], mask: Path) -> "PredictionInputs":
    """Images, transforms and mask on the mask's grid. Raises InputError for another grid."""
    from myelosynth.images.grid import Grid
    from myelosynth.images.transform import LinearTransform
    from myelosynth.images.volume import load_mask, load_volume, open_image
    from myelosynth.synthesis.config import TEMPLATE
    from myelosynth.synthesis.data.subjects import require_measured
    from myelosynth.synthesis.systems.base import PredictionInputs

    brain, grid = load_mask(mask), Grid.of(open_image(mask))
    images, transforms = {}, {}
    for name, path in paths.items():
        if name == TEMPLATE:
            transforms[name] = LinearTransform.read(path)
            continue
        volume = load_volume(path)
        grid.require(volume.grid, path, mask)
        require_measured(name, volume.data[brain], path)
        images[name] = volume.data
    return PredictionInputs(images, transforms, brain, grid)


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


def _write_prediction_sidecar(image: Path, trained: "Checkpoint", checkpoint: Path, sources: list[Path]) -> None:
    import torch

    from myelosynth.bids.sidecar import Provenance
    from myelosynth.synthesis.checkpoints import file_sha256

    fields = {
        "Synthetic": True,
        "Task": trained.task,
        "Model": trained.model,
        "Loss": trained.loss,
        "Fold": trained.fold,
        "Seed": trained.seed,
        "CheckpointSha256": file_sha256(checkpoint),
        "SplitSha256": trained.split_sha256,
        "Participants": trained.participants,
        "SpatialReference": _spatial_reference(sources[-1], image),
        "SkullStripped": True,
        "Units": "1",
    }
    Provenance("predict", "torch", torch.__version__, [checkpoint, *sources], {}, fields).write(image)


def _spatial_reference(mask: Path, image: Path) -> str:
    """The image that defines the grid: the mask's own reference where its sidecar names one, else the mask."""
    from myelosynth.bids.names import sidecar_path
    from myelosynth.bids.sidecar import bids_uri, dataset_root, read_json

    sidecar, root = sidecar_path(mask), dataset_root(mask.absolute().parent)
    named = str(read_json(sidecar).get("SpatialReference", "")) if sidecar.is_file() else ""
    if root and named.startswith("bids::"):
        return bids_uri(root / named.removeprefix("bids::"), image)
    return bids_uri(mask, image)
