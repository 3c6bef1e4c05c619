"""The command `predict`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from myelosynth.cli.app import app
from myelosynth.cli.devices import Device, Threads, torch_device
from myelosynth.cli.paths import distinct, output

if TYPE_CHECKING:
    from myelosynth.synthesis.checkpoints import Checkpoint


@app.command("predict")
def predict(
    checkpoint: Annotated[
        list[Path], typer.Option(help="checkpoint.pt of `myelosynth train`, or its .safetensors; several: their mean")
    ],
    source: Annotated[
        list[str],
        typer.Option(help="NAME=IMG, names as in the task; the atlases: template=XFM.txt; residual-context: any"),
    ],
    mask: Annotated[Path, typer.Option(help="brain mask on the grid of the sources")],
    out: Annotated[Path, typer.Option(help="predicted target, 0 outside the mask")],
    out_std: Annotated[Path | None, typer.Option(help="its SD, from the model or between several checkpoints")] = None,
    path: Annotated[
        str,
        typer.Option(help="auto: the fastest that passed the checkpoint's gate; window, few (windows), whole (brain)"),
    ] = "auto",
    flips: Annotated[str, typer.Option(help="mean over flipped images: none, left-right (2), all (8)")] = "none",
    bf16: Annotated[bool, typer.Option("--bf16", help="networks in bfloat16, norms in float32; for GPUs")] = False,
    task: Annotated[str | None, typer.Option(help="refuse checkpoints of any other task than this one")] = None,
    any_voxel_size: Annotated[
        bool, typer.Option("--any-voxel-size", help="allow other voxels than the training's")
    ] = False,
    new_participant: Annotated[
        bool,
        typer.Option("--new-participant", help="of no split of the checkpoints, even where a label is the same"),
    ] = False,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Predict one session with a trained system, or with several as one ensemble."""
    from myelosynth.bids.names import participant_of
    from myelosynth.cli.sources import load_inputs, named_sources
    from myelosynth.images.volume import save_volume
    from myelosynth.synthesis.checkpoints import load_checkpoint
    from myelosynth.synthesis.config import load_task
    from myelosynth.synthesis.ensemble import predict_ensemble
    from myelosynth.synthesis.fitness import require_agreement, require_not_learned, require_task, require_voxel_size

    members = [load_checkpoint(one) for one in checkpoint]
    require_agreement(members, checkpoint)
    if task:
        require_task(members[0], load_task(task), checkpoint[0])
    needed, optional = _check_options(members, out_std, path, flips, bf16)
    paths = named_sources(source, members[0].sources, needed, optional)
    read = [*checkpoint, mask, *paths.values()]
    out, out_std = output(out, read), output(out_std, read) if out_std else None
    distinct(out, out_std)
    if len(members) > 1 and not new_participant:
        for participant in sorted({found for file in (mask, *paths.values()) if (found := participant_of(file.name))}):
            require_not_learned(members, checkpoint, participant)
    inputs = load_inputs(paths, mask, path, bf16)
    if not any_voxel_size:
        for member in members:
            require_voxel_size(member, inputs.grid, mask)
    prediction = predict_ensemble(members, inputs, torch_device(device, threads), flips)  # type: ignore[arg-type]
    missing = {"MissingSources": [name for name in needed if name not in paths]} if optional else {}
    outputs = [(out, prediction.mean, missing)]
    if out_std and prediction.std is not None:
        outputs.append((out_std, prediction.std, {**missing, **prediction.spread_record}))
    settings = {"path": path, "flips": flips, "bf16": bf16, "any_voxel_size": any_voxel_size}
    fields = {"Task": members[0].task, **_fields(members, checkpoint, prediction.report["Members"])}
    for image, values, more in outputs:
        save_volume(image, values, inputs.grid)
        _write_sidecar(image, checkpoint, [*paths.values(), mask], settings, {**fields, **more})


def _check_options(
    members: list["Checkpoint"], out_std: Path | None, path: str, flips: str, bf16: bool
) -> tuple[list[str], bool]:
    """The sources that the members need together, and whether one of them is enough.

    Raises InputError for an option that means nothing to a member.
    """
    from typing import get_args

    from myelosynth.errors import InputError
    from myelosynth.synthesis.engine import whole
    from myelosynth.synthesis.ensemble import Flips
    from myelosynth.synthesis.systems.registry import SYSTEMS, find_system

    for option, given, known in (
        ("path", path, ("auto", *get_args(whole.Path))),
        ("flips", flips, get_args(Flips)),
    ):
        if given not in known:
            raise InputError(f"unknown {option}", f"--{option}", f"got {given!r}", f"choose one of {', '.join(known)}")
    needed: list[str] = []
    for member in members:
        system = find_system(member.model)
        if out_std and len(members) == 1 and not system.spread:
            offering = ", ".join(name for name, other in SYSTEMS.items() if other.spread)
            cure = f"leave --out-std out, use {offering}, or give several checkpoints"
            raise InputError("model offers no spread", "--out-std", f"model {member.model}", cure)
        for option, used in (("--path", path != "auto"), ("--flips", flips != "none"), ("--bf16", bf16)):
            if used and not system.windows:
                values = f"model {member.model} is no network"
                raise InputError("option means nothing to the model", option, values, "leave it out")
        needed += [name for name in system.prediction_sources(member.sources) if name not in needed]
    return needed, all(find_system(member.model).optional_sources for member in members)


def _fields(members: list["Checkpoint"], paths: list[Path], reports: list[dict[str, Any]]) -> dict[str, Any]:
    """What the sidecar tells of the members: one model, or all of them with what they share on top.

    Fold of an ensemble over folds is a list, which no evaluation takes for a fold that holds the subject out.
    Participants join the members': seen by one of them is seen, test is test in all of them.
    """
    from myelosynth.synthesis.checkpoints import file_sha256

    records = [
        {
            "Model": member.model,
            "Loss": member.loss,
            "Fold": member.fold,
            "Seed": member.seed,
            "CheckpointSha256": file_sha256(path),
            "SplitSha256": member.split_sha256,
            "Participants": member.participants,
            **report,
        }
        for member, path, report in zip(members, paths, reports, strict=True)
    ]
    if len(records) == 1:
        return records[0]
    shared: dict[str, Any] = {}
    for key in ("Model", "Loss", "Fold", "Seed", "SplitSha256"):
        values = list(dict.fromkeys(record[key] for record in records))
        shared[key] = values[0] if len(values) == 1 else values
    everybody = {name for member in members for names in member.participants.values() for name in names}
    seen = {
        role: {name for member in members for name in member.participants.get(role, [])}
        for role in ("train", "validation")
    }
    joined = {"train": seen["train"], "validation": seen["validation"] - seen["train"]}
    joined["test"] = everybody - seen["train"] - seen["validation"]
    return {**shared, "Participants": {role: sorted(names) for role, names in joined.items()}, "Members": records}


def _write_sidecar(
    image: Path, checkpoints: list[Path], sources: list[Path], settings: dict[str, Any], fields: dict[str, Any]
) -> None:
    import torch

    from myelosynth.bids.sidecar import Provenance, spatial_reference

    told = {
        "Synthetic": True,
        **fields,
        "SpatialReference": spatial_reference(sources[-1], image),
        "SkullStripped": True,
        "Units": "1",
    }
    Provenance("predict", "torch", torch.__version__, [*checkpoints, *sources], settings, told).write(image)
