"""Output paths: their names, where they may lie, and that they are no inputs."""

import numpy as np
import pytest

from myelosynth.cli.paths import folder, output
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with an image, a text file and a folder named like an image."""
    monkeypatch.chdir(tmp_path)
    save_volume(tmp_path / "in.nii.gz", np.ones((4, 4, 4)), Grid((4, 4, 4), np.eye(4)))
    (tmp_path / "text.txt").write_text("text")
    (tmp_path / "pet.json").write_text("{}")
    (tmp_path / "folder.nii.gz").mkdir()
    return tmp_path


def test_a_free_name_becomes_absolute(place):
    path = place.relative_to(place)
    assert output(path / "new" / "out.nii.gz", [path / "in.nii.gz", None]) == place / "new" / "out.nii.gz"
    assert output(path / "out.tsv", [], ".tsv") == place / "out.tsv"
    assert folder(path / "new" / "deeper") == place / "new" / "deeper"
    assert not (place / "new").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out", "output name unknown"),
        ("out.txt", "output name unknown"),
        ("folder.nii.gz", "output is a folder"),
        ("text.txt/out.nii.gz", r"not a folder, text\.txt, .*text\.txt is a file"),
        ("text.txt/deeper/out.nii.gz", "not a folder"),
        ("in.nii.gz", r"output overwrites an input.*in\.nii\.gz"),
        ("folder.nii.gz/../in.nii.gz", "output overwrites an input"),
        ("in.nii", "output overwrites an input"),
        ("pet.nii.gz", r"output overwrites an input.*pet\.json"),
        ("link.nii.gz", "output overwrites an input"),
    ],
)
def test_faults_of_an_output(place, name, message):
    (place / "link.nii.gz").symlink_to(place / "in.nii.gz")
    path = place.relative_to(place)
    with pytest.raises(InputError, match=message):
        output(path / name, [None, path / "in.nii.gz", path / "pet.json"])


def test_a_file_is_no_folder(place):
    with pytest.raises(InputError, match=r"not a folder.*text\.txt is a file"):
        folder(place / "text.txt")
