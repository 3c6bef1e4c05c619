"""Patches to train on: where they lie, how they are augmented, all drawn from (seed, step) alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from myelosynth.models.regions import LESION, OTHER
from myelosynth.synthesis.config import TrainingPreset
from myelosynth.synthesis.engine.inference import window_starts

_PLANES = ((2, 3), (1, 3), (1, 2))


@dataclass(frozen=True)
class PatchSource:
    """One scan on the device: images (C + E + 1, X, Y, Z) = normalised sources, extra channels, target; regions.

    origin: the scan's voxel at the first voxel of `images`; negative where that is padding.
    """

    images: Tensor
    regions: Tensor
    brain: NDArray[np.int64]
    lesions: NDArray[np.int64]
    name: str
    origin: tuple[int, ...]


@dataclass(frozen=True)
class PatchPlan:
    """One sample, fully drawn: which scan, around which voxel, rotated in which plane by how much, scaled by what."""

    source: int
    centre: tuple[int, int, int]
    plane: int = 0
    quarter_turns: int = 0
    scale: float = 1.0


def patch_source(
    images: NDArray[np.float32],
    mask: NDArray[np.bool_],
    regions: NDArray[np.uint8],
    least: int,
    device: torch.device,
    name: str = "scan",
) -> PatchSource:
    """Put the brain's bounding box on the device, padded with background to `least` voxels a side for every crop.

    Prediction windows lie in the bounding box too: instance norm sees the same shares of background in both.
    """
    box = tuple(slice(int(v.min()), int(v.max()) + 1) for v in np.nonzero(mask))
    short = [max(least - side, 0) for side in mask[box].shape]
    pads = [(lack // 2, lack - lack // 2) for lack in short]
    padded = np.pad(images[(slice(None), *box)], [(0, 0), *pads])
    labels = np.pad(regions[box], pads, constant_values=OTHER)
    return PatchSource(
        torch.from_numpy(padded).to(device),
        torch.from_numpy(labels).to(device),
        np.argwhere(np.pad(mask[box], pads)),
        np.argwhere(labels == LESION),
        name,
        tuple(part.start - before for part, (before, _) in zip(box, pads, strict=True)),
    )


def largest_crop(preset: TrainingPreset) -> int:
    """The longest side that a crop may have before it is scaled to the patch."""
    return max(_crop_side(preset.patch, scale) for scale in (1.0, *preset.augmentation.scales))


class Sampler:
    """Draws the batch of a step from (seed, step): nothing to store, and a resumed run draws the same.

    `random`: crops centred on a brain voxel, a share of them on a lesion voxel. `grid`: every patch of the overlapping
    grid that touches the brain once per epoch, in an order drawn from (seed, epoch).
    """

    def __init__(self, sources: Sequence[PatchSource], preset: TrainingPreset, seed: int) -> None:
        self.sources, self.preset, self.seed = sources, preset, seed
        self.grid = _grid_centres(sources, preset) if preset.sampling == "grid" else []

    @property
    def steps_per_epoch(self) -> int:
        """How many batches show every patch of the grid once."""
        return -(-len(self.grid) // self.preset.batch)

    def plan(self, step: int) -> list[PatchPlan]:
        """The samples of a step (from 0)."""
        rng = default_rng(SeedSequence((self.seed, 0, step)))
        if self.grid:
            epoch, turn = divmod(step, self.steps_per_epoch)
            order = default_rng(SeedSequence((self.seed, 1, epoch))).permutation(len(self.grid))
            # The last batch of an epoch is filled from its beginning: the batch size never changes.
            numbers = [order[(turn * self.preset.batch + n) % len(order)] for n in range(self.preset.batch)]
            places = [self.grid[number] for number in numbers]
        else:
            places = [self._random_place(rng) for _ in range(self.preset.batch)]
        return [self._drawn(rng, *place) for place in places]

    def batch(self, step: int, share: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Images (N, C + E + 1, P, P, P) and regions (N, 1, P, P, P) of a step, or of a share of its samples."""
        pairs = [cut(self.sources[plan.source], plan, self.preset.patch) for plan in self.plan(step)[share]]
        return torch.stack([images for images, _ in pairs]), torch.stack([regions for _, regions in pairs])

    def told(self, step: int) -> str:
        """The scans of a step's batch and the voxels, from 0, in the middle of its patches."""
        places = []
        for plan in self.plan(step):
            source = self.sources[plan.source]
            voxel = [middle + first for middle, first in zip(plan.centre, source.origin, strict=True)]
            places.append(f"{source.name} around voxel {' '.join(map(str, voxel))}")
        return ", ".join(places)

    def _drawn(self, rng: Generator, source: int, centre: tuple[int, int, int]) -> PatchPlan:
        """At most one of the paper's rotations and scalings on top of a place."""
        settings = self.preset.augmentation
        choices = [(turn // 90, 1.0) for turn in settings.rotations] + [(0, scale) for scale in settings.scales]
        if not choices or rng.random() >= settings.share:
            return PatchPlan(source, centre)
        turns, scale = choices[rng.integers(len(choices))]
        return PatchPlan(source, centre, int(rng.integers(len(_PLANES))), turns, scale)

    def _random_place(self, rng: Generator) -> tuple[int, tuple[int, int, int]]:
        number = int(rng.integers(len(self.sources)))
        source = self.sources[number]
        on_lesion = rng.random() < self.preset.lesion_share and len(source.lesions) > 0
        voxels = source.lesions if on_lesion else source.brain
        x, y, z = (int(v) for v in voxels[rng.integers(len(voxels))])
        return number, (x, y, z)


def cut(source: PatchSource, plan: PatchPlan, patch: int) -> tuple[Tensor, Tensor]:
    """Crop, scale and rotate: images (C + E + 1, P, P, P), trilinear; regions (1, P, P, P), nearest neighbour."""
    side = _crop_side(patch, plan.scale)
    box = [
        slice(start := min(max(middle - side // 2, 0), length - side), start + side)
        for middle, length in zip(plan.centre, source.regions.shape, strict=True)
    ]
    images, regions = source.images[:, box[0], box[1], box[2]], source.regions[None, box[0], box[1], box[2]]
    if side != patch:
        size = (patch,) * 3
        images = functional.interpolate(images[None], size, mode="trilinear", align_corners=False)[0]
        regions = functional.interpolate(regions[None], size, mode="nearest-exact")[0]
    if plan.quarter_turns:
        images = torch.rot90(images, plan.quarter_turns, _PLANES[plan.plane])
        regions = torch.rot90(regions, plan.quarter_turns, _PLANES[plan.plane])
    return images, regions


def _crop_side(patch: int, scale: float) -> int:
    """A crop of patch/scale voxels, resized to the patch, magnifies by `scale`."""
    return round(patch / scale)


def _grid_centres(sources: Sequence[PatchSource], preset: TrainingPreset) -> list[tuple[int, tuple[int, int, int]]]:
    """The centres of all grid patches that touch the brain."""
    centres = []
    for number, source in enumerate(sources):
        brain = np.zeros(source.regions.shape, bool)
        brain[tuple(source.brain.T)] = True
        axes = [window_starts(side, preset.patch, preset.overlap) for side in brain.shape]
        for x, y, z in product(*axes):
            if brain[x : x + preset.patch, y : y + preset.patch, z : z + preset.patch].any():
                centres.append((number, tuple(start + preset.patch // 2 for start in (x, y, z))))
    return centres  # type: ignore[return-value]
