"""Losses: L1, L2, WL1, the attention regularisation NWL1, learned weights; adversarial cross-entropy."""

from collections.abc import Callable

import torch
from torch import Tensor, distributed
from torch.nn import functional

from myelosynth.models.regions import REGIONS

ImageLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


def l1(prediction: Tensor, target: Tensor, regions: Tensor) -> Tensor:
    """Mean absolute difference over all voxels; `regions` is not used."""
    return (prediction - target).abs().mean()


def wl1(prediction: Tensor, target: Tensor, regions: Tensor) -> Tensor:
    """WL1 of the prior work: per sample the mean absolute difference of each region, averaged (models.md 1).

    (1/NM) sum_i sum_R (1/N_R) sum_{j in R} |.|, with N samples and, as our reading, M = 3 regions: with M voxels the
    loss would be some 10^5 times smaller than L1 for the same lambda. An empty region is skipped.
    All tensors (N, 1, X, Y, Z); regions hold OTHER, LESION or NAWM.
    """
    difference = (prediction - target).abs().flatten(1)
    flat = regions.flatten(1)
    total = difference.new_zeros(())
    for region in REGIONS:
        inside = (flat == region).to(difference.dtype)
        total = total + ((difference * inside).sum(1) / inside.sum(1).clamp(min=1)).sum()
    return total / (len(prediction) * len(REGIONS))


def nwl1(prediction: Tensor, target: Tensor, regions: Tensor) -> Tensor:
    """NWL1, wei2020 equation 4: (1/2nm) sum_i sum_j w_j |.| with w = 1 - m_R/m for lesions, NAWM and the rest.

    n samples of m voxels; m_R is the batch mean of the region's size, over all processes where several share a batch.
    An empty region contributes 0.
    All tensors (N, 1, X, Y, Z); regions hold OTHER, LESION or NAWM.
    """
    difference = (prediction - target).abs()
    total = difference.new_zeros(())
    for region in REGIONS:
        inside = (regions == region).to(difference.dtype)
        total = total + (1 - _batch_mean(inside)) * (difference * inside).sum()
    return total / (2 * difference.numel())


def l2(prediction: Tensor, target: Tensor, regions: Tensor) -> Tensor:
    """Mean squared difference over all voxels; `regions` is not used (the 2-layer DNN, Li 2014)."""
    return ((prediction - target) ** 2).mean()


def learned(prediction: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """(1/nm) sum_i sum_j w_ij |.|: L1 with a weight for each voxel, learned without masks (systems/attention.py).

    All tensors (N, 1, X, Y, Z); the third holds the weights where the other losses have the regions.
    """
    return (weights * (prediction - target).abs()).mean()


def _batch_mean(values: Tensor) -> Tensor:
    """The mean over a batch of which every process holds an equal part."""
    mean = values.mean()
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(mean)
        mean = mean / distributed.get_world_size()
    return mean


LOSSES: dict[str, ImageLoss] = {"l1": l1, "l2": l2, "wl1": wl1, "nwl1": nwl1, "learned": learned}


def discriminator_loss(real: Tensor, fake: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy on logits with labels drawn from U(1 - smoothing, 1) for real and U(0, smoothing) for fake."""
    ones = 1 - smoothing * torch.rand_like(real)
    zeros = smoothing * torch.rand_like(fake)
    loss = functional.binary_cross_entropy_with_logits
    return 0.5 * (loss(real, ones) + loss(fake, zeros))


def adversarial_loss(fake: Tensor) -> Tensor:
    """The generator's cross-entropy: its images should be called real (hard label 1, no smoothing)."""
    return functional.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
