"""What jobs write is read by its owner alone, unless the configuration says `share: group`."""

import stat

import pytest

from .conftest import Study

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize(("share", "file", "folder"), [("private", 0o600, 0o700), ("group", 0o640, 0o750)])
def test_modes_of_what_a_job_leaves(repository, tmp_path, share, file, folder):
    """One small rule: its output, log and benchmark, and every folder that was made for them."""
    study = Study(tmp_path / "study", repository, repository / "tests/workflow/tiny.yaml")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f"share: {share}\n")
    target = "results/work/mni152_brain.nii.gz"
    result = study.snakemake("--cores", "1", "--quiet", "all", "--", target, overlays=(overlay,))
    assert result.returncode == 0, result.stdout[-3000:]
    found = sorted((study.folder / "results").rglob("*"))
    assert len([path for path in found if path.is_file()]) >= 3
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == (folder if path.is_dir() else file), path
    # Snakemake's records tell who was processed by which command.
    records = [path for path in (study.folder / ".snakemake" / "metadata").rglob("*") if path.is_file()]
    assert records
    assert not any(path.stat().st_mode & stat.S_IRWXO for path in records)
