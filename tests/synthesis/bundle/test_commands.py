"""`bundle-check`, `bundle-predict` and `analysis-grid` from the command line."""

import json

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, load_volume, open_image, save_volume
from myelosynth.synthesis.bundle.statistics import TrainingStatistics
from myelosynth.synthesis.data.folds import read_fold


@pytest.fixture
def test_subject(cohort):
    return read_fold(cohort.split, 1).participants("test")[0]


def scaled(pieces, sub, name, factor, out):
    """The options of a participant, one source multiplied."""
    image = load_volume(pieces.cohort.folder / sub / f"{name}.nii.gz")
    save_volume(out, image.data * factor, image.grid)
    options = pieces.sources(sub)
    options[options.index(f"{name}={pieces.cohort.folder / sub / name}.nii.gz")] = f"{name}={out}"
    return options


def test_statistics_are_those_of_the_learned_participants(bundle, cohort):
    fold = read_fold(cohort.split, 1)
    learned = [*fold.participants("train"), *fold.participants("validation")]
    trained = TrainingStatistics.read(bundle / "statistics.json")
    assert trained.voxel_mm == (5.0, 5.0, 5.0)
    assert trained.orientation == "LAS"
    means, voxels = [], []
    for sub in learned:
        mask = load_mask(cohort.folder / sub / "mask.nii.gz")
        inside = load_volume(cohort.folder / sub / "RD.nii.gz").data[mask]
        means.append(inside.mean(dtype=float))
        voxels.append(inside)
    np.testing.assert_allclose(trained.channels["RD"].subjects["mean"], sorted(means), rtol=1e-5)
    assert trained.channels["RD"].sd == pytest.approx(np.concatenate(voxels).std(dtype=float), rel=1e-5)
    assert set(trained.channels) == {"MTR", "FA", "RD", "AD", "DVR"}


def test_one_member_predicts_as_its_checkpoint(bundle, pieces, run, test_subject, tmp_path):
    run(["bundle-predict", str(bundle), *pieces.sources(test_subject), "--out", str(tmp_path / "b.nii.gz")])
    checkpoint = ["--checkpoint", str(pieces.checkpoint(1))]
    run(["predict", *checkpoint, *pieces.sources(test_subject), "--out", str(tmp_path / "p.nii.gz")])
    ours, theirs = (load_volume(tmp_path / f"{name}.nii.gz").data for name in ("b", "p"))
    np.testing.assert_array_equal(ours, theirs)
    record = json.loads((tmp_path / "b.json").read_text())
    assert record["Synthetic"] is True
    assert record["OutOfDistribution"] is False
    assert record["BeyondTraining"] == []
    assert record["System"] == "ridge"


def test_members_are_averaged_and_their_differences_are_the_spread(ensemble, pieces, run, test_subject, tmp_path):
    outputs = ["--out", str(tmp_path / "b.nii.gz"), "--out-std", str(tmp_path / "s.nii.gz")]
    run(["bundle-predict", str(ensemble), *pieces.sources(test_subject), *outputs])
    members = []
    for fold in (1, 2):
        out = tmp_path / f"p{fold}.nii.gz"
        checkpoint = ["--checkpoint", str(pieces.checkpoint(fold))]
        run(["predict", *checkpoint, *pieces.sources(test_subject), "--out", str(out)])
        members.append(load_volume(out).data)
    mean, std = load_volume(tmp_path / "b.nii.gz").data, load_volume(tmp_path / "s.nii.gz").data
    np.testing.assert_allclose(mean, np.mean(members, 0), atol=1e-6)
    np.testing.assert_allclose(std, np.abs(members[0] - members[1]) / np.sqrt(2), atol=1e-6)
    assert std.max() > 0
    assert "not calibrated" in json.loads((tmp_path / "s.json").read_text())["SpreadOf"]


def test_a_fraction_in_the_place_of_percent_is_refused_before_anything_is_written(
    bundle, pieces, run, test_subject, tmp_path
):
    options = scaled(pieces, test_subject, "MTR", 0.01, tmp_path / "MTR.nii.gz")
    before = sorted(tmp_path.iterdir())
    predict = ["bundle-predict", str(bundle), *options, "--out", str(tmp_path / "b.nii.gz")]
    with pytest.raises(InputError, match=r"intensity outside the range of training, .*MTR.*likely a fraction.*x 100 "):
        run(predict)
    with pytest.raises(InputError, match="intensity outside the range"):
        run(["bundle-check", str(bundle), *options, "--out", str(tmp_path / "c.json")])
    assert sorted(tmp_path.iterdir()) == before
    run([*predict, "--allow-intensity"])
    record = json.loads((tmp_path / "b.json").read_text())
    assert record["OutOfDistribution"] is True, "told to, it predicts, and the flag stays"
    assert record["BeyondTraining"][0]["channel"] == "MTR"


def test_the_check_alone(bundle, pieces, run, test_subject, tmp_path):
    said = run(["bundle-check", str(bundle), *pieces.sources(test_subject), "--out", str(tmp_path / "c.json")])
    assert said == "within the range of training: MTR, FA, RD, AD\n"
    assert json.loads((tmp_path / "c.json").read_text())["OutOfDistribution"] is False
    options = scaled(pieces, test_subject, "FA", 3.0, tmp_path / "FA.nii.gz")
    said = run(["bundle-check", str(bundle), *options, "--allow-intensity"])
    assert said.startswith("out of distribution: FA ")


def test_a_channel_less_is_refused(bundle, pieces, run, test_subject, tmp_path):
    options = pieces.sources(test_subject)[2:]
    with pytest.raises(InputError, match="sources missing, --source, no MTR"):
        run(["bundle-predict", str(bundle), *options, "--out", str(tmp_path / "b.nii.gz")])


def test_other_voxels_are_refused_unless_told(bundle, pieces, cohort, run, test_subject, tmp_path):
    grid = Grid.of(open_image(cohort.folder / test_subject / "mask.nii.gz"))
    finer = Grid(grid.shape, grid.affine @ np.diag([0.8, 0.8, 0.8, 1]))
    options = []
    for name in ("MTR", "FA", "RD", "AD", "mask"):
        image = load_volume(cohort.folder / test_subject / f"{name}.nii.gz")
        save_volume(tmp_path / f"{name}.nii.gz", image.data, finer)
        options += ["--mask", str(tmp_path / "mask.nii.gz")] if name == "mask" else []
        options += [] if name == "mask" else ["--source", f"{name}={tmp_path / name}.nii.gz"]
    predict = ["bundle-predict", str(bundle), *options, "--out", str(tmp_path / "b.nii.gz")]
    with pytest.raises(InputError, match=r"voxel size differs from training.*4 x 4 x 4 mm, trained on 5 x 5 x 5 mm"):
        run(predict)
    run([*predict, "--allow-voxel-size"])
    assert load_volume(tmp_path / "b.nii.gz").data.any()


def test_no_spread_of_a_lone_ridge(bundle, pieces, run, test_subject, tmp_path):
    outputs = ["--out", str(tmp_path / "b.nii.gz"), "--out-std", str(tmp_path / "s.nii.gz")]
    with pytest.raises(InputError, match="bundle offers no spread"):
        run(["bundle-predict", str(bundle), *pieces.sources(test_subject), *outputs])


def test_the_grid_has_the_trained_voxels_in_the_trained_order(bundle, run, tmp_path):
    grid = Grid((60, 70, 50), np.array([[-2.0, 0, 0, 60], [0, 0, 2.0, -50], [0, 2.0, 0, -70], [0, 0, 0, 1]]))
    mask = np.zeros(grid.shape, bool)
    mask[15:45, 20:50, 15:35] = True
    save_volume(tmp_path / "t1w.nii.gz", np.where(mask, 100.0, 10.0), grid)
    save_volume(tmp_path / "mask.nii.gz", mask, grid, np.uint8)
    options = [str(tmp_path / "t1w.nii.gz"), str(tmp_path / "grid.nii.gz"), "--mask", str(tmp_path / "mask.nii.gz")]
    run(["analysis-grid", *options, "--bundle", str(bundle)])
    made = load_volume(tmp_path / "grid.nii.gz")
    assert made.grid.voxel_sizes == (5.0, 5.0, 5.0)
    assert made.grid.affine[0, 0] < 0
    assert made.data.max() == pytest.approx(100)
    record = json.loads((tmp_path / "grid.json").read_text())
    assert record["SpatialReference"].endswith("grid.nii.gz")
