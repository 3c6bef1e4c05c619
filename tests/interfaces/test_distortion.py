"""`epi-shift` from files to files: one anatomy in four storages, each method, what uses the map, and the faults."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from typer.testing import CliRunner

from myelosynth.cli import commands  # noqa: F401  (registers the commands)
from myelosynth.cli.app import app
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform

from .conftest import rigid, world

READOUT = 0.05
SIZE, SHAPE = 4.0, (26, 30, 24)
# Storage of one anatomy: signs of the voxel axes, rotation, and the direction of a phase axis that runs to the front.
STORAGES = {
    "RAS": ((1, 1, 1), (0.0, 0.0, 0.0), "j"),
    "LAS": ((-1, 1, 1), (0.0, 0.0, 0.0), "j"),
    "LPS": ((-1, -1, 1), (0.0, 0.0, 0.0), "j-"),
    "oblique": ((1, 1, 1), (4.0, -3.0, 6.0), "j"),
}


def grid_of(storage):
    signs, angles, _ = STORAGES[storage]
    affine = np.eye(4)
    affine[:3, :3] = rigid(angles, (0, 0, 0)).matrix[:3, :3] @ np.diag(np.array(signs) * SIZE)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2)
    return Grid(SHAPE, affine)


def field_hz(points):
    """A sinus above the nose and an ear, Hz, at world points (..., 3)."""

    def bump(*centre):
        return np.exp(-((points - np.array(centre)) ** 2).sum(-1) / (2 * 14.0**2))

    return 60 * bump(0, 28, -10) - 30 * bump(-28, -5, -12)


def distort(image, shift):
    """Each line along the second axis as the scanner sees it."""
    seen, here = np.zeros(image.shape, np.float32), np.arange(image.shape[1], dtype=float)
    for i, k in np.ndindex(image.shape[0], image.shape[2]):
        source = np.interp(here, here + shift[i, :, k], here)
        stretch = 1 + np.interp(source, here, np.gradient(shift[i, :, k]))
        seen[i, :, k] = ndimage.map_coordinates(image[i, :, k], [source], order=1, mode="nearest") / stretch
    return seen


def save(path, data, grid, record=None, dtype=np.float32):
    nib.save(nib.Nifti1Image(np.asarray(data, dtype), grid.affine), path)
    if record is not None:
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(record))
    return path


def call(*words):
    CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False, standalone_mode=False)


def load(path):
    return np.asarray(nib.load(path).dataobj, float)


class Scan:
    """A distorted series of two b0 and six weighted volumes, its field map, its reverse b0, its T1w."""

    def __init__(self, folder, head, storage):
        self.folder, self.grid = folder, grid_of(storage)
        direction = STORAGES[storage][2]
        opposite = direction.removesuffix("-") if direction.endswith("-") else f"{direction}-"
        sign = -1 if direction.endswith("-") else 1
        points = world(self.grid)
        self.clean = head.image("t2", LinearTransform.identity(), self.grid, noise=0.5)
        self.brain = np.sqrt((points**2).sum(-1)) < 40
        self.shift = sign * READOUT * field_hz(points)
        seen = distort(self.clean, self.shift)
        echo = {"PhaseEncodingDirection": direction, "TotalReadoutTime": READOUT}
        weights = [1, 1, *np.linspace(0.3, 0.6, 6)]
        self.dwi = save(folder / "dwi.nii.gz", np.stack([w * seen for w in weights], -1), self.grid, echo)
        (folder / "dwi.bval").write_text("0 0 " + "1000 " * 6)
        back = distort(head.image("t2", LinearTransform.identity(), self.grid, noise=0.6), -self.shift)
        save(folder / "reverse.nii.gz", back, self.grid, echo | {"PhaseEncodingDirection": opposite})
        mapped = Grid((40, 40, 34), np.diag([3.2, 3.2, 3.2, 1.0]) + np.outer((-62, -62, -54, 0), (0, 0, 0, 1)))
        save(folder / "fieldmap.nii.gz", field_hz(world(mapped)), mapped, {"Units": "Hz"})
        fine = Grid((64, 72, 60), np.diag([1.6, 1.6, 1.6, 1.0]) + np.outer((-51, -57, -47, 0), (0, 0, 0, 1)))
        save(folder / "t1w.nii.gz", head.image("t1", LinearTransform.identity(), fine, noise=0.5), fine)
        inside = np.sqrt((world(fine) ** 2).sum(-1)) < 40
        save(folder / "t1w_mask.nii.gz", inside, fine, dtype=np.uint8)
        LinearTransform.identity().write(folder / "b0.txt")

    options = {  # noqa: RUF012
        "fieldmap": ["--fieldmap", "fieldmap.nii.gz"],
        "reverse": ["--reverse", "reverse.nii.gz"],
        "t1w": ["--t1w", "t1w.nii.gz", "--t1w-mask", "t1w_mask.nii.gz", "--transform", "b0.txt"],
    }

    def find(self, method, *more):
        """Shift in voxels and its sidecar."""
        words = [self.folder / w if w.endswith((".gz", ".txt")) else w for w in self.options[method]]
        out = self.folder / "shift.nii.gz"
        call("epi-shift", self.dwi, out, "--bvals", self.folder / "dwi.bval", "--method", method, *words, *more)
        return load(out) / SIZE, json.loads((self.folder / "shift.json").read_text())

    def error(self, shift):
        """Mean error in the brain, mm, of a shift (X, Y, Z) in voxels."""
        return float(np.abs(shift - self.shift)[self.brain].mean() * SIZE)


@pytest.fixture
def scan(tmp_path, head):
    return Scan(tmp_path, head, "LAS")


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(("method", "share"), [("fieldmap", 0.15), ("reverse", 0.5)])
def test_the_shift_of_every_storage(tmp_path, head, storage, method, share):
    """A wrong sign or axis would double the error of doing nothing."""
    scan = Scan(tmp_path, head, storage)
    shift, record = scan.find(method)
    assert scan.error(0 * shift) > 0.8
    assert scan.error(shift) < share * scan.error(0 * shift)
    assert record["PhaseEncodingDirection"] == STORAGES[storage][2]
    assert record["PhaseAxis"] == "j"
    assert record["FoldedVoxels"] == 0
    assert record["MaximumShiftMm"] == pytest.approx(np.abs(scan.shift).max() * SIZE, rel=0.25)


def test_without_a_field_map_the_large_shifts_shrink(scan):
    shift, record = scan.find("t1w")
    large = scan.brain & (np.abs(scan.shift) > 0.8)
    assert np.abs(shift - scan.shift)[large].mean() < 0.75 * np.abs(scan.shift)[large].mean()
    assert record["EPIDistortion"].endswith("b0 to T1w: large shifts only")
    again, _ = scan.find("t1w")
    np.testing.assert_array_equal(again, shift)


def test_the_map_mends_b0_and_tensor(scan):
    scan.find("fieldmap")
    b0 = [scan.folder / name for name in ("bent.nii.gz", "straight.nii.gz")]
    call("mean-b0", scan.dwi, b0[0], "--bvals", scan.folder / "dwi.bval")
    call("mean-b0", scan.dwi, b0[1], "--bvals", scan.folder / "dwi.bval", "--shift", scan.folder / "shift.nii.gz")
    bent, straight = (np.abs(load(path) - scan.clean)[scan.brain].mean() for path in b0)
    assert straight < 0.5 * bent
    told = [json.loads((scan.folder / name).read_text())["EPIDistortion"] for name in ("bent.json", "straight.json")]
    assert told == ["uncorrected", "corrected by a field map"]
    # Diffusion that changes along the phase axis is found at its place only where the series is straightened.
    kept = 0.3 + 0.4 / (1 + np.exp(-(world(scan.grid)[..., 1] - 24) / 3))
    bent = [distort(scan.clean, scan.shift)] * 2 + [distort(scan.clean * kept, scan.shift)] * 6
    save(scan.dwi, np.stack(bent, -1), scan.grid)
    turned = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.7, 0.7, 0], [0.7, 0, 0.7], [0, 0.7, 0.7]])
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    np.savetxt(scan.folder / "dwi.bvec", np.vstack([np.zeros((2, 3)), turned]).T)
    mask = save(scan.folder / "mask.nii.gz", scan.brain, scan.grid, dtype=np.uint8)
    words = ["--bvals", scan.folder / "dwi.bval", "--bvecs", scan.folder / "dwi.bvec", "--mask", mask]
    wrong = []
    for more in ([], ["--shift", scan.folder / "shift.nii.gz"]):
        call("fit-tensor", scan.dwi, *words, "--out-dir", scan.folder, *more)
        wrong.append(np.abs(load(scan.folder / "md.nii.gz") + np.log(kept) / 1000)[scan.brain].mean())
    assert wrong[1] < 0.6 * wrong[0]
    record = json.loads((scan.folder / "fa.json").read_text())
    assert record["EPIDistortion"] == "corrected by a field map"
    assert record["Settings"]["distortion"]
    assert any("shift.nii.gz" in source for source in record["Sources"])


def test_a_phase_difference_serves_as_field_map(scan):
    field = nib.load(scan.folder / "fieldmap.nii.gz")
    grid = Grid.of(field)
    strength = np.where(np.sqrt((world(grid) ** 2).sum(-1)) < 50, 100.0, 1.0)
    phase = np.angle(np.exp(2j * np.pi * np.asarray(field.dataobj) * 0.01))
    save(scan.folder / "fieldmap.nii.gz", phase, grid, {"EchoTime1": 0.004, "EchoTime2": 0.014})
    save(scan.folder / "magnitude.nii.gz", strength, grid)
    with pytest.raises(InputError, match="phase difference without magnitude"):
        scan.find("fieldmap")
    shift, record = scan.find("fieldmap", "--magnitude", scan.folder / "magnitude.nii.gz")
    assert scan.error(shift) < 0.2 * scan.error(0 * shift)
    assert "unwrapped" in record["Settings"]["fieldmap"]


def test_units_in_hertz_make_a_field_map_whatever_else_its_sidecar_says(scan):
    """Scanners that compute the field leave the echo times that it came from."""
    before, _ = scan.find("fieldmap")
    sidecar(scan, "fieldmap.json", EchoTime1=0.004, EchoTime2=0.014)
    after, record = scan.find("fieldmap")
    np.testing.assert_array_equal(after, before)
    assert record["Settings"]["fieldmap"] == "in Hz"


def sidecar(scan, name, **fields):
    path = scan.folder / name
    record = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({key: value for key, value in record.items() if value is not None}))


def far(scan):
    grid = Grid((40, 40, 34), np.diag([3.2, 3.2, 3.2, 1.0]) + np.outer((300, 0, 0, 0), (0, 0, 0, 1)))
    save(scan.folder / "fieldmap.nii.gz", load(scan.folder / "fieldmap.nii.gz"), grid)


def coarse(scan):
    save(scan.folder / "reverse.nii.gz", load(scan.folder / "reverse.nii.gz")[:-1], scan.grid)


FAULTS = {
    "direction": ("fieldmap", lambda s: sidecar(s, "dwi.json", PhaseEncodingDirection=None), "phase encoding unknown"),
    "readout": ("reverse", lambda s: sidecar(s, "dwi.json", TotalReadoutTime=None), "readout time unknown"),
    "units": ("fieldmap", lambda s: sidecar(s, "fieldmap.json", Units="ppm"), "Units 'ppm', expected Hz, rad/s, T"),
    "echoes": ("fieldmap", lambda s: sidecar(s, "fieldmap.json", Units=None, EchoTime1=0.01), "EchoTime2 None"),
    "place": ("fieldmap", far, "field map covers too little, .*0% of the head"),
    "same": ("reverse", lambda s: sidecar(s, "reverse.json", PhaseEncodingDirection="j"), "j, the series j; expected"),
    "across": ("reverse", lambda s: sidecar(s, "reverse.json", PhaseEncodingDirection="i-"), "i-, the series j"),
    "grid": ("reverse", coarse, r"grids differ, .*shape \(25, 30, 24\)"),
    "sidecar": ("fieldmap", lambda s: (s.folder / "dwi.json").unlink(), "file missing, .*dwi.json"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_told_in_one_line(scan, name):
    method, harm, said = FAULTS[name]
    harm(scan)
    with pytest.raises(InputError, match=said) as fault:
        scan.find(method)
    assert "\n" not in str(fault.value)
    assert not list(scan.folder.glob("*shift*"))


def test_options_belong_to_their_method(scan):
    with pytest.raises(InputError, match="method reverse does not use --fieldmap"):
        scan.find("reverse", "--fieldmap", scan.folder / "fieldmap.nii.gz")
    words = ["epi-shift", scan.dwi, scan.folder / "shift.nii.gz", "--bvals", scan.folder / "dwi.bval"]
    with pytest.raises(InputError, match=r"method t1w needs more, .*--t1w not given"):
        call(*words, "--method", "t1w")


def test_only_a_shift_map_is_taken_for_one(scan):
    words = ["mean-b0", scan.dwi, scan.folder / "b0.nii.gz", "--bvals", scan.folder / "dwi.bval", "--shift"]
    with pytest.raises(InputError, match="not a shift map"):
        call(*words, scan.folder / "reverse.nii.gz")
    with pytest.raises(InputError, match="grids differ"):
        call(*words, scan.folder / "fieldmap.nii.gz")
