"""Commands: control curve, demyelination, change and indices (wei2020, section 2.5)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import output

_ENGINE = "myelosynth"


@app.command("myelin-curve")
def myelin_curve(
    dvr: Annotated[list[Path], typer.Option(help="DVR of a control; repeat per control")],
    distance: Annotated[list[Path], typer.Option(help="distance from CSF, mm, same order")],
    wm: Annotated[list[Path], typer.Option(help="white-matter mask, same order")],
    out: Annotated[Path, typer.Option(help="curve, TSV")],
    bin_width: Annotated[float, typer.Option(help="width of a distance bin, mm")] = 1.0,
    minimum_voxels: Annotated[int, typer.Option(help="bins with fewer voxels merge outward")] = 100,
    split: Annotated[Path | None, typer.Option(help="split that the controls are checked against")] = None,
    fold: Annotated[int | None, typer.Option(help="its fold: nobody whom it tests may be among the controls")] = None,
) -> None:
    """Mean and SD of DVR by distance from CSF in the white matter of controls."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance
    from myelosynth.errors import InputError
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.controls import check_controls, named_participants
    from myelosynth.myelin.curve import fit_curve

    out = output(out, [*dvr, *distance, *wm, split], ".tsv")
    if not len(dvr) == len(distance) == len(wm):
        values = f"{len(dvr)} --dvr, {len(distance)} --distance, {len(wm)} --wm"
        raise InputError("controls are incomplete", "myelin-curve", values, "give one of each per control")
    if (split is None) != (fold is None):
        values = f"--split {split or 'not given'}, --fold {fold or 'not given'}"
        raise InputError("options belong together", "myelin-curve", values, "give both, or neither")
    participants = named_participants(dvr)
    origin = check_controls(participants, split, fold) if split and fold else {}
    maps, distances, masks = [], [], []
    for dvr_path, distance_path, wm_path in zip(dvr, distance, wm, strict=True):
        volume, apart = load_volume(dvr_path), load_volume(distance_path)
        volume.grid.require(apart.grid, distance_path, dvr_path)
        maps.append(volume.data)
        distances.append(apart.data)
        masks.append(load_mask(wm_path, volume.grid, dvr_path))
    curve = fit_curve(maps, distances, masks, bin_width, minimum_voxels)
    curve.write(out)
    settings = {"bin_width_mm": bin_width, "minimum_voxels": minimum_voxels, "controls": len(dvr)}
    fields = {"Participants": participants, **origin, **_curve_columns()}
    sources = [*dvr, *distance, *wm, *([split] if split else [])]
    Provenance("control curve", _ENGINE, __version__, sources, settings, fields).write(out)


def _curve_columns() -> dict[str, dict[str, str]]:
    return {
        "distance_low": {"Description": "lower edge of the bin, included", "Units": "mm"},
        "distance_high": {"Description": "upper edge of the bin, excluded; the last bin holds beyond", "Units": "mm"},
        "n": {"Description": "white-matter voxels of all controls in the bin"},
        "mean": {"Description": "mean DVR of these voxels", "Units": "1"},
        "sd": {"Description": "standard deviation of DVR of these voxels (n - 1)", "Units": "1"},
    }


@app.command("white-core")
def white_core(
    wm: Annotated[Path, typer.Argument(metavar="WM", help="white matter mask")],
    out: Annotated[Path, typer.Argument(help="white matter away from grey matter")],
    csf: Annotated[Path, typer.Option(help="ventricles or CSF on the same grid: their edge stays")],
    edge: Annotated[float, typer.Option(min=0, help="mm")] = 2.5,
) -> None:
    """White matter farther than --edge from everything but CSF: where PET of controls is free of grey matter."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance, bids_uri
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
    fields = {"Type": "ROI", "Label": "WM", "SpatialReference": bids_uri(wm, out)}
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
) -> None:
    """Lesion voxels with DVR below the controls' mean minus one SD at the same distance from CSF."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance, bids_uri, participants_behind
    from myelosynth.images.volume import load_mask, load_volume, save_volume
    from myelosynth.myelin.controls import require_no_control
    from myelosynth.myelin.curve import Curve
    from myelosynth.myelin.maps import demyelinated

    out = output(out, [dvr, lesions, distance, curve])
    if not new_participant:
        require_no_control(dvr, curve)
    controls, volume, apart = Curve.read(curve), load_volume(dvr), load_volume(distance)
    volume.grid.require(apart.grid, distance, dvr)
    lesion_mask = load_mask(lesions, volume.grid, dvr, allow_empty=True, labels=True)
    mask = demyelinated(volume.data, apart.data, lesion_mask, controls)
    save_volume(out, mask, volume.grid, "uint8")
    fields = {
        "Type": "Lesion",
        "SpatialReference": bids_uri(dvr, out),
        "LesionVoxels": int(lesion_mask.sum()),
        "LesionVoxelsWithoutDVR": int((lesion_mask & (volume.data <= 0)).sum()),
        "DemyelinatedVoxels": int(mask.sum()),
        "CurveParticipants": participants_behind(curve) or None,
    }
    settings = {"rule": "DVR < mean - 1 SD"}
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
        list[Path] | None, typer.Option(help="DVR behind a mask, repeat for both: voxels without it get no class")
    ] = None,
) -> None:
    """Trajectory of lesion voxels: 1 demyelinating, 2 remyelinating, 3 stable demyelinated, 4 stable normal."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance, bids_uri
    from myelosynth.images.atomic import write_text
    from myelosynth.images.grid import Grid
    from myelosynth.images.volume import load_mask, load_volume, open_image, save_volume
    from myelosynth.myelin.indices import why_no_indices
    from myelosynth.myelin.maps import CLASSES, change_classes

    sources = [mask_t0, mask_t1, lesions, *(dvr or [])]
    out, grid = output(out, sources), Grid.of(open_image(lesions))
    lesion_mask = load_mask(lesions, allow_empty=True, labels=True)
    masks = [load_mask(path, grid, lesions, allow_empty=True) for path in (mask_t0, mask_t1)]
    covered = lesion_mask.copy()
    for path in dvr or []:
        volume = load_volume(path)
        grid.require(volume.grid, path, lesions)
        covered &= volume.data > 0
    classes = change_classes(masks[0], masks[1], covered)
    save_volume(out, classes, grid, "uint8")
    rows = ["index\tname\tabbreviation\tcolor"]
    rows += [f"{label}\t{name}\t{short}\t{colour}" for label, (name, short, colour) in CLASSES.items()]
    write_text(out.with_name(out.name.split(".nii")[0] + ".tsv"), "\n".join(rows) + "\n")
    fields = {
        "SpatialReference": bids_uri(lesions, out),
        "Voxels": {name: int((classes == label).sum()) for label, (name, _, _) in CLASSES.items()},
        "LesionVoxelsWithoutDVR": int((lesion_mask & ~covered).sum()),
    }
    Provenance("myelin change", _ENGINE, __version__, sources, {}, fields).write(out)
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
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.indices import DESCRIPTIONS, myelin_indices, no_indices, why_no_indices

    out, classes = output(out, [dseg, lesions], ".tsv"), load_volume(dseg, allow_empty=True)
    lesion_mask = load_mask(lesions, classes.grid, dseg, allow_empty=True, labels=True)
    defined = bool((classes.data > 0).any())
    values: Mapping[str, float | None] = (
        myelin_indices(classes.data, lesion_mask, dseg) if defined else no_indices(lesion_mask)
    )
    write_text(out, "\t".join(DESCRIPTIONS) + "\n" + "\t".join(cell(values[name]) for name in DESCRIPTIONS) + "\n")
    fields = {
        **{name: {"Description": text, "Units": "1"} for name, text in DESCRIPTIONS.items()},
        "LesionVolumeML": int(lesion_mask.sum()) * classes.grid.voxel_volume / 1000,
    }
    Provenance("myelin indices", _ENGINE, __version__, [dseg, lesions], {}, fields).write(out)
    if not defined:
        typer.echo(f"gap: no indices, {lesions}, {why_no_indices(lesion_mask)}", err=True)
