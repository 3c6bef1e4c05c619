"""What a system cost is read from the benchmark files of every rule that works for it."""

import pytest

from myelosynth.bids.layout import Layout
from myelosynth.bids.sidecar import write_json
from myelosynth.reports.effort import effort_of, effort_table


def timed(layout, rule, name, seconds):
    path = layout.root / "benchmarks" / rule / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tcpu_time\n{seconds}\t0:00:00\t1\n")


@pytest.fixture
def layout(tmp_path):
    """Two folds and two seeds of a Sketcher with inner folds, and of a Refiner whose name ends in the Sketcher's."""
    found = Layout(tmp_path)
    for key, seed in (("unet-l1", 1), ("unet-l1@2", 2), ("refiner-unet-l1", 1)):
        for fold in (1, 2):
            write_json(found.checkpoint(key, fold).with_suffix(".json"), {"Seed": seed, "Device": "cpu"})
            timed(found, "train", f"{key}_fold-{fold}", 60)
    timed(found, "train", "unet-l1_fold-3", 6000)  # a fold that is not in the run
    for inner in (1, 2):
        timed(found, "train_inner", f"unet-l1_fold-1_inner-{inner}", 30)
        timed(found, "train_inner", f"unet-l1_fold-3_inner-{inner}", 6000)
    timed(found, "sketch", "unet-l1_fold-1_sub-001", 12)
    for n, key in enumerate(("unet-l1", "unet-l1@2", "refiner-unet-l1"), start=1):
        for ses in ("t0", "t1"):
            timed(found, "predict", f"{key}_sub-001_ses-{ses}", 10 * n)
    return found


def test_training_on_inner_folds_and_sketches_count_and_predictions_stand_apart(layout):
    one = effort_of(layout, "unet-l1", 2, [1, 2])
    assert (one.jobs, one.seeds, one.devices) == (4, ("1", "2"), ("cpu",))
    assert one.train == (60,) * 4
    assert sorted(one.inner) == [12, 30, 30]
    assert one.minutes == pytest.approx((240 + 72) / 60)
    assert sorted(one.predict) == [10, 10, 20, 20]
    assert effort_of(layout, "unet-l1", 1, [1]).predict == (10, 10)


def test_the_table_says_what_each_column_is(layout):
    table = effort_table([effort_of(layout, key, 2, [1, 2]) for key in ("unet-l1", "refiner-unet-l1", "ridge")])
    assert list(table.columns)[4:] == [
        *("Minutes a job", "Minutes, inner folds", "Training minutes in all", "Images", "Seconds an image"),
    ]
    assert [row[1] for row in table.rows] == ["4", "2", "0"]
    assert table.rows[0][4:] == ["1.0", "1.2", "5.2", "4", "15.0"]
    assert table.rows[1][4:] == ["1.0", "–", "2.0", "2", "30.0"]
    assert table.rows[2][4:] == ["–", "–", "–", "0", "–"]
    assert "Minutes, inner folds" not in effort_table([effort_of(layout, "refiner-unet-l1", 1, [1])]).columns
