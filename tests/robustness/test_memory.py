"""Memory that runs out: one line, no output, and the same bytes where there is enough."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from myelosynth.cli import app
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume

# Modules first, and OpenBLAS' buffer: the limit is to meet our work. Without a buffer OpenBLAS tries again for ever.
LIMITED = """
import resource, sys
import numpy
import myelosynth.interfaces.magnetisation
from myelosynth.cli.app import main
from pathlib import Path
numpy.linalg.det(numpy.eye(3))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
room = int(sys.argv.pop(1)) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (used + room, resource.RLIM_INFINITY))
main()
"""


def limited(room, *words):
    """A command with so many MiB for its work."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(room), *map(str, words)], text=True, capture_output=True, timeout=300
    )


def test_the_limit_of_the_memory_is_told_and_leaves_nothing(tmp_path, done):
    grid = Grid((160, 160, 160), np.eye(4))
    image = np.ones(grid.shape)
    for name in ("on", "off"):
        save_volume(tmp_path / f"{name}.nii.gz", image, grid)
    words = ["mtr", tmp_path / "on.nii.gz", tmp_path / "off.nii.gz", tmp_path / "out.nii.gz"]
    ended = limited(40, *words)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: out of memory, ")
    assert ended.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["off.nii.gz", "on.nii.gz"]
    assert limited(4000, *words).returncode == 0
    made = (tmp_path / "out.nii.gz").read_bytes()
    (tmp_path / "out.nii.gz").unlink()
    done(*words)
    assert (tmp_path / "out.nii.gz").read_bytes() == made


@pytest.mark.parametrize("ask", [lambda: np.empty(2**55), lambda: torch.empty(2**55), lambda: bytearray(2**60)])
def test_what_every_library_says(ask, monkeypatch, capsys):
    monkeypatch.setattr(app, "app", lambda args: ask())
    with pytest.raises(SystemExit) as end:
        app.main()
    assert end.value.code == 1
    assert capsys.readouterr().err.startswith("error: out of memory, ")


def test_an_error_of_ours_is_not_hidden(monkeypatch):
    def broken(args):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(app, "app", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        app.main()
