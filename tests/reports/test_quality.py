"""The quality control folded into a patient's page, and the small pictures it is made of."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from myelosynth.bids.index import SessionIndex
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import write_json
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_volume, save_volume
from myelosynth.reports.quality import quality
from myelosynth.reports.registration import Fixed, made_image
from myelosynth.reports.slices import Cut, Layer
from myelosynth.reports.strip import strip

from .test_pages import MAIN, run


def pixels(uri):
    assert uri.startswith("data:image/png;base64,")
    image = Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))
    return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("cut", "right", "up"),
    [(Cut(2, 7), True, True), (Cut(1, 8), True, True), (Cut(0, 1), False, True)],  # sagittal: faces left
)
def test_a_strip_is_radiological(cut, right, up):
    data = np.zeros((10, 10, 10), np.float32)
    data[1, 8, 7] = 1.0  # patient's left, anterior, superior
    shown = pixels(strip([cut], [Layer("image", data)], (1.0, 1.0, 1.0)))
    rows, columns = np.nonzero(shown[:, 16:-16].min(axis=2) > 150)
    assert (columns.mean() > shown.shape[1] / 2 - 16) == right
    assert (rows.mean() < shown.shape[0] / 2) == up


def test_an_outline_has_its_colour_and_a_dark_rim_and_voxels_their_size():
    data, inside = np.full((20, 20, 20), 0.8, np.float32), np.zeros((20, 20, 20), bool)
    inside[5:15, 5:15, 5:15] = True
    layers = [Layer("image", data), Layer("outline", inside, colour="#F0E442")]
    shown = pixels(strip([Cut(2, 10), Cut(1, 10)], layers, (1.0, 1.0, 2.0)))
    yellow = (shown == (0xF0, 0xE4, 0x42)).all(axis=2)
    assert 200 < yellow.sum() < 4000
    assert (shown.max(axis=2) < 130).sum() > yellow.sum() / 2, "no rim"
    filled = np.flatnonzero((shown > 100).any(axis=(0, 2)))
    gap = filled[np.flatnonzero(np.diff(filled) > 1)]
    assert len(gap) == 1, "two panels with a gap between them"
    assert shown.shape[0] == 190
    assert shown.shape[1] == pytest.approx(95 + 95, abs=8), "20 mm wide, 40 mm high"


def test_a_coarser_grid_stays_in_place():
    brain = np.zeros((9, 8, 7), bool)
    brain[4, 4, 4] = True
    fixed = Fixed(Grid(brain.shape, np.diag([-1.0, 1.0, 2.0, 1.0])), brain, brain)
    coarse = fixed.coarser(1.9)
    assert coarse.grid.shape == (5, 4, 7)
    assert coarse.grid.voxel_sizes == (2.0, 2.0, 2.0)
    assert coarse.brain[2, 2, 4]
    assert coarse.white is not None
    np.testing.assert_array_equal(coarse.grid.affine @ (2, 2, 4, 1), fixed.grid.affine @ (4, 4, 4, 1))


def test_sessions_are_folded_into_the_page_with_their_link(study):
    out = study.layout.page("quality")
    options = ("--index", study.index, "--system", MAIN, "--tables", study.results / "tables", "--raw", study.raw)
    run("patient", study.results, "--sub", "001", *options, "--out", out)
    text = out.read_text()
    out.unlink()
    for ses in ("t0", "t1"):
        part = text[text.index(f"<details><summary>Session {ses}: brain outline") :].split("</details>")[0]
        assert f'<a href="qc/sub-001_ses-{ses}.html">' in part
        assert part.count('class="on-flick"') == (5 if ses == "t0" else 6), "five contrasts; t1 also onto the baseline"
        assert 'alt="brain mask outline over T1w' in part
        assert 'alt="CSF, grey and white matter contours' in part
        assert len(part) < 600_000
    names = re.findall(r'<input type="radio" class="on-before" name="([^"]+)"', text)
    assert len(names) == len(set(names)) == 11


def test_what_cannot_be_drawn_is_a_gap(build_study, tmp_path):
    study = build_study(tmp_path, scored=False)
    study.layout.probseg("001", "t0", "WM").unlink()
    study.layout.brain_mask("001", "t1").unlink()
    index = SessionIndex.read(study.index, study.raw)
    first, second = quality(study.layout, index, "001", ("t0", "t1"), tmp_path / "page.html")
    assert first.brain is not None
    assert first.tissue is None
    assert [gap.what for gap in first.gaps] == ["tissue contours over T1w"]
    assert second.brain is None
    assert len(second.registrations) == 1, "onto the baseline"
    assert "brain mask of the fixed T1w is not there" in second.gaps[-1].why


def test_the_image_that_was_registered_is_shown(build_study, tmp_path):
    """The mean b = 0 that the transform's sidecar names, not a mean of the raw series."""
    layout = build_study(tmp_path, scored=False).layout
    transform, made = layout.transform("001", "t0", "DWI", "T1w"), layout.work("001", "t0", "b0.nii.gz")
    assert made_image(layout, "001", "t0", "DWI", transform) is None
    image = load_volume(layout.anat("001", "t0", "T1w"))
    save_volume(made, np.full(image.grid.shape, 7.0), image.grid)
    assert made_image(layout, "001", "t0", "DWI", transform) is None, "another image was registered"
    write_json(sidecar_path(transform), {"Moving": "b0.nii.gz"})
    found = made_image(layout, "001", "t0", "DWI", transform)
    assert found is not None
    assert found[0].max() == pytest.approx(7)
    assert made_image(layout, "001", "t0", "FLAIR", transform) is None
