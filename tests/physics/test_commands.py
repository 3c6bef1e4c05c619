"""What all map commands have in common: the names of their outputs."""

from pathlib import Path

import pytest

from myelosynth.errors import InputError

from .conftest import call


@pytest.mark.parametrize("name", ["out", "out.txt", "out.tsv"])
@pytest.mark.parametrize("command", ["mtr", "mean-b0", "pet-reference", "reference-region", "dvr"])
def test_an_image_has_the_name_of_an_image(scan: Path, command: str, name: str) -> None:
    pet, out, frames = scan / "pet.nii.gz", scan / name, ["--frames", scan / "pet.json"]
    words = {
        "mtr": [pet, pet, out],
        "mean-b0": [pet, out, "--bvals", scan / "bval"],
        "pet-reference": [pet, out, *frames],
        "reference-region": [pet, *frames, "--gm", scan / "gm.nii.gz", "--method", "grey-matter", "--out", out],
        "dvr": [pet, out, *frames, "--reference-mask", scan / "reference.nii.gz"],
    }
    before = sorted(scan.iterdir())
    with pytest.raises(InputError, match="output name unknown"):
        call(command, *words[command])
    assert sorted(scan.iterdir()) == before


def test_outputs_never_replace_inputs(scan: Path) -> None:
    frames = ["--frames", scan / "pet.json"]
    inputs = [*frames, "--reference-mask", scan / "reference.nii.gz"]
    before = {path: path.read_bytes() for path in scan.iterdir()}
    for command, *words in (
        ("mtr", scan / "gm.nii.gz", scan / "mask.nii.gz", scan / "gm.nii.gz"),
        ("mtr", scan / "gm.nii.gz", scan / "gm.nii.gz", scan / "mask.nii.gz", "--mask", scan / "mask.nii.gz"),
        ("dvr", scan / "pet.nii.gz", scan / "pet.nii", *inputs),  # its sidecar would be pet.json
        ("pet-reference", scan / "gm.nii.gz", scan / "pet.nii", *frames),
    ):
        with pytest.raises(InputError, match="output overwrites an input"):
            call(command, *words)
    assert {path: path.read_bytes() for path in scan.iterdir()} == before
