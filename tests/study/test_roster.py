"""Who can take which part of the line."""

import json
import re
from pathlib import Path

import pytest
import yaml

from myelosynth.bids.index import complete
from myelosynth.errors import InputError
from myelosynth.study.config import StudyConfig, json_schema
from myelosynth.study.roster import Roster, session_index

EVERYTHING = ("T1w", "T2w", "FLAIR", "MTon", "MToff", "DWI", "PET", "lesions")


def index_of(people):
    rows = [
        (sub, ses, group, contrast, f"{sub}-{ses}-{contrast}")
        for sub, group, sessions in people
        for ses, contrasts in sessions.items()
        for contrast in contrasts
    ]
    return complete(Path("raw"), rows)


def without(*absent):
    return [contrast for contrast in EVERYTHING if contrast not in absent]


@pytest.fixture
def roster():
    people = [
        ("full", "patient", {"t0": EVERYTHING, "t1": without("lesions")}),
        ("nopet", "patient", {"t0": EVERYTHING, "t1": without("lesions", "PET")}),
        ("nomt", "patient", {"t0": EVERYTHING, "t1": without("lesions", "MTon")}),
        ("not1", "patient", {"t0": EVERYTHING}),
        ("nobasepet", "patient", {"t0": without("PET"), "t1": without("lesions")}),
        ("nolesions", "patient", {"t0": without("lesions")}),
        ("control", "control", {"t0": without("lesions")}),
        ("mrionly", "control", {"t0": ["T1w", "FLAIR"]}),
        ("nobaset1w", "patient", {"t0": without("T1w"), "t1": without("lesions")}),
    ]
    return Roster(index_of(people), ["MTR", "FA", "RD", "AD"])


def test_gaps_decide_who_is_split(roster):
    assert roster.eligible == ["full", "nopet", "nomt", "not1", "control"]


def test_everyone_with_a_t1w_is_preprocessed(roster):
    assert ("mrionly", "t0") in roster.sessions
    assert roster.registered("mrionly", "t0") == ["FLAIR"]
    assert roster.registered("nomt", "t1") == ["T2w", "FLAIR", "DWI", "PET"]


def test_without_a_baseline_t1w_the_followup_is_preprocessed_by_itself(roster):
    assert ("nobaset1w", "t0") not in roster.sessions
    assert ("nobaset1w", "t1") in roster.sessions
    assert not roster.follows_baseline("nobaset1w", "t1")
    assert roster.follows_baseline("full", "t1")
    assert not roster.follows_baseline("full", "t0")
    assert not {("nobaset1w", "t1")} & {*roster.measured, *roster.synthesised}


def test_the_task_decides_what_a_participant_needs(roster):
    diffusion_only = Roster(roster.index, ["FA", "AD"])
    assert diffusion_only.mri == ["T1w", "DWI"]
    assert ("nomt", "t1") in diffusion_only.synthesised
    assert ("nomt", "t1") not in roster.synthesised


def test_change_needs_both_time_points(roster):
    assert roster.followed(roster.measured) == ["full", "nomt"]
    assert roster.followed(roster.synthesised) == ["full", "nopet"]


def test_the_schema_in_the_workflow_is_that_of_the_model(repository):
    stored = json.loads((repository / "workflow/schemas/config.schema.json").read_text())
    assert stored == json_schema(), "run `make schema`"


def test_the_shipped_configuration_is_valid_and_every_key_explained(repository):
    text = (repository / "config/config.yaml").read_text()
    config = StudyConfig.model_validate(yaml.safe_load(text))
    assert session_index(config).groups["001"] == "patient"
    lines = text.splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r" *\w+:", line)]
    assert len(keys) > 40
    bare = [lines[number] for number in keys if not lines[number - 1].lstrip().startswith("#")]
    assert not bare, "a comment above every key"


def test_a_misspelt_key_is_an_error(repository):
    record = yaml.safe_load((repository / "config/config.yaml").read_text())
    record["pet"]["t_stra"] = 30
    with pytest.raises(ValueError, match="t_stra"):
        StudyConfig.model_validate(record)


def test_ready_maps_count_as_their_contrast():
    people = [
        ("maps", "control", {"t0": ["T1w", "PET", "MTR", "FA", "RD", "AD"]}),
        ("fewer", "control", {"t0": ["T1w", "PET", "MTR", "FA", "RD"]}),
        ("mixed", "control", {"t0": ["T1w", "PET", "MTR", "FA", "DWI"]}),
    ]
    roster = Roster(index_of(people), ["MTR", "FA", "RD", "AD"])
    assert roster.eligible == ["maps", "mixed"]
    assert roster.registered("maps", "t0") == ["MT", "DWI", "PET"], "maps of their own space are registered themselves"
    assert roster.ready("FA") == [("maps", "t0"), ("fewer", "t0"), ("mixed", "t0")]


def test_maps_in_t1w_space_are_not_registered():
    names = {"MTR": "a_space-T1w_MTRmap.nii.gz", "FA": "a_space-T1w_FA.nii.gz", "T1w": "a_T1w.nii.gz"}
    rows = [("A", "t0", "control", contrast, name) for contrast, name in names.items()]
    assert Roster(complete(Path("raw"), rows), ["FA"]).registered("A", "t0") == []
    rows.append(("A", "t0", "control", "DWI", "a_dwi.nii.gz"))
    assert Roster(complete(Path("raw"), rows), ["FA"]).registered("A", "t0") == ["DWI"], "RD and AD are still made"


TOLD = {
    "dwi": ("dwi/sub-A_ses-t_dwi", {"PhaseEncodingDirection": "j-", "TotalReadoutTime": 0.05}),
    "reverse": ("fmap/sub-A_ses-t_epi", {"PhaseEncodingDirection": "j", "TotalReadoutTime": 0.05}),
    "fieldmap": ("fmap/sub-A_ses-t_phasediff", {"EchoTime1": 0.004, "EchoTime2": 0.006}),
    "magnitude": ("fmap/sub-A_ses-t_magnitude1", {}),
}


@pytest.fixture
def measured(tmp_path):
    """A roster of one DWI, and its files with sidecars as TOLD."""
    for name in TOLD:
        tell(tmp_path, name)
    rows = [
        ("A", "t", "control", "T1w", "sub-A_ses-t_T1w.nii.gz"),
        ("A", "t", "control", "DWI", "dwi/sub-A_ses-t_dwi.nii.gz"),
    ]
    return Roster(complete(tmp_path, rows), ["FA"])


def tell(folder, name, **changes):
    """Write an image and its sidecar; a change to None leaves the field out."""
    path, record = TOLD[name]
    image = folder / f"{path}.nii.gz"
    image.parent.mkdir(exist_ok=True)
    image.touch()
    fields = {key: value for key, value in (record | changes).items() if value is not None}
    (folder / f"{path}.json").write_text(json.dumps(fields))


def test_the_files_that_tell_the_distortion(measured):
    root = measured.index.root
    phase = {
        "fieldmap": root / "fmap/sub-A_ses-t_phasediff.nii.gz",
        "magnitude": root / "fmap/sub-A_ses-t_magnitude1.nii.gz",
    }
    assert measured.fieldmaps("fieldmap") == {("A", "t"): phase}
    assert measured.fieldmaps("reverse") == {("A", "t"): {"reverse": root / "fmap/sub-A_ses-t_epi.nii.gz"}}
    tell(root, "dwi", TotalReadoutTime=None)
    assert measured.fieldmaps("t1w") == {("A", "t"): {}}, "the direction alone is needed"
    (root / "dwi/sub-A_ses-t_dwi.json").unlink()
    assert measured.fieldmaps("none") == {}


@pytest.mark.parametrize(
    ("method", "name", "changes", "said"),
    [
        ("fieldmap", "dwi", {"TotalReadoutTime": None}, r"readout time unknown, .*_dwi\.json, absent"),
        ("fieldmap", "dwi", {"PhaseEncodingDirection": None}, r"phase encoding unknown, .*_dwi\.json, absent"),
        ("t1w", "dwi", {"PhaseEncodingDirection": "AP"}, "phase encoding unknown, .*'AP'"),
        ("reverse", "dwi", {"TotalReadoutTime": None}, r"readout time unknown, .*_dwi\.json"),
        ("reverse", "reverse", {"TotalReadoutTime": 50}, r"readout time unknown, .*_epi\.json"),
        ("fieldmap", "fieldmap", {"EchoTime2": None}, r"echo times unusable, .*_phasediff\.nii\.gz"),
        ("fieldmap", "fieldmap", {"EchoTime1": None, "EchoTime2": None}, "field map of unknown units, .*_phasediff"),
    ],
)
def test_what_a_distortion_needs_is_asked_before_anything_runs(measured, method, name, changes, said):
    tell(measured.index.root, name, **changes)
    with pytest.raises(InputError, match=said) as fault:
        measured.fieldmaps(method)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("method", "absent", "said"),
    [
        ("t1w", "dwi/sub-A_ses-t_dwi.json", r"sidecar missing, .*_dwi\.json, .*inherited ones are not read"),
        ("fieldmap", "dwi/sub-A_ses-t_dwi.json", r"sidecar missing, .*_dwi\.json"),
        ("fieldmap", "fmap/sub-A_ses-t_phasediff.json", r"sidecar missing, .*_phasediff\.json"),
        ("fieldmap", "fmap/sub-A_ses-t_magnitude1.nii.gz", "phase difference without magnitude, .*_phasediff"),
    ],
)
def test_what_a_distortion_needs_must_be_there(measured, method, absent, said):
    (measured.index.root / absent).unlink()
    with pytest.raises(InputError, match=said):
        measured.fieldmaps(method)
