"""Files that were cut, emptied or changed by one byte are refused by name; the campaign is benchmarks/damage.py."""

import shutil

import numpy as np
import pytest
import torch

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_volume, save_volume
from myelosynth.synthesis.checkpoints import load_state, save_state

NOISE = np.random.default_rng(1).random((24, 24, 24))
GRID = Grid(NOISE.shape, np.eye(4))


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def emptied(path):
    path.write_bytes(b"")


def flipped(place):
    """One bit, at a share of the file."""

    def flip(path):
        content = bytearray(path.read_bytes())
        content[int(place * (len(content) - 1))] ^= 1
        path.write_bytes(content)

    return flip


DAMAGES = [cut, emptied, *(flipped(place) for place in (0.3, 0.5, 0.9))]


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_image(damage, tmp_path):
    path = tmp_path / "image.nii.gz"
    save_volume(path, NOISE, GRID)
    damage(path)
    with pytest.raises(InputError, match=f"{path}, .*(copy the file|convert or copy)"):
        load_volume(path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_state_of_a_training(damage, tmp_path):
    """torch compares no checksum; 0.3 to 0.9 of the file are weights."""
    path = tmp_path / "last.pt"
    save_state(path, {"weights": torch.from_numpy(NOISE).clone(), "step": 3})
    assert load_state(path)["step"] == 3
    damage(path)
    with pytest.raises(InputError, match=f"{path}, .* delete it and run the same again: it is trained anew"):
        load_state(path)


def test_commands_name_the_file_and_the_rerun_gives_the_same_bytes(tmp_path, told, done):
    for name in ("on", "off"):
        save_volume(tmp_path / f"{name}.nii.gz", NOISE + 1, GRID)
    people = [f"sub-{number:02d}\t{('patient', 'control')[number % 2]}" for number in range(12)]
    (tmp_path / "people.tsv").write_text("\n".join(["participant_id\tgroup", *people, ""]))
    (tmp_path / "x.txt").write_text("#Insight Transform File V1.0\n")
    image, off, out = tmp_path / "on.nii.gz", tmp_path / "off.nii.gz", tmp_path / "out.nii.gz"
    for words, source, damage in (
        (["mtr", image, off, out], image, flipped(0.5)),
        (["mtr", image, off, out], off, cut),
        (["split", tmp_path / "people.tsv", tmp_path / "out.tsv"], tmp_path / "people.tsv", emptied),
    ):
        target = words[-1]
        done(*words)
        before = target.read_bytes()
        target.unlink()
        shutil.copy(source, tmp_path / "kept")
        damage(source)
        assert f", {source}, " in told(*words)
        assert not target.exists()
        shutil.copy(tmp_path / "kept", source)
        done(*words)
        assert target.read_bytes() == before
    assert ", file " not in told("transform", image, off, out, "--transform", tmp_path / "x.txt")
    assert not list(tmp_path.glob(".part-*"))
