"""Commands: the table of a patient's lesions, and the agreement of predicted and true PET in detail."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import output


@app.command("lesion-table")
def lesion_table(
    lesions: Annotated[Path, typer.Argument(help="baseline lesions on the analysis grid, numbered or not")],
    distance: Annotated[Path, typer.Option(help="distance to CSF, mm")],
    out: Annotated[Path, typer.Option(help="one row per lesion, TSV")],
    change: Annotated[Path | None, typer.Option(help="change classes of a patient with two scans")] = None,
    demyelinated: Annotated[Path | None, typer.Option(help="without --change: demyelinated voxels, baseline")] = None,
    dvr: Annotated[Path | None, typer.Option(help="DVR behind --demyelinated: where it covers the lesions")] = None,
    lesions_t1: Annotated[Path | None, typer.Option(help="lesions at follow-up, same grid: new ones get rows")] = None,
    dvr_t1: Annotated[Path | None, typer.Option(help="with --lesions-t1: DVR at follow-up")] = None,
    curve: Annotated[Path | None, typer.Option(help="with --lesions-t1: control curve, TSV")] = None,
    changed: Annotated[float, typer.Option(min=0.01, max=1, help="least share of a lesion that changes")] = 0.2,
) -> None:
    """Each lesion: volume, place, distance to CSF, demyelinated shares and state; new lesions at follow-up apart."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance
    from myelosynth.errors import InputError
    from myelosynth.evaluation.tables import cell
    from myelosynth.images.atomic import write_text
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.curve import Curve
    from myelosynth.myelin.lesions import COLUMNS, followed_rows, new_lesions, new_rows, number_lesions, single_rows
    from myelosynth.myelin.maps import demyelinated as below

    if (change is None) == (demyelinated is None or dvr is None) or (change and (demyelinated or dvr)):
        told = [name for name, path in (("--change", change), ("--demyelinated", demyelinated), ("--dvr", dvr)) if path]
        values = f"given {', '.join(told) or 'neither'}, expected --change, or --demyelinated and --dvr"
        raise InputError("one map of the lesions needed", "lesion-table", values, "give one of the two")
    if len({path is None for path in (lesions_t1, dvr_t1, curve)}) > 1:
        found = [name for name, path in (("lesions-t1", lesions_t1), ("dvr-t1", dvr_t1), ("curve", curve)) if path]
        values = f"given --{', --'.join(found)}, expected --lesions-t1, --dvr-t1 and --curve together"
        raise InputError("new lesions need three inputs", "lesion-table", values, "give all three or none")
    optional = [path for path in (change, demyelinated, dvr, lesions_t1, dvr_t1, curve) if path]
    sources = [lesions, distance, *optional]
    out, apart = output(out, sources, ".tsv"), load_volume(distance)
    grid = apart.grid
    mask = load_mask(lesions, grid, distance, allow_empty=True, labels=True)
    numbers = number_lesions(load_volume(lesions, allow_empty=True).data, grid)
    if change:
        classes = load_volume(change, allow_empty=True)
        grid.require(classes.grid, change, distance)
        rows = followed_rows(numbers, classes.data, apart.data, grid, changed)
    elif demyelinated and dvr:
        volume = load_volume(dvr)
        grid.require(volume.grid, dvr, distance)
        called = load_mask(demyelinated, grid, distance, allow_empty=True)
        rows = single_rows(numbers, called, volume.data > 0, apart.data, grid)
    fields: dict[str, object] = {"NewLesions": None, "NewLesionVolumeML": None, "GrownVolumeML": None}
    if lesions_t1 and dvr_t1 and curve:
        later, volume = load_mask(lesions_t1, grid, distance, allow_empty=True, labels=True), load_volume(dvr_t1)
        grid.require(volume.grid, dvr_t1, distance)
        new = new_lesions(mask, later)
        called = below(volume.data, apart.data, new, Curve.read(curve))
        its = new_rows(number_lesions(new, grid), called, volume.data > 0, apart.data, grid)
        rows += its
        grown = int((later & ~mask & ~new).sum())
        fields = {"NewLesions": len(its), "NewLesionVolumeML": int(new.sum()) * grid.voxel_volume / 1000}
        fields["GrownVolumeML"] = grown * grid.voxel_volume / 1000
    lines = ["\t".join(COLUMNS), *("\t".join(cell(row.get(name)) for name in COLUMNS) for row in rows)]
    write_text(out, "\n".join(lines) + "\n")
    settings = {"least_changed_share": changed, "connected_by": "corners"}
    Provenance("lesions one by one", "myelosynth", __version__, sources, settings, {**COLUMNS, **fields}).write(out)
    if not mask.any():
        typer.echo(f"gap: no baseline lesion in the table, {lesions}, no baseline lesion voxel", err=True)
