"""Networks as plain values: what a checkpoint tells of its stages, and the network built from it."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from myelosynth.errors import InputError
from myelosynth.models.generator import Cascade
from myelosynth.synthesis.checkpoints import Checkpoint
from myelosynth.synthesis.config import TrainingPreset


def build_generator(architecture: dict[str, Any]) -> Any:
    """The generator of a checkpoint: one network, or a cascade in which each stage refines the one before.

    Raises InputError for a network that this version does not know.
    """
    first, *later = (_built(stage) for stage in architecture["stages"])
    generator = first
    for refiner in later:
        generator = Cascade(generator, refiner)
    return generator


def load_generator(checkpoint: Checkpoint) -> Any:
    """The generator with its trained weights, in evaluation mode. Raises InputError when they do not fit."""
    architecture = checkpoint.content["architecture"]
    takes = architecture["stages"][0]["settings"]["channels_in"]
    if takes != len(checkpoint.sources):
        values = f"the network takes {takes} channels, sources are {', '.join(checkpoint.sources)}"
        raise InputError("checkpoint of another task", checkpoint.model, values, "train it again")
    generator = build_generator(architecture)
    try:
        generator.load_state_dict(checkpoint.content["weights"])
    except RuntimeError as fault:
        values = " ".join(str(fault).split())[:200]
        raise InputError("weights do not fit the network", checkpoint.model, values, "train it again") from fault
    return generator.eval()


def _built(stage: dict[str, Any]) -> nn.Module:
    # Both import this module.
    from myelosynth.synthesis.systems.networks import NetworkSystem
    from myelosynth.synthesis.systems.registry import find_system

    system = find_system(stage["network"])
    if not isinstance(system, NetworkSystem):
        raise InputError("not a network", "checkpoint", f"stage {stage['network']}", "train it again")
    return system.network(**stage["settings"])


def network_settings(
    network: Callable[..., nn.Module], channels_in: int, preset: TrainingPreset, own: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments of a network: those that the preset has under the same name, and its own."""
    names = inspect.signature(network).parameters
    known = {name: getattr(preset, name) for name in names if name in TrainingPreset.model_fields}
    return {"channels_in": channels_in, **known, **own}
