"""Commands: the table of a patient's lesions, and the agreement of predicted and true PET in detail."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import folder, output


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
    smallest_ml: Annotated[float, typer.Option(min=0, help="least covered volume that is given a state, ml")] = 0.5,
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
    from myelosynth.myelin.maps import load_classes

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
        classes = load_classes(change, grid, distance).data
        rows = followed_rows(numbers, classes, apart.data, grid, changed, smallest_ml)
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
    settings = {"least_changed_share": changed, "smallest_ml": smallest_ml, "connected_by": "corners"}
    Provenance("lesions one by one", "myelosynth", __version__, sources, settings, {**COLUMNS, **fields}).write(out)
    if not mask.any():
        typer.echo(f"gap: no baseline lesion in the table, {lesions}, no baseline lesion voxel", err=True)


@app.command("agreement")
def agreement(
    results: Annotated[Path, typer.Argument(help="results of the study")],
    index: Annotated[Path, typer.Option(help="session index of `myelosynth check`")],
    split: Annotated[Path, typer.Option(help="split of `myelosynth split`")],
    system: Annotated[list[str], typer.Option(help="method; repeat")],
    out_dir: Annotated[Path, typer.Option(help="folder of the five tables")],
    ceiling: Annotated[list[str] | None, typer.Option(help="retest, noise-free, oracle; repeat")] = None,
    null: Annotated[list[str] | None, typer.Option(help="follow-up without change; repeat")] = None,
    replicates: Annotated[int, typer.Option(min=1, help="trainings of each method: SYSTEM, SYSTEM@2 to SYSTEM@N")] = 1,
    fold: Annotated[list[int] | None, typer.Option(help="only its test subjects; repeat; default: all folds")] = None,
    resamples: Annotated[int, typer.Option(min=100, help="bootstrap resamples over patients")] = 9999,
    seed: Annotated[int, typer.Option(help="seed of the bootstrap")] = 1,
) -> None:
    """Intervals of the agreement, agreement by lesion size and distance to CSF, made-up change, all lesions."""
    from myelosynth.evaluation import detail_columns as columns
    from myelosynth.evaluation.agreement_intervals import interval_rows
    from myelosynth.evaluation.cohort import open_study
    from myelosynth.evaluation.hallucination import hallucination_rows, hallucination_summary
    from myelosynth.evaluation.lesion_tables import lesion_rows
    from myelosynth.evaluation.strata import strata_rows
    from myelosynth.evaluation.study import index_rows
    from myelosynth.evaluation.tables import write_table

    out_dir = folder(out_dir)
    study = open_study(results, index, split, system, ceiling or [], null or [], replicates, fold or [])
    study.require_all_held_out()
    indices = [row for row in index_rows(study) if row["system"] not in study.nulls]
    called = hallucination_rows(study)
    tables = {
        "agreement_intervals": (columns.AGREEMENT_INTERVALS, interval_rows(indices)),
        "agreement_strata": (columns.AGREEMENT_STRATA, strata_rows(study)),
        "hallucination": (columns.HALLUCINATION, called),
        "hallucination_summary": (columns.HALLUCINATION_SUMMARY, hallucination_summary(called, seed, resamples)),
        "lesions": (columns.LESIONS, lesion_rows(study)),
    }
    settings = {"systems": system, "ceilings": ceiling or [], "nulls": null or [], "replicates": replicates}
    settings |= {"seed": seed, "resamples": resamples, "folds": sorted({subject.fold for subject in study.subjects})}
    gaps = {"GapCount": len(study.gaps), "Gaps": study.gaps}
    for name, (described, rows) in tables.items():
        write_table(out_dir / f"{name}.tsv", described, rows, [index, split], Settings=settings, **gaps)
