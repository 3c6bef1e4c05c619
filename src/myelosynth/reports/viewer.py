"""The 3-plane viewer of a page: the images it holds, as small as the page allows, and the library that draws them.

Images lie on the analysis grid, cut to the brain and empty outside it: the viewer shows no face.
"""

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import matplotlib
import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.images.grid import Grid, edges_in_words
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.reports.maps import Analysis
from myelosynth.reports.page import Gap
from myelosynth.reports.slices import box_of, window

LIBRARY = "niivue.umd.js.gz"
OUTLINE = "#00E676"
_COARSER = (1.5, 1.75, 2.0, 2.5, 3.0, 4.0)  # mm; tried in turn until the images fit
_MARGIN = 5.0  # mm around the brain
_NODES = 33  # of a colour map


@dataclass(frozen=True, eq=False)
class Overlay:
    """Something to lay over the anatomy: data (X, Y, Z) in closest RAS order on the analysis grid, and how.

    name: the words of its button; group: the words before its row of buttons. Without a `palette` the data are values,
    drawn in a matplotlib `colour` map from `low` to `high` wherever `shown`; with one (colour, words for each label
    from 1) they are labels, 0 clear. unit: for the read-out under the picture.
    """

    group: str
    name: str
    data: NDArray
    shown: NDArray[np.bool_] | None = None
    colour: str = "viridis"
    low: float = 0.0
    high: float = 1.0
    palette: Sequence[tuple[str, str]] = ()
    unit: str = ""


@dataclass(frozen=True)
class Viewer:
    """A viewer ready for the macro `viewer` of viewer.html.

    record: what its script reads (JSON): images, colours, groups; library: NiiVue as base64 of gzip; licences: of it;
    voxels: edges of the voxels shown, in words; coarser: whether they are larger than those of the analysis grid;
    size_mb: of the images on the page.
    """

    record: dict[str, Any]
    library: str
    licences: str
    voxels: str
    coarser: bool
    size_mb: float


def viewer(analysis: Analysis, overlays: Sequence[Overlay], largest: int = 3_100_000) -> Viewer | Gap:
    """The viewer of a patient: anatomy, lesion outline and overlays, in at most `largest` bytes of the page.

    Images that do not fit are resampled to coarser voxels, labels by nearest neighbour; a Gap where even the coarsest
    do not fit.
    """
    inside = ndimage.binary_fill_holes(analysis.brain | analysis.lesions)
    if not inside.any():
        return Gap("3-plane viewer", "the brain mask is empty")
    fine = _ras_grid(analysis)
    tried = 0
    for size in (None, *(size for size in _COARSER if size > min(fine.voxel_sizes) * 1.05)):
        grid = _cut(fine, inside, analysis.sizes, size)
        images = _images(analysis, overlays, inside, fine, grid)
        tried = sum(len(image["data"]) for image in images)
        if tried <= largest:
            record = {
                "images": images,
                "start": _start(analysis, fine),
                "box": _ends(grid),
                "step": min(grid.voxel_sizes),
            }
            voxels = edges_in_words([round(edge, 2) for edge in grid.voxel_sizes])
            return Viewer(record, library(), licences(), voxels, size is not None, tried / 1e6)
    return Gap(
        "3-plane viewer", f"its images take {tried / 1e6:.1f} MB, more than the {largest / 1e6:.1f} MB of a page"
    )


@cache
def library() -> str:
    """NiiVue, as base64 of its gzip file."""
    return base64.b64encode((files("myelosynth.reports") / "vendor" / LIBRARY).read_bytes()).decode()


@cache
def licences() -> str:
    """The licences of NiiVue and of what its bundle contains: a page hands both on."""
    return (files("myelosynth.reports") / "vendor" / "LICENSES.txt").read_text()


def _ras_grid(analysis: Analysis) -> Grid:
    """The analysis grid with its axes in closest RAS order, as the arrays of the analysis are."""
    orientation = nib.orientations.io_orientation(analysis.grid.affine)
    back = nib.orientations.inv_ornt_aff(orientation, analysis.grid.shape)
    return Grid(analysis.brain.shape, analysis.grid.affine @ back)


def _cut(fine: Grid, inside: NDArray[np.bool_], sizes: Sequence[float], size: float | None) -> Grid:
    """The grid around `inside` (X, Y, Z on `fine`) with a margin; voxels of `size` mm instead of the grid's own."""
    box = box_of(inside, sizes, _MARGIN)
    affine = fine.affine.copy()
    affine[:3, 3] += fine.affine[:3, :3] @ [part.start for part in box]
    shape = [part.stop - part.start for part in box]
    if size is not None:
        scale = np.maximum(size / np.array(fine.voxel_sizes), 1.0)
        affine[:3, 3] += affine[:3, :3] @ ((scale - 1) / 2)  # the outer edges stay where they are
        affine[:3, :3] *= scale
        shape = [int(np.ceil(n / s)) for n, s in zip(shape, scale, strict=True)]
    return Grid((shape[0], shape[1], shape[2]), affine)


def _images(
    analysis: Analysis, overlays: Sequence[Overlay], inside: NDArray[np.bool_], fine: Grid, grid: Grid
) -> list[dict[str, Any]]:
    """Anatomy, lesion outline and overlays on `grid`, ready for JSON."""

    def moved(data: NDArray, labels: bool = False) -> NDArray:
        return resample(data, fine, grid, LinearTransform.identity(), "nearest" if labels else "linear")

    there = moved(inside, labels=True) > 0
    low, high = window(analysis.background, analysis.brain)
    anatomy = Overlay("", analysis.background_name, analysis.background, colour="gray", low=low, high=high)
    found = [_image("anatomy", anatomy, moved(anatomy.data), there, grid)]
    lesions = moved(analysis.lesions, labels=True) > 0
    if lesions.any():
        edge = ndimage.binary_dilation(lesions) & ~lesions
        outline = Overlay("", "lesion outline", analysis.lesions, palette=((OUTLINE, "lesion outline"),))
        found.append(_image("outline", outline, edge, there, grid))
    for overlay in overlays:
        shown = there if overlay.shown is None else there & (moved(overlay.shown, labels=True) > 0)
        found.append(_image("overlay", overlay, moved(overlay.data, labels=bool(overlay.palette)), shown, grid))
    return found


def _image(kind: str, overlay: Overlay, data: NDArray, shown: NDArray[np.bool_], grid: Grid) -> dict[str, Any]:
    """One image in 8 bits: labels as they are; values as 1 (`low`) to 255 (the largest that is shown), 0 is clear."""
    told: dict[str, Any] = {"kind": kind, "group": overlay.group, "name": overlay.name, "unit": overlay.unit}
    if overlay.palette:
        told["labels"] = [{"colour": colour, "words": words} for colour, words in overlay.palette]
        return told | {"data": _nifti(np.where(shown, np.rint(data), 0), grid)}
    top = overlay.high if kind == "anatomy" or not shown.any() else max(overlay.high, float(data[shown].max()))
    slope = (top - overlay.low) / 254
    steps = 1 + np.clip(np.rint((data - overlay.low) / slope), 0, 254)
    told |= {
        "low": overlay.low,
        "high": overlay.high,
        "least": overlay.low - slope / 2,
        "map": _colours(overlay.colour),
    }
    return told | {"data": _nifti(np.where(shown, steps, 0), grid, slope, overlay.low - slope)}


def _nifti(data: NDArray, grid: Grid, slope: float = 1.0, start: float = 0.0) -> str:
    """Base64 of a gzipped 8-bit NIfTI image with nothing but its grid and scale in the header."""
    image = nib.Nifti1Image(data.astype(np.uint8), grid.affine)
    image.header.set_slope_inter(slope, start)
    image.header.set_xyzt_units("mm")
    return base64.b64encode(gzip.compress(image.to_bytes(), 9, mtime=0)).decode()


def _colours(name: str) -> dict[str, list[int]]:
    """A matplotlib colour map as NiiVue takes it: only what lies below it is clear."""
    nodes = matplotlib.colormaps[name](np.linspace(0, 1, _NODES))
    red, green, blue = (np.rint(255 * nodes[:, channel]).astype(int).tolist() for channel in range(3))
    places = np.rint(np.linspace(0, 255, _NODES)).astype(int).tolist()
    # the first entry, met only by values below the scale, is clear; the next repeats its colour
    return {
        "R": [red[0], *red],
        "G": [green[0], *green],
        "B": [blue[0], *blue],
        "A": [0, *[255] * _NODES],
        "I": [0, 1, *places[1:]],
    }


def _start(analysis: Analysis, fine: Grid) -> list[float]:
    """World mm (RAS) to open at: inside the largest lesion, else the middle of the brain."""
    where = analysis.lesions
    labels, n = ndimage.label(where)
    if n:
        where = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    else:
        where = analysis.brain if analysis.brain.any() else np.ones(fine.shape, bool)
    voxels = np.argwhere(where)
    middle = voxels[np.argmin(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1))]
    return [round(float(v), 2) for v in (fine.affine @ [*middle, 1])[:3]]


def _ends(grid: Grid) -> list[list[float]]:
    """Least and largest world mm (RAS) of voxel centres along each axis."""
    index = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (np.array(grid.shape) - 1)
    corners = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return [[round(float(a), 2), round(float(b), 2)] for a, b in zip(corners.min(0), corners.max(0), strict=True)]
