"""Whole volumes from patches: a sliding window with Gaussian blending, only where there is brain.

The result of `sliding_window` equals MONAI's `sliding_window_inference(mode="gaussian")` on the brain's bounding box
(tests compare them). It is written out here because a prediction is a short job: importing MONAI takes longer than
importing torch, and windows without brain, which cannot change a voxel inside the mask, are skipped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIGMA_SCALE = 0.125

Network = Callable[[Tensor], Tensor]
Place = tuple[slice, ...]


@dataclass(frozen=True)
class BrainBox:
    """The brain's bounding box on the device: images (C, X, Y, Z) and brain mask (X, Y, Z), padded with background."""

    images: Tensor
    brain: NDArray[np.bool_]
    box: Place
    inner: Place
    mask: NDArray[np.bool_]

    @classmethod
    def of(
        cls, images: NDArray[np.float32], mask: NDArray[np.bool_], least: int, device: torch.device, multiple: int = 1
    ) -> "BrainBox":
        """Cut the box out of images (C, X, Y, Z); sides below `least`, or no multiple of `multiple`, are padded with 0
        (normalised background) on both sides."""
        box = bounding_box(mask)
        sides = mask[box].shape
        lacks = [max(-(-side // multiple) * multiple, least) - side for side in sides]
        pads = [(lack // 2, lack - lack // 2) for lack in lacks]
        padded = torch.from_numpy(np.pad(images[(slice(None), *box)], [(0, 0), *pads])).to(device)
        inner = tuple(slice(low, low + side) for (low, _), side in zip(pads, sides, strict=True))
        return cls(padded, np.pad(mask[box], pads), box, inner, mask)

    def restore(self, predicted: Tensor) -> NDArray[np.float32]:
        """The image (X, Y, Z) on the grid of the mask, 0 outside it, from one on the padded box."""
        result = np.zeros(self.mask.shape, np.float32)
        result[self.box] = predicted[self.inner].float().cpu().numpy() * self.mask[self.box]
        return result


def bounding_box(mask: NDArray[np.bool_]) -> Place:
    """The smallest box that holds a mask (X, Y, Z)."""
    return tuple(slice(int(v.min()), int(v.max()) + 1) for v in np.nonzero(mask))


def window_starts(side: int, patch: int, overlap: float) -> list[int]:
    """First voxels of overlapping windows along an axis; the last window is moved back inside.

    >>> window_starts(100, 32, 0.5)
    [0, 16, 32, 48, 64, 68]
    """
    stride = max(int(patch * (1 - overlap)), 1)
    count = max(-(-(side - patch) // stride), 0) + 1
    return [max(min(number * stride, side - patch), 0) for number in range(count)]


def gaussian_weights(patch: int) -> Tensor:
    """Blending weights (P, P, P) that fall with the distance to the window's centre, at least 0.001."""
    x = torch.arange(patch, dtype=torch.float32) - (patch - 1) / 2
    profile = torch.exp(-(x**2) / (2 * (patch * SIGMA_SCALE) ** 2))
    weights = profile[:, None, None] * profile[:, None] * profile
    return weights.clamp(min=max(float(weights.min()), 1e-3))


@torch.inference_mode()
def sliding_window(
    network: Network,
    images: NDArray[np.float32],
    mask: NDArray[np.bool_],
    patch: int,
    overlap: float,
    batch: int,
    device: torch.device,
) -> NDArray[np.float32]:
    """Apply `network` (N, C, P, P, P) -> (N, 1, P, P, P) to images (C, X, Y, Z); returns (X, Y, Z), 0 outside the mask.

    Sides of the brain's bounding box below the patch are padded with 0 (normalised background) on both sides.
    """
    cut = BrainBox.of(images, mask, patch, device)
    places = [
        place
        for corner in product(*(window_starts(side, patch, overlap) for side in cut.brain.shape))
        if cut.brain[place := tuple(slice(start, start + patch) for start in corner)].any()
    ]
    return cut.restore(blended(network, cut.images, places, patch, batch))


def blended(network: Network, images: Tensor, places: Sequence[Place], patch: int, batch: int) -> Tensor:
    """The network's output on windows of images (C, X, Y, Z), blended to (X, Y, Z) on their device; 0 in no window."""
    weights = gaussian_weights(patch).to(images.device)
    total, norm = (torch.zeros(images.shape[1:], device=images.device) for _ in range(2))
    for first in range(0, len(places), batch):
        group = places[first : first + batch]
        output = network(torch.stack([images[(slice(None), *place)] for place in group]))
        for place, predicted in zip(group, output, strict=True):
            total[place] += predicted[0].float() * weights
            norm[place] += weights
    return total / norm.clamp(min=1e-6)
