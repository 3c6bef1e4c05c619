"""The attention that needs no masks: a small network that predicts where a sketch errs."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from myelosynth.models.layers import SLOPE


class ErrorHead(nn.Module):
    """e(MRI, sketch): expected absolute error of the sketch at each voxel, relative to its mean, always above 0.

    Two 3x3x3 convolutions of `width` filters and a 1x1x1 convolution with softplus. With four sources, a sketch and
    eight filters: 2,833 parameters. It sees no region and no target.
    """

    def __init__(self, channels_in: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(channels_in, width, 3, 1, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv3d(width, width, 3, 1, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv3d(width, 1, 1),
        )

    def forward(self, mri: Tensor, sketch: Tensor) -> Tensor:
        """mri: (N, C, X, Y, Z) normalised; sketch: (N, 1, X, Y, Z) in target units; returns (N, 1, X, Y, Z)."""
        return functional.softplus(self.layers(torch.cat((mri, sketch), 1)))
