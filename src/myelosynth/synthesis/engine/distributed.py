"""One training shared by several processes (torchrun): each draws its part of every batch, gradients are averaged.

Gradients are averaged by one flat all-reduce after the backward pass, not by DistributedDataParallel: two networks take
turns, the discriminator's weights are frozen half of the time, and a few million weights are sent in about the time of
a kernel. So one process and several take the same steps but for the order of sums, where no dropout and no smoothed
label is drawn (each process draws its own).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from myelosynth.errors import InputError

# The others wait here while the leader validates.
_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; alone, every operation is the identity."""

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> "Ranks":
        """The group that this process has joined."""
        if distributed.is_available() and distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size())
        return cls()

    @property
    def leads(self) -> bool:
        """Whether this process validates and writes."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """This process's part of the samples of a batch. Raises InputError when the parts would differ.

        >>> Ranks(1, 2).share(8)
        slice(4, 8, None)
        """
        if batch % self.count:
            values = f"batch {batch}, {self.count} processes"
            raise InputError("batch cannot be shared", "preset", values, "make `batch` a multiple of the processes")
        part = batch // self.count
        return slice(self.rank * part, (self.rank + 1) * part)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the processes."""
        if self.count == 1:
            return values
        total = values.clone()
        distributed.all_reduce(total)
        return total / self.count

    def average_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its mean over the processes."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def from_leader(self, compute: Callable[[], float | None], device: torch.device) -> float | None:
        """What the leader computes, on every process."""
        value = compute() if self.leads else None
        if self.count == 1:
            return value
        told = torch.tensor([value is not None, value or 0.0], dtype=torch.float64, device=device)
        distributed.broadcast(told, 0)
        return float(told[1]) if told[0] else None

    def require_same(self, step: int, where: object, device: torch.device) -> None:
        """Raises InputError when the processes would not continue at the same step."""
        own = torch.tensor([float(step), float(step) ** 2], dtype=torch.float64, device=device)
        mean, squared = self.mean(own).tolist()
        if squared != mean**2:
            values = f"process {self.rank} is at step {step}, the mean of all is {mean:g}"
            raise InputError("processes see different states", where, values, "put --out on a disk that all share")


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Join the other processes where torchrun has started several; yields the device of this one.

    NCCL on CUDA, one GPU a process; Gloo on the CPU. Raises InputError for more processes than GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or not distributed.is_torchelastic_launched():
        yield device
        return
    if device.type == "cuda":
        local, found = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= found:
            values = f"process {local + 1} of this machine, {found} GPUs"
            raise InputError("more processes than GPUs", "--nproc-per-node", values, "start one process a GPU")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    yield device
    # Only after success: a process that failed must not wait here for the others.
    distributed.destroy_process_group()
