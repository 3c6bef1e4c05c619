"""Systems as a study writes them, NAME or NAME-LOSS; the Snakefile asks, so imports stay light."""

import re
from dataclasses import dataclass

_IMAGE_LOSSES = ("l1", "wl1", "nwl1")
_REFINER_LOSSES = (*_IMAGE_LOSSES, "learned")
LOSSES = {
    "mean-atlas": ("mean",),
    "regional-mean": ("mean",),
    "ridge": ("l2",),
    "random-forest": ("l2",),
    "dnn": ("l2",),
    "residual-context": ("huber",),
    "unet": _IMAGE_LOSSES,
    "cgan": _IMAGE_LOSSES,
    "cf-sagan": _IMAGE_LOSSES,
    "refiner-cgan": _REFINER_LOSSES,
    "refiner-cf-sagan": _REFINER_LOSSES,
}
"""What each model of the registry (systems/registry.py) can be trained with."""

FLOORS = ("mean-atlas", "regional-mean", "ridge", "random-forest")
"""The models that a network must beat to mean anything: no networks, so a preset has no entry for them."""

_DEEPER = re.compile(r"refiner([2-9]|[1-9][0-9]+)-(.+)")
_REPLICATE = re.compile(r"(.+)@([2-9]|[1-9][0-9]+)")

CALIBRATED = ("residual-context",)
"""Models whose spread is calibrated and tells how its errors hang together: intervals of the indices follow from it."""

OPTIONAL_SOURCES = ("residual-context",)
"""Models that predict from any of their sources; all others need every one."""


@dataclass(frozen=True)
class SystemName:
    """One system of a study; a model with a single loss goes by its own name, replicate 1 goes without `@`."""

    model: str
    loss: str | None
    replicate: int = 1

    def __str__(self) -> str:
        name = self.model if self.loss is None else f"{self.model}-{self.loss}"
        return name if self.replicate == 1 else f"{name}@{self.replicate}"

    @property
    def sketcher(self) -> str | None:
        """What a Refiner builds on: the same network with L1; a third or later stage: the stage before, same loss."""
        before = stages(self.model) - 1
        if before == 0:
            return None
        network = registry_line(self.model).removeprefix("refiner-")
        if before == 1:
            return str(SystemName(network, "l1", self.replicate))
        prefix = "refiner" if before == 2 else f"refiner{before - 1}"
        return str(SystemName(f"{prefix}-{network}", self.loss, self.replicate))

    @property
    def options(self) -> str:
        """Options of `myelosynth train`."""
        return f"--model {self.model}" + (f" --loss {self.loss}" if self.loss else "")


def stages(model: str) -> int:
    """How many generators follow one another: 1, a Refiner 2, `refiner2-X` 3, `refinerN-X` N + 1.

    >>> [stages(model) for model in ("cf-sagan", "refiner-cf-sagan", "refiner2-cf-sagan")]
    [1, 2, 3]
    """
    if deeper := _DEEPER.fullmatch(model):
        return int(deeper[1]) + 1
    return 2 if model.startswith("refiner-") else 1


def registry_line(model: str) -> str:
    """The entry of the registry and of a preset's `networks` that serves a model: all Refiners of a network share one.

    >>> registry_line("refiner2-cf-sagan")
    'refiner-cf-sagan'
    """
    deeper = _DEEPER.fullmatch(model)
    return f"refiner-{deeper[2]}" if deeper else model


def parse_system(name: str) -> SystemName:
    """The model, loss and replicate that a name means. Raises ValueError for an unknown one.

    >>> parse_system("refiner-cf-sagan-nwl1").sketcher
    'cf-sagan-l1'
    >>> parse_system("refiner2-cf-sagan-nwl1@3").sketcher
    'refiner-cf-sagan-nwl1@3'
    """
    again = _REPLICATE.fullmatch(name)
    bare, replicate = (again[1], int(again[2])) if again else (name, 1)
    deeper = _DEEPER.fullmatch(bare)
    line = f"refiner-{deeper[2]}" if deeper else bare
    for entry, losses in LOSSES.items():
        model = f"refiner{deeper[1]}-{entry.removeprefix('refiner-')}" if deeper else entry
        if line == entry and len(losses) == 1:
            return SystemName(model, None, replicate)
        for loss in losses if len(losses) > 1 else ():
            if line == f"{entry}-{loss}":
                return SystemName(model, loss, replicate)
    groups: dict[tuple[str, ...], list[str]] = {}
    for entry, losses in LOSSES.items():
        groups.setdefault(losses if len(losses) > 1 else (), []).append(entry)
    known = "; ".join(f"{', '.join(some)}{'-' + '|'.join(losses) if losses else ''}" for losses, some in groups.items())
    raise ValueError(f"unknown system {name!r}, expected {known}")
