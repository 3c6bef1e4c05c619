import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import normalized_mutual_information
from typer.testing import CliRunner

from myelosynth.errors import InputError
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_mask, load_volume
from myelosynth.phantom.dataset import raw_layout, write_participants, write_tables
from myelosynth.phantom.geometry import box_grid
from myelosynth.phantom.roster import Cohort
from myelosynth.phantom.session import Session
from myelosynth.phantom.settings import Settings


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_same_seed_same_bytes_in_other_processes_and_one_by_one(settings, dataset, tmp_path):
    write_tables(settings, tmp_path)
    list(write_participants(settings, tmp_path, jobs=2))
    assert digests(tmp_path) == digests(dataset)


def test_true_transforms_bring_images_together(dataset):
    layout = raw_layout(dataset)
    fixed = load_volume(layout.anat("001", "t1", "T1w"))
    brain = load_mask(layout.truth("001", "t1", "brain.nii.gz"), fixed.grid)
    for name, path in (("T2w", layout.anat("001", "t1", "T2w")), ("MT", layout.anat("001", "t1", "MTR", mt="off"))):
        moving = load_volume(path)
        pull = LinearTransform.read(layout.truth("001", "t1", f"from-{name}_to-T1w_mode-image_xfm.txt"))
        closeness = [
            normalized_mutual_information(resample(moving.data, moving.grid, fixed.grid, t), fixed.data, bins=24)
            for t in (pull, LinearTransform.identity(), ~pull)
        ]
        assert closeness[0] > closeness[1] > closeness[2]
    before = load_mask(layout.truth("001", "t0", "brain.nii.gz"))
    pull = LinearTransform.read(layout.truth("001", "t1", "from-T1wt1_to-T1wt0_mode-image_xfm.txt"))
    place = [
        np.argwhere(mask).mean(0) @ fixed.grid.affine[:3, :3].T + fixed.grid.affine[:3, 3] for mask in (before, brain)
    ]
    assert np.linalg.norm(place[1] - place[0]) > 3
    assert np.allclose(pull.apply(place[0]), place[1], atol=1.0)


def test_truth_lies_on_the_baseline_pet_grid_and_adds_up(dataset):
    layout = raw_layout(dataset)
    states = load_volume(layout.truth("001", "t1", "states.nii.gz"))
    assert states.grid.matches(box_grid((6.0,) * 3))
    record = json.loads(layout.truth("001", "t1", "truth.json").read_text())
    counts = np.bincount(states.data.astype(int).ravel(), minlength=5)[1:] / (states.data > 0).sum()
    assert record["demyelination"] == pytest.approx(counts[0])
    assert record["remyelination"] == pytest.approx(counts[1])
    assert record["percent_t0"] == pytest.approx(counts[1] + counts[2])
    assert record["global"] == pytest.approx(record["demyelination"] - record["remyelination"])


def test_two_draws_share_the_truth_but_not_the_noise(dataset):
    layout = raw_layout(dataset)
    first, second = (
        load_volume(path, ndim=4).data
        for path in (layout.pet("001", "t0"), layout.truth("001", "t0", "retest_pet.nii.gz"))
    )
    inside = first.mean(-1) > 2000
    assert first[inside].mean() == pytest.approx(second[inside].mean(), rel=2e-3)
    assert 0 < np.abs(first - second)[inside].mean() < 0.2 * first[inside].mean()


def test_further_draws_are_what_they_claim(dataset):
    """Retest and null are as noisy as the scan, the other two have no noise; only a follow-up has a null."""
    layout = raw_layout(dataset)
    assert not layout.truth("001", "t0", "null-scan_pet.nii.gz").exists()

    def series(session, draw):
        return load_volume(layout.truth("001", session, f"{draw}_pet.nii.gz"), ndim=4).data

    measured = load_volume(layout.pet("001", "t1"), ndim=4).data
    inside = measured.mean(-1) > 2000
    noise = {draw: (series("t1", draw) - series("t1", "noise-free"))[inside].std() for draw in ("retest", "null-scan")}
    assert noise["retest"] == pytest.approx((measured - series("t1", "noise-free"))[inside].std(), rel=0.05)
    assert noise["null-scan"] == pytest.approx(noise["retest"], rel=0.1)
    assert abs(series("t1", "oracle") - series("t1", "noise-free"))[inside].mean() > 0


@pytest.mark.parametrize("scenario", ["default", "no-change"])
def test_the_null_is_the_tissue_of_t0_in_the_place_of_t1(tmp_path, monkeypatch, scenario):
    """The DVR behind it equals that of the t1 scan where nothing changes, and only there."""
    seen = {}

    def note(self, path, purpose, r1, dvr, noisy=True):
        seen[self.session, purpose] = dvr

    monkeypatch.setattr(Session, "_write_series", note)
    settings = Settings(Cohort(patients=1, controls=0, seed=3, scenario=scenario), resolution=6.0)
    list(write_participants(settings, tmp_path, jobs=1))
    same = np.array_equal(seen["t1", "PET null-scan"], seen["t1", "PET"])
    assert same == (scenario == "no-change")
    assert not np.array_equal(seen["t1", "PET null-scan"], seen["t0", "PET"])  # another position


def test_everything_says_that_it_is_simulated(dataset):
    records = [path for path in dataset.rglob("sub-*.json") if "sourcedata" not in path.parts]
    assert records
    assert all(json.loads(path.read_text())["Simulated"] is True for path in records)
    assert "SIMULATED" in (dataset / "README.md").read_text()


def test_the_bids_validator_finds_no_error(dataset):
    validator = Path(sys.executable).with_name("bids-validator-deno")
    if not validator.exists():
        pytest.skip("bids-validator-deno is not installed")
    for root in (dataset, dataset / "derivatives" / "lesions"):
        done = subprocess.run([validator, root, "--json"], capture_output=True, text=True, check=False)
        issues = json.loads(done.stdout)["issues"]["issues"]
        assert [issue for issue in issues if issue["severity"] == "error"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--scenario", "often"], "unknown scenario"),
        (["--noise", "loud"], "unknown noise tier"),
        (["--resolution", "30"], "voxel size out of range"),
        (["--tasks", "fdg"], "unknown task"),
        (["--participant", "099"], "no such participant"),
        (["--participant", "001", "--tables"], "options exclude each other"),
    ],
)
def test_the_command_refuses_and_writes_nothing(arguments, told, tmp_path):
    from myelosynth.cli import commands  # noqa: F401
    from myelosynth.cli.app import app

    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["simulate", str(out), *arguments])
    assert isinstance(done.exception, InputError)
    assert told in str(done.exception)
    assert not out.exists()
