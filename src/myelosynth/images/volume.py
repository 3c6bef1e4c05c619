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


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxel values on a grid: data (X, Y, Z) or (X, Y, Z, N) as float32, and where they came from."""

    data: NDArray[np.float32]
    grid: Grid
    path: Path


def open_image(path: Path) -> nib.Nifti1Image:
    """Open a NIfTI header; a header with only a qform (sform code 0) is accepted. Raises InputError."""
    path = Path(path)
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path or run the step that makes it")
    try:
        image = nib.load(path)
    except (nib.filebasedimages.ImageFileError, OSError, EOFError, zlib.error) as fault:
        raise InputError("not a readable NIfTI image", path, str(fault), "convert or copy the file again") from fault
    if abs(np.linalg.det(image.affine[:3, :3])) < 1e-9:  # type: ignore[attr-defined]
        raise InputError("affine is singular", path, "determinant 0, expected non-zero", "repair the header")
    return image  # type: ignore[return-value]


def load_volume(path: Path, ndim: int = 3, allow_empty: bool = False) -> Volume:
    """Load an image of `ndim` dimensions as float32; a trailing axis of length 1 is dropped.

    Raises InputError for a missing or truncated file, other dimensions, NaN or infinite values, or all zeros
    (unless `allow_empty`).
    """
    path = Path(path)
    image = open_image(path)
    shape = image.shape
    while len(shape) > ndim and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != ndim:
        cure = "extract one volume first" if len(shape) > ndim else "give the whole series"
        raise InputError(f"{ndim}D image needed", path, f"found {len(shape)}D, shape {image.shape}", cure)
    try:
        data = np.asarray(image.dataobj, dtype=np.float32).reshape(shape)
    except (OSError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as fault:
        raise InputError("image data truncated or corrupt", path, str(fault), "copy the file again") from fault
    bad = int((~np.isfinite(data)).sum())
    if bad:
        raise InputError("NaN or infinite voxels", path, f"{bad} of {data.size}, expected 0", "mend the image")
    if not allow_empty and not data.any():
        raise InputError("image is empty", path, "every voxel is 0, expected signal", "check how it was made")
    return Volume(data, Grid.of(image), path)


def load_mask(
    path: Path, grid: Grid | None = None, reference: Path | str = "", allow_empty: bool = False
) -> NDArray[np.bool_]:
    """Load a binary mask (X, Y, Z), values above 0.5; check its grid when one is given.

    Raises InputError for another grid, or for an empty mask unless `allow_empty`.
    """
    image = open_image(path)
    if grid is not None:
        grid.require(Grid.of(image), path, reference)
    try:
        data = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, zlib.error, ValueError) as fault:
        raise InputError("image data truncated or corrupt", path, str(fault), "copy the file again") from fault
    if data.ndim == 4 and data.shape[3] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise InputError("3D mask needed", path, f"found {data.ndim}D, shape {image.shape}", "extract one volume first")
    mask = data > 0.5
    if not mask.any() and not allow_empty:
        raise InputError("mask is empty", path, "0 voxels, expected at least 1", "check the step that made it")
    return mask


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
