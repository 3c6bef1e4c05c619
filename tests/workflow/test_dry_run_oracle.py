"""A score that passes the oracle ends a run, unless the configuration says that it is to be told only."""

import pytest

from .conftest import Study

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize(("overlay", "strict"), [("", True), ("evaluation: {oracle: tell}\n", False)])
def test_the_evaluation_is_strict_by_default(repository, tmp_path, overlay, strict):
    study = Study(tmp_path / "study", repository, repository / "tests/workflow/tiny.yaml")
    written = tmp_path / "overlay.yaml"
    written.write_text(overlay or "{}\n")
    result = study.snakemake("-n", "-p", "evaluate", overlays=(written,))
    assert result.returncode == 0, result.stdout[-3000:]
    (command,) = [line for line in result.stdout.splitlines() if "myelosynth evaluate " in line]
    assert "--ceiling oracle" in command
    assert ("--strict" in command) == strict
