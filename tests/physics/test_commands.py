"""The map commands from files to files: values, sidecars, names and faults."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from myelosynth.cli import commands  # noqa: F401  (registers the commands)
from myelosynth.cli.app import app
from myelosynth.errors import InputError
from myelosynth.images.transform import LinearTransform
from myelosynth.physics.frames import Frames
from myelosynth.physics.kinetics import convolved_reference

SHAPE = (8, 9, 10)
ORIENTATIONS = {
    "RAS": np.diag([2.0, 2.0, 2.0, 1.0]),
    "LAS": np.diag([-2.0, 2.0, 2.0, 1.0]),
    "LPS": np.diag([-2.0, -2.0, 2.0, 1.0]),
    "oblique": np.array([[1.9, -0.6, 0, 5], [0.6, 1.9, 0, -3], [0, 0, 2, 8], [0, 0, 0, 1.0]]),
}


def call(*arguments: object) -> None:
    """Run a command; an exception comes out as it is."""
    CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False, standalone_mode=False)


def save(path: Path, data: np.ndarray, affine: np.ndarray = ORIENTATIONS["LAS"], dtype: str = "float32") -> Path:
    nib.save(nib.Nifti1Image(np.asarray(data, dtype), affine), path)
    return path


def load(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj, float)


@pytest.fixture
def scan(tmp_path: Path, tissue: Callable, frames: Frames) -> Path:
    """A folder with dynamic PET: x < 4 is the reference, x >= 4 white matter of R1 .58 and DVR 1.3; x = 7 is air."""
    pet = np.zeros((*SHAPE, 34))
    pet[:4] = tissue(1.0, 1.0)[0]
    pet[4:7] = tissue(0.58, 1.3)[0]
    pet[:7] *= 1 + 1e-4 * np.random.default_rng(0).standard_normal((7, *SHAPE[1:], 34))
    save(tmp_path / "pet.nii.gz", pet)
    reference = np.zeros(SHAPE)
    reference[:4] = 1
    save(tmp_path / "reference.nii.gz", reference, dtype="uint8")
    save(tmp_path / "gm.nii.gz", 0.9 * reference)
    save(tmp_path / "mask.nii.gz", np.ones(SHAPE), dtype="uint8")
    record = {
        "FrameTimesStart": frames.start_s.tolist(),
        "FrameDuration": frames.duration_s.tolist(),
        "ImageDecayCorrected": True,
        "Units": "kBq/mL",
    }
    (tmp_path / "pet.json").write_text(json.dumps(record))
    return tmp_path


def dvr(scan: Path, *options: object) -> tuple[np.ndarray, dict[str, Any]]:
    paths = ["--frames", scan / "pet.json", "--reference-mask", scan / "reference.nii.gz"]
    call("dvr", scan / "pet.nii.gz", scan / "dvr.nii.gz", *paths, *options)
    return load(scan / "dvr.nii.gz"), json.loads((scan / "dvr.json").read_text())


@pytest.mark.parametrize(
    "options",
    [
        ["--k2prime", 0.07],
        ["--k2prime", "auto"],
        ["--model", "srtm"],
        ["--model", "srtm2", "--k2prime", 0.07],
        ["--model", "srtm2", "--k2prime", "auto", "--mask", "mask.nii.gz"],
    ],
)
def test_dvr_of_every_model(scan: Path, options: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scan)
    image, record = dvr(scan, *options)
    np.testing.assert_allclose(image[4:7], 1.3, atol=0.01)
    np.testing.assert_allclose(image[:4], 1.0, atol=0.002)
    assert not image[7].any()
    assert record["MotionCorrected"] is False
    assert len(record["ReferenceTAC"]) == 34
    assert record["Settings"]["model"] in options or record["Settings"]["model"] == "logan"
    if "auto" in options:
        assert record["Settings"]["k2prime_per_min"] == pytest.approx(0.07, rel=0.03)


def test_dvr_without_k2prime_drops_the_term_and_says_so(scan: Path) -> None:
    image, record = dvr(scan, "--t-star", 30)
    assert image[5].mean() < 1.27
    assert record["Settings"]["k2prime_per_min"] is None
    assert record["Settings"]["t_star_min"] == 30
    assert record["Settings"]["frames_fitted"] == 9


def test_dvr_corrects_frame_motion(tmp_path: Path, tissue: Callable, frames: Frames) -> None:
    """A head that jumps by 6 mm half way: with --motion the map is right again inside the tissue."""
    shape, affine = (24, 24, 20), np.diag([-4.0, 4.0, 4.0, 1.0])
    x, y, z = np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij")

    def head(shift: float) -> tuple[np.ndarray, np.ndarray]:
        radius = np.sqrt(((x - 11.5 - shift) / 9) ** 2 + ((y - 11.5) / 10) ** 2 + ((z - 9.5) / 7) ** 2)
        body = 1 / (1 + np.exp((radius - 1) * 12))
        core = np.sqrt(((x - 14 - shift) / 3.5) ** 2 + ((y - 9) / 5) ** 2 + ((z - 9) / 4) ** 2)
        return body, body / (1 + np.exp((core - 1) * 8))

    pet = np.zeros((*shape, 34), np.float32)
    for n in range(34):
        body, white = head(1.5 if frames.start_s[n] >= 1800 else 0.0)
        pet[..., n] = (body - white) * tissue(1.0, 1.0)[0][n] + white * tissue(0.58, 1.3)[0][n]
    save(tmp_path / "pet.nii.gz", pet, affine)
    body, white = head(0.0)
    save(tmp_path / "reference.nii.gz", (body > 0.95) & (white < 0.02), affine, "uint8")
    record = {"FrameTimesStart": frames.start_s.tolist(), "FrameDuration": frames.duration_s.tolist()}
    (tmp_path / "pet.json").write_text(json.dumps({**record, "ImageDecayCorrected": True, "Units": "Bq/mL"}))
    core = white > 0.9
    still, _ = dvr(tmp_path, "--k2prime", 0.07)
    mended, sidecar = dvr(tmp_path, "--k2prime", 0.07, "--motion")
    error = {name: np.abs(image[core] - 1.29).mean() for name, image in (("still", still), ("mended", mended))}
    assert error["mended"] < 0.6 * error["still"]
    assert sidecar["MotionCorrected"] is True
    assert sidecar["Motion"]["MaximumShiftMm"] == pytest.approx(6, abs=1.5)


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


def test_csf_share_beside_the_dvr(scan: Path) -> None:
    csf = np.zeros(SHAPE)
    csf[4, 4, 4] = 1
    options = ["--csf", save(scan / "csf.nii.gz", csf), "--out-csf", scan / "share.nii.gz", "--fwhm", 4]
    _, record = dvr(scan, "--k2prime", 0.07, *options)
    share = load(scan / "share.nii.gz")
    assert (share > 0.1).any()
    assert record["PartialVolumeCorrected"] is False
    assert record["CSFFractionMap"] == "share.nii.gz"
    touched = ((share > 0.1) & (load(scan / "dvr.nii.gz") > 0)).sum() / (load(scan / "dvr.nii.gz") > 0).sum()
    assert record["BrainVoxelsAboveCSFLimit"] == pytest.approx(touched, abs=1e-4)
    assert share.sum() == pytest.approx(1, abs=0.02)
    assert share[5, 4, 4] / share[4, 4, 4] == pytest.approx(0.5, rel=0.05)  # 2 mm away: half of the 4 mm width
    with pytest.raises(InputError, match="options belong together"):
        dvr(scan, "--out-csf", scan / "share.nii.gz")


def test_dvr_finds_its_own_t_star(scan: Path) -> None:
    image, record = dvr(scan, "--k2prime", 0.07, "--t-star", "auto")
    assert "deviation" in record["Settings"]["t_star_source"]
    assert record["Settings"]["t_star_min"] < 30
    np.testing.assert_allclose(image[4:7], 1.3, atol=0.03)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"ImageDecayCorrected": False}, [], "not decay corrected"),
        ({"FrameDuration": [60.0]}, [], "1 FrameDuration for 34 volumes"),
        ({}, ["--t-star", 80], "too few frames"),
        ({}, ["--k2prime", "fast"], "'fast'"),
        ({}, ["--k2prime", "-1"], "'-1'"),
        ({}, ["--model", "srtm2"], "srtm2 needs"),
        ({}, ["--t-star", "late"], "'late', expected 0 or more"),
        ({}, ["--mask", "nowhere.nii.gz"], "file missing"),
    ],
)
def test_dvr_faults_leave_no_file(scan: Path, change: dict[str, Any], options: list[object], said: str) -> None:
    record = json.loads((scan / "pet.json").read_text())
    (scan / "pet.json").write_text(json.dumps({**record, **change}))
    with pytest.raises(InputError, match=said):
        dvr(scan, *options)
    assert not list(scan.glob("*dvr*"))


@pytest.mark.parametrize(("level", "told"), [(0, "0"), (-3, "-3")])
@pytest.mark.parametrize("model", ["logan", "srtm", "srtm2"])
def test_dvr_refuses_a_reference_without_tracer(scan: Path, model: str, level: float, told: str) -> None:
    air = np.zeros(SHAPE)
    air[7] = 1
    save(scan / "reference.nii.gz", air, dtype="uint8")
    pet = load(scan / "pet.nii.gz")
    pet[7] = level
    save(scan / "pet.nii.gz", pet)
    said = rf"reference region holds no tracer, .*reference\.nii\.gz, mean activity {told} at .*expected more than 0"
    with pytest.raises(InputError, match=said) as fault:
        dvr(scan, "--model", model, "--k2prime", 0.07)
    assert "\n" not in str(fault.value)
    assert not list(scan.glob("*dvr*"))


def test_tac_dvr_refuses_what_the_models_cannot_use(tmp_path: Path, tissue: Callable, frames: Frames) -> None:
    curve, reference = tissue(0.58, 1.3)
    ends = frames.start_s + frames.duration_s
    table = {"frame_start": frames.start_s, "frame_end": ends, "white": curve, "grey": reference, "empty": 0 * curve}
    pd.DataFrame(table).to_csv(tmp_path / "tacs.tsv", sep="\t", index=False)
    words = ["tac-dvr", tmp_path / "tacs.tsv", tmp_path / "out.tsv", "--reference"]
    with pytest.raises(InputError, match="srtm2 needs k2', --k2prime, not given, give a rate in 1/min, or auto"):
        call(*words, "grey", "--model", "srtm2")
    with pytest.raises(InputError, match="reference region holds no tracer"):
        call(*words, "empty", "--k2prime", 0.07)
    assert not (tmp_path / "out.tsv").exists()


def test_dvr_refuses_another_grid(scan: Path) -> None:
    save(scan / "reference.nii.gz", np.ones(SHAPE), ORIENTATIONS["RAS"], "uint8")
    with pytest.raises(InputError, match="grids differ"):
        dvr(scan)


@pytest.mark.parametrize("code", ORIENTATIONS)
@pytest.mark.parametrize("prefix", ["", "sub-1_ses-t0"])
def test_fit_tensor_files(tmp_path: Path, code: str, prefix: str) -> None:
    rng = np.random.default_rng(3)
    bvecs = rng.standard_normal((30, 3))
    bvecs = np.vstack([np.zeros((5, 3)), bvecs / np.linalg.norm(bvecs, axis=1, keepdims=True)])
    bvals = np.append(np.zeros(5), np.full(30, 1000.0))
    data = np.zeros((*SHAPE, 35))
    data[...] = 1000 * np.exp(-bvals * (bvecs**2 @ [1.7e-3, 0.4e-3, 0.4e-3]))
    save(tmp_path / "dwi.nii.gz", data, ORIENTATIONS[code])
    save(tmp_path / "mask.nii.gz", np.ones(SHAPE), ORIENTATIONS[code], "uint8")
    np.savetxt(tmp_path / "bval", bvals[None])
    np.savetxt(tmp_path / "bvec", bvecs.T)
    inputs = ["--bvals", tmp_path / "bval", "--bvecs", tmp_path / "bvec", "--mask", tmp_path / "mask.nii.gz"]
    names = ["--prefix", prefix] if prefix else []
    call("fit-tensor", tmp_path / "dwi.nii.gz", *inputs, "--out-dir", tmp_path / "out", *names)
    expected = {"fa": 1.3 / np.sqrt(3.21), "rd": 0.4e-3, "ad": 1.7e-3, "md": 2.5e-3 / 3}
    for name, value in expected.items():
        stem = f"{prefix}_model-tensor_param-{name}_dwimap" if prefix else name
        stem = f"{prefix}_FA" if prefix and name == "fa" else stem
        image = nib.load(tmp_path / "out" / f"{stem}.nii.gz")
        np.testing.assert_allclose(image.get_fdata(), value, rtol=2e-3)
        np.testing.assert_allclose(image.affine, ORIENTATIONS[code], atol=1e-5)
        record = json.loads((tmp_path / "out" / f"{stem}.json").read_text())
        assert record["Units"] == ("1" if name == "fa" else "mm2/s")
        assert record["EPIDistortion"] == "uncorrected"
    call("mean-b0", tmp_path / "dwi.nii.gz", tmp_path / "b0.nii.gz", "--bvals", tmp_path / "bval")
    np.testing.assert_allclose(load(tmp_path / "b0.nii.gz"), 1000)


def test_fit_tensor_corrects_motion_and_turns_the_directions(tmp_path: Path) -> None:
    """A head that turns by 15 degrees after half of the volumes: its tensor comes back only with --motion."""
    shape, affine = (22, 24, 18), np.diag([-4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [42, -46, -34]
    world = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    angle = np.radians(15)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    rng = np.random.default_rng(4)
    bvecs = rng.standard_normal((10, 3))
    bvecs = np.vstack([np.zeros((2, 3)), bvecs / np.linalg.norm(bvecs, axis=1, keepdims=True)])
    bvals = np.append(np.zeros(2), np.full(10, 1000.0))
    tensor = np.diag([1.7e-3, 0.3e-3, 0.3e-3])
    data = np.zeros((*shape, 12), np.float32)
    for n in range(12):
        rotation = turn if n % 2 else np.eye(3)
        point = world @ rotation  # the anatomy's coordinates of a point of the turned head
        body = 1 / (1 + np.exp(12 * (np.sqrt(((point / [34, 40, 28]) ** 2).sum(-1)) - 1)))
        bright = (
            1
            + np.exp(-((point - [14, 10, 4]) ** 2).sum(-1) / 150)
            + np.exp(-((point - [-16, -6, -2]) ** 2).sum(-1) / 90)
        )
        g = bvecs[n]
        data[..., n] = 1000 * body * bright * np.exp(-bvals[n] * g @ rotation @ tensor @ rotation.T @ g)
    save(tmp_path / "dwi.nii.gz", data, affine)
    inside = (np.abs(world) < [20, 24, 14]).all(-1)
    save(tmp_path / "mask.nii.gz", inside, affine, "uint8")
    np.savetxt(tmp_path / "bval", bvals[None])
    np.savetxt(tmp_path / "bvec", (bvecs * [-1, 1, 1]).T)  # along the voxel axes of LAS
    inputs = ["--bvals", tmp_path / "bval", "--bvecs", tmp_path / "bvec", "--mask", tmp_path / "mask.nii.gz"]
    error = []
    for options in ([], ["--motion"]):
        call("fit-tensor", tmp_path / "dwi.nii.gz", *inputs, "--out-dir", tmp_path, *options)
        error.append(np.abs(load(tmp_path / "ad.nii.gz")[inside] - 1.7e-3).mean())
    assert error[1] < 0.35 * error[0]
    record = json.loads((tmp_path / "fa.json").read_text())
    assert record["MotionCorrected"] is True
    assert record["Motion"]["MaximumRotationDeg"] == pytest.approx(15, abs=2.5)


def test_mtr_registers_the_pair(tmp_path: Path) -> None:
    """ON moved by 5 mm, on a grid of its own: the ratio is 46 % again only with --register."""
    affine = np.diag([-3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [45, -48, -42]

    def head(shape: tuple[int, int, int], grid: np.ndarray, shift: float) -> np.ndarray:
        point = np.moveaxis(np.indices(shape), 0, -1) @ grid[:3, :3].T + grid[:3, 3] - [shift, 0, 0]
        body = 1 / (1 + np.exp(10 * (np.sqrt(((point / [34, 38, 30]) ** 2).sum(-1)) - 1)))
        return body * (100 + 60 * np.sin(point[..., 0] / 7) * np.cos(point[..., 1] / 9) * np.sin(point[..., 2] / 8 + 1))

    off = save(tmp_path / "off.nii.gz", head((30, 32, 28), affine, 0) + 1, affine)
    other = affine.copy()
    other[:3, 3] += [6, 3, -3]
    on = save(tmp_path / "on.nii.gz", 0.54 * (head((32, 32, 30), other, 5) + 1), other)
    inside = (
        np.linalg.norm(np.moveaxis(np.indices((30, 32, 28)), 0, -1) @ affine[:3, :3].T + affine[:3, 3], axis=-1) < 24
    )
    call("mtr", on, off, tmp_path / "mtr.nii.gz", "--register")
    found = load(tmp_path / "mtr.nii.gz")[inside]
    assert np.abs(found - 46).mean() < 1
    whole = load(tmp_path / "mtr.nii.gz")
    assert whole.max() < 80  # where ON does not cover OFF there is no ratio, not one of 100 %
    record = json.loads((tmp_path / "mtr.json").read_text())
    assert record["Registered"] is True
    assert record["Motion"]["MaximumShiftMm"] == pytest.approx(5, abs=0.5)
    assert record["VoxelsWithoutMTon"] == (whole == 0).sum() > 0
    with pytest.raises(InputError, match="grids differ"):
        call("mtr", on, off, tmp_path / "again.nii.gz")
    far = affine.copy()
    far[:3, 3] += 1000
    apart = save(tmp_path / "far.nii.gz", load(off), far)
    with pytest.raises(InputError, match=r"do not overlap, .*far\.nii\.gz, 0%"):
        call("mtr", apart, off, tmp_path / "again.nii.gz", "--register")
    with pytest.raises(InputError, match="image of one value"):
        call("mtr", save(on, np.ones((30, 32, 28)), affine), off, tmp_path / "again.nii.gz", "--register")
    assert not (tmp_path / "again.nii.gz").exists()


def test_mtr_files(tmp_path: Path) -> None:
    on, off = save(tmp_path / "on.nii.gz", np.full(SHAPE, 54)), save(tmp_path / "off.nii.gz", np.full(SHAPE, 100))
    mask = np.zeros(SHAPE)
    mask[2:5] = 1
    call("mtr", on, off, tmp_path / "mtr.nii.gz", "--mask", save(tmp_path / "mask.nii.gz", mask))
    np.testing.assert_allclose(load(tmp_path / "mtr.nii.gz"), 46 * mask, rtol=1e-6)
    with pytest.raises(InputError, match="grids differ"):
        call("mtr", save(on, np.ones((4, 4, 4))), off, tmp_path / "again.nii.gz")
    assert not (tmp_path / "again.nii.gz").exists()


def test_tac_dvr_files(tmp_path: Path, tissue: Callable, frames: Frames) -> None:
    curve, reference = tissue(0.58, 1.3)
    ends = frames.start_s + frames.duration_s
    table = {"frame_start": frames.start_s, "frame_end": ends, "cerebellum": reference, "wm": curve}
    pd.DataFrame(table).to_csv(tmp_path / "tacs.tsv", sep="\t", index=False)
    tacs, out = tmp_path / "tacs.tsv", tmp_path / "out.tsv"
    call("tac-dvr", tacs, out, "--reference", "cerebellum", "--model", "srtm")
    found = pd.read_csv(out, sep="\t")
    assert found.columns.tolist() == ["region", "dvr", "r1", "k2prime", "bpnd"]
    assert found["dvr"][0] == pytest.approx(1.3, abs=0.005)
    assert set(found.columns) <= set(json.loads(out.with_suffix(".json").read_text()))
    call("tac-dvr", tacs, out, "--reference", "cerebellum", "--k2prime", "auto", "--t-star", "auto")
    assert pd.read_csv(out, sep="\t")["dvr"][0] == pytest.approx(1.3, abs=0.02)
    settings = json.loads(out.with_suffix(".json").read_text())["Settings"]
    assert settings["k2prime_per_min"] == pytest.approx(0.07, rel=0.03)
    with pytest.raises(InputError, match="'pons' among"):
        call("tac-dvr", tacs, out, "--reference", "pons")


def test_k2prime_comes_from_the_voxels_of_its_mask(scan: Path, tissue: Callable, frames: Frames) -> None:
    """Curves that follow another k2' (0.2) spoil the one of the domain, not that of a mask without them."""
    pet, reference = load(scan / "pet.nii.gz"), tissue(1.0, 1.0)[1]
    k2a = 0.58 * 0.2 / 1.3
    pet[6] = 0.58 * (reference + (0.2 - k2a) * convolved_reference(reference, frames, np.array([k2a]))[0])
    save(scan / "pet.nii.gz", pet)
    brain = np.zeros(SHAPE)
    brain[4:6] = 1
    mask = save(scan / "brain.nii.gz", brain, dtype="uint8")
    found = {}
    for name, options in {"domain": [], "mask": ["--k2prime-mask", mask]}.items():
        image, record = dvr(scan, "--k2prime", "auto", *options)
        found[name] = record["Settings"]["k2prime_per_min"]
        assert ("brain.nii.gz" in record["Sources"]) == (name == "mask")
        assert image[6].any()  # the map's domain stays
    assert found["mask"] == pytest.approx(0.07, rel=0.03)
    assert found["domain"] > 0.08
    small = save(scan / "small.nii.gz", np.ones((4, 4, 4)), dtype="uint8")
    with pytest.raises(InputError, match=r"grids differ.*small\.nii\.gz"):
        dvr(scan, "--k2prime", "auto", "--k2prime-mask", small)


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
