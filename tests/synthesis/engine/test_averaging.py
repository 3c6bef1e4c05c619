"""The average of the weights: its recursion, what is validated and kept, and the same after a resume."""

import pytest
import torch

from myelosynth.synthesis.checkpoints import load_state
from myelosynth.synthesis.engine.averaging import Averaging


def test_the_average_follows_its_recursion():
    network = torch.nn.Linear(2, 1)
    averaging = Averaging(network, 0.75)
    expected = None
    for value in (1.0, 5.0, -3.0):
        torch.nn.init.constant_(network.weight, value)
        averaging.update()
        expected = value if expected is None else 0.75 * expected + 0.25 * value
    with averaging.applied():
        assert network.weight[0, 0].item() == pytest.approx(expected)
    assert network.weight[0, 0].item() == -3


def test_averaged_weights_are_validated_and_kept(make_trainer, tmp_path):
    seen = []

    def validate(network):
        seen.append({key: value.clone() for key, value in network.state_dict().items()})
        return 1 / len(seen)

    trainer = make_trainer(validate, ema=0.5)
    trainer.run(tmp_path, "f", resume=False)
    state = load_state(tmp_path / "last.pt")
    kept = trainer.networks.generator.state_dict()
    for key, value in seen[-1].items():
        assert torch.equal(kept[key], value)
        assert torch.equal(state["average"][f"module.{key}"], value)
    assert not torch.equal(state["generator"]["body.0.weight"], kept["body.0.weight"])


def test_the_average_survives_a_resume(make_trainer, same, tmp_path):
    whole, parts = make_trainer(ema=0.9), make_trainer(ema=0.9, steps=2)
    whole.run(tmp_path / "whole", "f", resume=False)
    parts.run(tmp_path / "parts", "f", resume=False)
    make_trainer(ema=0.9).run(tmp_path / "parts", "f", resume=True)
    first, second = (load_state(tmp_path / name / "last.pt") for name in ("whole", "parts"))
    assert same(first, second)
    assert int(first["average"]["n_averaged"]) == 6


def test_the_training_itself_is_not_changed_by_the_average(make_trainer, tmp_path):
    plain, averaged = make_trainer(), make_trainer(ema=0.9)
    plain.run(tmp_path / "plain", "f", resume=False)
    averaged.run(tmp_path / "averaged", "f", resume=False)
    first, second = (load_state(tmp_path / name / "last.pt")["generator"] for name in ("plain", "averaged"))
    assert all(torch.equal(first[key], second[key]) for key in first)
