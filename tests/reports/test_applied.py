"""The page of a patient without PET."""

import re

import numpy as np
import pytest

from myelosynth.bids.index import SessionIndex
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json, write_json
from myelosynth.errors import InputError
from myelosynth.images.volume import load_volume, save_volume
from myelosynth.reports.applied import write_applied_page
from myelosynth.synthesis.bundle.card import Card

SYSTEM = "refiner-cf-sagan-nwl1"
FINDING = {"words": "MTR mean 20, training subjects 30 to 33 (robust z 4.2)", "likely": ""}


def card_of(folder, **changed):
    record = {"System": SYSTEM, "Spread": False, "Limits": ["It has <limits>."], "Simulated": False, "Files": {}}
    write_json(folder / "model_card.json", record | changed)
    return Card(folder, record | changed)


@pytest.fixture
def mri_only(build_study, tmp_path):
    """The made-up patient 001 without a measured DVR."""
    study = build_study(tmp_path, scored=False)
    layout = study.layout
    for ses in ("t0", "t1"):
        layout.source("001", ses, "DVR").unlink()
        layout.demyelinated("true", "001", ses).unlink()
    text = "percent_t0\tpercent_t1\tglobal\tdemyelination\tremyelination\tcoverage\n.25\t.5\t.25\t.3125\t.0625\t1\n"
    layout.indices(SYSTEM, "001", "t1").write_text(text)
    return study


def page(study, card, out, sub="001"):
    write_applied_page(study.layout, SessionIndex.read(study.index, study.raw), sub, card, out, study.raw)
    return out.read_text()


def test_it_says_that_nothing_was_measured(mri_only, tmp_path):
    text = page(mri_only, card_of(tmp_path / "bundle"), tmp_path / "p.html")
    assert "<b>No PET: predicted only.</b>" in text
    assert "It has &lt;limits&gt;." in text
    assert "Out of distribution" not in text
    assert "within, or close to, the range of the training subjects" in text
    assert re.findall(r'<div class="big">([^<]*)</div>', text) == ["25.0", "50.0", "+25.0", "31.2", "6.2"]
    for alt in ("measured and predicted DVR maps", "demyelinated lesion voxels of", "demyelinating and remyelinating"):
        assert f'alt="{alt}' in text
    assert "Measured PET" not in text
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text)


def test_what_lies_beyond_training_stands_at_the_top(mri_only, tmp_path):
    sidecar = sidecar_path(mri_only.layout.prediction(SYSTEM, "001", "t1"))
    write_json(sidecar, read_json(sidecar) | {"BeyondTraining": [FINDING]})
    text = page(mri_only, card_of(tmp_path / "bundle"), tmp_path / "p.html")
    assert f"<li>t1: {FINDING['words']}</li>" in text
    assert text.index("Out of distribution") < text.index("Myelin in the lesions")


def test_a_model_of_simulated_data_on_a_real_patient_is_an_alarm(build_study, mri_only, tmp_path):
    alarm = "The model was trained on simulated data."
    card = card_of(tmp_path / "bundle", Simulated=True)
    assert alarm not in page(mri_only, card, tmp_path / "p.html"), "simulated patients have the banner"
    real = build_study(tmp_path / "real", simulated=False, scored=False)
    assert alarm in page(real, card, tmp_path / "q.html")
    assert alarm not in page(real, card_of(tmp_path / "other"), tmp_path / "q.html")


def test_one_scan_without_lesions(mri_only, tmp_path):
    layout = mri_only.layout
    for path in (layout.prediction(SYSTEM, "001", "t1"), layout.indices(SYSTEM, "001", "t1")):
        path.unlink()
    layout.label_mask("001", "t0", "L", "dvrt0").unlink()
    text = page(mri_only, card_of(tmp_path / "bundle"), tmp_path / "p.html")
    assert "there is no prediction of t1" in text
    assert "demyelinated voxels: there is no lesion mask, or it is empty." in text
    assert text.count("no lesion mask, or an empty one</p>") == 5


def test_lesions_outside_the_predicted_map_have_no_index(mri_only, tmp_path):
    layout = mri_only.layout
    layout.indices(SYSTEM, "001", "t1").write_text(
        "percent_t0\tpercent_t1\tglobal\tdemyelination\tremyelination\tcoverage\nn/a\tn/a\tn/a\tn/a\tn/a\t0.0\n"
    )
    text = page(mri_only, card_of(tmp_path / "bundle"), tmp_path / "p.html")
    assert re.findall(r'<div class="big">([^<]*)</div>', text) == 5 * ["–"]
    assert text.count("no lesion inside the predicted map</p>") == 5


def test_one_scan_with_lesions_has_its_share(mri_only, tmp_path):
    layout = mri_only.layout
    for path in (layout.prediction(SYSTEM, "001", "t1"), layout.indices(SYSTEM, "001", "t1")):
        path.unlink()
    layout.demyelinated(SYSTEM, "001", "t1").unlink()
    text = page(mri_only, card_of(tmp_path / "bundle"), tmp_path / "p.html")
    mask = load_volume(layout.demyelinated(SYSTEM, "001", "t0")).data > 0
    lesions = load_volume(layout.label_mask("001", "t0", "L", "dvrt0")).data > 0
    shown = re.findall(r'<div class="big">([^<]*)</div>', text)
    assert shown == [f"{100 * mask.sum() / lesions.sum():.1f}", "–", "–", "–", "–"]


def test_a_share_is_of_the_lesion_voxels_with_a_prediction(mri_only, tmp_path):
    """Half of the lesions lie outside the prediction: they count neither above nor below the line, and that is told."""
    layout = mri_only.layout
    for path in (layout.prediction(SYSTEM, "001", "t1"), layout.indices(SYSTEM, "001", "t1")):
        path.unlink()
    layout.demyelinated(SYSTEM, "001", "t1").unlink()
    lesions = load_volume(layout.label_mask("001", "t0", "L", "dvrt0")).data > 0
    outside = np.argwhere(lesions)[: int(lesions.sum()) // 2]
    for path, kind in (
        (layout.prediction(SYSTEM, "001", "t0"), np.float32),
        (layout.demyelinated(SYSTEM, "001", "t0"), np.uint8),
    ):
        image = load_volume(path)
        data = image.data.copy()
        data[tuple(outside.T)] = 0
        save_volume(path, data, image.grid, kind)
    mask = load_volume(layout.demyelinated(SYSTEM, "001", "t0")).data > 0
    text = page(mri_only, card_of(tmp_path / "bundle"), tmp_path / "p.html")
    covered = lesions.sum() - len(outside)
    assert f'<div class="big">{100 * mask.sum() / covered:.1f}</div>' in text
    told = f"{len(outside) / lesions.sum():.1%} of the baseline lesion volume has no predicted DVR at t0"
    assert f"{told}: percentages are of the rest" in text
    assert "Percentages are of the baseline lesion voxels that have a predicted DVR.</p>" in text


def test_missing_sources_are_an_alarm_and_a_column(mri_only, tmp_path):
    text = page(mri_only, card_of(tmp_path / "bundle"), tmp_path / "p.html")
    assert "Some sources are missing" not in text
    sidecar = sidecar_path(mri_only.layout.prediction(SYSTEM, "001", "t1"))
    write_json(sidecar, read_json(sidecar) | {"MissingSources": ["FA", "RD"]})
    text = page(mri_only, card_of(tmp_path / "bundle"), tmp_path / "p.html")
    assert "<li>t1: predicted without FA, RD</li>" in text
    assert "<li>the sessions were predicted from different sources" in text
    assert text.count("<td>FA, RD</td>") == 2


def test_the_spread_is_shown_where_there_is_one(mri_only, tmp_path):
    layout = mri_only.layout
    for ses in ("t0", "t1"):
        image = load_volume(layout.prediction(SYSTEM, "001", ses))
        path = layout.prediction(SYSTEM, "001", ses, desc="predDvrStd")
        save_volume(path, np.where(image.data > 0, 0.05, 0), image.grid)
        write_json(sidecar_path(path), {"SpreadOf": "differences between the members, not calibrated"})
    text = page(mri_only, card_of(tmp_path / "bundle", Spread=True), tmp_path / "p.html")
    assert 'alt="spread of the prediction"' in text
    assert "Made of: differences between the members, not calibrated." in text
    assert "<td>0.050</td>" in text


def test_faults(mri_only, tmp_path):
    card = card_of(tmp_path / "bundle")
    with pytest.raises(InputError, match="participant not in the index"):
        page(mri_only, card, tmp_path / "p.html", "999")
    with pytest.raises(InputError, match="prediction missing"):
        page(mri_only, card, tmp_path / "p.html", "002")
