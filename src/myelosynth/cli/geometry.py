"""Commands on grids and masks that need no imaging engine; a study calls them hundreds of times, so they start fast."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from myelosynth import __version__
from myelosynth.cli.app import app
from myelosynth.cli.paths import given, output

Transforms = Annotated[
    list[str] | None, typer.Option("--transform", help="ITK text file, or inverse:FILE; repeat in order")
]


class Interpolation(StrEnum):
    """How values between voxels are made."""

    nearest = "nearest"
    linear = "linear"
    bspline = "bspline"


STRUCTURAL = ("T1w", "T2w", "FLAIR")


@app.command("transform")
def transform(
    image: Annotated[Path, typer.Argument(help="3D or 4D image")],
    reference: Annotated[Path, typer.Argument(help="image whose grid the output gets")],
    out: Annotated[Path, typer.Argument(help="resampled image")],
    transform_files: Annotated[
        list[str] | None, typer.Option("--transform", help="as in compose-transforms; none: both share one world")
    ] = None,
    interpolation: Annotated[Interpolation, typer.Option(help="for images")] = Interpolation.linear,
    labels: Annotated[bool, typer.Option("--labels", help="nearest neighbour, uint8: for masks and labels")] = False,
    mask: Annotated[Path | None, typer.Option(help="mask on the reference grid; the output is 0 outside it")] = None,
) -> None:
    """Bring an image onto a reference grid in one interpolation; the first --transform leaves the image's space."""
    import numpy as np

    from myelosynth.bids.names import entities_of
    from myelosynth.bids.sidecar import skull_stripped
    from myelosynth.errors import InputError
    from myelosynth.images.grid import Grid
    from myelosynth.images.resample import resample
    from myelosynth.images.volume import load_mask, load_volume, open_image, save_volume

    transforms = transform_files or []
    out = output(out, [image, reference, mask, *_files(transforms)])
    target, chain = Grid.of(open_image(reference)), _chain(transforms)
    how = "nearest" if labels else interpolation.value
    if labels and interpolation is Interpolation.bspline:
        raise InputError("labels are never interpolated", image, "--labels with bspline", "leave out one of the two")
    shape = open_image(image).shape
    volume = load_volume(image, ndim=4 if len(shape) > 3 and shape[3] > 1 else 3, allow_empty=labels)
    if labels:
        _require_labels(volume.data, image)
    inside = None if mask is None else load_mask(mask, target, reference)
    moved = resample(volume.data, volume.grid, target, chain, how)  # type: ignore[arg-type]
    if inside is not None:
        moved[~inside] = 0
    save_volume(out, moved, target, np.uint8 if labels else np.float32)
    settings = {"Transforms": _names(transforms), "Interpolation": how, "Labels": labels}
    fields = _on_grid_of(reference, out) | ({"Type": "ROI"} if labels else {})
    fields["Description"] = "moved to the grid of SpatialReference"
    if entities_of(out)["suffix"] in STRUCTURAL:
        fields["SkullStripped"] = skull_stripped(image)
    sources = [image, reference, *_files(transforms), *([mask] if mask else [])]
    _record("transform", sources, settings, fields, out, image)


def _require_labels(data: Any, image: Path) -> None:
    from myelosynth.errors import InputError

    low, high = float(data.min()), float(data.max())
    if low < 0 or high > 255 or bool((data != data.round()).any()):
        values = f"values from {low:g} to {high:g}, expected whole numbers from 0 to 255"
        raise InputError("not a label image", image, values, "leave out --labels")


@app.command("compose-transforms")
def compose_transforms(
    out: Annotated[Path, typer.Argument(help="ITK text pull transform")],
    transform_files: Transforms = None,
) -> None:
    """Join transforms into one, the identity for none; the first --transform leaves the moving image's space."""
    transforms = transform_files or []
    out = output(out, _files(transforms), ".txt", ".tfm")
    _chain(transforms).write(out)
    _record("compose-transforms", _files(transforms), {"Transforms": _names(transforms)}, {}, out)


@app.command("nawm")
def nawm(
    white: Annotated[Path, typer.Argument(metavar="WM", help="white matter mask")],
    lesions: Annotated[Path, typer.Argument(help="lesion mask, may be empty")],
    out: Annotated[Path, typer.Argument(help="normal-appearing white matter mask")],
) -> None:
    """White matter outside lesions."""
    import numpy as np

    from myelosynth.errors import InputError
    from myelosynth.images.grid import Grid
    from myelosynth.images.volume import load_mask, open_image, save_volume

    out, grid = output(out, [white, lesions]), Grid.of(open_image(white))
    mask = load_mask(white) & ~load_mask(lesions, grid, white, allow_empty=True, labels=True)
    if not mask.any():
        raise InputError("no normal-appearing white matter", white, "0 voxels outside lesions", "check both masks")
    save_volume(out, mask, grid, np.uint8)
    _record("nawm", [white, lesions], {}, {"Type": "ROI", "Label": "NAWM"} | _on_grid_of(white, out), out)


@app.command("csf-distance")
def csf_distance(
    csf: Annotated[Path, typer.Argument(metavar="CSF_MASK", help="ventricles, or all CSF")],
    domain: Annotated[Path, typer.Argument(help="mask inside which distances are written")],
    out: Annotated[Path, typer.Argument(help="distance image, mm")],
) -> None:
    """3D Euclidean distance in mm to the nearest CSF voxel, inside a domain."""
    from myelosynth.images.grid import Grid
    from myelosynth.images.volume import load_mask, open_image, save_volume
    from myelosynth.interfaces import csf as maths

    out, grid = output(out, [csf, domain]), Grid.of(open_image(csf))
    distance = maths.csf_distance(load_mask(csf), load_mask(domain, grid, csf), grid, csf)
    save_volume(out, distance, grid)
    _record(
        "csf-distance",
        [csf, domain],
        {"Distance": "Euclidean, voxel centres"},
        {"Units": "mm"} | _on_grid_of(csf, out),
        out,
    )


@app.command("ventricles")
def ventricles(
    csf: Annotated[Path, typer.Argument(metavar="CSF", help="CSF fraction, 0-1")],
    out: Annotated[Path, typer.Argument(help="ventricle mask")],
    mask: Annotated[Path, typer.Option(help="brain mask")],
) -> None:
    """The lateral ventricles: CSF where the template's ventricles lie inside the brain mask."""
    import numpy as np

    from myelosynth.images.volume import load_mask, load_volume, save_volume
    from myelosynth.interfaces import csf as maths

    out, fraction = output(out, [csf, mask]), load_volume(csf)
    found = maths.ventricles(fraction.data, load_mask(mask, fraction.grid, csf), fraction.grid, csf)
    save_volume(out, found, fraction.grid, np.uint8)
    volume = round(float(found.sum()) * fraction.grid.voxel_volume / 1000, 2)
    fields = {"Type": "ROI", "Label": "ventricles", "VolumeMl": volume} | _on_grid_of(csf, out)
    _record("ventricles", [csf, mask], {}, fields, out)


@app.command("mni-template")
def mni_template(
    out: Annotated[Path, typer.Argument(metavar="OUT_T1", help="T1w template brain")],
    resolution: Annotated[int, typer.Option(min=1, max=10, help="isotropic voxel, mm")] = 1,
) -> None:
    """Write the MNI152 template brain that ships with nilearn, as the fixed image of an affine registration."""
    from myelosynth.images.volume import save_volume
    from myelosynth.interfaces.template import mni_template as load

    out = output(out, [])
    data, grid, version = load(resolution)
    save_volume(out, data, grid)
    fields = {"SkullStripped": True, "SpatialReference": "MNI152 (ICBM 2009a nonlinear symmetric)"}
    _record("mni-template", [], {"ResolutionMm": resolution}, fields, out, engine=("nilearn", version))


def _names(transforms: list[str]) -> list[str]:
    return [item.replace(_file(item), Path(_file(item)).name) for item in transforms]


def _file(item: str) -> str:
    return item.removeprefix("inverse:")


def _files(transforms: list[str]) -> list[Path]:
    return [Path(_file(item)) for item in transforms]


def _chain(transforms: list[str]) -> Any:
    """The pull transform of a chain, its first member next to the moving image."""
    from myelosynth.images.transform import LinearTransform

    chain = LinearTransform.identity()
    for item in transforms:
        path = given(Path(_file(item)))
        step = LinearTransform.read(path)  # type: ignore[arg-type]
        chain = chain @ (~step if item.startswith("inverse:") else step)
    return chain


def _on_grid_of(reference: Path, out: Path) -> dict[str, Any]:
    from myelosynth.bids.sidecar import spatial_reference

    return {"SpatialReference": spatial_reference(reference, out)}


def _record(
    step: str,
    sources: list[Path],
    settings: dict[str, Any],
    fields: dict[str, Any],
    out: Path,
    inherit: Path | None = None,
    engine: tuple[str, str] = ("myelosynth", __version__),
) -> None:
    """Write the sidecar; an image keeps what its source's sidecar says of the values themselves."""
    from myelosynth.bids.names import sidecar_path
    from myelosynth.bids.sidecar import Provenance, read_json

    kept: dict[str, Any] = {}
    if inherit is not None and sidecar_path(inherit).is_file():
        before = read_json(sidecar_path(inherit))
        kept = {key: before[key] for key in ("Type", "Units", "Label", "SkullStripped") if key in before}
    Provenance(step, *engine, sources, settings, {**fields, **kept}).write(out)
