"""Read and write NIfTI images with every fault named."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import DTypeLike, NDArray

from myelosynth.errors import InputError
from myelosynth.images.atomic import staged
from myelosynth.images.grid import Grid

_ROUNDING = 1e-3  # of scaled integers
_LARGEST_LABEL = 255


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxel values on a grid: data (X, Y, Z) or (X, Y, Z, N) as float32, and where they came from."""

    data: NDArray[np.float32]
    grid: Grid
    path: Path


def open_image(path: Path) -> nib.Nifti1Image:
    """Open a NIfTI header; a header with only a qform (sform code 0) is accepted.

    Raises InputError for a missing or foreign file, a singular affine, or a header that does not say where left is
    (qform and sform code 0, or the older Analyze format).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path or run the step that makes it")
    try:
        image = nib.load(path)
    except (nib.filebasedimages.ImageFileError, OSError, EOFError, zlib.error) as fault:
        raise InputError("not a readable NIfTI image", path, str(fault), "convert or copy the file again") from fault
    if isinstance(image, nib.AnalyzeImage):  # NIfTI is a kind of it
        codes = {name: int(image.header[name]) for name in ("qform_code", "sform_code") if name in image.header}
        if not any(codes.values()):
            values = "qform and sform code 0, expected one above 0" if codes else "Analyze format, expected NIfTI"
            cure = "convert it from DICOM again, or set the sform (code 1) once you know which side is left"
            raise InputError("orientation unknown", path, values, cure)
    affine = image.affine  # type: ignore[attr-defined]
    determinant = float(np.linalg.det(affine[:3, :3])) if np.isfinite(affine).all() else float("nan")
    if not abs(determinant) > 1e-9:
        raise InputError(
            "affine is singular", path, f"determinant {determinant:g}, expected not 0", "repair the header"
        )
    return image  # type: ignore[return-value]


def load_volume(path: Path, ndim: int = 3, allow_empty: bool = False) -> Volume:
    """Load an image of `ndim` dimensions as float32; a trailing axis of length 1 is dropped.

    Raises InputError for a missing or truncated file, other dimensions, complex or colour values, NaN or infinite
    values, or all zeros (unless `allow_empty`).
    """
    path = Path(path)
    image = open_image(path)
    shape = image.shape
    while len(shape) > ndim and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != ndim:
        cure = "extract one volume first" if len(shape) > ndim else "give the whole series"
        raise InputError(f"{ndim}D image needed", path, f"found {len(shape)}D, shape {image.shape}", cure)
    data = _values(image, path).reshape(shape)
    if not allow_empty and not data.any():
        raise InputError("image is empty", path, "every voxel is 0, expected signal", "check how it was made")
    return Volume(data, Grid.of(image), path)


def _values(image: nib.Nifti1Image, path: Path) -> NDArray[np.float32]:
    """All voxel values. Raises InputError for complex or colour, truncated, NaN or infinite data."""
    stored = image.get_data_dtype()
    if stored.kind not in "iuf":
        values = f"data type {'colour' if stored.names else stored}, expected real numbers"
        raise InputError("voxels are not real numbers", path, values, "write magnitude or grey values")
    try:
        data = np.asarray(_whole(image, path).dataobj, dtype=np.float32)
    except (OSError, EOFError, zlib.error, ValueError, nib.filebasedimages.ImageFileError) as fault:
        cure = "copy the file again; if the workflow made it, delete it and run again"
        raise InputError("image data truncated or corrupt", path, str(fault), cure) from fault
    bad = int((~np.isfinite(data)).sum())
    if bad:
        raise InputError("NaN or infinite voxels", path, f"{bad} of {data.size}, expected 0", "mend the image")
    return data


def _whole(image: nib.Nifti1Image, path: Path) -> nib.Nifti1Image:
    """The image with all its bytes, their checksum compared: nibabel stops at the last voxel, before gzip's checksum.

    What is not a single compressed file has no checksum and is left as it is.
    """
    one_file = isinstance(image, nib.Nifti1Image) and image.files_types == (("image", ".nii"),)
    if Path(path).suffix != ".gz" or not one_file:
        return image
    return type(image).from_bytes(gzip.decompress(Path(path).read_bytes()))


def load_mask(
    path: Path,
    grid: Grid | None = None,
    reference: Path | str = "",
    allow_empty: bool = False,
    labels: bool = False,
) -> NDArray[np.bool_]:
    """Load a mask (X, Y, Z): true above 0.5; check its grid when one is given.

    Allowed are fractions from 0 to 1, 0 and one other whole number (0/1, 0/255), each of any data type, and with
    `labels`, for lesion masks that number their lesions, whole numbers from 0 to 255. Raises InputError for other
    values (an image in the place of a mask), another grid, or an empty mask unless `allow_empty`.
    """
    image = open_image(path)
    if grid is not None:
        grid.require(Grid.of(image), path, reference)
    data = _values(image, path)
    if data.ndim == 4 and data.shape[3] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise InputError("3D mask needed", path, f"found {data.ndim}D, shape {image.shape}", "extract one volume first")
    _require_mask(data, path, labels)
    mask = data > 0.5
    if not mask.any() and not allow_empty:
        raise InputError("mask is empty", path, "0 voxels, expected at least 1", "check the step that made it")
    return mask


def _require_mask(data: NDArray[np.float32], path: Path, labels: bool) -> None:
    """Raise InputError unless data (X, Y, Z) are fractions, 0 and one whole number, or allowed labels."""
    low, high = float(data.min()), float(data.max())
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return
    whole = low >= 0 and bool((np.abs(data - data.round()) <= _ROUNDING).all())
    smallest = float(data[data > 0.5].min()) if high > 0.5 else 0.0
    if whole and (high - smallest <= _ROUNDING or (labels and high <= _LARGEST_LABEL)):
        return
    kinds = "several whole numbers" if whole else "other numbers"
    values = f"{kinds} from {low:g} to {high:g}, expected fractions 0-1 or 0 and one whole number"
    values += f", or labels 0-{_LARGEST_LABEL}" if labels else ""
    raise InputError("not a mask", path, values, "give the mask, or make one of the label you mean")


def save_volume(path: Path, data: NDArray, grid: Grid, dtype: DTypeLike = np.float32) -> None:
    """Write NIfTI-1 in one step: explicit dtype, qform = sform (code 1, scanner), mm and s, no patient text.

    data: (X, Y, Z) or (X, Y, Z, N) on `grid`; labels and masks go as uint8. An affine with shears, which a qform cannot
    hold, is written as sform alone (qform code 0). Raises ValueError for another shape.
    """
    if tuple(data.shape[:3]) != tuple(grid.shape):
        raise ValueError(f"data of shape {data.shape} do not fit a grid of {grid.shape}")
    image = nib.Nifti1Image(np.asarray(data).astype(dtype), grid.affine)
    image.set_data_dtype(np.dtype(dtype))
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(grid.affine, code=1)
    rigid = image.get_qform()
    if np.allclose(rigid, grid.affine, atol=1e-3):
        image.set_sform(rigid, code=1)
    else:
        image.set_sform(grid.affine, code=1)
        image.set_qform(None, code=0)
    with staged(Path(path)) as (part,):
        nib.save(image, part)
