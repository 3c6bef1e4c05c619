"""Two processes train as one does."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
import torch

from myelosynth.errors import InputError
from myelosynth.synthesis.checkpoints import load_state
from myelosynth.synthesis.engine.distributed import Ranks
from myelosynth.synthesis.engine.reproducibility import derived_seed


def test_shares_make_up_the_batch():
    samples = list(range(12))
    assert [sample for rank in range(3) for sample in samples[Ranks(rank, 3).share(12)]] == samples
    with pytest.raises(InputError, match="batch 4, 3 processes"):
        Ranks(0, 3).share(4)


def test_alone_nothing_changes():
    ranks, network = Ranks.current(), torch.nn.Linear(2, 1)
    network(torch.ones(1, 2)).sum().backward()
    before = network.weight.grad.clone()
    ranks.average_gradients(network)
    assert (ranks.count, ranks.leads, ranks.share(5)) == (1, True, slice(0, 5))
    assert torch.equal(network.weight.grad, before)
    assert ranks.from_leader(lambda: 0.5, torch.device("cpu")) == 0.5
    assert ranks.from_leader(lambda: None, torch.device("cpu")) is None


def test_processes_at_different_steps_are_told(monkeypatch):
    """Means of the step and of its square: 3 and 9 where all are at step 3, 3 and 10 at steps 2 and 4."""
    for squared, same in ((9.0, True), (10.0, False)):
        told = torch.tensor([3.0, squared], dtype=torch.float64)
        monkeypatch.setattr(Ranks, "mean", lambda self, values, told=told: told)
        if same:
            Ranks(0, 2).require_same(3, "last.pt", torch.device("cpu"))
        else:
            with pytest.raises(InputError, match=r"processes see different states, last.pt, process 0 is at step 2"):
                Ranks(0, 2).require_same(2, "last.pt", torch.device("cpu"))


def test_processes_draw_their_own_dropout():
    assert derived_seed(3, 1) == derived_seed(3, 1, 0) != derived_seed(3, 1, 1)


# Adam turns rounding into steps where a gradient is next to nothing; plain descent keeps it rounding.
LAUNCHED = """
import torch
torch.optim.Adam = lambda parameters, lr, betas, fused: torch.optim.SGD(parameters, lr)
from myelosynth.cli.app import main
main()
"""


def test_two_processes_train_as_one(cohort, run, repository, tmp_path, monkeypatch):
    """Nothing is drawn on a process (no dropout, hard labels): only the order of sums differs."""
    text = (repository / "config" / "presets" / "tiny.yaml").read_text()
    for old, new in (
        ("dropout: 0.5", "dropout: 0"),
        ("label_smoothing: 0.1", "label_smoothing: 0"),
        ("cf-sagan: {steps: 6", "cf-sagan: {steps: 3"),
        ("ema: null", "ema: 0.5"),
        ("interval: 2", "interval: 1"),
        ("lesion_share: 0.3", "lesion_share: 1.0"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "preset.yaml").write_text(text)
    (tmp_path / "launched.py").write_text(LAUNCHED)

    def options(out):
        given = cohort.options("cf-sagan", tmp_path / out, "--loss", "nwl1")
        given[given.index("--preset") + 1] = str(tmp_path / "preset.yaml")
        return given

    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*launch, tmp_path / "launched.py", *options("two")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("step 3 of 3") == 1
    monkeypatch.setattr(torch.optim, "Adam", lambda parameters, lr, betas, fused: torch.optim.SGD(parameters, lr))
    run([*options("one"), "--tensorboard"])
    assert list((tmp_path / "one" / "tensorboard").glob("events.out.tfevents.*"))
    logs = [pd.read_csv(tmp_path / out / "log.tsv", sep="\t") for out in ("one", "two")]
    assert logs[1].step.tolist() == [1, 2, 3]
    assert logs[1].image_loss[0] > 0
    # After one step only the order of sums differs; norms over a few voxels let that grow from step to step.
    pd.testing.assert_frame_equal(logs[0][:1], logs[1][:1], rtol=2e-5)
    pd.testing.assert_frame_equal(*logs, rtol=1e-3)
    one, two = (load_state(tmp_path / name / "last.pt") for name in ("one", "two"))
    for network in ("generator", "discriminator"):
        for key in one[network]:
            assert torch.allclose(one[network][key], two[network][key], atol=5e-5), key
    moved = [(two["generator"][key] - two["average"][f"module.{key}"]).abs().max() for key in two["generator"]]
    assert max(moved) > 2e-4
    assert json.loads((tmp_path / "two" / "checkpoint.json").read_text())["Processes"] == 2


def test_the_package_is_a_command():
    command = [sys.executable, "-m", "myelosynth", "train", "--help"]
    assert "torchrun" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
