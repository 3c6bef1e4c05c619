"""Checkpoints: the same after safetensors, faults in one line."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from myelosynth.errors import InputError
from myelosynth.synthesis.checkpoints import Checkpoint, export_safetensors, load_checkpoint, load_state, save_state

CONTENT = {
    "weights": {"head.bias": torch.tensor([1.5]), "half": torch.ones(2, 3, dtype=torch.bfloat16).T},
    "architecture": {"width": 8, "pool": None, "kind": "max"},
    "members": [{"mean": torch.arange(3)}, {"mean": torch.zeros(0)}],
    "scale": 0.25,
}


@pytest.fixture
def checkpoint():
    people = {"train": ["sub-1"], "validation": [], "test": ["sub-2"]}
    return Checkpoint("unet", "l1", "myelin", ["MTR", "FA"], "DVR", 1, 3, "abc", people, CONTENT)


def test_safetensors_give_the_same_checkpoint(checkpoint, same, tmp_path):
    export_safetensors(checkpoint, tmp_path / "w.safetensors")
    assert same(vars(load_checkpoint(tmp_path / "w.safetensors")), vars(checkpoint))


def test_tensors_have_readable_names_and_the_same_bytes_again(checkpoint, tmp_path):
    for name in ("a", "b"):
        export_safetensors(checkpoint, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert set(load_file(tmp_path / "a")) == {"weights.head.bias", "weights.half", "members.0.mean", "members.1.mean"}


def test_foreign_and_damaged_files_are_told(tmp_path):
    with pytest.raises(InputError, match="file missing"):
        load_checkpoint(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_checkpoint(tmp_path / "broken.safetensors")
    save_file({"x": torch.ones(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(InputError, match="not a myelosynth checkpoint"):
        load_checkpoint(tmp_path / "foreign.safetensors")


def test_a_state_that_was_read_is_written_to_the_same_bytes(tmp_path):
    """Else a training that was resumed would have another checkpoint, and its predictions other sidecars."""
    words = ["".join(("mem", "ber")) for _ in range(2)]
    state = {"members": [{word: torch.ones(2), "names": ("a", word)} for word in words], "log": [words, words]}
    save_state(tmp_path / "one.pt", state)
    save_state(tmp_path / "two.pt", load_state(tmp_path / "one.pt"))
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
