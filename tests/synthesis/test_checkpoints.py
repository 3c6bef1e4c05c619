"""Checkpoints: the same after safetensors, faults in one line."""

import os
import pickle

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


class Exploit:
    """Unpickling runs `touch FILE`."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_checkpoint_that_would_run_code_is_refused_and_runs_none(checkpoint, tmp_path, legacy):
    trace, path = tmp_path / "ran", tmp_path / "checkpoint.pt"
    record = {"format": 2, **vars(checkpoint), "content": Exploit(trace)}
    torch.save(record, path, _use_new_zipfile_serialization=not legacy)
    told = "not a whole zip archive" if legacy else r"checkpoint asks to run code, .*posix.system"
    with pytest.raises(InputError, match=told) as fault:
        load_checkpoint(path)
    assert "weights_only" not in str(fault.value), "torch's own cure is to run it"
    assert not trace.exists()


def test_plain_pickles_are_no_checkpoints(tmp_path):
    for name in ("checkpoint.pt", "weights.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Exploit(tmp_path / "ran")))
        with pytest.raises(InputError, match="not a readable"):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("metadata", ["{", '{"content": {"tensor": "absent"}}'])
def test_safetensors_with_a_damaged_record_are_told(tmp_path, metadata):
    save_file({"x": torch.ones(1)}, tmp_path / "w.safetensors", {"myelosynth": metadata})
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_checkpoint(tmp_path / "w.safetensors")


def test_equal_states_give_equal_bytes_whatever_objects_they_are_of(tmp_path):
    """A training that resumes, with one part read and another computed, ends with the bytes of one that did not."""
    weights = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).state_dict()
    key, other = "scale", "".join(("sc", "ale"))
    assert key is not other
    save_state(tmp_path / "first.pt", {"weights": weights, "a": {key: 1}, "b": [{key: 2}]})
    read = load_state(tmp_path / "first.pt")
    assert read["weights"]._metadata == weights._metadata
    save_state(tmp_path / "second.pt", {"weights": read["weights"], "a": {key: 1}, "b": [{other: 2}]})
    assert (tmp_path / "first.pt").read_bytes() == (tmp_path / "second.pt").read_bytes()


def test_a_state_that_was_read_is_written_to_the_same_bytes(tmp_path):
    """Else a training that was resumed would have another checkpoint, and its predictions other sidecars."""
    words = ["".join(("mem", "ber")) for _ in range(2)]
    state = {"members": [{word: torch.ones(2), "names": ("a", word)} for word in words], "log": [words, words]}
    save_state(tmp_path / "one.pt", state)
    save_state(tmp_path / "two.pt", load_state(tmp_path / "one.pt"))
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
