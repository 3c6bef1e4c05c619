"""The registry: a new system is one file and one line here (and its losses in synthesis/names.py, without torch)."""

from pathlib import Path

from myelosynth.errors import InputError
from myelosynth.models.dnn import TwoLayerDnn
from myelosynth.models.generator import Generator
from myelosynth.synthesis.names import registry_line
from myelosynth.synthesis.systems.atlas import MeanAtlas
from myelosynth.synthesis.systems.base import System
from myelosynth.synthesis.systems.forest import RandomForest
from myelosynth.synthesis.systems.networks import IMAGE_LOSSES, REFINER_LOSSES, NetworkSystem
from myelosynth.synthesis.systems.regional import RegionalMean
from myelosynth.synthesis.systems.residual import ResidualContextSystem
from myelosynth.synthesis.systems.ridge import RidgeRegression

# What makes the CF-SAGAN's generator a U-Net, and its discriminator the cGAN's.
_PLAIN = {"attention": False, "residual": False}

SYSTEMS: dict[str, System] = {
    "mean-atlas": MeanAtlas(),
    "regional-mean": RegionalMean(),
    "ridge": RidgeRegression(),
    "random-forest": RandomForest(),
    "residual-context": ResidualContextSystem(),
    "dnn": NetworkSystem(TwoLayerDnn, ("l2",)),
    "unet": NetworkSystem(Generator, IMAGE_LOSSES, settings=_PLAIN),
    "cgan": NetworkSystem(Generator, IMAGE_LOSSES, adversarial=True, settings=_PLAIN),
    "cf-sagan": NetworkSystem(Generator, IMAGE_LOSSES, adversarial=True),
    "refiner-cgan": NetworkSystem(Generator, REFINER_LOSSES, adversarial=True, refines=True, settings=_PLAIN),
    "refiner-cf-sagan": NetworkSystem(Generator, REFINER_LOSSES, adversarial=True, refines=True),
}


def find_system(name: str) -> System:
    """A system by name; `refinerN-X`, the stage N + 1 of a cascade, is trained as `refiner-X`.

    Raises InputError for an unknown one.
    """
    line = registry_line(name)
    if line not in SYSTEMS:
        cure = f"choose one of {', '.join(SYSTEMS)} (refinerN- for more stages)"
        raise InputError("unknown model", "--model", f"got {name!r}", cure)
    return SYSTEMS[line]


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
        cure = "give the training folder of the stage before"
        raise InputError("sketches missing", "--sketches", f"{model} without", cure)
    if sketches is not None and not system.needs_sketches:
        raise InputError("sketches not used", "--sketches", f"{model} takes none", "leave --sketches out")
    return system, loss
