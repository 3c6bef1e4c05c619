"""Full and read-only disks: one line that names the file, nothing half-written, the same bytes once there is room."""

import numpy as np
import pytest
import torch

from myelosynth.bids.sidecar import write_json
from myelosynth.images.atomic import write_text
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume
from myelosynth.synthesis.checkpoints import Checkpoint, export_safetensors

NOISE = np.random.default_rng(1).random((40, 40, 40))
GRID = Grid(NOISE.shape, np.eye(4))
ROLES = {"train": ["sub-A"], "validation": [], "test": ["sub-B"]}
CHECKPOINT = Checkpoint(
    "unet", "l1", "myelin", ["MTR"], "DVR", 1, 0, "0" * 64, ROLES, {"weights": torch.from_numpy(NOISE).clone()}
)
LINES = [f"sub-{number}\t{value}" for number, value in enumerate(NOISE.ravel()[:9000])]
WRITERS = {
    "map.nii.gz": lambda path: save_volume(path, NOISE, GRID),
    "map.nii": lambda path: save_volume(path, NOISE, GRID),
    "table.tsv": lambda path: write_text(path, "\n".join(LINES)),
    "record.json": lambda path: write_json(path, {"Lines": LINES}),
    "checkpoint.pt": CHECKPOINT.save,
    "weights.safetensors": lambda path: export_safetensors(CHECKPOINT, path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_on_a_full_disk(name, disk, tmp_path):
    target = disk.folder / name
    disk.fill()
    with pytest.raises(OSError, match="No space left") as told:
        WRITERS[name](target)
    assert told.value.filename == str(target)
    assert disk.files() == []
    disk.empty()
    WRITERS[name](target)
    WRITERS[name](tmp_path / name)
    assert target.read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_on_a_disk_that_became_read_only(name, disk):
    target = disk.folder / name
    WRITERS[name](target)
    before = target.read_bytes()
    disk.mode("ro")
    with pytest.raises(OSError, match="Read-only") as told:
        WRITERS[name](target)
    assert told.value.filename == str(target)
    disk.mode("rw")
    assert target.read_bytes() == before
    assert disk.files() == [name]


@pytest.fixture
def images(tmp_path):
    for name in ("on", "off"):
        save_volume(tmp_path / f"{name}.nii.gz", NOISE + 1, GRID)
    people = [f"sub-{number:02d}\t{('patient', 'control')[number % 2]}" for number in range(12)]
    (tmp_path / "participants.tsv").write_text("\n".join(["participant_id\tgroup", *people, ""]))
    return tmp_path


def commands(images, out):
    """A command for an image and one for a table: words and main output."""
    split = ["split", images / "participants.tsv", out / "split.tsv", "--validation", 1]
    return [
        (["mtr", images / "on.nii.gz", images / "off.nii.gz", out / "mtr.nii.gz"], "mtr.nii.gz"),
        (split, "split.tsv"),
        (["schema", out / "schema.json"], "schema.json"),
    ]


def test_commands_on_a_full_and_on_a_read_only_disk(disk, images, told, done):
    for words, name in commands(images, disk.folder):
        disk.fill()
        line = told(*words)
        assert line == (
            f"error: file cannot be read or written, {disk.folder / name}, No space left on device, "
            "check the path, its permissions and the space left"
        )
        assert disk.files() == []
        disk.empty()
        disk.mode("ro")
        assert f"{disk.folder / name}, Read-only file system, " in told(*words)
        disk.mode("rw")
    for (words, name), (elsewhere, _) in zip(commands(images, disk.folder), commands(images, images), strict=True):
        done(*words)
        done(*elsewhere)
        assert (disk.folder / name).read_bytes() == (images / name).read_bytes()
