"""An exponential moving average of the weights, which is validated and exported in their place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Averaging:
    """Follows a network: average = decay * average + (1 - decay) * weights after each step, from the first step on."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = network
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))

    def update(self) -> None:
        """Take the network's weights into the average."""
        self.average.update_parameters(self.network)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network has the averaged weights inside, its own again after."""
        own = {key: value.detach().clone() for key, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.module.state_dict())
        try:
            yield
        finally:
            self.network.load_state_dict(own)

    def state(self) -> dict[str, Any]:
        """Tensors for the state of a training."""
        return self.average.state_dict()

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from `state`."""
        self.average.load_state_dict(state)
