"""What `epi-shift` tells of itself, and what it takes of its machine."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from myelosynth.physics import blips

from .test_distortion import READOUT, load, save, scan  # noqa: F401  (a fixture)


@pytest.fixture
def quick_search(monkeypatch):
    """No search: no shift is found. The threads that it would have had, one entry per call."""
    threads, before = [], torch.get_num_threads()

    def nothing(b0, *_):
        threads.append(torch.get_num_threads())
        return blips.Found(np.zeros(b0.shape, np.float32), 1.0)

    monkeypatch.setattr(blips, "shift_of_pair", nothing)
    monkeypatch.setattr(blips, "shift_to_t1w", nothing)
    yield threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("method", "read"),
    [
        ("fieldmap", ["dwi.json", "dwi.bval", "fieldmap.json"]),
        ("reverse", ["dwi.json", "dwi.bval", "reverse.json", "reverse.bval"]),
    ],
)
def test_every_file_that_was_read_is_a_source(scan, method, read, quick_search):  # noqa: F811
    """Another direction, unit or b-value is another shift: their sums tell it."""
    back = load(scan.folder / "reverse.nii.gz")
    save(scan.folder / "reverse.nii.gz", np.stack([back, back / 2], -1), scan.grid)
    (scan.folder / "reverse.bval").write_text("0 1000")
    _, record = scan.find(method)
    assert {Path(name).name for name in record["SourcesSHA256"]} >= {*read, "dwi.nii.gz"}
    assert record["TotalReadoutTime"] == READOUT


def test_b_values_beside_a_single_b0_are_not_read(scan, quick_search):  # noqa: F811
    (scan.folder / "reverse.bval").write_text("0")
    _, record = scan.find("reverse")
    assert not any("reverse.bval" in name for name in record["SourcesSHA256"])


@pytest.mark.parametrize("method", ["reverse", "t1w"])
def test_the_search_takes_the_threads_of_its_job(scan, method, quick_search, monkeypatch):  # noqa: F811
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    scan.find(method)
    assert quick_search == [3]


@pytest.mark.parametrize("room", ["tensor", "distortion"])
def test_what_undoes_a_shift_does_not_load_torch(room):
    code = f"import sys, myelosynth.interfaces.{room}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
