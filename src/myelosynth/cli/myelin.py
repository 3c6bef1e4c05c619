"""Commands: white-core, demyelination, change and indices (wei2020, section 2.5)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.map_options import ChangeThreshold, MinimumCluster, map_rules
from myelosynth.cli.paths import output

_ENGINE = "myelosynth"


@app.command("white-core")
def white_core(
    wm: Annotated[Path, typer.Argument(metavar="WM", help="white matter mask")],
    out: Annotated[Path, typer.Argument(help="white matter away from grey matter")],
    csf: Annotated[Path, typer.Option(help="ventricles or CSF on the same grid: their edge stays")],
    edge: Annotated[float, typer.Option(min=0, help="mm")] = 2.5,
) -> None:
    """White matter farther than --edge from everything but CSF: where PET of controls is free of grey matter."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance, spatial_reference
    from myelosynth.errors import InputError
    from myelosynth.images.grid import Grid
    from myelosynth.images.volume import load_mask, open_image, save_volume
    from myelosynth.myelin.curve import white_core as core

    out, grid = output(out, [wm, csf]), Grid.of(open_image(wm))
    found = core(load_mask(wm), load_mask(csf, grid, wm), edge, grid.voxel_sizes)
    if not found.any():
        values = f"0 voxels farther than {edge:g} mm from other tissue"
        raise InputError("no white matter left", wm, values, "lower --edge or check the masks")
    save_volume(out, found, grid, "uint8")
    fields = {"Type": "ROI", "Label": "WM", "SpatialReference": spatial_reference(wm, out)}
    Provenance("white matter core", _ENGINE, __version__, [wm, csf], {"edge_mm": edge}, fields).write(out)


@app.command("demyelination")
def demyelination(
    dvr: Annotated[Path, typer.Argument(help="DVR of a patient")],
    lesions: Annotated[Path, typer.Option(help="baseline lesions on the same grid")],
    distance: Annotated[Path, typer.Option(help="distance from CSF, mm")],
    curve: Annotated[Path, typer.Option(help="control curve, TSV")],
    out: Annotated[Path, typer.Option(help="mask of demyelinated voxels")],
    new_participant: Annotated[
        bool, typer.Option("--new-participant", help="none of the curve's controls, even where a label is the same")
    ] = False,
    minimum_cluster: MinimumCluster = 0.0,
) -> None:
    """Lesion voxels with DVR below the controls' mean minus one SD at the same distance from CSF."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance, is_synthetic, participants_behind, spatial_reference
    from myelosynth.images.volume import load_mask, load_volume, save_volume
    from myelosynth.myelin.controls import require_no_control
    from myelosynth.myelin.curve import Curve
    from myelosynth.myelin.maps import demyelinated, without_small_clusters

    out = output(out, [dvr, lesions, distance, curve])
    if not new_participant:
        require_no_control(dvr, curve)
    controls, volume, apart = Curve.read(curve), load_volume(dvr), load_volume(distance)
    volume.grid.require(apart.grid, distance, dvr)
    lesion_mask = load_mask(lesions, volume.grid, dvr, allow_empty=True, labels=True)
    called = demyelinated(volume.data, apart.data, lesion_mask, controls)
    mask = without_small_clusters(called, minimum_cluster, volume.grid.voxel_sizes)
    mapped = apart.data[lesion_mask & (volume.data > 0)]
    save_volume(out, mask, volume.grid, "uint8")
    fields = {
        "Type": "Lesion",
        "SpatialReference": spatial_reference(dvr, out),
        **({"Synthetic": True} if is_synthetic(dvr) else {}),
        "LesionVoxels": int(lesion_mask.sum()),
        "LesionVoxelsWithoutDVR": int((lesion_mask & (volume.data <= 0)).sum()),
        "LesionVoxelsBeyondCurve": int(controls.beyond(mapped).sum()),
        "LesionVoxelsInCSF": int((mapped <= 0).sum()),
        "DemyelinatedVoxels": int(mask.sum()),
        "VoxelsInSmallClusters": int(called.sum() - mask.sum()),
        "CurveParticipants": participants_behind(curve) or None,
    }
    settings = {
        "rule": "DVR < mean - 1 SD",
        "minimum_cluster_ml": minimum_cluster,
        "smoothing": controls.smoothing,
        "extrapolation": controls.extrapolation,
    }
    sources = [dvr, lesions, distance, curve]
    Provenance("demyelination map", _ENGINE, __version__, sources, settings, fields).write(out)
    if not lesion_mask.any():
        typer.echo(f"gap: nothing to map, {lesions}, no baseline lesion voxel", err=True)


@app.command("change")
def change(
    mask_t0: Annotated[Path, typer.Argument(help="demyelinated voxels at baseline")],
    mask_t1: Annotated[Path, typer.Argument(help="demyelinated voxels at follow-up, same grid")],
    lesions: Annotated[Path, typer.Option(help="baseline lesions")],
    out: Annotated[Path, typer.Option(help="change classes, with their lookup table beside")],
    dvr: Annotated[
        list[Path] | None,
        typer.Option(help="DVR behind a mask, repeat for t0, then t1: voxels without it get no class"),
    ] = None,
    change_threshold: ChangeThreshold = "0",
) -> None:
    """Trajectory of lesion voxels: 1 demyelinating, 2 remyelinating, 3 stable demyelinated, 4 stable normal."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance, is_synthetic, spatial_reference
    from myelosynth.errors import InputError
    from myelosynth.images.atomic import write_text
    from myelosynth.images.grid import Grid
    from myelosynth.images.volume import load_mask, load_volume, open_image, save_volume
    from myelosynth.myelin.indices import why_no_indices
    from myelosynth.myelin.maps import CLASSES, change_classes, changed_enough

    rules, table, _ = map_rules(0, change_threshold)
    sources = [mask_t0, mask_t1, lesions, *(dvr or []), *table]
    out, grid = output(out, sources), Grid.of(open_image(lesions))
    lesion_mask = load_mask(lesions, allow_empty=True, labels=True)
    masks = [load_mask(path, grid, lesions, allow_empty=True) for path in (mask_t0, mask_t1)]
    covered, images = lesion_mask.copy(), []
    for path in dvr or []:
        volume = load_volume(path)
        grid.require(volume.grid, path, lesions)
        covered &= volume.data > 0
        images.append(volume.data)
    if rules.change_threshold and len(images) != 2:
        values = f"--change-threshold {rules.change_threshold:g}, {len(images)} --dvr"
        raise InputError("DVR of both times needed", out, values, "give --dvr of t0 and --dvr of t1")
    changed = changed_enough(images[0], images[1], rules.change_threshold) if rules.change_threshold else None
    classes = change_classes(masks[0], masks[1], covered, changed)
    save_volume(out, classes, grid, "uint8")
    rows = ["index\tname\tabbreviation\tcolor"]
    rows += [f"{label}\t{name}\t{short}\t{colour}" for label, (name, short, colour) in CLASSES.items()]
    write_text(out.with_name(out.name.split(".nii")[0] + ".tsv"), "\n".join(rows) + "\n")
    fields = {
        "SpatialReference": spatial_reference(lesions, out),
        **({"Synthetic": True} if is_synthetic(mask_t0) or is_synthetic(mask_t1) else {}),
        "Voxels": {name: int((classes == label).sum()) for label, (name, _, _) in CLASSES.items()},
        "LesionVoxelsWithoutDVR": int((lesion_mask & ~covered).sum()),
    }
    settings = {"change_threshold": rules.change_threshold}
    Provenance("myelin change", _ENGINE, __version__, sources, settings, fields).write(out)
    if not covered.any():
        typer.echo(f"gap: no class, {lesions}, {why_no_indices(lesion_mask)}", err=True)


@app.command("indices")
def indices(
    dseg: Annotated[Path, typer.Argument(help="change classes")],
    lesions: Annotated[Path, typer.Option(help="baseline lesions")],
    out: Annotated[Path, typer.Option(help="indices, TSV")],
) -> None:
    """Demyelinated fractions and the indices of myelin change, over the baseline lesion load."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance
    from myelosynth.evaluation.tables import cell
    from myelosynth.images.atomic import write_text
    from myelosynth.images.volume import load_mask
    from myelosynth.myelin.indices import DESCRIPTIONS, myelin_indices, no_indices, why_no_indices
    from myelosynth.myelin.maps import CLASSES, load_classes

    out, classes = output(out, [dseg, lesions], ".tsv"), load_classes(dseg)
    lesion_mask = load_mask(lesions, classes.grid, dseg, allow_empty=True, labels=True)
    defined = bool((classes.data > 0).any())
    values: Mapping[str, float | None] = (
        myelin_indices(classes.data, lesion_mask, dseg) if defined else no_indices(lesion_mask)
    )
    write_text(out, "\t".join(DESCRIPTIONS) + "\n" + "\t".join(cell(values[name]) for name in DESCRIPTIONS) + "\n")
    fields = {
        **{name: {"Description": text, "Units": "1"} for name, text in DESCRIPTIONS.items()},
        "LesionVolumeML": int(lesion_mask.sum()) * classes.grid.voxel_volume / 1000,
        "LesionVoxels": int(lesion_mask.sum()),
        "Voxels": {name: int((classes.data == label).sum()) for label, (name, _, _) in CLASSES.items()},
    }
    Provenance("myelin indices", _ENGINE, __version__, [dseg, lesions], {}, fields).write(out)
    if not defined:
        typer.echo(f"gap: no indices, {lesions}, {why_no_indices(lesion_mask)}", err=True)
