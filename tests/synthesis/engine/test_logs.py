"""What a training tells: lines on a cluster, nothing twice in TensorBoard."""

import logging

import pytest

from myelosynth.errors import InputError
from myelosynth.synthesis.engine import logs
from myelosynth.synthesis.engine.logs import LOG_COLUMNS, Progress, require_tensorboard


def points(folder):
    """TensorBoard's own reading of a folder: tag -> (step, value) pairs."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_has_the_rows_of_the_log(make_trainer, tmp_path):
    trainer = make_trainer([0.5, 0.25, 0.125])
    trainer.run(tmp_path, "f", resume=False, tensorboard=True)
    found = points(tmp_path / "tensorboard")
    assert set(found) == set(LOG_COLUMNS) - {"step"}
    assert found["validation_l1"] == [(2, 0.5), (4, 0.25), (6, 0.125)]
    assert found["image_loss"] == [(row["step"], pytest.approx(row["image_loss"])) for row in trainer.rows]


def test_a_resumed_training_has_each_row_once(make_trainer, tmp_path):
    killed = make_trainer(steps=4)
    killed.run(tmp_path, "f", resume=False, tensorboard=True)
    state = (tmp_path / "last.pt").read_bytes()
    make_trainer().run(tmp_path, "f", resume=True, tensorboard=True)
    (tmp_path / "last.pt").write_bytes(state)  # killed between an event and the state
    make_trainer().run(tmp_path, "f", resume=True, tensorboard=True)
    assert [step for step, _ in points(tmp_path / "tensorboard")["image_loss"]] == [2, 4, 6]


def test_without_validation_tensorboard_has_no_such_curve(make_trainer, tmp_path):
    make_trainer().run(tmp_path, "f", resume=False, tensorboard=True)
    assert "validation_l1" not in points(tmp_path / "tensorboard")


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setattr(logs, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"tensorboard is not installed.*myelosynth\[tensorboard\]"):
        require_tensorboard()


def test_a_line_an_interval_tells_the_time_left(make_trainer, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logs.time, "monotonic", iter([100.0, 130.0, 160.0, 190.0]).__next__)
    with caplog.at_level(logging.INFO, "myelosynth.progress"):
        make_trainer([0.5, 0.25, 0.125]).run(tmp_path, "f", resume=False)
    lines = [record.getMessage() for record in caplog.records if record.name == "myelosynth.progress"]
    assert lines[0].startswith("training: step 2 of 6, 0:00:30 elapsed, 0:01:00 left, image loss ")
    assert lines[1].startswith("training: step 4 of 6, 0:01:00 elapsed, 0:00:30 left")
    assert lines[2].endswith("validation L1 0.125")


def test_the_time_left_of_a_resumed_training_is_that_of_its_own_steps(caplog, monkeypatch):
    monkeypatch.setattr(logs.time, "monotonic", iter([0.0, 10.0]).__next__)
    progress = Progress(90, 100, shown=True)
    row = dict.fromkeys(LOG_COLUMNS, 0.5) | {"step": 95}
    with caplog.at_level(logging.INFO, "myelosynth.progress"):
        progress.tell(row)
    assert "0:00:10 left" in caplog.text
    assert list(progress.remaining()) == list(range(90, 100))


def test_followers_are_silent(caplog):
    Progress(0, 10, shown=False).tell(dict.fromkeys(LOG_COLUMNS, 0.5))
    assert not caplog.records


def test_a_terminal_has_a_bar_and_no_lines(monkeypatch, capsys, caplog):
    monkeypatch.setattr(logs.sys.stderr, "isatty", lambda: True)
    progress = Progress(2, 5, shown=True)
    assert list(progress.remaining()) == [2, 3, 4]
    progress.tell(dict.fromkeys(LOG_COLUMNS, 0.5))
    assert not caplog.records
    assert "training" in capsys.readouterr().err
