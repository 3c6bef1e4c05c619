"""The watch over losses: means without waiting, the first step that is not finite."""

import numpy as np
import pytest
import torch

from myelosynth.errors import InputError
from myelosynth.synthesis.engine.distributed import Ranks
from myelosynth.synthesis.engine.losses import LossWatch, NonFinite


def test_means_of_an_interval():
    watch = LossWatch(torch.device("cpu"), Ranks())
    for step in range(4):
        watch.add(step, torch.tensor([step, 2.0, 3.0], dtype=torch.float64))
    assert watch.means().tolist() == [1.5, 2, 3]
    watch.add(4, torch.ones(3))
    assert watch.means().tolist() == [1, 1, 1]


def test_a_period_of_ten_names_the_first_bad_step():
    watch = LossWatch(torch.device("cuda"), Ranks())
    for step in range(4):
        watch.add(step, torch.tensor([1.0, float("inf") if step > 1 else 1.0, float("nan") if step > 2 else 0.0]))
    with pytest.raises(NonFinite, match="adversarial loss inf") as caught:
        watch.means()
    assert caught.value.step == 2


def test_a_loss_that_is_not_finite_stops_at_once_and_names_the_batch(make_trainer, tmp_path):
    make_trainer(steps=4).run(tmp_path, "f", resume=False)
    before = (tmp_path / "last.pt").read_bytes()
    trainer = make_trainer()
    loss, taken = trainer.image_loss, []
    trainer.image_loss = lambda *given: loss(*given) * (np.nan if taken.append(1) or len(taken) > 1 else 1)
    with pytest.raises(InputError) as caught:
        trainer.run(tmp_path, "f", resume=True)
    assert len(taken) == 2
    plans = trainer.sampler.plan(5)
    batch = ", ".join(f"scan-{plan.source} around voxel {' '.join(map(str, plan.centre))}" for plan in plans)
    assert f"training diverged, network, image loss nan at step 6, batch {batch}; last.pt of step 4 is" in str(
        caught.value
    )
    assert (tmp_path / "last.pt").read_bytes() == before


def test_a_bad_voxel_stops_the_first_step_that_sees_it(make_trainer, tmp_path):
    trainer = make_trainer(adversarial=True)
    trainer.sampler.sources[0].images[-1] = float("inf")
    first = next(step for step in range(6) if any(plan.source == 0 for plan in trainer.sampler.plan(step)))
    with pytest.raises(InputError, match=rf"loss (nan|inf) at step {first + 1}, batch .*scan-0"):
        trainer.run(tmp_path, "f", resume=False)


def test_weights_that_are_not_finite_are_never_written(make_trainer, tmp_path):
    trainer = make_trainer(steps=1)
    step = trainer.optimiser.step

    def ruined():
        step()
        next(iter(trainer.networks.trainable.parameters())).data.fill_(float("nan"))

    trainer.optimiser.step = ruined
    with pytest.raises(InputError, match="weights that are not finite at step 1"):
        trainer.run(tmp_path, "f", resume=False)
    assert not (tmp_path / "last.pt").exists()
