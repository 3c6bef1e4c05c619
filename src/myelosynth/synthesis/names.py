"""Systems as a study writes them, NAME or NAME-LOSS, @2 and on for replicates; imports stay light for the Snakefile."""

from dataclasses import dataclass

_IMAGE_LOSSES = ("l1", "wl1", "nwl1")
LOSSES = {
    "mean-atlas": ("mean",),
    "ridge": ("l2",),
    "unet": _IMAGE_LOSSES,
    "cf-sagan": _IMAGE_LOSSES,
    "refiner-cf-sagan": _IMAGE_LOSSES,
}
"""What each model of the registry (systems.py) can be trained with."""


@dataclass(frozen=True)
class SystemName:
    """One system of a study; a model with a single loss goes by its own name, replicates from the second on by @R."""

    model: str
    loss: str | None
    replicate: int = 1

    def __str__(self) -> str:
        name = self.model if self.loss is None else f"{self.model}-{self.loss}"
        return name if self.replicate == 1 else f"{name}@{self.replicate}"

    @property
    def sketcher(self) -> str | None:
        """The Sketcher that a Refiner builds on: the same network with L1, of the same replicate."""
        if not self.model.startswith("refiner-"):
            return None
        return str(SystemName(self.model.removeprefix("refiner-"), "l1", self.replicate))

    @property
    def options(self) -> str:
        """Options of `myelosynth train`."""
        return f"--model {self.model}" + (f" --loss {self.loss}" if self.loss else "")


def parse_system(name: str) -> SystemName:
    """The model, loss and replicate that a name means. Raises ValueError for an unknown one.

    >>> parse_system("refiner-cf-sagan-nwl1@2").sketcher
    'cf-sagan-l1@2'
    """
    number = name.partition("@")[2]
    replicate = int(number) if number.isdecimal() else 1
    for model, losses in LOSSES.items():
        for loss in losses if len(losses) > 1 else (None,):
            system = SystemName(model, loss, replicate)
            if name == str(system):
                return system
    known = ", ".join(model if len(losses) == 1 else f"{model}-{'|'.join(losses)}" for model, losses in LOSSES.items())
    raise ValueError(f"unknown system {name!r}, expected one of {known}")
