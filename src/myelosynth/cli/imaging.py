"""Commands: anatomical imaging steps, each by a named engine."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from myelosynth.cli import geometry
from myelosynth.cli.app import app
from myelosynth.cli.paths import distinct, folder, given, output

EngineName = Annotated[str | None, typer.Option("--engine", help="one of those above; the default is embedded")]
FsSubject = Annotated[
    Path | None, typer.Option(help="FreeSurfer subject folder: freesurfer uses or makes it, bbregister needs it")
]


class Contrast(StrEnum):
    """What the moving image's boundary looks like: t1 has brighter white matter, t2 and flair brighter grey."""

    t1 = "t1"
    t2 = "t2"
    flair = "flair"


@app.command("n4")
def n4(
    image: Annotated[Path, typer.Argument(metavar="IN", help="image to correct")],
    out: Annotated[Path, typer.Argument(help="corrected image")],
    mask: Annotated[Path | None, typer.Option(help="where the bias field is estimated; default: the head")] = None,
    engine: EngineName = None,
) -> None:
    """Correct the bias field (N4). Engines: antspyx (default), ants."""
    from myelosynth.bids.sidecar import skull_stripped
    from myelosynth.interfaces.engines import find_engine

    chosen, out = find_engine("n4", engine), output(out, [image, mask])
    _checked(image)
    _, call = _run(chosen.interface(in_file=_text(image), mask_file=_text(given(mask)), out_file=str(out)))
    fields = {"SkullStripped": skull_stripped(image)}
    _record("n4", chosen, call, [image, mask], {"Mask": mask is not None}, out, **fields)


@app.command("extract-brain")
def extract_brain(
    image: Annotated[Path, typer.Argument(metavar="IN", help="T1w head")],
    out_mask: Annotated[Path, typer.Option(help="brain mask")],
    out_brain: Annotated[Path | None, typer.Option(help="the image inside the mask")] = None,
    accept_failed: Annotated[
        bool, typer.Option("--accept-failed", help="keep a mask of implausible volume, symmetry, holes or edge")
    ] = False,
    engine: EngineName = None,
) -> None:
    """Extract the brain from a T1w head. Engines: deepbet (default), hdbet, robex, bet, synthstrip."""
    from myelosynth.bids.sidecar import spatial_reference
    from myelosynth.images.atomic import staged
    from myelosynth.images.volume import load_mask, load_volume, save_volume
    from myelosynth.interfaces.brain import mask_quality, require_plausible
    from myelosynth.interfaces.engines import find_engine

    chosen, out_mask = find_engine("extract-brain", engine), output(out_mask, [image])
    brain = output(out_brain, [image]) if out_brain else None
    distinct(out_mask, brain)
    _checked(image)
    volume = load_volume(image)
    with staged(out_mask) as (draft,):
        _, call = _run(chosen.interface(in_file=_text(image), mask_file=str(draft)))
        mask = load_mask(draft)
        quality = mask_quality(mask, volume.grid)
        if not accept_failed:
            require_plausible(quality, image)
    fields = {"Type": "Brain", "SpatialReference": spatial_reference(image, out_mask), "QualityControl": quality}
    _record("extract-brain", chosen, call, [image], {}, out_mask, **fields)
    if brain:
        save_volume(brain, volume.data * mask, volume.grid)
        _record("extract-brain", chosen, call, [image], {}, brain, SkullStripped=True)


@app.command("register")
def register(
    moving: Annotated[Path, typer.Argument(help="image that is moved")],
    fixed: Annotated[Path, typer.Argument(help="image that stands")],
    out_transform: Annotated[Path, typer.Option(help="ITK text pull transform")],
    out_image: Annotated[Path | None, typer.Option(help="moving image on the fixed grid")] = None,
    dof: Annotated[int, typer.Option(help="6 rigid, 12 affine")] = 6,
    fixed_mask: Annotated[Path | None, typer.Option(help="where the similarity counts")] = None,
    engine: EngineName = None,
) -> None:
    """Register rigidly or affinely by similarity. Engines: antspyx (default), flirt."""
    from myelosynth.interfaces.engines import find_engine

    chosen, inputs = find_engine("register", engine), [moving, fixed, fixed_mask]
    out_transform = output(out_transform, inputs, ".txt", ".tfm")
    resampled = output(out_image, inputs) if out_image else None
    distinct(out_transform, resampled)
    _checked(moving)
    _checked(fixed)
    interface = chosen.interface(
        moving_file=_text(moving),
        fixed_file=_text(fixed),
        fixed_mask=_text(given(fixed_mask)),
        dof=_dof(dof),
        out_transform=str(out_transform),
    )
    outputs, call = _run(interface)
    record = outputs.record | {"Dof": dof, "Fallback": False, "Moving": moving.name, "Fixed": fixed.name}
    _record("register", chosen, call, inputs, {"Dof": dof}, out_transform, **record)
    _resampled(moving, fixed, out_transform, resampled)


@app.command("register-bbr")
def register_bbr(
    moving: Annotated[Path, typer.Argument(help="image that is moved")],
    fixed: Annotated[Path, typer.Argument(help="T1w that stands")],
    wm_mask: Annotated[Path, typer.Option(help="white matter, fixed space")],
    out_transform: Annotated[Path, typer.Option(help="ITK text pull transform")],
    gm: Annotated[
        Path | None, typer.Option(help="grey matter fraction: only its edge with white matter counts")
    ] = None,
    init: Annotated[Path | None, typer.Option(help="ITK text start; default: an own rigid start")] = None,
    contrast: Annotated[Contrast | None, typer.Option(help="default: found from the data")] = None,
    dof: Annotated[int, typer.Option(help="6 rigid, 12 affine")] = 6,
    out_image: Annotated[Path | None, typer.Option(help="moving image on the fixed grid")] = None,
    slope: Annotated[
        float | None, typer.Option(help="of the cost per percent contrast; default 0.1, the paper's is 0.5")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu (default) or cuda")] = None,
    fs_subject: FsSubject = None,
    engine: EngineName = None,
) -> None:
    """Register along the white matter boundary (Greve and Fischl 2009).

    Engines: myelosynth (default), flirt, bbregister.
    """
    from myelosynth.interfaces.engines import find_engine

    chosen, inputs = find_engine("register-bbr", engine), [moving, fixed, wm_mask, gm, init]
    options = _own_options(chosen, slope, device)
    subject = chosen.subject_folder(fs_subject)
    out_transform = output(out_transform, inputs, ".txt", ".tfm")
    resampled = output(out_image, inputs) if out_image else None
    distinct(out_transform, resampled)
    _checked(moving)
    _checked(fixed)
    interface = chosen.interface(
        moving_file=_text(moving),
        fixed_file=_text(fixed),
        wm_mask=_text(given(wm_mask)),
        gm_file=_text(given(gm)),
        init_file=_text(given(init)),
        fs_subject=subject,
        contrast=contrast.value if contrast else None,
        dof=_dof(dof),
        out_transform=str(out_transform),
        **options,
    )
    outputs, call = _run(interface)
    record = outputs.record | {"Dof": dof, "Moving": moving.name, "Fixed": fixed.name}
    settings = {"Dof": dof, "Contrast": contrast.value if contrast else "found"}
    _record("register-bbr", chosen, call, inputs, settings, out_transform, **record)
    _resampled(moving, fixed, out_transform, resampled)


@app.command("fill-lesions")
def fill_lesions(
    image: Annotated[Path, typer.Argument(metavar="T1", help="T1w")],
    lesions: Annotated[Path, typer.Argument(help="lesion mask on the T1w grid, may be empty")],
    out: Annotated[Path, typer.Argument(help="filled T1w")],
    wm_mask: Annotated[Path | None, typer.Option(help="white matter; default: found around the lesions")] = None,
    engine: EngineName = None,
) -> None:
    """Fill lesions with the white matter around them. Engine: myelosynth."""
    from myelosynth.bids.sidecar import skull_stripped, spatial_reference
    from myelosynth.interfaces.engines import find_engine

    chosen, out = find_engine("fill-lesions", engine), output(out, [image, lesions, wm_mask])
    _checked(image)
    inputs = {"in_file": _text(image), "lesion_file": _text(given(lesions)), "wm_mask": _text(given(wm_mask))}
    _, call = _run(chosen.interface(**inputs, out_file=str(out)))
    fields = {"SpatialReference": spatial_reference(image, out), "SkullStripped": skull_stripped(image)}
    _record("fill-lesions", chosen, call, [image, lesions, wm_mask], {}, out, **fields)


@app.command("segment-tissue")
def segment_tissue(
    image: Annotated[Path, typer.Argument(metavar="T1", help="T1w, bias corrected, lesions filled")],
    mask: Annotated[Path, typer.Option(help="brain mask")],
    out_dir: Annotated[Path, typer.Option(help="folder for the four outputs")],
    prefix: Annotated[str | None, typer.Option(help="BIDS names: PREFIX_label-WM_probseg.nii.gz ...")] = None,
    fs_subject: FsSubject = None,
    fractions_only: Annotated[
        bool, typer.Option("--fractions-only", help="no white matter mask: there is a ready one")
    ] = False,
    engine: EngineName = None,
) -> None:
    """Fractions of CSF, grey and white matter, and a white matter mask.

    Engines: myelosynth (default), dipy, fast, freesurfer.
    """
    from myelosynth.bids.sidecar import spatial_reference
    from myelosynth.interfaces.engines import find_engine

    chosen, where = find_engine("segment-tissue", engine), folder(out_dir)
    subject = chosen.subject_folder(fs_subject)
    _checked(image)
    labels = ("CSF", "GM", "WM")
    names = [f"{prefix}_label-{label}_probseg.nii.gz" if prefix else f"{label.lower()}.nii.gz" for label in labels]
    names.append(f"{prefix}_label-WM_mask.nii.gz" if prefix else "wm_mask.nii.gz")
    csf, gm, wm, wm_mask = (output(where / name, [image, mask]) for name in names)
    outputs = {"csf_file": str(csf), "gm_file": str(gm), "wm_file": str(wm)}
    # A name without folder stays in the private folder of the run, which goes.
    outputs["wm_mask_file"] = wm_mask.name if fractions_only else str(wm_mask)
    inputs = {"in_file": _text(image), "mask_file": _text(given(mask)), "fs_subject": subject}
    found, call = _run(chosen.interface(**inputs, **outputs))
    kinds = {csf: {"Label": "CSF", "Units": "1"}, gm: {"Label": "GM", "Units": "1"}, wm: {"Label": "WM", "Units": "1"}}
    if not fractions_only:
        kinds[wm_mask] = {"Label": "WM", "Type": "ROI"}
    for path, kind in kinds.items():
        fields = {**kind, "SpatialReference": spatial_reference(image, path), **found.record}
        _record("segment-tissue", chosen, call, [image, mask], {}, path, **fields)


def _checked(image: Path) -> None:
    """Raise InputError for a missing or unreadable image before any engine starts."""
    from myelosynth.images.volume import open_image

    open_image(image)


def _text(path: Path | None) -> str | None:
    return str(path.absolute()) if path else None


def _own_options(chosen: Any, slope: float | None, device: str | None) -> dict[str, Any]:
    """Options of our own boundary-based registration, for `interface`. Raises InputError for another engine's."""
    from myelosynth.cli.devices import torch_device
    from myelosynth.errors import InputError

    if slope is not None and not 0 < slope <= 10:
        raise InputError(
            "slope out of range", "--slope", f"{slope:g}, expected above 0 to 10", "give 0.1, or the paper's 0.5"
        )
    if not chosen.embedded and (slope is not None or device is not None):
        values = "--slope or --device given, expected neither"
        raise InputError(f"engine {chosen.name} has no such option", "register-bbr", values, "leave them out")
    return {"slope": slope, "device": torch_device(device).type if device else None}


def _dof(dof: int) -> int:
    from myelosynth.errors import InputError

    if dof not in (6, 12):
        raise InputError("dof unknown", "--dof", f"{dof}, expected 6 (rigid) or 12 (affine)", "choose one of the two")
    return dof


def _run(interface: Any) -> tuple[Any, dict[str, Any]]:
    from myelosynth.interfaces.base import run_recorded

    return run_recorded(interface)


def _resampled(moving: Path, fixed: Path, transform: Path, out: Path | None) -> None:
    if out:
        geometry.transform(moving, fixed, out, [str(transform)])


def _record(
    step: str,
    engine: Any,
    call: dict[str, Any],
    sources: list[Path | None],
    settings: dict[str, Any],
    out: Path,
    **fields: Any,
) -> None:
    """Write the sidecar of one output, with the engine, its version and the call."""
    from myelosynth.bids.sidecar import Provenance

    present = [source for source in sources if source is not None]
    settings = {"Engine": engine.name, **settings}
    Provenance(step, engine.name, engine.version(), present, settings, {"Call": call, **fields}).write(out)
