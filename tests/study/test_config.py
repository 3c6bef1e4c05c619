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
