"""Commands: control curve, demyelination, change and indices (wei2020, section 2.5)."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app

_ENGINE = "myelosynth"


@app.command("myelin-curve")
def myelin_curve(
    dvr: Annotated[list[Path], typer.Option(help="DVR of a control; repeat per control")],
    distance: Annotated[list[Path], typer.Option(help="distance from CSF, mm, same order")],
    wm: Annotated[list[Path], typer.Option(help="white-matter mask, same order")],
    out: Annotated[Path, typer.Option(help="curve, TSV")],
    bin_width: Annotated[float, typer.Option(help="width of a distance bin, mm")] = 1.0,
    minimum_voxels: Annotated[int, typer.Option(help="bins with fewer voxels merge outward")] = 100,
) -> None:
    """Mean and SD of DVR by distance from CSF in the white matter of controls."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance
    from myelosynth.errors import InputError
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.curve import fit_curve

    if not len(dvr) == len(distance) == len(wm):
        values = f"{len(dvr)} --dvr, {len(distance)} --distance, {len(wm)} --wm"
        raise InputError("controls are incomplete", "myelin-curve", values, "give one of each per control")
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
    Provenance("control curve", _ENGINE, __version__, [*dvr, *distance, *wm], settings, _curve_columns()).write(out)


def _curve_columns() -> dict[str, dict[str, str]]:
    return {
        "distance_low": {"Description": "lower edge of the bin, included", "Units": "mm"},
        "distance_high": {"Description": "upper edge of the bin, excluded; the last bin holds beyond", "Units": "mm"},
        "n": {"Description": "white-matter voxels of all controls in the bin"},
        "mean": {"Description": "mean DVR of these voxels", "Units": "1"},
        "sd": {"Description": "standard deviation of DVR of these voxels (n - 1)", "Units": "1"},
    }


@app.command("demyelination")
def demyelination(
    dvr: Annotated[Path, typer.Argument(help="DVR of a patient")],
    lesions: Annotated[Path, typer.Option(help="baseline lesions on the same grid")],
    distance: Annotated[Path, typer.Option(help="distance from CSF, mm")],
    curve: Annotated[Path, typer.Option(help="control curve, TSV")],
    out: Annotated[Path, typer.Option(help="mask of demyelinated voxels")],
) -> None:
    """Lesion voxels with DVR below the controls' mean minus one SD at the same distance from CSF."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance, bids_uri
    from myelosynth.images.volume import load_mask, load_volume, save_volume
    from myelosynth.myelin.curve import Curve
    from myelosynth.myelin.maps import demyelinated

    controls, volume, apart = Curve.read(curve), load_volume(dvr), load_volume(distance)
    volume.grid.require(apart.grid, distance, dvr)
    lesion_mask = load_mask(lesions, volume.grid, dvr)
    mask = demyelinated(volume.data, apart.data, lesion_mask, controls)
    save_volume(out, mask, volume.grid, "uint8")
    fields = {
        "Type": "Lesion",
        "SpatialReference": bids_uri(dvr, out),
        "LesionVoxels": int(lesion_mask.sum()),
        "LesionVoxelsWithoutDVR": int((lesion_mask & (volume.data <= 0)).sum()),
        "DemyelinatedVoxels": int(mask.sum()),
    }
    settings = {"rule": "DVR < mean - 1 SD"}
    sources = [dvr, lesions, distance, curve]
    Provenance("demyelination map", _ENGINE, __version__, sources, settings, fields).write(out)


@app.command("change")
def change(
    mask_t0: Annotated[Path, typer.Argument(help="demyelinated voxels at baseline")],
    mask_t1: Annotated[Path, typer.Argument(help="demyelinated voxels at follow-up, same grid")],
    lesions: Annotated[Path, typer.Option(help="baseline lesions")],
    out: Annotated[Path, typer.Option(help="change classes, with their lookup table beside")],
) -> None:
    """Trajectory of lesion voxels: 1 demyelinating, 2 remyelinating, 3 stable demyelinated, 4 stable normal."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance, bids_uri
    from myelosynth.images.atomic import write_text
    from myelosynth.images.grid import Grid
    from myelosynth.images.volume import load_mask, open_image, save_volume
    from myelosynth.myelin.maps import CLASSES, change_classes

    grid = Grid.of(open_image(lesions))
    lesion_mask = load_mask(lesions)
    masks = [load_mask(path, grid, lesions, allow_empty=True) for path in (mask_t0, mask_t1)]
    classes = change_classes(masks[0], masks[1], lesion_mask)
    save_volume(out, classes, grid, "uint8")
    rows = ["index\tname\tabbreviation\tcolor"]
    rows += [f"{label}\t{name}\t{short}\t{colour}" for label, (name, short, colour) in CLASSES.items()]
    write_text(out.with_name(out.name.split(".nii")[0] + ".tsv"), "\n".join(rows) + "\n")
    fields = {
        "SpatialReference": bids_uri(lesions, out),
        "Voxels": {name: int((classes == label).sum()) for label, (name, _, _) in CLASSES.items()},
    }
    Provenance("myelin change", _ENGINE, __version__, [mask_t0, mask_t1, lesions], {}, fields).write(out)


@app.command("indices")
def indices(
    dseg: Annotated[Path, typer.Argument(help="change classes")],
    lesions: Annotated[Path, typer.Option(help="baseline lesions")],
    out: Annotated[Path, typer.Option(help="indices, TSV")],
) -> None:
    """Demyelinated fractions and the indices of myelin change, over the baseline lesion load."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance
    from myelosynth.images.atomic import write_text
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.indices import COLUMNS, DESCRIPTIONS, myelin_indices

    classes = load_volume(dseg)
    lesion_mask = load_mask(lesions, classes.grid, dseg)
    values = myelin_indices(classes.data, lesion_mask, dseg)
    write_text(out, "\t".join(COLUMNS) + "\n" + "\t".join(repr(values[name]) for name in COLUMNS) + "\n")
    fields = {
        **{name: {"Description": text, "Units": "1"} for name, text in DESCRIPTIONS.items()},
        "LesionVolumeML": int(lesion_mask.sum()) * classes.grid.voxel_volume / 1000,
    }
    Provenance("myelin indices", _ENGINE, __version__, [dseg, lesions], {}, fields).write(out)
