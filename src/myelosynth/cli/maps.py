"""Commands: quantitative maps from diffusion, magnetisation transfer and dynamic PET."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from myelosynth.cli.app import app
from myelosynth.cli.paths import distinct, folder, output

TStar = Annotated[
    str, typer.Option(help="minutes, from the first frame that starts then or later; auto: where the plot is a line")
]


class Model(StrEnum):
    """Kinetic models."""

    logan = "logan"
    srtm = "srtm"
    srtm2 = "srtm2"


class Region(StrEnum):
    """Ways to a reference region."""

    cerebellar_grey = "cerebellar-grey"
    grey_matter = "grey-matter"
    clustering = "clustering"
    given = "given"


@app.command("fit-tensor")
def fit_tensor(
    dwi: Annotated[Path, typer.Argument(help="diffusion series")],
    bvals: Annotated[Path, typer.Option(help="FSL b-values, s/mm2")],
    bvecs: Annotated[Path, typer.Option(help="FSL b-vectors")],
    mask: Annotated[Path, typer.Option(help="brain mask on the series' grid")],
    out_dir: Annotated[Path, typer.Option(help="folder of the maps")],
    prefix: Annotated[str, typer.Option(help="BIDS names after this prefix instead of fa.nii.gz ...")] = "",
    denoise: Annotated[bool, typer.Option("--denoise", help="Marchenko-Pastur PCA first")] = False,
    gibbs: Annotated[bool, typer.Option("--gibbs", help="remove Gibbs ringing of X-Y slices")] = False,
    motion: Annotated[bool, typer.Option("--motion", help="register volumes, rotate b-vectors")] = False,
    shift: Annotated[Path | None, typer.Option(help="map of epi-shift: undo the distortion before motion")] = None,
) -> None:
    """Diffusion tensor by weighted least squares: FA, RD, AD, MD (mm2/s)."""
    from myelosynth.interfaces.base import run
    from myelosynth.interfaces.tensor import MAPS, TensorFit

    names = {name: f"{name}.nii.gz" for name in MAPS}
    if prefix:
        names = {name: f"{prefix}_model-tensor_param-{name}_dwimap.nii.gz" for name in MAPS}
        names["fa"] = f"{prefix}_FA.nii.gz"
    inputs = {"in_file": dwi, "bvals": bvals, "bvecs": bvecs, "mask": mask, **({"shift": shift} if shift else {})}
    outputs = {name: output(folder(out_dir) / names[name], list(inputs.values())) for name in MAPS}
    paths = {name: str(path.absolute()) for name, path in {**inputs, **outputs}.items()}
    run(TensorFit(**paths, denoise=denoise, gibbs=gibbs, motion=motion))


@app.command("mean-b0")
def mean_b0(
    dwi: Annotated[Path, typer.Argument(help="diffusion series")],
    out: Annotated[Path, typer.Argument(help="mean unweighted image")],
    bvals: Annotated[Path, typer.Option(help="FSL b-values, s/mm2")],
    shift: Annotated[Path | None, typer.Option(help="map of epi-shift: undo the distortion")] = None,
) -> None:
    """Mean of the volumes with b at most 50 s/mm2, for registration."""
    from myelosynth.interfaces.base import run
    from myelosynth.interfaces.tensor import MeanB0

    out = output(out, [dwi, bvals, shift])
    optional = {"shift": str(shift.absolute())} if shift else {}
    run(MeanB0(in_file=str(dwi.absolute()), bvals=str(bvals.absolute()), out_file=str(out), **optional))


@app.command("mtr")
def mtr(
    on: Annotated[Path, typer.Argument(help="image with the saturation pulse")],
    off: Annotated[Path, typer.Argument(help="image without it")],
    out: Annotated[Path, typer.Argument(help="MTR, 0-100 %")],
    mask: Annotated[Path | None, typer.Option(help="domain of the map")] = None,
    register: Annotated[bool, typer.Option("--register", help="move ON rigidly onto OFF first")] = False,
) -> None:
    """Magnetisation transfer ratio, 100 (off - on) / off, on the grid of OFF."""
    from myelosynth.interfaces.base import run
    from myelosynth.interfaces.magnetisation import MtrMap

    out = output(out, [on, off, mask])
    optional = {"mask": str(mask.absolute())} if mask else {}
    run(MtrMap(on=str(on.absolute()), off=str(off.absolute()), out_file=str(out), register=register, **optional))


@app.command("pet-reference")
def pet_reference(
    pet: Annotated[Path, typer.Argument(help="dynamic PET")],
    out: Annotated[Path, typer.Argument(help="mean of early frames")],
    frames: Annotated[Path, typer.Option(help="PET sidecar")],
    from_min: Annotated[float, typer.Option(help="start of the window, minutes")] = 0.0,
    to_min: Annotated[float, typer.Option(help="end of the window, minutes")] = 10.0,
) -> None:
    """Duration-weighted mean of early PET frames, for registration."""
    from myelosynth.interfaces.base import run
    from myelosynth.interfaces.kinetics import PetReference

    out = output(out, [pet, frames])
    paths = {"in_file": str(pet.absolute()), "frames": str(frames.absolute()), "out_file": str(out)}
    run(PetReference(**paths, from_min=from_min, to_min=to_min))


@app.command("reference-region")
def reference_region(
    pet: Annotated[Path, typer.Argument(help="dynamic PET")],
    frames: Annotated[Path, typer.Option(help="PET sidecar")],
    method: Annotated[Region, typer.Option(help="how the region is drawn")],
    out: Annotated[Path, typer.Option(help="reference mask")],
    gm: Annotated[Path | None, typer.Option(help="grey-matter fraction on the PET grid (all but given)")] = None,
    mask: Annotated[Path | None, typer.Option(help="region on the PET grid (given)")] = None,
    template_transform: Annotated[
        Path | None, typer.Option(help="ITK text affine, moving PET, fixed MNI152 (cerebellar-grey)")
    ] = None,
    gm_threshold: Annotated[float, typer.Option(help="grey-matter fraction that counts")] = 0.5,
    erosions: Annotated[int, typer.Option(min=0, help="voxel layers taken off grey matter (not clustering)")] = 1,
    clusters: Annotated[int, typer.Option(min=2, help="k of k-means (clustering)")] = 4,
    minimum_ml: Annotated[float, typer.Option(help="smallest acceptable region, ml")] = 1.0,
) -> None:
    """Reference region for Logan and SRTM: found in grey matter, or given."""
    from myelosynth.interfaces.base import run
    from myelosynth.interfaces.kinetics import ReferenceRegion

    out = output(out, [pet, frames, gm, mask, template_transform])
    paths = {"in_file": pet, "frames": frames, "out_file": out}
    optional = {"gm": gm, "mask": mask, "template_transform": template_transform}
    paths |= {name: path for name, path in optional.items() if path}
    run(
        ReferenceRegion(
            **{name: str(path.absolute()) for name, path in paths.items()},
            method=method.value,
            gm_threshold=gm_threshold,
            erosions=erosions,
            clusters=clusters,
            minimum_ml=minimum_ml,
        )
    )


@app.command("dvr")
def dvr(
    pet: Annotated[Path, typer.Argument(help="dynamic PET")],
    out: Annotated[Path, typer.Argument(help="distribution volume ratio")],
    frames: Annotated[Path, typer.Option(help="PET sidecar")],
    reference_mask: Annotated[Path, typer.Option(help="reference region on the PET grid")],
    mask: Annotated[Path | None, typer.Option(help="domain; without it, voxels with tracer")] = None,
    model: Annotated[Model, typer.Option(help="kinetic model")] = Model.logan,
    k2prime: Annotated[str, typer.Option(help="clearance of the reference, per minute, or auto")] = "",
    t_star: TStar = "20",
    k2prime_mask: Annotated[Path | None, typer.Option(help="brain that auto looks at; default: the domain")] = None,
    motion: Annotated[bool, typer.Option("--motion", help="register frames first")] = False,
    csf: Annotated[Path | None, typer.Option(help="CSF fraction on the PET grid, for --out-csf")] = None,
    fwhm: Annotated[float, typer.Option(min=0, help="resolution of the PET, mm, for --out-csf")] = 5.0,
    out_csf: Annotated[Path | None, typer.Option(help="CSF fraction as the PET sees it: where the DVR is low")] = None,
) -> None:
    """Voxelwise distribution volume ratio of dynamic PET; not corrected for partial volume, see --out-csf."""
    from myelosynth.errors import InputError
    from myelosynth.interfaces.base import run
    from myelosynth.interfaces.kinetics import DvrMap

    if (csf is None) != (out_csf is None):
        values = f"--csf {csf or 'not given'}, --out-csf {out_csf or 'not given'}"
        raise InputError("options belong together", "dvr", values, "give both, or neither")
    inputs = {"in_file": pet, "frames": frames, "reference_mask": reference_mask}
    optional = {"mask": mask, "k2prime_mask": k2prime_mask, "csf": csf}
    inputs |= {name: path for name, path in optional.items() if path}
    paths = {**inputs, "out_file": output(out, list(inputs.values()))}
    if out_csf:
        paths["out_csf"] = output(out_csf, list(inputs.values()))
        distinct(paths["out_file"], paths["out_csf"])
    clearance, start = _clearance(k2prime, model), _start(t_star)
    absolute = {name: str(path.absolute()) for name, path in paths.items()}
    run(DvrMap(**absolute, model=model.value, k2prime=clearance, t_star=start, motion=motion, fwhm=fwhm))


def _clearance(k2prime: str, model: Model) -> float | Literal["auto"] | None:
    """The number in --k2prime, or auto; None for an empty one."""
    from myelosynth.errors import InputError

    if not k2prime:
        if model is Model.srtm2:
            raise InputError("srtm2 needs k2'", "--k2prime", "not given", "give a rate in 1/min, or auto")
        return None
    if k2prime == "auto":
        return "auto"
    try:
        value = float(k2prime)
    except ValueError:
        value = -1.0
    if not 0 < value < 10:
        raise InputError(
            "k2' impossible", "--k2prime", f"{k2prime!r}, expected 0-10 per minute", "give a rate in 1/min"
        )
    return value


def _start(t_star: str) -> float | Literal["auto"]:
    """The number in --t-star, or auto."""
    from myelosynth.errors import InputError

    if t_star == "auto":
        return "auto"
    try:
        value = float(t_star)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError("t* impossible", "--t-star", f"{t_star!r}, expected 0 or more", "give minutes, or auto")
    return value


@app.command("tac-dvr")
def tac_dvr(
    tacs: Annotated[Path, typer.Argument(help="frame_start, frame_end (s), one column a region; TSV")],
    out: Annotated[Path, typer.Argument(help="region, dvr (+ r1, k2prime, bpnd for srtm); TSV")],
    reference: Annotated[str, typer.Option(help="column of the reference region")],
    model: Annotated[Model, typer.Option(help="kinetic model")] = Model.logan,
    k2prime: Annotated[str, typer.Option(help="clearance of the reference, per minute, or auto")] = "",
    t_star: TStar = "20",
) -> None:
    """Distribution volume ratio of regional time-activity curves."""
    from myelosynth import __version__
    from myelosynth.bids.sidecar import Provenance
    from myelosynth.images.atomic import write_text
    from myelosynth.physics.dvr import Analysis
    from myelosynth.physics.tacs import FINE_RATES, regional_dvr

    out = output(out, [tacs], ".tsv")
    analysis = Analysis(model.value, _clearance(k2prime, model), _start(t_star), FINE_RATES)
    table, settings = regional_dvr(tacs, reference, analysis)
    write_text(out, table.to_csv(sep="\t", index=False, na_rep="n/a"))
    columns = {
        "region": {"Description": "column of the TAC table"},
        "dvr": {"Description": "distribution volume ratio", "Units": "1"},
        "r1": {"Description": "delivery relative to the reference", "Units": "1"},
        "k2prime": {"Description": "clearance of the reference", "Units": "1/min"},
        "bpnd": {"Description": "non-displaceable binding potential, DVR - 1", "Units": "1"},
    }
    fields = {name: text for name, text in columns.items() if name in table}
    Provenance("regional DVR", "myelosynth", __version__, [tacs], {"reference": reference, **settings}, fields).write(
        out
    )
