"""The two-layer network of Li et al. 2014, the weakest network of wei2020's Table 1."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class TwoLayerDnn(nn.Module):
    """Two convolutions of 10 filters of 7^3 with sigmoids, then a 1x1x1 convolution and a ReLU (Li 2014; wei2020, 3.1).

    Li trained on 15^3 patches: without padding 15 -> 9 -> 3, so that a patch predicts its inner 3^3 voxels, each of
    them from the 13^3 voxels around it. Slid over a volume that is one and the same function as two convolutions
    without padding on the whole; so it is written here, for patches of any side. Only the input is padded, by the six
    voxels that the convolutions take away and with 0, which is what normalised MRI is outside the brain; padding the
    hidden layer too would feed it values that no background gives. Within six voxels of a window's edge the context
    is cut; the blending of the sliding window gives those voxels to the neighbouring window.

    The ReLU is wei2020's ("ReLu was used as the last layer ... for all the methods"); outside the brain the output is
    0, as in our Generator. With four inputs: 48,051 parameters.
    """

    def __init__(self, channels_in: int, filters: int = 10, kernel: int = 7) -> None:
        super().__init__()
        self.margin = 2 * (kernel // 2)
        self.first = nn.Conv3d(channels_in, filters, kernel)
        self.second = nn.Conv3d(filters, filters, kernel)
        self.head = nn.Conv3d(filters, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, channels_in, X, Y, Z) normalised; returns (N, 1, X, Y, Z), not negative."""
        padded = functional.pad(x, (self.margin,) * 6)
        hidden = torch.sigmoid(self.second(torch.sigmoid(self.first(padded))))
        brain = (x != 0).any(1, keepdim=True)
        return torch.relu(self.head(hidden).float()) * brain
