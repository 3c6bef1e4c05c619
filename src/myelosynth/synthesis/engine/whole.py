"""Faster ways to predict a whole subject than half-overlapping windows: few windows, or one pass over the brain.

`few`: the same network on windows of the training size, as few as cover the brain. Every window is a window that
training could have drawn; what is lost is the averaging of neighbouring windows.
`whole`: one pass over the brain's bounding box. Instance norm then takes its statistics, and attention its tokens, from
the whole brain, so this is another function than the one that was trained.
Neither is used by default unless it passes the gate (gate.py).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.synthesis.engine.inference import BrainBox, Network, Place, blended, sliding_window

Path = Literal["window", "few", "whole"]
FAST: tuple[Path, ...] = ("whole", "few")
"""From the least to the most work."""
FEW_OVERLAP = 0.125
_MULTIPLE = 16
# A small batch leaves a GPU idle; on a CPU torch sends single small patches to its slow convolution.
_LEAST_BATCH = {"cuda": 16, "cpu": 2}


@dataclass(frozen=True)
class Window:
    """Side of the training patch, overlap of its windows (both voxels or shares as trained), windows at a time.

    bf16: convolutions and attention in bfloat16; instance norm and blending stay in float32.
    """

    patch: int
    overlap: float
    batch: int
    bf16: bool = False


@torch.inference_mode()
def predict_volume(
    network: Network,
    images: NDArray[np.float32],
    mask: NDArray[np.bool_],
    window: Window,
    path: str,
    device: torch.device,
) -> NDArray[np.float32]:
    """Predict (X, Y, Z), 0 outside the mask, from normalised images (C, X, Y, Z).

    Raises InputError for an unknown path.
    """
    if path not in get_args(Path):
        raise InputError("unknown path", "--path", f"got {path!r}", f"choose auto, {', '.join(get_args(Path))}")
    batch = max(window.batch, _LEAST_BATCH.get(device.type, 1))
    with _autocast(device, window.bf16):
        if path == "window":
            return sliding_window(network, images, mask, window.patch, window.overlap, batch, device)
        if path == "few":
            cut = BrainBox.of(images, mask, window.patch, device)
            places = list(few_windows(cut.brain, window.patch))
            return cut.restore(blended(network, cut.images, places, window.patch, batch))
        cut = BrainBox.of(images, mask, window.patch, device, _MULTIPLE)
        return cut.restore(network(cut.images[None])[0, 0])


def few_windows(brain: NDArray[np.bool_], patch: int, overlap: float = FEW_OVERLAP) -> Iterator[Place]:
    """Windows that cover the brain (X, Y, Z): slabs along its longest axis, rows in each slab, windows in each row.

    Slabs, rows and windows are spread evenly over the brain that their slab or row holds, with at least this overlap.
    """
    axes = sorted(range(brain.ndim), key=lambda axis: -brain.shape[axis])
    return _spread(brain, patch, overlap, (slice(None),) * brain.ndim, axes)


def _spread(brain: NDArray[np.bool_], patch: int, overlap: float, place: Place, axes: list[int]) -> Iterator[Place]:
    if not axes:
        yield place
        return
    axis, *rest = axes
    others = tuple(other for other in range(brain.ndim) if other != axis)
    held = np.flatnonzero(brain[place].any(others))
    if held.size == 0:
        return
    low, high = int(held[0]), int(held[-1]) + 1
    for start in even_starts(low, high, patch, overlap, brain.shape[axis]):
        inside = (*place[:axis], slice(start, start + patch), *place[axis + 1 :])
        yield from _spread(brain, patch, overlap, inside, rest)


def even_starts(low: int, high: int, patch: int, overlap: float, side: int) -> list[int]:
    """First voxels of the fewest windows that cover low..high of an axis with `side` voxels, evenly spread.

    >>> even_starts(0, 119, 64, 0.125, 119)
    [0, 55]
    >>> even_starts(40, 70, 64, 0.125, 119)
    [23]
    """
    span = high - low
    if span <= patch:
        return [min(max(low - (patch - span) // 2, 0), side - patch)]
    count = 1 + int(np.ceil((span - patch) / (patch * (1 - overlap))))
    return [low + round(number * (span - patch) / (count - 1)) for number in range(count)]


def _autocast(device: torch.device, bf16: bool) -> AbstractContextManager:
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)
