"""The real `main()`: bad input is one line on stderr and exit 1, whatever the command."""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.cli import commands  # noqa: F401
from myelosynth.cli.app import app, main
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import save_volume

SHAPE = (6, 6, 6)
INDEX = "participant_id\tsession_id\tgroup\tcontrast\tpath\tstatus\nsub-A\tses-t0\tpatient\tT1w\tx.nii.gz\tpresent\n"


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A working directory with images, tables and a transform, some of them faulty."""
    monkeypatch.chdir(tmp_path)
    grid, ones = Grid(SHAPE, np.eye(4)), np.ones(SHAPE)
    for name in ("on", "off", "mask"):
        save_volume(tmp_path / f"{name}.nii.gz", ones, grid)
    nib.Nifti1Image((ones * np.nan).astype(np.float32), np.eye(4)).to_filename(tmp_path / "nan.nii.gz")
    LinearTransform.identity().write(tmp_path / "x.txt")
    (tmp_path / "two.txt").write_text((tmp_path / "x.txt").read_text() * 2)
    (tmp_path / "text.txt").write_text("text")
    people = "participant_id\tgroup\tname\nsub-A\tpatient\tJos\u00e9\n"
    (tmp_path / "latin.tsv").write_bytes(people.encode("latin-1"))
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "participants.tsv").write_bytes(people.encode("latin-1"))
    (tmp_path / "index.tsv").write_text(INDEX)
    (tmp_path / "index.json").write_text(json.dumps({}))
    return tmp_path


def told(command: str, monkeypatch, capsys) -> str:
    """What `main()` says on stderr before it exits with 1."""
    monkeypatch.setattr(sys, "argv", ["myelosynth", *command.split()])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("nawm mask.nii.gz nan.nii.gz out.nii.gz", "NaN or infinite voxels, nan.nii.gz, 216 of 216"),
        ("mtr on.nii.gz off.nii.gz out", "output name unknown, out"),
        ("mtr on.nii.gz off.nii.gz on.nii.gz", "output overwrites an input, on.nii.gz"),
        ("mean-b0 on.nii.gz out.txt --bvals text.txt", "output name unknown, out.txt"),
        ("transform on.nii.gz off.nii.gz out.nii.gz --transform two.txt", "several transforms in one file, "),
        ("fit-tensor on.nii.gz --bvals b --bvecs b --mask m --out-dir text.txt", "not a folder, text.txt"),
        ("split latin.tsv out.tsv", "not a readable table, latin.tsv"),
        ("clinical latin.tsv --response a --predictor b --out out.tsv", "not a readable table, latin.tsv"),
        ("check raw --index out.tsv", "not a readable table, raw/participants.tsv"),
        ("simulate text.txt --patients 1", "not a folder, text.txt"),
        ("schema raw", "output name unknown, raw"),
        ("schema text.txt/out.json", "not a folder, text.txt"),
        (
            "manifest results --index index.tsv --raw raw --sub 9 --out o.tsv --out-participants p.tsv --task {task}",
            "participant not in the index, index.tsv, --sub 9, the index has A",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_1(place, repository, monkeypatch, capsys, command, words):
    before = sorted(place.rglob("*"))
    said = told(command.format(task=repository / "config" / "tasks" / "myelin.yaml"), monkeypatch, capsys)
    assert said.startswith(f"error: {words}")
    assert said.count("\n") == 1
    assert sorted(place.rglob("*")) == before, "nothing is written"


def test_what_the_system_refuses_is_one_line_too(place, monkeypatch, capsys):
    long = "x" * 300 + ".json"
    assert told(f"schema {long}", monkeypatch, capsys).startswith(
        f"error: file cannot be read or written, {long}, File name too long, check the path"
    )
    monkeypatch.setattr(sys, "argv", ["myelosynth", "schema", long, "--verbose"])
    with pytest.raises(OSError, match="File name too long"):
        main()


def test_verbose_shows_the_traceback_and_stands_in_the_help(place, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["myelosynth", "--verbose", "mtr", "on.nii.gz", "off.nii.gz", "out"])
    with pytest.raises(InputError, match="output name unknown"):
        main()
    assert "--verbose" in CliRunner().invoke(app, ["--help"]).output
