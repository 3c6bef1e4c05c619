"""A trainer of seconds: two simulated scans, a generator of two convolutions, the real discriminator where asked."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from myelosynth.models.discriminator import Discriminator
from myelosynth.models.losses import LOSSES
from myelosynth.models.regions import LESION, NAWM
from myelosynth.synthesis.config import TrainingPreset, load_preset
from myelosynth.synthesis.data.sampling import Sampler, patch_source
from myelosynth.synthesis.engine.training import Networks, Schedule, Trainer

CPU = torch.device("cpu")


class Small(nn.Module):
    """Two convolutions with dropout between them; its weights are all that a test looks at."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(channels, 3, 1), nn.ReLU(), nn.Dropout3d(0.3), nn.Conv3d(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def simulated_sources(least: int, count: int = 2) -> list[Any]:
    """Scans of 36^3 voxels, padded to `least`, whose target is the mean of two channels, with a few lesion voxels."""
    sources = []
    for number in range(count):
        channels = np.random.default_rng(number).standard_normal((2, 36, 36, 36)).astype(np.float32)
        regions = np.full((36, 36, 36), NAWM, np.uint8)
        regions[10 : 12 + number, 12, 14] = LESION
        images = np.concatenate([channels, channels.mean(0, keepdims=True)])
        sources.append(patch_source(images, np.ones(regions.shape, bool), regions, least, CPU, f"scan-{number}"))
    return sources


@pytest.fixture(scope="session")
def tiny(repository) -> TrainingPreset:
    preset = load_preset(str(repository / "config" / "presets" / "tiny.yaml"))
    plain = preset.augmentation.model_copy(update={"share": 0.0})
    return preset.model_copy(update={"augmentation": plain})


@pytest.fixture
def make_trainer(tiny) -> Callable[..., Trainer]:
    """A trainer over 6 steps; `validation`: the errors that validations give in turn, or a function of the network."""

    def make(
        validation: list[float | None] | Callable[[nn.Module], float | None] = lambda _: None,
        adversarial: bool = False,
        steps: int = 6,
        **settings: Any,
    ) -> Trainer:
        torch.manual_seed(0)
        network = Small(2)
        preset = tiny.model_copy(update=settings)
        critic = Discriminator(3, preset.width, 0.0) if adversarial else None
        errors = iter(validation) if isinstance(validation, list) else None
        validate = (lambda: next(errors)) if errors is not None else (lambda: validation(network))  # type: ignore
        sampler = Sampler(simulated_sources(preset.patch), preset, 5)
        schedule = Schedule(steps, 0.01, "constant")
        networks = Networks(network, network, critic, 2)
        return Trainer(networks, sampler, schedule, preset, LOSSES["l1"], validate, 5, CPU)

    return make
