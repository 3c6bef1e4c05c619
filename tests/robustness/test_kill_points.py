"""A command that is killed at every step of its writing: what has its name is whole, and the rerun mends the rest."""

import json
import subprocess
import sys

import numpy as np

from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume

# One process for all points: each is a fork that kills itself at the n-th call by which a file comes to its place.
CHILD = """
import json, os, signal, sys
from myelosynth.cli.app import main
import myelosynth.interfaces.magnetisation, myelosynth.synthesis.data.split

def run(words, point):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count = [0]
    def counted(call):
        def counts(*arguments):
            count[0] += 1
            if count[0] == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments)
        return counts
    os.fsync, os.replace = counted(os.fsync), counted(os.replace)
    sys.argv = ["myelosynth", *words]
    try:
        main()
    except SystemExit as end:
        os._exit(end.code or 0)

for line in sys.stdin:
    words, point = json.loads(line)
    print(run(words, point), flush=True)
"""


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_every_point_of_an_image_and_of_a_table_with_their_sidecars(tmp_path):
    for name in ("on", "off"):
        save_volume(
            tmp_path / f"{name}.nii.gz", np.random.default_rng(1).random((8, 8, 8)) + 1, Grid((8, 8, 8), np.eye(4))
        )
    people = [f"sub-{number:02d}\t{('patient', 'control')[number % 2]}" for number in range(12)]
    (tmp_path / "people.tsv").write_text("\n".join(["participant_id\tgroup", *people, ""]))
    commands = {
        "mtr.nii.gz": ["mtr", str(tmp_path / "on.nii.gz"), str(tmp_path / "off.nii.gz")],
        "split.tsv": ["split", str(tmp_path / "people.tsv")],
    }
    shell = subprocess.Popen([sys.executable, "-c", CHILD], stdin=-1, stdout=-1, text=True)

    def run(words, point):
        print(json.dumps([words, point]), file=shell.stdin, flush=True)
        return int(shell.stdout.readline())

    for name, words in commands.items():
        whole, killed = tmp_path / f"whole-{name}", tmp_path / f"killed-{name}"
        assert run([*words, str(whole / name)], 0) == 0
        expected, point = contents(whole), 1
        assert len(expected) == 2
        while run([*words, str(killed / name)], point) == -9:
            found = contents(killed)
            assert found.items() <= expected.items(), point
            assert len(list(killed.glob(".part-*"))) <= 1, "the next job removes what the last one left"
            point += 1
        assert point == 7, "file to the disk, its name, the folder to the disk; twice"
        assert contents(killed) == expected
        assert not list(killed.glob(".part-*"))
    shell.communicate()
