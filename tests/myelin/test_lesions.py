"""Three lesions made by hand, lesion by lesion, and the new ones of a follow-up mask."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from myelosynth.cli import lesions, myelin  # noqa: F401  (one command alone would lose its name)
from myelosynth.cli.app import app
from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume
from myelosynth.myelin.curve import Curve
from myelosynth.myelin.lesions import (
    COLUMNS,
    followed_rows,
    lesion_state,
    new_lesions,
    new_rows,
    number_lesions,
    single_rows,
)

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
AFFINE[:3, 3] = [-10, -20, 5]
GRID = Grid((12, 10, 8), AFFINE)
DISTANCE = np.broadcast_to(np.arange(12.0)[:, None, None], GRID.shape).astype(np.float32)


def three_lesions() -> np.ndarray:
    """Eight voxels, four in a diagonal chain, one."""
    mask = np.zeros(GRID.shape, bool)
    mask[2:4, 2:4, 2:4] = True
    for step in range(4):
        mask[6 + step, 2 + step, 5] = True
    mask[10, 8, 1] = True
    return mask


def classes() -> np.ndarray:
    """Of the eight: four demyelinate, one remyelinates, one stays demyelinated, one stays normal, one has no class."""
    found = np.zeros(GRID.shape, np.uint8)
    found[2:4, 2:4, 2:4] = np.array([1, 1, 1, 1, 2, 3, 4, 0]).reshape(2, 2, 2)
    for step, label in enumerate((3, 3, 4, 3)):
        found[6 + step, 2 + step, 5] = label
    return found


def test_three_lesions_by_hand() -> None:
    rows = followed_rows(number_lesions(three_lesions(), GRID), classes(), DISTANCE, GRID, smallest_ml=0.048)
    assert [row["voxels"] for row in rows] == [8, 4, 1]
    assert [row["volume_ml"] for row in rows] == pytest.approx([0.096, 0.048, 0.012])
    assert [row["distance_mm"] for row in rows] == [2, 6, 10]
    assert [row["distance_mean_mm"] for row in rows] == [2.5, 7.5, 10]
    first, chain, single = rows
    shares = {name: first[name] for name in ("percent_t0", "percent_t1", "demyelination", "remyelination", "coverage")}
    assert shares == {
        "percent_t0": 2 / 7,
        "percent_t1": 5 / 7,
        "demyelination": 4 / 7,
        "remyelination": 1 / 7,
        "coverage": 7 / 8,
    }
    assert (first["state"], chain["state"]) == ("demyelinating", "stable demyelinated")
    assert chain["percent_t0"] == chain["percent_t1"] == 0.75
    rows = followed_rows(number_lesions(three_lesions(), GRID), classes(), DISTANCE, GRID, smallest_ml=0.05)
    assert [row.get("state") for row in rows] == ["demyelinating", "too small to tell", None]
    assert (single["x"], single["y"], single["z"]) == (10, -4, 8)
    assert (single["coverage"], single.get("percent_t0"), single.get("state")) == (0, None, None)


def test_the_place_is_a_voxel_of_the_lesion() -> None:
    """The centroid of a horseshoe lies outside it."""
    mask = np.zeros(GRID.shape, bool)
    mask[2, 2:7, 3] = mask[6, 2:7, 3] = mask[2:7, 2, 3] = True
    (row,) = followed_rows(number_lesions(mask, GRID), np.where(mask, 4, 0), DISTANCE, GRID)
    index = np.linalg.solve(AFFINE, [row["x"], row["y"], row["z"], 1])[:3]
    assert mask[tuple(np.rint(index).astype(int))]


@pytest.mark.parametrize("flips", [(0,), (1,), (2,), (0, 1, 2)])
def test_rows_do_not_depend_on_how_voxels_are_stored(flips: tuple[int, ...]) -> None:
    """Two equal lesions and a symmetric one, so that only the world can order them and find their middle."""
    mask = three_lesions()
    mask[0:2, 8:10, 6:8] = True
    expected = followed_rows(number_lesions(mask, GRID), np.where(mask, 4, 0), DISTANCE, GRID)
    affine = AFFINE.copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (GRID.shape[axis] - 1)
        affine[:, axis] *= -1
    flipped, grid = [np.flip(image, flips) for image in (mask, DISTANCE)], Grid(GRID.shape, affine)
    rows = followed_rows(number_lesions(flipped[0], grid), np.where(flipped[0], 4, 0), flipped[1], grid)
    assert rows == expected


def test_a_numbered_mask_keeps_its_numbers() -> None:
    numbered = np.zeros(GRID.shape)
    numbered[2:5, 2, 2], numbered[5:7, 2, 2] = 7, 3  # they touch
    rows = followed_rows(number_lesions(numbered, GRID), np.where(numbered, 2, 0), DISTANCE, GRID)
    assert [(row["lesion"], row["voxels"]) for row in rows] == [(3, 2), (7, 3)]
    assert number_lesions(np.where(numbered, 255, 0), GRID).max() == 1


def test_states() -> None:
    assert lesion_state(0.2, 0.1, 0.5) == "demyelinating"
    assert lesion_state(0.1, 0.2, 0.5) == "remyelinating"
    assert lesion_state(0.15, 0.1, 0.5) == "mixed"
    assert lesion_state(0.1, 0.0, 0.5) == "stable demyelinated"
    assert lesion_state(0.1, 0.0, 0.4) == "stable normal"
    assert lesion_state(0.1, 0.0, 0.4, changed=0.1) == "demyelinating"


def test_a_lesion_is_as_large_as_its_covered_part() -> None:
    """Eight voxels of .012 ml of which one has a class: no state from .096 ml on, and from .012 ml on the voxel's."""
    found = np.zeros(GRID.shape, np.uint8)
    found[2, 2, 2] = 2
    numbers = number_lesions(three_lesions(), GRID)
    states = {
        smallest: followed_rows(numbers, found, DISTANCE, GRID, smallest_ml=smallest)[0]["state"]
        for smallest in (0.096, 0.013, 0.012)
    }
    assert list(states.values()) == ["too small to tell", "too small to tell", "remyelinating"]


def test_lesions_give_the_indices_of_the_whole() -> None:
    """Weighted by covered voxels, the shares of the lesions are the patient's."""
    rows = followed_rows(number_lesions(three_lesions(), GRID), classes(), DISTANCE, GRID)
    weights = [row["voxels"] * row["coverage"] for row in rows if row["coverage"]]
    total = sum(w * row["demyelination"] for w, row in zip(weights, rows, strict=False)) / sum(weights)
    assert total == pytest.approx((classes() == 1).sum() / (classes() > 0).sum())


def test_new_lesions_touch_no_old_one() -> None:
    old = three_lesions()
    later = old.copy()
    later[4, 4, 4] = True  # shares a corner with the first lesion: growth
    later[5, 8, 2] = later[6, 9, 3] = True  # one new lesion in two voxels
    new = new_lesions(old, later)
    assert np.argwhere(new).tolist() == [[5, 8, 2], [6, 9, 3]]
    covered = np.ones(GRID.shape, bool)
    covered[6, 9, 3] = False
    (row,) = new_rows(number_lesions(new, GRID), new, covered, DISTANCE, GRID)
    assert (row["kind"], row["state"], row["percent_t1"], row["coverage"]) == ("new", "new", 1, 0.5)
    assert not set(row) & {"percent_t0", "demyelination", "remyelination"}
    assert not new_lesions(old, old).any()
    corner = np.zeros_like(old)
    corner[4, 4, 4] = True
    assert not new_lesions(old, corner).any()
    assert new_lesions(np.zeros_like(old), later).sum() == later.sum()


def test_one_scan_has_no_change() -> None:
    mask = three_lesions()
    rows = single_rows(number_lesions(mask, GRID), mask & (DISTANCE > 2), mask & (DISTANCE < 10), DISTANCE, GRID)
    assert [row["percent_t0"] for row in rows] == [0.5, 1, None]
    assert not any("state" in row or "percent_t1" in row for row in rows)


# -- the command -------------------------------------------------------------------------------------------------------


def call(*arguments: object) -> list[str]:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, words, catch_exceptions=False, standalone_mode=False).stderr.splitlines()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    later = three_lesions()
    later[4, 4, 4] = later[5, 8, 2] = later[6, 9, 3] = True
    images = {"lesions": three_lesions(), "change": classes(), "later": later, "distance": DISTANCE}
    images |= {"dvr": np.where(DISTANCE < 6, 1.0, 1.3), "called": three_lesions() & (DISTANCE < 6)}
    paths = {name: tmp_path / f"{name}.nii.gz" for name in images}
    for name, data in images.items():
        save_volume(paths[name], data, GRID)
    paths["curve"], paths["out"] = tmp_path / "curve.tsv", tmp_path / "lesions_table.tsv"
    Curve(np.array([0.0, 100.0]), np.array([9]), np.array([1.2]), np.array([0.1])).write(paths["curve"])
    return paths


def test_table_with_new_lesions(files: dict[str, Path]) -> None:
    shared = [files["lesions"], "--distance", files["distance"], "--out", files["out"]]
    follow_up = ["--lesions-t1", files["later"], "--dvr-t1", files["dvr"], "--curve", files["curve"]]
    assert call("lesion-table", *shared, "--change", files["change"], *follow_up) == []
    table = pd.read_csv(files["out"], sep="\t")
    assert list(table) == list(COLUMNS)
    assert table["kind"].tolist() == ["baseline", "baseline", "baseline", "new"]
    new = table.iloc[3]
    assert (new["lesion"], new["voxels"], new["percent_t1"], new["state"]) == (1, 2, 0.5, "new")
    assert new[["percent_t0", "demyelination", "remyelination"]].isna().all()
    record = json.loads(files["out"].with_suffix(".json").read_text())
    assert set(COLUMNS) <= set(record)
    told = (record["NewLesions"], record["NewLesionVolumeML"], record["GrownVolumeML"])
    assert told == pytest.approx((1, 0.024, 0.012))
    call("lesion-table", *shared, "--change", files["change"])
    assert json.loads(files["out"].with_suffix(".json").read_text())["NewLesions"] is None  # not looked for


def test_table_of_one_scan(files: dict[str, Path]) -> None:
    shared = [files["lesions"], "--distance", files["distance"], "--out", files["out"]]
    call("lesion-table", *shared, "--demyelinated", files["called"], "--dvr", files["dvr"])
    table = pd.read_csv(files["out"], sep="\t")
    assert table["percent_t0"].tolist() == [1, 0, 0]
    assert table[["percent_t1", "state"]].isna().all(axis=None)


def test_no_lesion_is_a_gap(files: dict[str, Path]) -> None:
    save_volume(files["lesions"], np.zeros(GRID.shape), GRID)
    save_volume(files["change"], np.zeros(GRID.shape), GRID)
    shared = [files["lesions"], "--distance", files["distance"], "--out", files["out"]]
    (told,) = call("lesion-table", *shared, "--change", files["change"])
    assert told.startswith("gap: ")
    assert told.endswith("no baseline lesion voxel")
    assert files["out"].read_text() == "\t".join(COLUMNS) + "\n"


def test_one_lesion_voxel_is_a_lesion(files: dict[str, Path]) -> None:
    one, change = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
    one[2, 2, 2], change[2, 2, 2] = 1, 2
    save_volume(files["lesions"], one, GRID, np.uint8)
    save_volume(files["change"], change, GRID, np.uint8)
    shared = [files["lesions"], "--distance", files["distance"], "--out", files["out"]]
    assert call("lesion-table", *shared, "--change", files["change"]) == []
    (row,) = pd.read_csv(files["out"], sep="\t").to_dict("records")
    assert (row["voxels"], row["distance_mm"], row["distance_mean_mm"]) == (1, 2, 2)
    assert (row["percent_t0"], row["percent_t1"], row["demyelination"], row["remyelination"]) == (1, 0, 0, 1)
    assert row["state"] == "too small to tell"


def test_faults_are_told_in_one_line(files: dict[str, Path]) -> None:
    shared = [files["lesions"], "--distance", files["distance"], "--out", files["out"]]
    with pytest.raises(InputError, match="given neither, expected --change, or"):
        call("lesion-table", *shared)
    with pytest.raises(InputError, match="one map of the lesions needed"):
        call("lesion-table", *shared, "--change", files["change"], "--dvr", files["dvr"])
    with pytest.raises(InputError, match="one map of the lesions needed"):
        call("lesion-table", *shared, "--demyelinated", files["called"])
    with pytest.raises(InputError, match="new lesions need three inputs"):
        call("lesion-table", *shared, "--change", files["change"], "--lesions-t1", files["later"])
    save_volume(files["change"], np.where(classes() == 4, 7, classes()), GRID)
    with pytest.raises(InputError, match="7 in it, expected 0 to 4"):
        call("lesion-table", *shared, "--change", files["change"])
    save_volume(files["change"], classes()[:-1], Grid((11, 10, 8), AFFINE))
    with pytest.raises(InputError, match="grids differ"):
        call("lesion-table", *shared, "--change", files["change"])
    assert not files["out"].exists()
