"""Names that are no words: HTML in a participant's id and so in every file name of his, dollars in a figure."""

import html
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from myelosynth.bids.index import IndexRow, SessionIndex, read_table
from myelosynth.images.volume import load_volume, save_volume
from myelosynth.reports.agreement_plots import _label_points
from myelosynth.reports.cohort import write_cohort_page
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.page import plotting, svg_uri
from myelosynth.reports.patient import write_patient_page
from myelosynth.reports.session import write_session_page

MAIN = "refiner-cf-sagan-nwl1"
ODD = "<img src=x onerror=alert(1)>&'$x^2$"


@pytest.fixture(scope="module")
def pages(build_study, tmp_path_factory):
    """Every page of a study whose first patient has the odd name."""
    folder = tmp_path_factory.mktemp("odd")
    study = build_study(folder, images=(ODD,), first=ODD)
    # Reading the index refuses such a name; a page must not depend on that.
    rows = read_table(study.index, IndexRow._fields)
    found = [IndexRow(*(row[field].replace("n/a", "") for field in IndexRow._fields)) for row in rows]
    index = SessionIndex(study.raw, tuple(found))
    tables = study.results / "tables"
    write_session_page(study.layout, study.raw, index, ODD, "t0", folder / "session.html")
    write_patient_page(study.layout, index, ODD, MAIN, tables, folder / "patient.html", None)
    inputs = CohortInputs(study.layout, index, tables, (MAIN,), MAIN, None)
    write_cohort_page(inputs, study.layout.table("split"), folder / "cohort.html")
    return {name: (folder / f"{name}.html").read_text() for name in ("session", "patient", "cohort")}


@pytest.mark.parametrize("name", ["session", "patient", "cohort"])
def test_no_tag_of_an_id_reaches_a_page(pages, name):
    text = pages[name]
    assert "<img src=x" not in text
    assert f"sub-{html.escape(ODD).replace('&#x27;', '&#39;')}" in text
    assert not re.search(r"<[^>]+ onerror=", re.sub(r"""="[^"]*\"""", "", text))


def test_a_dollar_is_a_dollar_in_a_figure():
    """As mathtext this label cannot be drawn at all."""
    odd = pd.Series([1.0], index=["sub-$\\no$"])
    with plotting():
        figure, ax = pyplot.subplots()
        _label_points(ax, odd, odd)
        assert svg_uri(figure).startswith("data:image/svg+xml;base64,")


def test_one_lesion_voxel_has_a_page(build_study, tmp_path):
    study = build_study(tmp_path)
    layout, kept = study.layout, {}
    for image in sorted(layout.derivatives.parent.rglob("sub-001*_space-dvrt0*_mask.nii.gz")):
        if "desc-brain" not in image.name:
            kept[image] = load_volume(image, allow_empty=True)
    lesions = kept[layout.label_mask("001", "t0", "L", "dvrt0")].data > 0
    one = np.zeros_like(lesions)
    one[tuple(np.argwhere(lesions)[0])] = True
    for image, volume in kept.items():
        save_volume(image, (volume.data > 0) & one, volume.grid, np.uint8)
    for image in layout.derivatives.parent.rglob("sub-001*_dseg.nii.gz"):
        volume = load_volume(image)
        save_volume(image, np.where(one, volume.data, 0), volume.grid, np.uint8)
    index = SessionIndex.read(study.index, study.raw)
    write_patient_page(layout, index, "001", MAIN, study.results / "tables", tmp_path / "p.html", None)
    text = (tmp_path / "p.html").read_text()
    assert "there is no baseline lesion" not in text
    assert "nan" not in re.sub(r"<script.*?</script>|base64,[^\"]*", "", text, flags=re.DOTALL).lower().split()
