"""Volumes cut into slices and drawn: closest RAS order, true voxel aspect, radiological convention."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from myelosynth.images.grid import Grid

CONVENTION = (
    "Images are shown in radiological convention: the patient's left is on the right of the picture; "
    "sagittal slices face left."
)
AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
SIDES = {0: ("A", "P"), 1: ("R", "L"), 2: ("R", "L")}

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Cut:
    """One slice: plane axis of the RAS volume (0 sagittal, 1 coronal, 2 axial) and voxel index along it."""

    axis: int
    index: int


@dataclass(frozen=True, eq=False)
class Layer:
    """Something to draw on a slice: a volume (X, Y, Z) in closest RAS order, and how.

    kind: `image` (colour map between `low` and `high`; voxels outside `shown` stay clear), `labels` (colour per value,
    0 clear) or `outline` (contour at `level`).
    """

    kind: str
    data: NDArray
    colour: str = "gray"
    low: float = 0.0
    high: float = 1.0
    shown: NDArray[np.bool_] | None = None
    palette: tuple[str, ...] = ()
    level: float = 0.5
    alpha: float = 1.0
    width: float = 0.8


def closest_ras(data: NDArray, grid: Grid) -> tuple[NDArray, tuple[float, float, float]]:
    """Data (X, Y, Z) with axes flipped and permuted to closest RAS, and voxel sizes in mm in that order."""
    orientation = nib.orientations.io_orientation(grid.affine)
    ordered = nib.orientations.apply_orientation(data, orientation)
    sizes = [0.0, 0.0, 0.0]
    for axis, size in zip(orientation[:, 0].astype(int), grid.voxel_sizes, strict=True):
        sizes[axis] = size
    return ordered, (sizes[0], sizes[1], sizes[2])


def box_of(mask: NDArray[np.bool_], sizes: Sequence[float], margin_mm: float) -> Box:
    """The bounding box of a mask (X, Y, Z; voxel `sizes` in mm) with a margin; the whole volume for an empty mask."""
    if not mask.any():
        return (slice(None), slice(None), slice(None))
    found = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    margins = [round(margin_mm / size) for size in sizes]
    low = [max(int(f[0]) - m, 0) for f, m in zip(found, margins, strict=True)]
    high = [min(int(f[-1]) + m + 1, n) for f, m, n in zip(found, margins, mask.shape, strict=True)]
    return (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))


def even_cuts(mask: NDArray[np.bool_], axis: int, number: int, inner: float = 0.7) -> list[Cut]:
    """`number` cuts spread over the inner part of a mask's extent along an axis."""
    found = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    low, high = (int(found[0]), int(found[-1])) if len(found) else (0, mask.shape[axis] - 1)
    middle, half = (low + high) / 2, (high - low) / 2 * inner
    return [Cut(axis, int(i)) for i in dict.fromkeys(np.linspace(middle - half, middle + half, number).round())]


def fullest_cuts(mask: NDArray[np.bool_], axis: int, number: int, gap: int) -> list[Cut]:
    """The cuts with most mask voxels, at least `gap` voxels apart, in order; even cuts for an empty mask."""
    area = mask.sum(axis=tuple(a for a in range(3) if a != axis)).astype(float)
    if not area.any():
        return even_cuts(mask, axis, number)
    chosen: list[int] = []
    while len(chosen) < number and area.max() > 0:
        best = int(area.argmax())
        chosen.append(best)
        area[max(best - gap, 0) : best + gap + 1] = 0
    return [Cut(axis, index) for index in sorted(chosen)]


def window(data: NDArray, mask: NDArray[np.bool_] | None = None) -> tuple[float, float]:
    """Grey window: 1st to 99.5th percentile inside the mask (or of the non-zero voxels)."""
    values = data[mask] if mask is not None and mask.any() else data[data != 0]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, (1, 99.5)))
    return (low, high) if high > low else (low, low + 1)


def extent_mm(shape: Sequence[int], sizes: Sequence[float], axis: int) -> tuple[float, float]:
    """Width and height in mm of a cut across `axis`."""
    across, up = (a for a in range(3) if a != axis)
    return shape[across] * sizes[across], shape[up] * sizes[up]


def draw_cut(ax: Axes, layers: Sequence[Layer], cut: Cut, sizes: Sequence[float], sides: bool = True) -> None:
    """Draw layers of one cut: up is superior (anterior in axial cuts), the patient's left is on the right."""
    width, height = extent_mm(layers[0].data.shape, sizes, cut.axis)
    ax.set_axis_off()
    for layer in layers:
        _draw_layer(ax, layer, cut, (0.0, width, 0.0, height))
    ax.set_xlim(width, 0)
    ax.set_ylim(0, height)
    ax.set_aspect("equal")
    if sides:
        style: dict[str, Any] = {"color": "white", "fontsize": 7, "va": "center", "transform": ax.transAxes}
        ax.text(0.01, 0.5, SIDES[cut.axis][0], ha="left", **style)
        ax.text(0.99, 0.5, SIDES[cut.axis][1], ha="right", **style)


def _draw_layer(ax: Axes, layer: Layer, cut: Cut, extent: tuple[float, float, float, float]) -> None:
    plane = np.take(layer.data, cut.index, axis=cut.axis).T
    place: dict[str, Any] = {"origin": "lower", "extent": extent, "interpolation": "nearest", "alpha": layer.alpha}
    if layer.kind == "image":
        if layer.shown is not None:
            plane = np.where(np.take(layer.shown, cut.index, axis=cut.axis).T, plane, np.nan)
        ax.imshow(plane, cmap=layer.colour, vmin=layer.low, vmax=layer.high, **place)
    elif layer.kind == "labels":
        colours = ListedColormap(list(layer.palette))
        labels = np.where(plane > 0, np.rint(plane), np.nan)
        ax.imshow(labels, cmap=colours, vmin=0.5, vmax=len(layer.palette) + 0.5, **place)
    elif plane.min() < layer.level < plane.max():
        across = (np.arange(plane.shape[1]) + 0.5) * extent[1] / plane.shape[1]
        up = (np.arange(plane.shape[0]) + 0.5) * extent[3] / plane.shape[0]
        # a dark rim: an outline is seen on dark, bright and coloured ground alike
        rim = [Stroke(linewidth=layer.width + 1.1, foreground="black", alpha=0.75), Normal()]
        lines = ax.contour(across, up, plane, [layer.level], colors=[layer.colour], linewidths=layer.width)
        lines.set_path_effects(rim)
