"""The registry: a new system is one file and one line here."""

from pathlib import Path

from myelosynth.errors import InputError
from myelosynth.synthesis.systems.atlas import MeanAtlas
from myelosynth.synthesis.systems.base import System
from myelosynth.synthesis.systems.networks import NetworkSystem
from myelosynth.synthesis.systems.residual import ResidualContextSystem
from myelosynth.synthesis.systems.ridge import RidgeRegression

SYSTEMS: dict[str, System] = {
    "mean-atlas": MeanAtlas(),
    "ridge": RidgeRegression(),
    "residual-context": ResidualContextSystem(),
    "unet": NetworkSystem(attention=False, residual=False, adversarial=False),
    "cf-sagan": NetworkSystem(attention=True, residual=True, adversarial=True),
    "refiner-cf-sagan": NetworkSystem(attention=True, residual=True, adversarial=True, refines=True),
}


def find_system(name: str) -> System:
    """A system by name. Raises InputError for an unknown one."""
    if name not in SYSTEMS:
        raise InputError("unknown model", "--model", f"got {name!r}", f"choose one of {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def check_choice(model: str, loss: str | None, sketches: Path | None) -> tuple[System, str]:
    """The system and its loss for these options of `train`; a system with one loss needs no --loss.

    Raises InputError for a loss or sketches that do not go with the system.
    """
    system = find_system(model)
    if loss is None and len(system.losses) == 1:
        loss = system.losses[0]
    if loss not in system.losses:
        values = f"got {loss or 'none'} for {model}"
        raise InputError("unknown loss", "--loss", values, f"choose one of {', '.join(system.losses)}")
    if system.needs_sketches and sketches is None:
        raise InputError("sketches missing", "--sketches", f"{model} without", "give the Sketcher's training folder")
    if sketches is not None and not system.needs_sketches:
        raise InputError("sketches not used", "--sketches", f"{model} takes none", "leave --sketches out")
    return system, loss
