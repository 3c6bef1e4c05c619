"""Systems as a study writes them, NAME or NAME-LOSS; the Snakefile asks, so imports stay light."""

from dataclasses import dataclass

_IMAGE_LOSSES = ("l1", "wl1", "nwl1")
LOSSES = {
    "mean-atlas": ("mean",),
    "ridge": ("l2",),
    "residual-context": ("huber",),
    "unet": _IMAGE_LOSSES,
    "cf-sagan": _IMAGE_LOSSES,
    "refiner-cf-sagan": _IMAGE_LOSSES,
}
"""What each model of the registry (systems.py) can be trained with."""
CALIBRATED = ("residual-context",)
"""Models whose spread is calibrated and tells how its errors hang together: intervals of the indices follow from it."""


@dataclass(frozen=True)
class SystemName:
    """One system of a study; a model with a single loss goes by its own name."""

    model: str
    loss: str | None

    def __str__(self) -> str:
        return self.model if self.loss is None else f"{self.model}-{self.loss}"

    @property
    def sketcher(self) -> str | None:
        """The Sketcher that a Refiner builds on: the same network with L1."""
        return f"{self.model.removeprefix('refiner-')}-l1" if self.model.startswith("refiner-") else None

    @property
    def options(self) -> str:
        """Options of `myelosynth train`."""
        return f"--model {self.model}" + (f" --loss {self.loss}" if self.loss else "")


def parse_system(name: str) -> SystemName:
    """The model and loss that a name means. Raises ValueError for an unknown one.

    >>> parse_system("refiner-cf-sagan-nwl1").sketcher
    'cf-sagan-l1'
    """
    for model, losses in LOSSES.items():
        if name == model and len(losses) == 1:
            return SystemName(model, None)
        for loss in losses if len(losses) > 1 else ():
            if name == f"{model}-{loss}":
                return SystemName(model, loss)
    known = ", ".join(model if len(losses) == 1 else f"{model}-{'|'.join(losses)}" for model, losses in LOSSES.items())
    raise ValueError(f"unknown system {name!r}, expected one of {known}")
