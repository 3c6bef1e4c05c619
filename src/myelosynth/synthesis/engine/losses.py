"""The losses of the steps: summed without making the device wait, watched for what is not finite."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from myelosynth.synthesis.engine.distributed import Ranks

NAMES = ("image loss", "adversarial loss", "discriminator loss")
# Each reading makes the GPU wait for the steps before it; the CPU has nothing to wait for.
_PERIOD = {"cpu": 1, "cuda": 10}


class NonFinite(Exception):
    """A loss is NaN or infinite: `step` (from 0) and which loss with its value."""

    def __init__(self, step: int, told: str) -> None:
        super().__init__(told)
        self.step, self.told = step, told


class LossWatch:
    """Means of the three losses over an interval, over all processes. On CUDA they are read every ten steps."""

    def __init__(self, device: torch.device, ranks: Ranks) -> None:
        self.ranks, self.period = ranks, _PERIOD.get(device.type, 1)
        self._unread: list[tuple[int, Tensor]] = []
        self._sums, self._count = np.zeros(len(NAMES)), 0

    def add(self, step: int, losses: Tensor) -> None:
        """Take the losses (3,) of a step, from 0. Raises NonFinite, on CUDA for a step up to nine before."""
        self._unread.append((step, losses))
        if len(self._unread) >= self.period:
            self._read()

    def means(self) -> NDArray[np.float64]:
        """The means (3,) since the last call. Raises NonFinite."""
        self._read()
        means = self._sums / max(self._count, 1)
        self._sums, self._count = np.zeros(len(NAMES)), 0
        return means

    def _read(self) -> None:
        if not self._unread:
            return
        values = self.ranks.mean(torch.stack([losses for _, losses in self._unread])).cpu().numpy()
        for (step, _), row in zip(self._unread, values, strict=True):
            for name, value in zip(NAMES, row, strict=True):
                if not np.isfinite(value):
                    raise NonFinite(step, f"{name} {value}")
            self._sums += row
            self._count += 1
        self._unread.clear()
