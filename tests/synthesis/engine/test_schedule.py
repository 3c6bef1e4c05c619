"""How long and how fast: learning rates, early stopping on validation subjects alone."""

import pytest

from myelosynth.errors import InputError
from myelosynth.synthesis.checkpoints import load_state
from myelosynth.synthesis.engine.schedule import Schedule, require_validation, stop_reason


def test_schedules():
    assert Schedule(10, 0.1, "constant").rate(9) == 0.1
    cosine = Schedule(10, 0.1, "cosine")
    assert cosine.rate(0) == 0.1
    assert cosine.rate(5) == pytest.approx(0.05)
    assert cosine.rate(10) == pytest.approx(0, abs=1e-12)


def test_patience_counts_intervals_since_the_best():
    rows = [{"step": step} for step in (5, 10, 15)]
    assert stop_reason(rows, 10, 2) is None
    assert stop_reason(rows, 5, 3) is None
    assert stop_reason(rows, 0, None) is None
    assert stop_reason(rows, 10, 1) == "no better validation for 1 interval, best at step 10, stopped at step 15"


def test_a_training_stops_when_validation_gets_no_better(make_trainer, tmp_path):
    trainer = make_trainer([0.5, 0.3, 0.4, 0.31, 0.1], interval=1, patience=2)
    trainer.run(tmp_path, "f", resume=False)
    assert (trainer.step, trainer.best["step"]) == (4, 2)
    told = trainer.outcome()
    assert told["StepsDone"] == 4
    assert told["EarlyStopping"] == "no better validation for 2 intervals, best at step 2, stopped at step 4"
    assert len(trainer.rows) == 4


def test_a_stopped_training_stays_stopped_when_it_is_resumed(make_trainer, same, tmp_path):
    make_trainer([0.1, 0.2], interval=1, patience=1).run(tmp_path, "f", resume=False)
    before = (tmp_path / "last.pt").read_bytes()
    again = make_trainer([], interval=1, patience=1)
    again.run(tmp_path, "f", resume=True)
    assert again.step == 2
    assert again.outcome()["EarlyStopping"]
    assert (tmp_path / "last.pt").read_bytes() == before
    kept = load_state(tmp_path / "last.pt")["best"]["weights"]
    assert same(dict(again.networks.generator.state_dict()), kept)


def test_patience_that_is_cut_by_a_resume_is_counted_on(make_trainer, tmp_path):
    make_trainer([0.1, 0.2], interval=1, patience=2, steps=2).run(tmp_path, "f", resume=False)
    again = make_trainer([0.3, 0.4, 0.5], interval=1, patience=2)
    again.run(tmp_path, "f", resume=True)
    assert again.step == 3


def test_a_full_length_is_no_early_stop(make_trainer, tmp_path):
    trainer = make_trainer([0.3, 0.2, 0.1], patience=1)
    trainer.run(tmp_path, "f", resume=False)
    assert trainer.outcome()["EarlyStopping"] is None


def test_early_stopping_without_validation_is_a_fault(tiny):
    require_validation(tiny, 0, "fold 1")
    stopping = tiny.model_copy(update={"patience": 3})
    require_validation(stopping, 1, "fold 1")
    with pytest.raises(InputError, match=r"early stopping needs validation subjects, fold 1, patience 3"):
        require_validation(stopping, 0, "fold 1")
