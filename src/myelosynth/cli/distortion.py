"""Command: the shift map of echo-planar distortion."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import output


class Method(StrEnum):
    """Where the distortion is read from."""

    fieldmap = "fieldmap"
    reverse = "reverse"
    t1w = "t1w"


@app.command("epi-shift")
def epi_shift(
    dwi: Annotated[Path, typer.Argument(help="diffusion series; its sidecar says how its phase was encoded")],
    out: Annotated[Path, typer.Argument(help="shift along the phase axis, mm, for --shift of mean-b0 and fit-tensor")],
    bvals: Annotated[Path, typer.Option(help="FSL b-values, s/mm2")],
    method: Annotated[Method, typer.Option(help="where the distortion is read from")],
    fieldmap: Annotated[
        Path | None, typer.Option(help="field map (Hz, rad/s, T), or phase difference of two echoes (fieldmap)")
    ] = None,
    magnitude: Annotated[Path | None, typer.Option(help="its magnitude; phase differences need it (fieldmap)")] = None,
    reverse: Annotated[Path | None, typer.Option(help="b0 of opposite phase encoding, same grid (reverse)")] = None,
    t1w: Annotated[Path | None, typer.Option(help="T1w (method t1w)")] = None,
    t1w_mask: Annotated[Path | None, typer.Option(help="brain mask of the T1w (method t1w)")] = None,
    transform: Annotated[Path | None, typer.Option(help="ITK text affine, moving b0, fixed T1w (method t1w)")] = None,
) -> None:
    """Susceptibility distortion of a diffusion series as one shift map for all its volumes."""
    from myelosynth.errors import InputError
    from myelosynth.interfaces.base import run
    from myelosynth.interfaces.distortion import NEEDS, EpiShift

    given = {
        "fieldmap": fieldmap,
        "magnitude": magnitude,
        "reverse": reverse,
        "t1w": t1w,
        "t1w_mask": t1w_mask,
        "transform": transform,
    }
    optional = {name: path for name, path in given.items() if path}
    known = {*NEEDS[method.value], *(["magnitude"] if method is Method.fieldmap else [])}
    if foreign := [name for name in optional if name not in known]:
        option = "--" + foreign[0].replace("_", "-")
        raise InputError(f"method {method.value} does not use {option}", option, "given", "leave it out")
    out = output(out, [dwi, bvals, *optional.values()])
    paths = {"in_file": dwi, "bvals": bvals, "out_file": out, **optional}
    run(EpiShift(**{name: str(path.absolute()) for name, path in paths.items()}, method=method.value))
