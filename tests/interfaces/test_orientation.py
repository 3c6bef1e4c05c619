"""Every embedded interface gives the same answer for one anatomy however its voxels are stored.

The twins of an image are lossless: axes reversed, or swapped, in data and affine alike, or (oblique) the header turned
about an axis with the data as they are. Outputs are brought back to the first one's voxels and compared.
"""

import numpy as np
import pytest

from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform

from .conftest import rigid, world
from .twins import COARSE, FIRST, TURNED, TWINS, command


@pytest.fixture(params=[*TWINS])
def twin(request):
    return TWINS[request.param]


@pytest.fixture(scope="session")
def brain(head):
    """t1, fractions and a lesion mask of the head at 2.5 mm, (X, Y, Z) each."""
    csf, gm, wm = head.fractions(world(COARSE))
    distance = np.linalg.norm(world(COARSE) - (20, 8, 4), axis=-1)
    lesions = (distance < 6) | (np.linalg.norm(world(COARSE) - (-18, -12, 10), axis=-1) < 5)
    t1 = head.image("t1", LinearTransform.identity(), COARSE)
    inside = np.sqrt((world(COARSE) ** 2).sum(-1)) < 42
    return {"t1": t1, "csf": csf, "gm": gm, "wm": wm, "lesions": lesions, "mask": inside}


LABELS = ("lesions", "mask", "wm_mask", "grey")


@pytest.fixture
def run(brain, tmp_path, twin):
    """Call `compute(folder, twin)` with the brain's files stored as the first one and as the twin."""

    def both(compute):
        found = []
        for name, one in (("first", FIRST), ("twin", twin)):
            folder = tmp_path / name
            folder.mkdir()
            for image, data in {**brain, "wm_mask": brain["wm"] > 0.5}.items():
                one.save(folder / f"{image}.nii.gz", data, COARSE, np.uint8 if image in LABELS else np.float32)
            found.append(compute(folder, one))
        return found

    return both


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_the_twins_hold_the_same_anatomy(twin, brain):
    """The world point of a voxel moves with the header, and the voxel keeps its value."""
    grid, data = twin.grid(COARSE), twin.data(brain["t1"])
    np.testing.assert_array_equal(twin.back(data), brain["t1"])
    for voxel in ((3, 5, 7), (20, 30, 11)):
        point = twin.moved.apply(LinearTransform(COARSE.affine).apply(np.array(voxel, float)))
        there = np.rint((~LinearTransform(grid.affine)).apply(point)).astype(int)
        assert data[tuple(there)] == brain["t1"][voxel]


def test_n4(run):
    def compute(folder, one):
        command("n4", folder / "t1.nii.gz", folder / "out.nii.gz", "--mask", folder / "mask.nii.gz")
        return one.load(folder / "out.nii.gz")

    first, other = run(compute)
    head = first > 10
    np.testing.assert_allclose(other[head], first[head], rtol=1e-4)


def test_fill_lesions(run, brain):
    def compute(folder, one):
        command("fill-lesions", *(folder / f"{name}.nii.gz" for name in ("t1", "lesions", "out")))
        return one.load(folder / "out.nii.gz")

    first, other = run(compute)
    assert np.abs(first - brain["t1"])[brain["lesions"]].mean() > 0.5
    np.testing.assert_allclose(other, first, rtol=1e-4)


def test_tissue(run, brain):
    def compute(folder, one):
        images = (folder / "t1.nii.gz", "--mask", folder / "mask.nii.gz")
        command("segment-tissue", *images, "--out-dir", folder / "out", "--engine", "dipy")
        return [one.load(folder / "out" / f"{name}.nii.gz") for name in ("csf", "gm", "wm", "wm_mask")]

    first, other = run(compute)
    for ours, theirs in zip(other, first, strict=True):
        assert np.abs(ours - theirs)[brain["mask"]].mean() < 0.005
    assert dice(other[3] > 0.5, first[3] > 0.5) > 0.99


def test_nawm_and_distance(run):
    def compute(folder, one):
        nawm, distance = folder / "nawm.nii.gz", folder / "distance.nii.gz"
        command("nawm", folder / "wm_mask.nii.gz", folder / "lesions.nii.gz", nawm)
        command("csf-distance", folder / "lesions.nii.gz", folder / "mask.nii.gz", distance)
        return [one.load(path) for path in (nawm, distance)]

    first, other = run(compute)
    np.testing.assert_array_equal(other[0], first[0])
    np.testing.assert_allclose(other[1], first[1], atol=1e-3)


def test_ventricles(twin, tmp_path):
    """The template places them by world axes, so a header turned by degrees moves its limits a little."""
    grid = Grid((52, 60, 46), np.diag([3.0, 3, 3, 1]) + np.outer((-76, -105, -70, 0), (0, 0, 0, 1)))
    points = world(grid) - (0, -17, 2)
    brain = ((points / (65, 85, 65)) ** 2).sum(-1) < 1
    horns = [((points - (side * 14, 5, 14)) / (6, 30, 9)) ** 2 for side in (-1, 1.15)]
    csf = np.any([horn.sum(-1) < 1 for horn in horns], axis=0)
    found = []
    for name, one in (("first", FIRST), ("twin", twin)):
        files = [tmp_path / f"{name}_{what}.nii.gz" for what in ("csf", "brain", "out")]
        one.save(files[0], csf, grid)
        one.save(files[1], brain, grid, np.uint8)
        command("ventricles", files[0], files[2], "--mask", files[1])
        found.append(one.load(files[2]) > 0)
    assert found[0].sum() > 100
    if twin.moved is TURNED:
        assert dice(*found) > 0.9
    else:
        np.testing.assert_array_equal(*found)


def test_transform(run):
    """An image pulled through a transform onto a grid, image and grid stored as twins."""
    pull = rigid((5.0, 3.0, -4.0), (4.0, -2.0, 6.0))

    def compute(folder, one):
        (one.moved @ pull @ ~one.moved).write(folder / "pull.txt")
        target = Grid((30, 34, 28), COARSE.affine @ np.diag([1.3, 1.2, 1.25, 1]))
        one.save(folder / "target.nii.gz", np.ones(target.shape), target)
        command(
            "transform", folder / "t1.nii.gz", folder / "target.nii.gz", folder / "out.nii.gz",
            "--transform", folder / "pull.txt",
        )  # fmt: skip
        return one.load(folder / "out.nii.gz")

    first, other = run(compute)
    assert first.std() > 10
    edge = np.abs(other - first) > 0.05  # a point on the very edge of the field of view may fall to either side
    assert edge.mean() < 1e-3


def displacement(a, b):
    points = world(COARSE)[np.sqrt((world(COARSE) ** 2).sum(-1)) < 40][::20]
    return np.linalg.norm(a.apply(points) - b.apply(points), axis=-1)


def test_register(run, head, truth):
    def compute(folder, one):
        one.save(folder / "flair.nii.gz", head.image("flair", truth, COARSE), COARSE)
        command("register", folder / "flair.nii.gz", folder / "t1.nii.gz", "--out-transform", folder / "x.txt")
        return ~one.moved @ LinearTransform.read(folder / "x.txt") @ one.moved

    first, other = run(compute)
    assert displacement(first, truth).mean() < 0.5
    assert displacement(first, other).mean() < 0.25  # a tenth of a voxel; the random samples are others


def test_register_bbr(twin, head, truth, tmp_path):
    start = truth @ rigid((0.5, -0.5, 0.5), (0.8, -0.6, 0.5))
    _, gm, wm = head.fractions(world(head.grid))
    files = {"t2": head.image("t2", truth, head.grid), "gm": gm, "wm": wm > 0.5}
    files["t1"] = head.image("t1", LinearTransform.identity(), head.grid)
    found = []
    for name, one in (("first", FIRST), ("twin", twin)):
        paths = {what: tmp_path / f"{name}_{what}.nii.gz" for what in files}
        for what, data in files.items():
            one.save(paths[what], data, head.grid, np.uint8 if what == "wm" else np.float32)
        (one.moved @ start @ ~one.moved).write(tmp_path / "start.txt")
        out, init = tmp_path / f"{name}.txt", tmp_path / "start.txt"
        options = ["--wm-mask", paths["wm"], "--gm", paths["gm"], "--contrast", "t2", "--init", init]
        command("register-bbr", paths["t2"], paths["t1"], *options, "--out-transform", out)
        found.append(~one.moved @ LinearTransform.read(out) @ one.moved)
    assert displacement(found[0], truth).mean() < 0.6 * displacement(start, truth).mean()
    assert displacement(*found).mean() < 0.15


def test_mtr_with_its_registration(run, head):
    def compute(folder, one):
        moved = head.image("t1", rigid((1.0, -2.0, 1.0), (1.0, 1.5, -1.0)), COARSE)
        one.save(folder / "off.nii.gz", brain_of(folder, one), COARSE)
        one.save(folder / "on.nii.gz", 0.6 * moved, COARSE)
        files = [folder / f"{name}.nii.gz" for name in ("on", "off", "plain", "moved")]
        command("mtr", *files[:3])
        command("mtr", *files[:2], files[3], "--register")
        return [one.load(path) for path in files[2:]]

    def brain_of(folder, one):
        return one.load(folder / "t1.nii.gz")

    first, other = run(compute)
    np.testing.assert_array_equal(other[0], first[0])
    inside = np.sqrt((world(COARSE) ** 2).sum(-1)) < 36
    assert np.median(first[1][inside]) == pytest.approx(40, abs=2)
    assert np.abs(other[1] - first[1])[inside].mean() < 0.5
