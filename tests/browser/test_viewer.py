"""The viewer in a real browser: it opens from disk, shows each side where it belongs, and obeys its controls."""

import base64
import io
from pathlib import Path

import jinja2
import numpy as np
import pytest
from PIL import Image

from myelosynth.reports.maps import CHANGE
from myelosynth.reports.viewer import Overlay, viewer

from ..reports.test_viewer import analysis_of
from .chromium import Chromium

pytestmark = pytest.mark.browser

# a lesion at the patient's left, in front, above; world mm
LESION = (-10.0, 8.0, 6.0)
PAGE = """{% extends "base.html" %}{% from "viewer.html" import viewer, locate %}{% block body %}
{{ viewer(item) }}<p>{{ locate((4, -6, 2), "lesion 1") }}</p>{% endblock %}"""
SECTION = "document.querySelector('section.viewer')"
# the canvas is read in the task that draws it
PIXELS = f"(v => {{ v.niivue.drawScene(); return v.querySelector('canvas').toDataURL(); }})({SECTION})"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the viewer of a small made-up brain, its lesion in the colour of demyelination."""
    analysis = analysis_of("LAS", LESION)
    dvr = np.where(analysis.brain, 1.2, 0.0)
    overlays = [
        Overlay("Change", "measured", analysis.lesions.astype(np.uint8), palette=CHANGE),
        Overlay("DVR", "predicted, t0", dvr, analysis.brain, low=0.8, high=1.4, unit="DVR"),
    ]
    loader = jinja2.ChoiceLoader(
        [jinja2.DictLoader({"page": PAGE}), jinja2.PackageLoader("myelosynth.reports", "templates")]
    )
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    out = tmp_path_factory.mktemp("viewer") / "viewer.html"
    template = environment.get_template("page")
    out.write_text(template.render(item=viewer(analysis, overlays), title="viewer", notice="", version="0"))
    return out


@pytest.fixture(scope="module")
def opened(browser: Chromium, page: Path) -> Chromium:
    """The page with its viewer open."""
    browser.open(page, 900, 1000)
    browser.js("document.querySelector('.viewer-open').click()")
    browser.until(f"['open', 'failed'].includes({SECTION}.dataset.state)")
    assert browser.js(f"{SECTION}.dataset.state") == "open", browser.js(
        "document.querySelector('.viewer-state').textContent"
    )
    return browser


def pixels(browser: Chromium) -> np.ndarray:
    """The canvas as (rows, columns, 3)."""
    png = base64.b64decode(browser.js(PIXELS).split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def pick(browser: Chromium, name: str, value: str) -> None:
    """Choose a radio button as a reader does; the picture follows within a task or two."""
    browser.js(f'document.querySelector(\'input[name="viewer-{name}"][value="{value}"]\').click()')
    browser.js("new Promise((done) => setTimeout(done, 300))")


def centre_of(picture: np.ndarray, colour: str) -> np.ndarray | None:
    """Row and column, as fractions from -1 to 1, of the pixels of about a colour; None without any."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    found = np.argwhere(np.abs(picture - wanted).max(axis=2) < 40)
    return None if len(found) < 20 else 2 * found.mean(axis=0) / picture.shape[:2] - 1


def overlay_number(browser: Chromium, group: str) -> str:
    record = f"JSON.parse({SECTION}.querySelector('.viewer-record').textContent).images"
    return str(browser.js(f"{record}.findIndex((image) => image.group === '{group}')"))


def test_it_opens_from_disk_and_draws(opened, page):
    assert opened.requests() == [page.as_uri()]
    assert opened.complaints() == []
    picture = pixels(opened)
    assert (picture.max(axis=2) > 40).mean() > 0.05, "the canvas is black"


@pytest.mark.parametrize(
    ("plane", "row", "column"),
    [("axial", -1, 1), ("coronal", -1, 1), ("sagittal", -1, -1)],  # left at the right; up above; the face to the left
)
def test_the_patients_left_is_at_the_right_and_faces_look_left(opened, plane, row, column):
    opened.js(
        "(() => { const s = document.querySelector('.viewer-opacity'); s.value = 100; "
        "s.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )
    pick(opened, "overlay", overlay_number(opened, "Change"))
    pick(opened, "planes", plane)
    found = centre_of(pixels(opened), CHANGE[0][0])
    assert found is not None
    assert found[0] * row > 0.02
    assert found[1] * column > 0.02


def test_overlays_are_switched(opened):
    pick(opened, "planes", "axial")
    pick(opened, "overlay", overlay_number(opened, "Change"))
    labels = pixels(opened)
    pick(opened, "overlay", overlay_number(opened, "DVR"))
    values = pixels(opened)
    pick(opened, "overlay", "none")
    nothing = pixels(opened)
    assert np.ptp(nothing, axis=2).mean() < np.ptp(labels, axis=2).mean() < np.ptp(values, axis=2).mean()
    assert centre_of(labels, CHANGE[0][0]) is not None
    assert centre_of(nothing, CHANGE[0][0]) is None
    box = "document.querySelector('.viewer-outline')"
    green = centre_of(nothing, "#00E676")
    opened.js(f"{box}.click()")
    without = pixels(opened)
    opened.js(f"{box}.click()")
    assert green is not None
    assert centre_of(without, "#00E676") is None


def test_a_button_of_the_page_leads_to_its_place_and_the_value_is_told(opened):
    pick(opened, "overlay", overlay_number(opened, "DVR"))
    opened.js("document.querySelector('.locate').click()")
    opened.js("new Promise((done) => setTimeout(done, 100))")
    told = opened.js("document.querySelector('.viewer-where').textContent")
    assert told.startswith("x 4, y −6, z 2 mm; DVR, predicted, t0: 1.2")
    assert abs(opened.js("Number(document.querySelector('.viewer-y').value)") + 6) < 1.1
    opened.js(
        "(() => { const s = document.querySelector('.viewer-x'); s.value = -8; "
        "s.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    assert opened.js("document.querySelector('.viewer-where').textContent").startswith("x −8, y −6, z 2 mm")


def test_the_open_viewer_is_accessible(opened, axe):
    opened.js(axe + ";0")
    told = opened.js("axe.run(document).then((r) => r.violations.map((v) => [v.id, v.nodes[0].html.slice(0, 200)]))")
    assert told == []


def test_without_webgl_the_reader_is_told(browser, page):
    browser.open(page, 900)
    browser.js("HTMLCanvasElement.prototype.getContext = () => null; 0")
    browser.js("document.querySelector('.viewer-open').click()")
    browser.until(f"{SECTION}.dataset.state === 'failed'", 30)
    assert "no WebGL 2" in browser.js("document.querySelector('.viewer-state').textContent")
    assert not browser.js("document.querySelector('.viewer-stage').checkVisibility()")
