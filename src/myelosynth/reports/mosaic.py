"""Rows of slices put together into one picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import pyplot
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from myelosynth.reports.page import plotting, png_uri
from myelosynth.reports.slices import Cut, Layer, draw_cut, extent_mm

_GAP = 0.04  # inches between panels
_HEAD = 0.24  # inches for the label above a row
_LEAST = 5.0  # inches a row's label may need
_BAR = 0.85  # inches for colour bars at the right


@dataclass(frozen=True)
class Row:
    """One row of slices: its label, its cuts and what is drawn in each."""

    label: str
    cuts: Sequence[Cut]
    layers: Sequence[Layer]


@dataclass(frozen=True)
class Bar:
    """A colour bar for the rows `first` to `last`."""

    label: str
    colour: str
    low: float
    high: float
    first: int
    last: int


def mosaic(
    rows: Sequence[Row], sizes: Sequence[float], width: float = 9.4, bars: Sequence[Bar] = (), highest: float = 2.6
) -> str:
    """Rows of slices as a PNG data URI, no wider than they need; all panels share one scale (mm per inch).

    width: most inches the page has; sizes: voxel sizes in mm of the RAS volumes; `highest`: most inches a panel may
    be high.
    """
    usable = width - (_BAR if bars else 0)
    extents = [[extent_mm(row.layers[0].data.shape, sizes, cut.axis) for cut in row.cuts] for row in rows]
    scale = min(
        *((usable - _GAP * (len(row) - 1)) / sum(w for w, _ in row) for row in extents),
        *(highest / max(h for _, h in row) for row in extents),
    )
    filled = max(scale * sum(w for w, _ in row) + _GAP * (len(row) - 1) for row in extents)
    usable, width = max(filled, _LEAST), width - usable + max(filled, _LEAST)
    heights = [scale * max(h for _, h in row) + (_HEAD if rows[n].label else _GAP) for n, row in enumerate(extents)]
    total = sum(heights)
    with plotting():
        figure = pyplot.figure(figsize=(width, total), facecolor="black")
        top, tops = total, []
        for row, panels, height in zip(rows, extents, heights, strict=True):
            tops.append((top, top - height))
            _draw_row(figure, row, panels, top, (width, total), usable, scale, sizes)
            top -= height
        for bar in bars:
            _draw_bar(figure, bar, (tops[bar.first][0] - _HEAD, tops[bar.last][1]), (width, total))
        coloured = any(layer.kind == "labels" or layer.shown is not None for row in rows for layer in row.layers)
        return png_uri(figure, true_colour=coloured)


def _draw_row(
    figure: Figure,
    row: Row,
    panels: Sequence[tuple[float, float]],
    top: float,
    page: tuple[float, float],
    usable: float,
    scale: float,
    sizes: Sequence[float],
) -> None:
    taken = scale * sum(w for w, _ in panels) + _GAP * (len(panels) - 1)
    left = (usable - taken) / 2
    if row.label:
        figure.text(left / page[0], (top - 0.17) / page[1], row.label, color="white", fontsize=8.5)
        top -= _HEAD
    for number, (cut, (width, height)) in enumerate(zip(row.cuts, panels, strict=True)):
        place = (left / page[0], (top - scale * height) / page[1], scale * width / page[0], scale * height / page[1])
        draw_cut(figure.add_axes(place), row.layers, cut, sizes, sides=number == 0)
        left += scale * width + _GAP


def _draw_bar(figure: Figure, bar: Bar, span: tuple[float, float], page: tuple[float, float]) -> None:
    middle, length = sum(span) / 2, min(span[0] - span[1], 2.6) * 0.85
    ax = figure.add_axes(((page[0] - _BAR + 0.12) / page[0], (middle - length / 2) / page[1], 0.012, length / page[1]))
    colours = ScalarMappable(Normalize(bar.low, bar.high), bar.colour)
    figure.colorbar(colours, cax=ax)
    ax.set_ylabel(bar.label, color="white", fontsize=8)
    ax.tick_params(colors="white", labelsize=7)
    ax.grid(False)
