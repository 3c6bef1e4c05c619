"""The configuration's engines fit together."""

import pytest
import yaml

from myelosynth.errors import InputError
from myelosynth.study.config import read_study


def test_the_lab_preset_is_valid_and_bbregister_needs_freesurfer(repository):
    record = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    lab = yaml.safe_load((repository / "config" / "presets" / "lab.yaml").read_text())["engines"]
    assert read_study(record | {"engines": lab}).engines.bbr == "bbregister"
    with pytest.raises(InputError, match=r"bbr is bbregister, tissue is fast: bbregister needs tissue: freesurfer"):
        read_study(record | {"engines": lab | {"tissue": "fast"}})


@pytest.mark.parametrize("distortion", ["fieldmap", "reverse"])
def test_a_simulated_cohort_has_no_field_maps(repository, distortion):
    record = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    record["diffusion"] = {**record["diffusion"], "distortion": distortion}
    with pytest.raises(InputError, match=f"diffusion.distortion is {distortion}, a simulated cohort has no field maps"):
        read_study(record)


def test_a_given_reference_needs_ready_masks(repository):
    record = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    record["pet"] = {**record["pet"], "reference": "given"}
    with pytest.raises(InputError, match=r"pet\.reference is given, dataset\.ready is null"):
        read_study(record)


@pytest.mark.parametrize(
    ("clinical", "message"),
    [
        ({"responses": ["edss", "edss"]}, "responses are edss, edss, expected each score once"),
        ({"responses": []}, r"clinical\.responses"),
        ({"responses": ["t25fw"]}, r"clinical\.responses"),
        ({"bootstrap": 50}, r"clinical\.bootstrap"),
    ],
)
def test_clinical_scores_are_named_once_and_resampled_enough(repository, clinical, message):
    record = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    assert read_study(record).clinical.responses == ["edss", "msss"]
    assert read_study(record | {"clinical": {"bootstrap": 0}}).clinical.bootstrap == 0
    with pytest.raises(InputError, match=message):
        read_study(record | {"clinical": clinical})


def test_a_passed_oracle_stops_unless_it_is_only_to_be_told(repository):
    record = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    assert read_study(record).evaluation.oracle == "stop"
    assert read_study(record | {"evaluation": {"oracle": "tell"}}).evaluation.oracle == "tell"
    assert read_study({key: value for key, value in record.items() if key != "evaluation"}).evaluation.oracle == "stop"
    with pytest.raises(InputError, match=r"evaluation\.oracle"):
        read_study(record | {"evaluation": {"oracle": "ignore"}})


@pytest.mark.parametrize(
    ("section", "key"),
    [
        (None, "output"),
        ("dataset", "bids_dir"),
        ("dataset", "ready"),
        ("learning", "task"),
        ("learning", "preset"),
        ("simulate", "lesion_masks"),
        ("apply", "bundle"),
        ("nulls", "models"),
    ],
)
@pytest.mark.parametrize("path", ["a\nb", "a{sub}", "$(id)", "`id`", 'a"b', "-o", "a\x1b[2J"])
def test_a_path_that_a_shell_or_snakemake_would_misread_is_refused_by_its_key(repository, section, key, path):
    record = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    value = {"true": path} if key == "models" else path
    record |= {key: value} if section is None else {section: {**(record[section] or {}), key: value}}
    with pytest.raises(InputError, match=rf"{key}.*a path cannot") as told:
        read_study(record)
    assert str(told.value).isprintable()


def test_folders_with_blanks_and_apostrophes_are_welcome(repository):
    record = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    assert read_study(record | {"output": "O'Brien's results (2)"}).output == "O'Brien's results (2)"


def test_participants_of_a_bundle_are_labels(repository):
    record = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    applied = {"bundle": "b", "participants": ["01;id"], "allow_intensity": False, "unchanged": False}
    with pytest.raises(InputError, match=r"apply\.participants\.0"):
        read_study(record | {"simulate": None, "apply": applied})


@pytest.mark.parametrize("name", ["fsl; rm -r x", "$(id)", "fsl 6", "-d", "", "fsl\nid", "fsl/6.0.7\n"])
def test_a_module_has_a_name_that_is_safe_in_a_shell(repository, name):
    record = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    modules = read_study(record | {"modules": {"fsl": ["gcc/12", "fsl/6.0.7"]}}).modules
    assert [modules.of(suite) for suite in ("fsl", "freesurfer", "antspyx")] == [["gcc/12", "fsl/6.0.7"], [], []]
    with pytest.raises(InputError, match=r"modules\.fsl"):
        read_study(record | {"modules": {"fsl": [name]}})
