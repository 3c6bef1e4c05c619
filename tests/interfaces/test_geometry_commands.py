"""transform, compose-transforms and nawm as typed, and how fast they start."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from myelosynth.cli.app import app
from myelosynth.cli.commands import imaging  # noqa: F401
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_volume, save_volume

GRID = Grid((12, 12, 12), np.eye(4))


def command(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception:
        raise result.exception


def matrix(*shift: float) -> LinearTransform:
    transform = LinearTransform(np.eye(4))
    transform.matrix[:3, 3] = shift
    return transform


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = np.zeros(GRID.shape)
    data[5, 6, 7] = 3
    save_volume(tmp_path / "point.nii.gz", data, GRID)
    save_volume(tmp_path / "series.nii.gz", np.stack([data, 2 * data], -1), GRID)
    save_volume(tmp_path / "empty.nii.gz", 0 * data, GRID, np.uint8)
    matrix(2, 0, 0).write(tmp_path / "a.txt")  # fixed point + 2 = moving point
    quarter = LinearTransform(np.array([[0.0, -1, 0, 11], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    quarter.write(tmp_path / "turn.txt")
    return tmp_path


def place(path) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(load_volume(path).data > 1.5)[0])


def test_a_pull_transform_moves_the_image_the_other_way(folder):
    command("transform", "point.nii.gz", "point.nii.gz", "y.nii.gz", "--transform", "a.txt")
    assert place(folder / "y.nii.gz") == (3, 6, 7)
    command("transform", "point.nii.gz", "point.nii.gz", "z.nii.gz", "--transform", "inverse:a.txt")
    assert place(folder / "z.nii.gz") == (7, 6, 7)


def test_a_chain_is_the_same_as_one_after_the_other(folder):
    command("transform", "point.nii.gz", "point.nii.gz", "one.nii.gz", "--transform", "a.txt")
    command("transform", "one.nii.gz", "point.nii.gz", "two.nii.gz", "--transform", "turn.txt")
    chain = ["--transform", "a.txt", "--transform", "turn.txt"]
    command("transform", "point.nii.gz", "point.nii.gz", "chain.nii.gz", *chain)
    command("compose-transforms", "both.txt", *chain)
    command("transform", "point.nii.gz", "point.nii.gz", "composed.nii.gz", "--transform", "both.txt")
    assert place(folder / "two.nii.gz") == place(folder / "chain.nii.gz") == place(folder / "composed.nii.gz")
    other = ["--transform", "turn.txt", "--transform", "a.txt"]
    command("transform", "point.nii.gz", "point.nii.gz", "other.nii.gz", *other)
    assert place(folder / "other.nii.gz") != place(folder / "chain.nii.gz")


def test_composing_with_the_inverse_is_identity(folder):
    command("compose-transforms", "none.txt", "--transform", "turn.txt", "--transform", "inverse:turn.txt")
    np.testing.assert_allclose(LinearTransform.read(folder / "none.txt").matrix, np.eye(4), atol=1e-12)
    assert json.loads((folder / "none.json").read_text())["Settings"]["Transforms"] == ["turn.txt", "inverse:turn.txt"]


def test_series_and_labels(folder):
    command("transform", "series.nii.gz", "point.nii.gz", "s.nii.gz", "--transform", "a.txt")
    moved = load_volume(folder / "s.nii.gz", ndim=4).data
    assert moved[3, 6, 7].tolist() == [3, 6]
    command("transform", "empty.nii.gz", "point.nii.gz", "e.nii.gz", "--transform", "a.txt", "--labels")
    import nibabel as nib

    assert nib.load(folder / "e.nii.gz").get_data_dtype() == np.uint8
    assert json.loads((folder / "e.json").read_text())["Type"] == "ROI"


def test_outside_the_mask_the_output_is_zero(folder):
    ones, mask = np.ones(GRID.shape), np.zeros(GRID.shape)
    mask[4:6] = 1
    save_volume(folder / "ones.nii.gz", ones, GRID)
    save_volume(folder / "m.nii.gz", mask, GRID, np.uint8)
    command("transform", "ones.nii.gz", "point.nii.gz", "k.nii.gz", "--transform", "a.txt", "--mask", "m.nii.gz")
    np.testing.assert_array_equal(load_volume(folder / "k.nii.gz").data, mask)
    assert any("m.nii.gz" in source for source in json.loads((folder / "k.json").read_text())["Sources"])


def test_nawm_is_white_matter_outside_lesions(folder):
    white, lesions = np.zeros(GRID.shape), np.zeros(GRID.shape)
    white[2:8], lesions[6:10] = 1, 1
    save_volume(folder / "wm.nii.gz", white, GRID, np.uint8)
    save_volume(folder / "l.nii.gz", lesions, GRID, np.uint8)
    command("nawm", "wm.nii.gz", "l.nii.gz", "n.nii.gz")
    assert np.flatnonzero(load_volume(folder / "n.nii.gz").data.any((1, 2))).tolist() == [2, 3, 4, 5]
    with pytest.raises(InputError, match="no normal-appearing white matter"):
        command("nawm", "l.nii.gz", "l.nii.gz", "m.nii.gz")
    assert not (folder / "m.nii.gz").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("transform", "point.nii.gz", "point.nii.gz", "y.nii.gz", "--transform", "b.txt"), "file missing, b.txt"),
        (("transform", "none.nii.gz", "point.nii.gz", "y.nii.gz", "--transform", "a.txt"), "file missing, none"),
        (("transform", "point.nii.gz", "none.nii.gz", "y.nii.gz", "--transform", "a.txt"), "file missing, none"),
        (("transform", "point.nii.gz", "point.nii.gz", "y.png", "--transform", "a.txt"), "output name unknown"),
        (("compose-transforms", "y.nii.gz", "--transform", "a.txt"), "output name unknown"),
        (("csf-distance", "empty.nii.gz", "point.nii.gz", "y.nii.gz"), "mask is empty"),
    ],
)
def test_faults_are_one_line_and_leave_nothing(folder, arguments, message):
    with pytest.raises(InputError, match=message):
        command(*arguments)
    assert not list(folder.glob("y*"))
    assert not list(folder.glob(".part*"))


def test_labels_refuse_fractions(folder):
    save_volume(folder / "f.nii.gz", np.full(GRID.shape, 0.3), GRID)
    with pytest.raises(InputError, match="not a label image"):
        command("transform", "f.nii.gz", "f.nii.gz", "y.nii.gz", "--transform", "a.txt", "--labels")
    options = ["--labels", "--interpolation", "bspline"]
    with pytest.raises(InputError, match="labels are never interpolated"):
        command("transform", "empty.nii.gz", "f.nii.gz", "y.nii.gz", "--transform", "a.txt", *options)


def test_quick_commands_import_nothing_heavy(folder):
    code = (
        "import sys; from myelosynth.cli.app import app; from myelosynth.cli import commands; "
        "files = ['point.nii.gz', 'point.nii.gz', 'y.nii.gz']; "
        "app(['transform', *files, '--transform', 'a.txt'], standalone_mode=False); "
        "print([m for m in ('ants', 'torch', 'nipype', 'dipy', 'pandas', 'sklearn') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("[]")


def test_numbered_lesions_leave_white_matter_but_no_image_is_a_mask(folder):
    white, lesions = np.zeros(GRID.shape), np.zeros(GRID.shape)
    white[2:8], lesions[6], lesions[7] = 1, 1, 2
    save_volume(folder / "wm.nii.gz", white, GRID, np.uint8)
    save_volume(folder / "l.nii.gz", lesions, GRID, np.uint8)
    command("nawm", "wm.nii.gz", "l.nii.gz", "n.nii.gz")
    assert np.flatnonzero(load_volume(folder / "n.nii.gz").data.any((1, 2))).tolist() == [2, 3, 4, 5]
    save_volume(folder / "t1.nii.gz", np.linspace(60, 130, GRID.shape[0])[:, None, None] * np.ones(GRID.shape), GRID)
    for arguments in (("t1.nii.gz", "l.nii.gz"), ("wm.nii.gz", "t1.nii.gz"), ("l.nii.gz", "wm.nii.gz")):
        with pytest.raises(InputError, match="not a mask"):
            command("nawm", *arguments, "y.nii.gz")
    assert not list(folder.glob("y*"))


def test_distance_to_a_csf_fraction_counts_from_one_half(folder):
    fraction = np.zeros(GRID.shape)
    fraction[:5] = np.array([1, 0.9, 0.6, 0.4, 0.1])[:, None, None]
    save_volume(folder / "csf.nii.gz", fraction, GRID)
    save_volume(folder / "brain.nii.gz", np.full(GRID.shape, 255), GRID, np.uint8)
    command("csf-distance", "csf.nii.gz", "brain.nii.gz", "d.nii.gz")
    assert load_volume(folder / "d.nii.gz").data[:6, 4, 4].tolist() == [0, 0, 0, 1, 2, 3]


@pytest.mark.parametrize("prefix", ["", "inverse:"])
def test_a_singular_transform_is_refused_both_ways(folder, prefix):
    LinearTransform(np.diag([1.0, 1, 0, 1])).write(folder / "flat.txt")
    with pytest.raises(InputError, match=r"transform is singular, .*flat\.txt"):
        command("transform", "point.nii.gz", "point.nii.gz", "y.nii.gz", "--transform", f"{prefix}flat.txt")
    assert not list(folder.glob("y*"))


def test_a_transform_is_not_written_over_itself(folder):
    before = (folder / "a.txt").read_bytes()
    with pytest.raises(InputError, match="output overwrites an input"):
        command("compose-transforms", "a.txt", "--transform", "turn.txt", "--transform", "inverse:a.txt")
    assert (folder / "a.txt").read_bytes() == before
