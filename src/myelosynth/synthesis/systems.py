"""The registry: a new system is one file and one line here."""

from myelosynth.errors import InputError
from myelosynth.synthesis.atlas import MeanAtlas
from myelosynth.synthesis.networks import NetworkSystem
from myelosynth.synthesis.ridge import RidgeRegression
from myelosynth.synthesis.system import System

SYSTEMS: dict[str, System] = {
    "mean-atlas": MeanAtlas(),
    "ridge": RidgeRegression(),
    "unet": NetworkSystem(attention=False, residual=False, adversarial=False),
    "cf-sagan": NetworkSystem(attention=True, residual=True, adversarial=True),
    "refiner-cf-sagan": NetworkSystem(attention=True, residual=True, adversarial=True, refines=True),
}


def find_system(name: str) -> System:
    """A system by name. Raises InputError for an unknown one."""
    if name not in SYSTEMS:
        raise InputError("unknown model", "--model", f"got {name!r}", f"choose one of {', '.join(SYSTEMS)}")
    return SYSTEMS[name]
