"""Every page in a real browser: desktop, phone and paper, nothing asked of the network, axe without a finding."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from myelosynth.bids.index import SessionIndex
from myelosynth.reports.applied import write_applied_page
from myelosynth.reports.applied_cohort import write_applied_cohort_page

from ..reports.conftest import make_study
from ..reports.test_applied import card_of
from ..reports.test_comparison import run as comparison_page
from ..reports.test_pages import cohort_page, patient_page, session_page
from .chromium import Chromium

pytestmark = pytest.mark.browser

PAGES = ("session", "patient", "applied", "applied_cohort", "cohort", "comparison")
DESKTOP, PHONE, PAPER = 1400, 390, 718  # CSS pixels; paper: A4 within its margins
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MEASURE = """(() => {
  const wide = document.documentElement.clientWidth, boxes = [...document.querySelectorAll(".scroll, .pan")];
  const all = [...document.querySelectorAll("body *")];
  const seen = all.filter((e) => e.checkVisibility() && !e.closest(".scroll, .pan"));
  return {
    width: wide, scrollWidth: document.documentElement.scrollWidth,
    beyond: seen.filter((e) => e.getBoundingClientRect().right > wide + 1).map((e) => e.outerHTML.slice(0, 80)),
    images: [...document.images].map((i) => [i.alt, i.naturalWidth, i.getBoundingClientRect().width]),
    scrolling: boxes.filter((b) => b.scrollWidth > b.clientWidth + 1)
                    .map((b) => [b.getAttribute("aria-label"), b.scrollWidth, b.clientWidth, b.tabIndex]),
    hidden: [...document.querySelectorAll("details:not(.screen) > *:not(summary)")]
                    .filter((e) => !e.checkVisibility({contentVisibilityAuto: true})).length,
    folded: document.querySelectorAll("details:not([open]):not(.screen)").length,
    banner: getComputedStyle(document.querySelector("header")).position,
  };
})()"""


@dataclass(frozen=True)
class Layout:
    """What a page looks like at one width: measures, requests, complaints of the browser."""

    measures: dict
    requests: list[str]
    complaints: list[str]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind, of a made-up study."""
    study = make_study(tmp_path_factory.mktemp("study"))
    found = {name: study.layout.page(name) for name in PAGES}
    session_page(study, found["session"], ses="t1")
    patient_page(study, found["patient"])
    cohort_page(study, found["cohort"], "--raw", study.raw)
    card = card_of(tmp_path_factory.mktemp("bundle"))
    write_applied_page(
        study.layout, SessionIndex.read(study.index, study.raw), "001", card, found["applied"], study.raw
    )
    people = SessionIndex.read(study.index, study.raw)
    write_applied_cohort_page(study.layout, [people], card, found["applied_cohort"], study.raw)
    comparison_page("comparison", study, found["comparison"])
    return found


@pytest.fixture(scope="module")
def layouts(browser: Chromium, files: dict[str, Path]):
    """The layout of a page at a width, opened once; with the folder BROWSER_SHOTS a screenshot is kept there."""
    known: dict[tuple[str, int], Layout] = {}
    shots = os.environ.get("BROWSER_SHOTS")

    def layout(name: str, width: int) -> Layout:
        if (name, width) not in known:
            browser.open(files[name], width, media="print" if width == PAPER else "")
            known[name, width] = Layout(browser.js(MEASURE), browser.requests(), browser.complaints())
            if shots:
                Path(shots).mkdir(parents=True, exist_ok=True)
                Path(shots, f"{name}_{width}.png").write_bytes(browser.picture())
        return known[name, width]

    return layout


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_nobody_and_complains_of_nothing(files, layouts, name, width):
    found = layouts(name, width)
    assert found.requests == [files[name].absolute().as_uri()]
    assert found.complaints == []


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_lies_beside_the_screen(layouts, name, width):
    found = layouts(name, width).measures
    assert found["beyond"] == []
    assert found["scrollWidth"] <= found["width"]
    for label, _, _, tab in found["scrolling"]:
        assert tab == 0, f"no key scrolls {label}"


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_figures_can_be_read_and_the_banner_scrolls_away(layouts, name):
    found = layouts(name, PHONE).measures
    assert found["images"] or name in ("cohort", "applied_cohort")
    for alt, natural, shown in found["images"]:
        assert shown >= 0.6 * natural, alt
    assert found["banner"] == "static"
    assert layouts(name, DESKTOP).measures["banner"] == "sticky"


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_no_table_is_cut_and_nothing_is_folded_away(layouts, name):
    found = layouts(name, PAPER).measures
    assert found["scrolling"] == []
    assert found["scrollWidth"] <= found["width"]
    assert found["hidden"] == 0
    assert found["folded"] > 0 or name != "cohort", "the test needs a page that folds something"


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_fault(browser, files, axe, name, width):
    browser.open(files[name], width)
    browser.js(axe + ";0")
    told = browser.js(
        f"axe.run(document, {{runOnly: {json.dumps(RULES)}}}).then((r) => r.violations.map("
        "(v) => [v.id, v.nodes.length, v.help, v.nodes[0].html.slice(0, 200)]))"
    )
    assert told == []
    assert browser.js(f"axe.run(document, {{runOnly: {json.dumps(RULES)}}}).then((r) => r.passes.length)") > 15
