"""A card says what lies in its own folder, in names that no rule misreads."""

import hashlib
import json

import pytest
import torch

from myelosynth.errors import InputError
from myelosynth.synthesis.bundle.card import CARD, load_bundle
from myelosynth.synthesis.checkpoints import load_checkpoint

RECORD = {
    "Format": 1,
    "System": "ridge",
    "Sources": ["MTR"],
    "Inputs": ["MTR"],
    "Target": "DVR",
    "Spread": False,
    "Limits": [],
    "Simulated": True,
}


def write(folder, **changes):
    """A bundle with one member and correct hashes."""
    folder.mkdir(exist_ok=True)
    torch.save({"format": 2}, folder / "checkpoint.pt")
    files = {"checkpoint.pt": hashlib.sha256((folder / "checkpoint.pt").read_bytes()).hexdigest()}
    record = {**RECORD, "Members": [{"Checkpoint": "checkpoint.pt"}], "Files": files, **changes}
    (folder / CARD).write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Files": {"../../elsewhere": "0"}}, "Files names something outside the folder"),
        ({"Files": {"/etc/hostname": "0"}}, "Files names something outside the folder"),
        ({"Members": [{"Checkpoint": "../checkpoint.pt"}]}, r"Members name \.\./checkpoint.pt"),
        ({"Members": ["checkpoint.pt"]}, "Members name no checkpoint"),
        ({"System": "ridge; touch ran"}, "unknown system"),
        ({"System": "../../elsewhere"}, "unknown system"),
        ({"Sources": ["MTR=$(touch ran)"]}, "contrast not understood"),
        ({"Inputs": ["MTR FA"]}, "contrast not understood"),
        ({"Target": "../DVR"}, "contrast not understood"),
    ],
)
def test_a_card_that_points_elsewhere_is_refused(tmp_path, changes, told):
    load_bundle(write(tmp_path / "good"))
    with pytest.raises(InputError, match=f"(bundle|contrast) not understood.*{told}|{told}"):
        load_bundle(write(tmp_path / "bad", **changes))


def test_a_member_without_a_file_is_told_when_it_is_wanted(tmp_path):
    with pytest.raises(InputError, match="a member has no Checkpoint"):
        _ = load_bundle(write(tmp_path / "bundle", Members=[{}])).checkpoints


def test_a_link_out_of_the_bundle_is_refused_and_one_within_it_not(tmp_path):
    folder = write(tmp_path / "bundle")
    content = folder / "checkpoint.pt"
    content.rename(folder / "kept")
    content.symlink_to("kept")
    load_bundle(folder)
    (folder / "kept").rename(tmp_path / "elsewhere")
    content.unlink()
    content.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"link leaves the data set, .*checkpoint.pt"):
        load_bundle(folder)


def test_a_pickle_in_a_bundle_with_correct_hashes_runs_nothing(tmp_path):
    class Exploit:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    folder = tmp_path / "bundle"
    folder.mkdir()
    torch.save({"format": 2, "content": Exploit()}, folder / "checkpoint.pt")
    digest = hashlib.sha256((folder / "checkpoint.pt").read_bytes()).hexdigest()
    record = {**RECORD, "Members": [{"Checkpoint": "checkpoint.pt"}], "Files": {"checkpoint.pt": digest}}
    (folder / CARD).write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"checkpoint asks to run code, .*open"):
        load_checkpoint(load_bundle(folder).checkpoints[0])
    assert not (tmp_path / "ran").exists()
