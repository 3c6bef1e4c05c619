"""The spread of a calibrated system and the intervals of its indices are planned, and of no other system."""

import pytest

from .conftest import Study

pytestmark = pytest.mark.workflow


def test_only_a_calibrated_system_has_intervals(repository, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("learning: {systems: [ridge, residual-context], main: residual-context}\n")
    study = Study(tmp_path / "study", repository, repository / "tests/workflow/tiny.yaml")
    result = study.snakemake("-n", "-p", overlays=(overlay,))
    assert result.returncode == 0, result.stdout[-3000:]
    commands = [line.strip() for line in result.stdout.splitlines() if "myelosynth " in line]
    predictions = [line for line in commands if "myelosynth predict " in line and "/controls/" not in line]
    assert any("ridge" in line for line in predictions)
    assert all(("--out-std" in line) == ("residual-context" in line) for line in predictions)
    intervals = [line for line in commands if "myelosynth index-intervals " in line]
    assert intervals
    assert all("residual-context" in line and "_desc-predDvrStd_pet.nii.gz" in line for line in intervals)
