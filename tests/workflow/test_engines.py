"""An engine whose programs are missing is told before anything runs."""

import pytest
import yaml

from myelosynth.bids.layout import Layout

from .conftest import Study

pytestmark = pytest.mark.workflow


def test_a_missing_program_is_one_line_before_the_first_job(repository, tmp_path, monkeypatch):
    """A real run, not a dry one: it ends with 1, and neither data nor results are begun."""
    monkeypatch.delenv("FSLDIR", raising=False)
    study = Study(tmp_path / "study", repository, tmp_path / "bet.yaml")
    study.configfile.write_text(yaml.safe_dump({"engines": {"brain": "bet"}}))
    before = {path.name for path in study.folder.iterdir()}
    mask = Layout(study.folder / "results").brain_mask("001", "t0").relative_to(study.folder)
    result = study.snakemake("--cores", "1", "--", str(mask))
    assert result.returncode == 1
    last = result.stdout.splitlines()[-1]
    assert last.startswith("error: engine bet cannot run, extract-brain, FSLDIR is not set, expected the FSL folder, ")
    assert "use the embedded engine deepbet" in last
    assert result.stdout.count("error: ") == 1
    assert 'File "' not in result.stdout
    assert "rule simulate" not in result.stdout
    assert {path.name for path in study.folder.iterdir()} - {".snakemake"} == before


@pytest.mark.parametrize("engine", ["hdbet", "robex"])
def test_an_optional_extra_is_in_no_conda_environment(repository, tmp_path, engine):
    """Told in a dry run too: installing the package where Snakemake runs would not help the jobs."""
    study = Study(tmp_path / "study", repository, tmp_path / "extra.yaml")
    study.configfile.write_text(yaml.safe_dump({"engines": {"brain": engine}}))
    result = study.snakemake("-n", "--quiet", "all", "--use-conda")
    assert result.returncode == 1
    told = (
        f"error: engine {engine} cannot run, extract-brain, the optional extra {engine} is in no environment of envs/"
    )
    assert result.stdout.splitlines()[-1].startswith(told)
    assert 'File "' not in result.stdout


def test_modules_that_no_job_would_load_are_told_before_the_first_job(repository, tmp_path):
    """Snakemake itself would leave them out without a word."""
    study = Study(tmp_path / "study", repository, tmp_path / "site.yaml")
    study.configfile.write_text(yaml.safe_dump({"engines": {"brain": "bet"}, "modules": {"fsl": ["fsl/6.0.7"]}}))
    mask = Layout(study.folder / "results").brain_mask("001", "t0").relative_to(study.folder)
    result = study.snakemake("--cores", "1", "--", str(mask))
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == (
        "error: modules would not be loaded, extract-brain, fsl/6.0.7 in the configuration, jobs run without"
        " environment modules, add env-modules to --software-deployment-method, here or in the profile"
    )
    assert "rule simulate" not in result.stdout
