"""A page: one HTML file with everything inside."""

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib

from myelosynth import __version__
from myelosynth.images.atomic import write_bytes, write_text
from myelosynth.reports.simulated import NOTICE

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.figure import Figure

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in a participant's id or a column's name is a dollar
    "svg.hashsalt": "myelosynth",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Picture:
    """A figure of a page: data URI, words for those who cannot see it, caption; the plot itself behind an SVG."""

    uri: str
    alt: str
    caption: str = ""
    figure: Figure | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Gap:
    """Something that a page would show and cannot: what, and why."""

    what: str
    why: str


@contextmanager
def plotting() -> Iterator[None]:
    """The style of every plot; figures left open are closed on the way out."""
    with pyplot.rc_context(_STYLE):
        try:
            yield
        finally:
            pyplot.close("all")


def svg_uri(figure: Figure) -> str:
    """A figure as an SVG data URI, without a date, the same bytes each time."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(stream.getvalue()).decode()}"


def png_uri(figure: Figure, true_colour: bool, dpi: int = 110) -> str:
    """A figure as a PNG data URI, the same bytes each time; of at most 255 colours unless `true_colour`.

    A palette makes grey pictures a third of their size; it would change the colours of maps and labels.
    """
    from PIL import Image

    stream, small = io.BytesIO(), io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    stream.seek(0)
    image = Image.open(stream).convert("RGB")
    if not true_colour:
        image = image.quantize(255, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    image.save(small, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(small.getvalue()).decode()}"


def save_picture(
    picture: Picture, folder: Path, name: str, simulated: bool, key: Sequence[tuple[str, str]] = ()
) -> None:
    """Write a picture as files of its own: NAME.png, and NAME.svg where it is a plot.

    Alone, a file has neither the page's notice nor its colour key (colour, words), so both are written into it.
    """
    notice = NOTICE.split(". ")[0] + "." if simulated else ""
    if picture.figure is not None:
        if notice:
            picture.figure.text(1.0, 0.0, notice, ha="right", va="top", fontsize=7, color="#8a6d00")
        for kind in ("svg", "png"):
            stream = io.BytesIO()
            metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
            with pyplot.rc_context(_STYLE):
                picture.figure.savefig(stream, format=kind, dpi=150, bbox_inches="tight", metadata=metadata)
            write_bytes(folder / f"{name}.{kind}", stream.getvalue())
        return
    kind, data = picture.uri.removeprefix("data:image/").split(";base64,", 1)
    if kind != "png":
        raise ValueError(f"a picture of kind {kind} without its plot")
    write_bytes(folder / f"{name}.png", _with_strip(base64.b64decode(data), notice, key))


def _with_strip(png: bytes, notice: str, key: Sequence[tuple[str, str]]) -> bytes:
    """A PNG with a strip below it that holds the colour key and the notice."""
    from PIL import Image, ImageDraw, ImageFont

    image, font, high = Image.open(io.BytesIO(png)).convert("RGB"), ImageFont.load_default(13), 26
    if not notice and not key:
        return png
    whole = Image.new("RGB", (image.width, image.height + high), "black")
    whole.paste(image, (0, 0))
    pen, left, top = ImageDraw.Draw(whole), 6, image.height + 5
    for colour, words in key:
        pen.rectangle((left, top + 2, left + 12, top + 14), fill=colour)
        pen.text((left + 17, top), words, font=font, fill="white")
        left += 17 + int(pen.textlength(words, font=font)) + 14
    pen.text((whole.width - 6 - pen.textlength(notice, font=font), top), notice, font=font, fill="#ffd54a")
    stream = io.BytesIO()
    whole.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def write_page(out: Path, template: str, simulated: bool, **context: Any) -> None:
    """Render a template of this room and write it in one step."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("myelosynth.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    notice = NOTICE if simulated else ""
    write_text(out, environment.get_template(template).render(notice=notice, version=__version__, **context))
