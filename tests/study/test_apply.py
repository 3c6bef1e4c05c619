"""What `apply` finds out before the first job, and the configuration it runs with."""

import json
import shutil

import numpy as np
import pytest
import yaml

from myelosynth.bids.index import scan
from myelosynth.bids.layout import RawLayout
from myelosynth.bids.sidecar import write_json
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume
from myelosynth.study.apply import look_ahead, overlay
from myelosynth.study.config import read_study
from myelosynth.synthesis.bundle.card import CARD, read_card
from myelosynth.synthesis.bundle.statistics import MEASURES, Channel, TrainingStatistics

SOURCES = ["MTR", "FA", "RD", "AD"]


def write_bundle(folder, sources=SOURCES, native=2.0, system="ridge"):
    """A bundle's card and statistics; nothing else of it is looked at."""
    channels = {name: Channel(1.0, 0.1, {m: [1.0] for m in MEASURES}, native) for name in sources}
    write_json(folder / "statistics.json", TrainingStatistics((2.0, 2.0, 2.0), "RAS", [1400.0], channels).record())
    record = {"Format": 1, "System": system, "Sources": sources, "Inputs": sources, "Target": "DVR", "Members": []}
    write_json(folder / CARD, record | {"Spread": False, "Files": {}, "Limits": [], "Simulated": True})
    return read_card(folder)


@pytest.fixture
def card(tmp_path):
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def raw(tmp_path):
    """A: complete with lesions and follow-up; B: no MT at t1, no lesions; C: no DWI; D: t1 alone."""
    root = tmp_path / "data"
    raw = RawLayout(root, root / "derivatives" / "lesions")
    root.mkdir()
    write_json(root / "dataset_description.json", {"Name": "Mine", "BIDSVersion": "1.10.0"})
    rows = "".join(f"sub-{sub}\tpatient\n" for sub in "ABCD")
    (root / "participants.tsv").write_text(f"participant_id\tgroup\n{rows}")
    grid = Grid((2, 2, 2), np.diag([2.0, 2, 2, 1]))
    for sub, ses, leave in (
        ("A", "t0", ""),
        ("A", "t1", ""),
        ("B", "t0", ""),
        ("B", "t1", "MTR"),
        ("C", "t0", "dwi"),
        ("D", "t1", ""),
    ):
        images = [raw.anat(sub, ses, "T1w"), raw.anat(sub, ses, "FLAIR"), raw.dwi(sub, ses)]
        images += [raw.anat(sub, ses, "MTR", mt=mt) for mt in ("on", "off")]
        for path in images:
            if not leave or not path.name.endswith(f"_{leave}.nii.gz"):
                save_volume(path, np.ones(grid.shape), grid)
    save_volume(raw.pet("A", "t0"), np.ones(grid.shape), grid)
    save_volume(raw.lesion_mask("A", "t0"), np.ones(grid.shape), grid)
    return raw


def test_who_is_predicted_and_who_is_left_out(raw, card):
    found = look_ahead(raw, card)
    assert found.sessions == [("A", "t0"), ("A", "t1"), ("B", "t0")]
    assert found.gaps == [
        "gap: sub-B ses-t1 lacks MTR: no prediction",
        "gap: sub-B has no lesion mask: a predicted DVR, no demyelination and no indices",
        "gap: sub-C ses-t0 lacks FA, RD, AD: no prediction",
        "gap: sub-D ses-t1 has no complete ses-t0 to lie on: no prediction",
    ]


def test_a_participant_who_is_asked_for_must_have_every_channel(raw, card):
    assert look_ahead(raw, card, ["A"]).sessions == [("A", "t0"), ("A", "t1")]
    with pytest.raises(
        InputError,
        match=r"channel missing, .*sub-C ses-t0 lacks FA, RD, AD; trained on MTR, FA, RD, AD, "
        r".*a bundle of residual-context, which takes any of its sources \(ridge needs all\)",
    ):
        look_ahead(raw, card, ["C"])
    with pytest.raises(InputError, match=r"participant not in the data set, .*sub-X; the data set has sub-A, sub-B"):
        look_ahead(raw, card, ["X"])


def test_nobody_left_is_an_error(raw, card):
    for sub in "AB":
        raw.dwi(sub, "t0").unlink()
    with pytest.raises(InputError, match=r"nobody to predict, .*0 of 4 participants.*sub-A ses-t0 lacks FA, RD, AD"):
        look_ahead(raw, card)


def test_a_fault_of_one_participant_stops_nobody_else(raw, card):
    """A lesion mask on no known grid, a damaged header; but who is asked for by name is told."""
    mask = raw.lesion_mask("A", "t0")
    save_volume(mask.with_name(mask.name.replace("_space-FLAIR", "")), np.ones((3, 3, 3)), Grid((3, 3, 3), np.eye(4)))
    mask.unlink()
    found = look_ahead(raw, card)
    assert found.participants == ["B"]
    assert any(line.startswith("gap: sub-A is left out: lesion mask on no known grid, ") for line in found.gaps)
    with pytest.raises(InputError, match="lesion mask on no known grid"):
        look_ahead(raw, card, ["A"])
    raw.dwi("B", "t0").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"nobody to predict"):
        look_ahead(raw, card)


def test_two_pets_and_other_people_are_not_looked_at(raw, card):
    pet = raw.pet("A", "t0")
    for reconstruction in ("one", "two"):
        pet.with_name(pet.name.replace("_pet", f"_rec-{reconstruction}_pet")).write_bytes(b"")
    pet.unlink()
    assert look_ahead(raw, card).participants == ["A", "B"]
    with pytest.raises(InputError, match="several images for PET"):
        scan(raw)
    t1w = raw.anat("B", "t0", "T1w")
    for acquisition in ("one", "two"):
        shutil.copy(t1w, t1w.with_name(t1w.name.replace("_T1w", f"_acq-{acquisition}_T1w")))
    t1w.unlink()
    assert look_ahead(raw, card, ["A"]).participants == ["A"]
    with pytest.raises(InputError, match="several images for T1w"):
        look_ahead(raw, card)


def test_optional_sources_may_be_missing(raw, tmp_path):
    card = write_bundle(tmp_path / "any", system="residual-context")
    found = look_ahead(raw, card)
    assert found.sessions == [("A", "t0"), ("A", "t1"), ("B", "t0"), ("B", "t1"), ("C", "t0")]
    assert "gap: sub-B ses-t1 lacks MTR: predicted without, and flagged" in found.gaps
    assert "gap: sub-C ses-t0 lacks FA, RD, AD: predicted without, and flagged" in found.gaps
    for mt in ("on", "off"):
        raw.anat("C", "t0", "MTR", mt=mt).unlink()
    assert look_ahead(raw, card).participants == ["A", "B"]
    with pytest.raises(InputError, match="sub-C ses-t0 lacks MTR, FA, RD, AD"):
        look_ahead(raw, card, ["C"])


def test_much_coarser_images_are_refused_unless_told(raw, card, tmp_path):
    thick = Grid((2, 2, 2), np.diag([2.0, 2, 5, 1]))
    save_volume(raw.dwi("B", "t0"), np.ones(thick.shape), thick)
    with pytest.raises(
        InputError, match=r"image coarser than trained, .*FA of sub-B ses-t0.* 5 mm against 2 mm in train"
    ):
        look_ahead(raw, card)
    assert look_ahead(raw, card, allow_voxel_size=True).sessions
    assert look_ahead(raw, write_bundle(tmp_path / "other", native=3.5)).sessions, "1.5 times the trained ones pass"
    assert look_ahead(raw, write_bundle(tmp_path / "untold", native=None)).sessions, "2.5 times the analysis grid's"


def test_a_task_that_no_rule_serves(raw, tmp_path):
    with pytest.raises(InputError, match=r"bundle without rules, .*T2w, expected MTR, FA, RD, AD"):
        look_ahead(raw, write_bundle(tmp_path / "flair", ["T2w"]))


def test_the_overlay_is_a_valid_configuration(raw, card, repository, tmp_path, monkeypatch):
    from snakemake.utils import update_config

    monkeypatch.chdir(tmp_path)
    record = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    told = overlay(card, RawLayout(raw.root.relative_to(tmp_path), raw.lesions), tmp_path / "out", ["A"], True, False)
    update_config(record, json.loads(json.dumps(told)))
    study = read_study(record)
    assert study.simulate is None
    assert study.dataset.bids_dir == str(raw.root), "absolute: the workflow runs elsewhere"
    assert study.apply.participants == ["A"]
    assert (study.apply.allow_intensity, study.apply.unchanged) == (True, False)
    with pytest.raises(InputError, match="set `simulate: null`"):
        read_study(record | {"simulate": yaml.safe_load((repository / "config/config.yaml").read_text())["simulate"]})
