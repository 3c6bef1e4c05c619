"""dvr from files to files: values, sidecars and faults."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.physics.frames import Frames
from myelosynth.physics.kinetics import convolved_reference

from .conftest import ORIENTATIONS, SHAPE, dvr, load, save


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


def test_dvr_refuses_another_grid(scan: Path) -> None:
    save(scan / "reference.nii.gz", np.ones(SHAPE), ORIENTATIONS["RAS"], "uint8")
    with pytest.raises(InputError, match="grids differ"):
        dvr(scan)


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
