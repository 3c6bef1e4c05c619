"""pet-reference and reference-region from files to files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.transform import LinearTransform
from myelosynth.physics.frames import Frames

from .conftest import ORIENTATIONS, SHAPE, call, load, save


def test_pet_reference_weighs_frames_by_duration(scan: Path, frames: Frames, tissue: Callable) -> None:
    call("pet-reference", scan / "pet.nii.gz", scan / "mean.nii.gz", "--frames", scan / "pet.json", "--to-min", 5)
    early = frames.start_s < 300
    expected = (tissue(1.0, 1.0)[0] * frames.duration_s)[early].sum() / 300
    np.testing.assert_allclose(load(scan / "mean.nii.gz")[0], expected, rtol=1e-3)


@pytest.mark.parametrize("method", ["grey-matter", "clustering"])
def test_reference_region_from_grey_matter(scan: Path, method: str) -> None:
    region = ["--gm", scan / "gm.nii.gz", "--method", method, "--out", scan / "region.nii.gz", "--minimum-ml", 0.1]
    call("reference-region", scan / "pet.nii.gz", "--frames", scan / "pet.json", *region)
    found = load(scan / "region.nii.gz") > 0
    assert found.any()
    assert not found[4:].any()
    assert json.loads((scan / "region.json").read_text())["Settings"]["method"] == method


def test_cerebellar_grey_reads_its_transform(scan: Path) -> None:
    centre = np.eye(4)
    centre[:3, 3] = [-26 - 7, 66 + 8, 42 + 9]
    LinearTransform(centre).write(scan / "x.txt")
    region = [
        "--gm",
        scan / "gm.nii.gz",
        "--method",
        "cerebellar-grey",
        "--out",
        scan / "region.nii.gz",
        "--erosions",
        0,
    ]
    call(
        "reference-region",
        scan / "pet.nii.gz",
        "--frames",
        scan / "pet.json",
        *region,
        "--template-transform",
        scan / "x.txt",
    )
    np.testing.assert_array_equal(load(scan / "region.nii.gz"), load(scan / "reference.nii.gz"))
    with pytest.raises(InputError, match="cerebellar-grey needs one"):
        call("reference-region", scan / "pet.nii.gz", "--frames", scan / "pet.json", *region)
    with pytest.raises(InputError, match="too small"):
        call("reference-region", scan / "pet.nii.gz", "--frames", scan / "pet.json", *region,
             "--template-transform", scan / "x.txt", "--gm-threshold", 0.95)  # fmt: skip


def test_a_given_reference_region(scan: Path) -> None:
    words = [scan / "pet.nii.gz", "--frames", scan / "pet.json", "--method", "given", "--out", scan / "region.nii.gz"]
    with pytest.raises(InputError, match=r"no mask for the region, .* given needs one, .*--mask"):
        call("reference-region", *words)
    with pytest.raises(InputError, match="too small"):
        call("reference-region", *words, "--mask", scan / "reference.nii.gz", "--minimum-ml", 10)
    call("reference-region", *words, "--mask", scan / "reference.nii.gz")
    np.testing.assert_array_equal(load(scan / "region.nii.gz"), load(scan / "reference.nii.gz"))
    record = json.loads((scan / "region.json").read_text())
    assert record["Settings"] == {"method": "given"}
    words[4] = "grey-matter"
    with pytest.raises(InputError, match="no gm for the region"):
        call("reference-region", *words)


def test_too_little_grey_matter_is_not_clustered(scan: Path) -> None:
    gm = np.zeros(SHAPE)
    gm[:3, 4, 4] = 0.9
    save(scan / "gm.nii.gz", gm)
    region = ["--gm", scan / "gm.nii.gz", "--method", "clustering", "--out", scan / "r.nii.gz", "--minimum-ml", 0]
    with pytest.raises(InputError, match=r"too little grey matter to cluster, .*gm\.nii\.gz, 3 voxels .* at least 4"):
        call("reference-region", scan / "pet.nii.gz", "--frames", scan / "pet.json", *region)
    assert not (scan / "r.nii.gz").exists()
    call("reference-region", scan / "pet.nii.gz", "--frames", scan / "pet.json", *region, "--clusters", 3)
    assert load(scan / "r.nii.gz").sum() < 3


@pytest.mark.parametrize("space", ["PET", "T1w"])
def test_a_ready_region_reaches_the_pet(scan: Path, space: str) -> None:
    """The three commands of the rule `ready_reference`, for a region on the PET's grid and one drawn on a moved T1w."""
    call("pet-reference", scan / "pet.nii.gz", scan / "petref.nii.gz", "--frames", scan / "pet.json")
    region, chain = load(scan / "reference.nii.gz"), []
    name = scan / "sub-A_label-reference_mask.nii.gz"
    save(scan / "t1w.nii.gz", 1 + region, ORIENTATIONS["LPS"])
    if space == "T1w":
        name = scan / "sub-A_space-T1w_label-reference_mask.nii.gz"
        # LAS to LPS storage of one lattice, the T1w lying 4 mm further left.
        shifted = ORIENTATIONS["LPS"] + np.outer([-4.0, 2 * (SHAPE[1] - 1), 0, 0], [0, 0, 0, 1])
        save(scan / "t1w.nii.gz", 1 + region[:, ::-1], shifted)
        save(name, region[:, ::-1], shifted, "uint8")
        pull = np.eye(4)
        pull[0, 3] = 4.0
        LinearTransform(pull).write(scan / "pet.txt")
        chain = ["--transform", f"inverse:{scan / 'pet.txt'}"]
    else:
        save(name, region, dtype="uint8")
    call("use-ready", "reference", name, scan / "ready.nii.gz", "--t1w", scan / "t1w.nii.gz",
         "--pet", scan / "petref.nii.gz")  # fmt: skip
    call("transform", scan / "ready.nii.gz", scan / "petref.nii.gz", scan / "moved.nii.gz", *chain, "--labels")
    words = ["--method", "given", "--mask", scan / "moved.nii.gz", "--out", scan / "region.nii.gz"]
    call("reference-region", scan / "pet.nii.gz", "--frames", scan / "pet.json", *words)
    np.testing.assert_array_equal(load(scan / "region.nii.gz"), region)
