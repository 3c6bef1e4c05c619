"""Commands: the control curve with its check, other thresholds for comparison, and the noise of a second scan."""

from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.map_options import ChangeThreshold, Distance, Lesions, MinimumCluster, map_rules
from myelosynth.cli.paths import distinct, output

_ENGINE = "myelosynth"
_COLUMNS = {
    "distance_low": {"Description": "lower edge of the bin, included", "Units": "mm"},
    "distance_high": {"Description": "upper edge of the bin, excluded", "Units": "mm"},
    "n": {"Description": "white-matter voxels of all controls in the bin"},
    "mean": {"Description": "mean DVR of these voxels", "Units": "1"},
    "sd": {"Description": "standard deviation of DVR of these voxels (n - 1)", "Units": "1"},
    "distance": {"Description": "mean distance from CSF of these voxels", "Units": "mm"},
    "smoothing": {
        "Description": "none: mean and sd hold in all of the bin; linear: they change linearly between the column "
        "`distance` of neighbouring bins"
    },
    "extrapolation": {
        "Description": "at or beyond the last distance_high, hold: the outermost values hold; refuse: such lesion "
        "voxels are an error. A distance of 0, in the CSF, reads the first bin, which was made without such voxels"
    },
}


@app.command("myelin-curve")
def myelin_curve(
    dvr: Annotated[list[Path], typer.Option(help="DVR of a control; repeat per control")],
    distance: Annotated[list[Path], typer.Option(help="distance from CSF, mm, same order")],
    wm: Annotated[list[Path], typer.Option(help="white-matter mask, same order")],
    out: Annotated[Path, typer.Option(help="curve, TSV")],
    bin_width: Annotated[float, typer.Option(help="width of a distance bin, mm")] = 1.0,
    minimum_voxels: Annotated[int, typer.Option(help="bins with fewer voxels merge outward")] = 100,
    smoothing: Annotated[str, typer.Option(help="between the bins: none (steps) or linear")] = "none",
    extrapolation: Annotated[str, typer.Option(help="beyond the last bin: hold its values, or refuse")] = "hold",
    split: Annotated[Path | None, typer.Option(help="split that the controls are checked against")] = None,
    fold: Annotated[int | None, typer.Option(help="its fold: nobody whom it tests may be among the controls")] = None,
    out_check: Annotated[
        Path | None, typer.Option(help="TSV: share of each control below the curve of the others, by distance")
    ] = None,
) -> None:
    """Mean and SD of DVR by distance from CSF in the white matter of controls."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance
    from myelosynth.errors import InputError
    from myelosynth.evaluation.tables import write_table
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.controls import checked_against, distinct_participants
    from myelosynth.myelin.curve import CurveSettings, control_voxels, curve_of
    from myelosynth.myelin.leave_one_out import COLUMNS, leave_one_out

    read = [*dvr, *distance, *wm, split]
    out, out_check = output(out, read, ".tsv"), output(out_check, read, ".tsv") if out_check else None
    distinct(out, out_check)
    if not len(dvr) == len(distance) == len(wm):
        values = f"{len(dvr)} --dvr, {len(distance)} --distance, {len(wm)} --wm"
        raise InputError("controls are incomplete", "myelin-curve", values, "give one of each per control")
    participants = distinct_participants(dvr, "myelin-curve")
    origin = checked_against(participants, split, fold, "myelin-curve", "control curve", "controls")
    settings = CurveSettings(bin_width, minimum_voxels, smoothing, extrapolation)
    maps, distances, masks = [], [], []
    for dvr_path, distance_path, wm_path in zip(dvr, distance, wm, strict=True):
        volume, apart = load_volume(dvr_path), load_volume(distance_path)
        volume.grid.require(apart.grid, distance_path, dvr_path)
        maps.append(volume.data)
        distances.append(apart.data)
        masks.append(load_mask(wm_path, volume.grid, dvr_path))
    voxels = control_voxels(maps, distances, masks)
    curve = curve_of(voxels, settings)
    curve.write(out)
    told: dict[str, object] = {"bin_width_mm": bin_width, "minimum_voxels": minimum_voxels, "controls": len(dvr)}
    told |= {"smoothing": smoothing, "extrapolation": extrapolation}
    fields = {"Participants": participants, **origin, **_COLUMNS}
    sources = [*dvr, *distance, *wm, *([split] if split else [])]
    Provenance("control curve", _ENGINE, __version__, sources, told, fields).write(out)
    if out_check:
        names = participants if len(participants) == len(dvr) else [str(path) for path in dvr]
        rows, gaps = [], []
        try:
            rows = leave_one_out(dict(zip(names, voxels, strict=True)), settings)
        except InputError as fault:  # the curve stands without its check
            gaps = [f"{fault.what}, {fault.values}"]
            typer.echo(f"gap: no leave-one-out check, {out_check}, {gaps[0]}", err=True)
        write_table(out_check, COLUMNS, rows, sources, Settings=told, **origin, Gaps=gaps)


@app.command("thresholds")
def thresholds(
    dvr_t0: Annotated[Path, typer.Argument(metavar="DVR_T0", help="DVR at baseline, measured or predicted")],
    dvr_t1: Annotated[Path, typer.Argument(metavar="DVR_T1", help="DVR at follow-up")],
    lesions: Lesions,
    distance: Distance,
    curve: Annotated[Path, typer.Option(help="control curve of measured PET, TSV")],
    out: Annotated[Path, typer.Option(help="indices by rule, TSV")],
    predicted_curve: Annotated[Path | None, typer.Option(help="control curve of predicted PET, TSV")] = None,
    minimum_cluster: MinimumCluster = 0.0,
    change_threshold: ChangeThreshold = "0",
) -> None:
    """The indices of one patient by the paper's threshold and by others, to be compared."""
    from myelosynth.evaluation.tables import write_table
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.controls import require_no_control
    from myelosynth.myelin.curve import Curve
    from myelosynth.myelin.thresholds import COLUMNS, Lesions, rows_by_rule

    rules, table, settings = map_rules(minimum_cluster, change_threshold)
    curves = [curve, *([predicted_curve] if predicted_curve else [])]
    sources = [dvr_t0, dvr_t1, lesions, distance, *curves, *table]
    out, apart = output(out, sources, ".tsv"), load_volume(distance)
    for one in curves:
        require_no_control(dvr_t0, one)
    volumes = [load_volume(path) for path in (dvr_t0, dvr_t1)]
    for volume in volumes:
        apart.grid.require(volume.grid, volume.path, distance)
    mask = load_mask(lesions, apart.grid, distance, allow_empty=True, labels=True)
    patient = Lesions(mask, apart.data, apart.grid.voxel_sizes)
    own = Curve.read(predicted_curve) if predicted_curve else None
    rows = rows_by_rule(volumes[0].data, volumes[1].data, patient, Curve.read(curve), own, rules)
    write_table(out, COLUMNS, rows, sources, Settings=settings)


@app.command("threshold-comparison")
def threshold_comparison(
    measured: Annotated[list[Path], typer.Option(help="table of `thresholds` from measured PET; repeat per patient")],
    out: Annotated[Path, typer.Option(help="comparison, TSV")],
    predicted: Annotated[
        list[Path] | None, typer.Option(help="the same from predicted PET, same order of patients")
    ] = None,
) -> None:
    """Each index by each rule over patients, and how far the predicted one lies from the measured one."""
    from myelosynth.evaluation.tables import write_table
    from myelosynth.evaluation.thresholds import COLUMNS, compared, read_rules

    sources = [*measured, *(predicted or [])]
    out = output(out, sources, ".tsv")
    rows = compared([read_rules(path) for path in measured], [read_rules(path) for path in predicted or []])
    write_table(out, COLUMNS, rows, sources)


@app.command("retest-noise")
def retest_noise(
    dvr: Annotated[list[Path], typer.Option(help="DVR of a scan; repeat per participant")],
    retest: Annotated[list[Path], typer.Option(help="DVR of a second scan without change between, same order")],
    mask: Annotated[list[Path], typer.Option(help="voxels that count, such as lesions, same order")],
    out: Annotated[Path, typer.Option(help="noise of a voxel's change, TSV")],
    split: Annotated[Path | None, typer.Option(help="split that the participants are checked against")] = None,
    fold: Annotated[int | None, typer.Option(help="its fold: nobody whom it tests may take part")] = None,
) -> None:
    """By how much the DVR of a voxel differs between two scans without change: a threshold for `change`."""
    from myelosynth.errors import InputError
    from myelosynth.evaluation.tables import write_table
    from myelosynth.images.volume import load_mask, load_volume
    from myelosynth.myelin.controls import checked_against, distinct_participants
    from myelosynth.myelin.retest import COLUMNS
    from myelosynth.myelin.retest import retest_noise as noise_of

    sources = [*dvr, *retest, *mask, *([split] if split else [])]
    out, participants = output(out, sources, ".tsv"), distinct_participants(dvr, "retest-noise")
    distinct_participants(retest, "retest-noise")
    origin = checked_against(participants, split, fold, "retest-noise", "retest noise", "participants")
    if not len(dvr) == len(retest) == len(mask):
        values = f"{len(dvr)} --dvr, {len(retest)} --retest, {len(mask)} --mask"
        raise InputError("scans are incomplete", "retest-noise", values, "give one of each per participant")
    first, second, masks = [], [], []
    for one, other, where in zip(dvr, retest, mask, strict=True):
        volume, again = load_volume(one), load_volume(other)
        volume.grid.require(again.grid, other, one)
        first.append(volume.data)
        second.append(again.data)
        masks.append(load_mask(where, volume.grid, one, allow_empty=True, labels=True))
    row = noise_of(first, second, masks).row()
    write_table(out, COLUMNS, [row], sources, Participants=participants, **origin)
