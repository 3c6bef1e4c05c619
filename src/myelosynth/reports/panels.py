"""One slice seen many times: a grid of labelled panels."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import pyplot
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from myelosynth.reports.page import plotting, png_uri
from myelosynth.reports.slices import Cut, Layer, draw_cut, extent_mm

_HEAD, _GAP, _BAR = 0.34, 0.06, 0.8  # inches: label above a panel, gap between panels, colour bars at the right


@dataclass(frozen=True)
class Panel:
    """What is drawn in one place, and the words above it (up to two lines)."""

    label: str
    layers: Sequence[Layer]


@dataclass(frozen=True)
class Scale:
    """A colour bar: what it shows, colour map, ends."""

    label: str
    colour: str
    low: float
    high: float


def panel_grid(
    panels: Sequence[Panel],
    cut: Cut,
    sizes: Sequence[float],
    columns: int,
    scale: Scale | None = None,
    width: float = 9.4,
) -> str:
    """Panels of one cut in rows of `columns` as a PNG data URI; sizes: voxel sizes in mm of the RAS volumes."""
    across, up = extent_mm(panels[0].layers[0].data.shape, sizes, cut.axis)
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    usable = width - (_BAR if scale else 0)
    wide = (usable - _GAP * (columns - 1)) / columns
    high = wide * up / across
    total = rows * (high + _HEAD) + _GAP
    with plotting():
        figure = pyplot.figure(figsize=(width, total), facecolor="black")
        for number, panel in enumerate(panels):
            row, column = divmod(number, columns)
            left, top = column * (wide + _GAP), total - row * (high + _HEAD)
            figure.text(
                left / width, (top - _HEAD + 0.04) / total, panel.label, color="white", fontsize=7.5, linespacing=1.05
            )
            place = (left / width, (top - _HEAD - high) / total, wide / width, high / total)
            draw_cut(figure.add_axes(place), panel.layers, cut, sizes, sides=number == 0)
        if scale:
            length = min(total * 0.7, 2.6)
            place = ((width - _BAR + 0.1) / width, 0.5 - length / total / 2, 0.012, length / total)
            axes = figure.add_axes(place)
            figure.colorbar(ScalarMappable(Normalize(scale.low, scale.high), scale.colour), cax=axes)
            axes.set_ylabel(scale.label, color="white", fontsize=8)
            axes.tick_params(colors="white", labelsize=7)
            axes.grid(False)
        return png_uri(figure, true_colour=True, dpi=150)
