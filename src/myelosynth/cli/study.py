"""Commands that look after the data set: check, describe, manifest, schema."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import FollowSymlinks, distinct, folder, output

BidsDir = Annotated[Path, typer.Argument(help="raw BIDS data set")]
Raw = Annotated[Path, typer.Option(help="raw BIDS data set")]


@app.command("check")
def check(
    bids_dir: BidsDir,
    lesions: Annotated[
        Path | None, typer.Option(help="lesion mask derivative; default BIDS_DIR/derivatives/lesions")
    ] = None,
    ready: Annotated[Path | None, typer.Option(help="derivative with ready masks and maps; default: none")] = None,
    index: Annotated[Path | None, typer.Option(help="write the session index (TSV) here")] = None,
    task: Annotated[
        str | None, typer.Option(help="its sources decide what a gap costs; default: every map is a source")
    ] = None,
    sub: Annotated[list[str] | None, typer.Option(help="participant label; repeat for more; default: all")] = None,
    without_pet: Annotated[
        bool, typer.Option("--without-pet", help="for `myelosynth apply`: PET, ready DVR and reference are not read")
    ] = False,
    follow_symlinks: FollowSymlinks = False,
) -> None:
    """List what every session has; a fault is an error, a gap is listed and counted."""
    from myelosynth.bids.index import OF_PET, scan
    from myelosynth.bids.layout import RawLayout
    from myelosynth.study.check import check_files, describe_gaps, describe_ready
    from myelosynth.study.roster import MADE_OF
    from myelosynth.synthesis.config import load_task

    raw = RawLayout(bids_dir, lesions or bids_dir / "derivatives" / "lesions", ready, follow_symlinks)
    sources = load_task(task).sources if task else list(MADE_OF)
    index = output(index, [raw.root / "participants.tsv"], ".tsv") if index else None
    people = [label.removeprefix("sub-") for label in sub] if sub else None
    found = scan(raw, people, OF_PET if without_pet else ())
    without_lesions = check_files(found, raw)
    if index is not None:
        found.write(index)
    for line in [
        *found.unused,
        *describe_ready(found),
        *describe_gaps(found, raw, sources, without_lesions, applied=without_pet),
    ]:
        typer.echo(line)


@app.command("use-ready")
def use_ready(
    kind: Annotated[str, typer.Argument(help="brain, WM, reference, MTR, FA, RD, AD or DVR")],
    image: Annotated[Path, typer.Argument(metavar="IN", help="file that the data set gives")],
    out: Annotated[Path, typer.Argument(help="the same, checked, with a sidecar")],
    t1w: Annotated[Path, typer.Option(help="T1w of the session; masks lie on its grid")],
    pet: Annotated[
        Path | None, typer.Option(help="PET of the session; a reference of its space lies on its grid")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="brain on the grid of IN; the map is 0 outside it")] = None,
    out_brain: Annotated[Path | None, typer.Option(help="the T1w inside the mask; kind brain only")] = None,
    accept_failed: Annotated[
        bool, typer.Option("--accept-failed", help="keep a brain mask of implausible volume, symmetry, holes or edge")
    ] = False,
) -> None:
    """Check a ready mask or map for its grid and values and file it in the place of the step that it replaces."""
    import numpy as np

    from myelosynth import __version__
    from myelosynth.bids.ready import READY, anchor_of, in_t1w
    from myelosynth.bids.sidecar import Provenance, bids_uri, skull_stripped, spatial_reference
    from myelosynth.errors import InputError
    from myelosynth.images.volume import load_mask, load_volume, save_volume
    from myelosynth.interfaces.brain import mask_quality, require_plausible
    from myelosynth.study.ready import load_ready

    out = output(out, [image, t1w, pet, mask])
    brain = output(out_brain, [image, t1w, pet, mask]) if out_brain else None
    distinct(out, brain)
    if kind not in READY or (brain and kind != "brain"):
        values = f"{kind}{' with --out-brain' if brain else ''}, expected {', '.join(READY)} (--out-brain: brain only)"
        raise InputError("kind of ready file", "KIND", values, "name what the file is")
    anchor = t1w if anchor_of(kind, image) == "T1w" else pet
    if anchor is None:
        values = f"{image.name} without space-T1w lies on the PET's grid, no PET given"
        raise InputError("PET needed", "--pet", values, "give it")
    is_mask = READY[kind].limits is None
    if mask and is_mask:
        raise InputError("masks are filed whole", "--mask", f"{mask} given for {kind}", "leave it out")
    data, grid = load_ready(kind, image, anchor)
    if mask:
        data[~load_mask(mask, grid, image)] = 0
    fields: dict[str, object] = {"Ready": True}
    if kind == "brain":
        quality = mask_quality(data, grid)
        if not accept_failed:
            require_plausible(quality, image)
        fields |= {"Type": "Brain", "SpatialReference": spatial_reference(anchor, out), "QualityControl": quality}
    elif is_mask:
        fields |= {"Type": "ROI", "Label": kind, "SpatialReference": spatial_reference(anchor, out)}
    else:
        fields |= {"Units": READY[kind].unit, "Space": "T1w" if in_t1w(image) else "its own"}
        fields["SkullStripped"] = mask is not None or skull_stripped(image)
        fields |= {"SpatialReference": bids_uri(out, out)} if kind == "DVR" else {}
    save_volume(out, data, grid, np.uint8 if is_mask else np.float32)
    sources = [image, mask] if mask else [image]
    record = Provenance(f"ready {kind}, given by the data set", "given by the data set", "n/a", sources, {}, fields)
    record.write(out)
    if brain:
        save_volume(brain, load_volume(t1w).data * data, grid)
        fields = {"Ready": True, "SkullStripped": True}
        Provenance("brain of a ready mask", "myelosynth", __version__, [t1w, image], {}, fields).write(brain)


@app.command("describe")
def describe(
    results: Annotated[Path, typer.Argument(help="results folder of the study")],
    raw: Raw,
    lesions: Annotated[Path, typer.Option(help="lesion mask derivative")],
    system: Annotated[list[str] | None, typer.Option(help="a system that files its predictions; repeat")] = None,
    ready: Annotated[Path | None, typer.Option(help="derivative with ready masks and maps")] = None,
    systems_only: Annotated[
        bool, typer.Option("--systems-only", help="leave the main derivative's description as it is")
    ] = False,
) -> None:
    """Write dataset_description.json and .bidsignore of every derivative folder."""
    from myelosynth.study.derivatives import describe_derivatives

    folder(results)
    describe_derivatives(results, raw, lesions, system or [], ready, not systems_only)


@app.command("manifest")
def manifest(
    results: Annotated[Path, typer.Argument(help="results folder of the study")],
    index: Annotated[Path, typer.Option(help="session index")],
    raw: Raw,
    task: Annotated[str, typer.Option(help="name in config/tasks, or path of a YAML file")],
    sub: Annotated[list[str], typer.Option(help="label of a participant that can be split; repeat")],
    out: Annotated[Path, typer.Option(help="table of training images")],
    out_participants: Annotated[Path, typer.Option(help="participants that can be split")],
) -> None:
    """Write the table of training images (baseline sessions) and the participants that can be split."""
    from myelosynth.study.manifest import write_manifest, write_participants
    from myelosynth.synthesis.config import load_task

    inputs = [index, raw / "participants.tsv"]
    out, out_participants = output(out, inputs, ".tsv"), output(out_participants, inputs, ".tsv")
    distinct(out, out_participants)
    write_manifest(results, index, raw, load_task(task), sub, out)
    write_participants(raw, sub, out_participants)


@app.command("schema")
def schema(out: Annotated[Path, typer.Argument(help="JSON Schema of the configuration")]) -> None:
    """Export the JSON Schema that Snakemake validates the configuration with."""
    from myelosynth.bids.sidecar import write_json
    from myelosynth.study.config import json_schema

    write_json(output(out, [], ".json"), json_schema())
