"""One prediction from several: the mean over the members of an ensemble and over flips of the images."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, combinations
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from myelosynth.images.grid import Grid
from myelosynth.synthesis.checkpoints import Checkpoint
from myelosynth.synthesis.systems.base import Prediction, PredictionInputs
from myelosynth.synthesis.systems.registry import find_system

Flips = Literal["none", "left-right", "all"]


def predict_ensemble(
    checkpoints: Sequence[Checkpoint], inputs: PredictionInputs, device: torch.device, flips: Flips = "none"
) -> Prediction:
    """The mean of the members; SD: between the members, joined with the mean variance that they give themselves.

    With one member without a spread of its own there is no SD. report: one entry a member.
    """
    members = [_over_flips(checkpoint, inputs, device, flips) for checkpoint in checkpoints]
    means = np.stack([member.mean for member in members])
    own = [member.std.astype(np.float64) ** 2 for member in members if member.std is not None]
    variances = [np.mean(own, 0)] if own else []
    if len(members) > 1:
        variances.append(means.var(0, ddof=1, dtype=np.float64))
    std = np.sqrt(np.sum(variances, 0)).astype(np.float32) if variances else None
    mean = means.mean(0, dtype=np.float64).astype(np.float32)
    # What one member tells of its SD (its calibration) does not hold for the SD of several.
    record = members[0].spread_record if len(members) == 1 else {}
    return Prediction(mean, std, {"Members": [member.report for member in members]}, record)


def flip_axes(grid: Grid, flips: Flips) -> list[tuple[int, ...]]:
    """The axes of each flip, the unflipped image first: left-right is the axis nearest to the world's x."""
    if flips == "none":
        return [()]
    if flips == "left-right":
        return [(), (int(np.abs(grid.affine[0, :3] / np.array(grid.voxel_sizes)).argmax()),)]
    return list(chain.from_iterable(combinations(range(3), count) for count in range(4)))


def _over_flips(checkpoint: Checkpoint, inputs: PredictionInputs, device: torch.device, flips: Flips) -> Prediction:
    """One member: the mean over flips of prediction, and of the variance where the system gives a spread."""
    system = find_system(checkpoint.model)
    axes = flip_axes(inputs.grid, flips)
    if len(axes) == 1:
        return system.predict(checkpoint, inputs, device)
    made = [(_flipped(system.predict(checkpoint, _flip(inputs, along), device), along)) for along in axes]
    mean = np.stack([one.mean for one in made]).mean(0, dtype=np.float64).astype(np.float32)
    spreads = [one.std.astype(np.float64) ** 2 for one in made if one.std is not None]
    std = np.sqrt(np.mean(spreads, 0)).astype(np.float32) if spreads else None
    return Prediction(mean, std, made[0].report, made[0].spread_record)


def _flip(inputs: PredictionInputs, along: tuple[int, ...]) -> PredictionInputs:
    images = {name: _mirrored(image, along) for name, image in inputs.images.items()}
    return replace(inputs, images=images, mask=_mirrored(inputs.mask, along))


def _flipped(prediction: Prediction, along: tuple[int, ...]) -> Prediction:
    std = None if prediction.std is None else _mirrored(prediction.std, along)
    return replace(prediction, mean=_mirrored(prediction.mean, along), std=std)


def _mirrored(image: NDArray, along: tuple[int, ...]) -> NDArray:
    return np.ascontiguousarray(np.flip(image, along))
