"""Blocks of the CF-SAGAN: residual down and up blocks, flexible self-attention (wei2020, figures 1 and 2)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from myelosynth.errors import InputError

Pooling = Literal["max", "average", "global-max"]
SLOPE = 0.2


class InstanceNorm(nn.InstanceNorm3d):
    """Affine instance norm without running statistics, always computed in float32 (mixed precision keeps its range)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True, track_running_stats=False)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.float()).to(input.dtype)


class ConvBody(nn.Module):
    """conv - norm - act - dropout - conv - norm (+ 1x1x1 skip) - act, the body that ResDown and ResUp share.

    stride acts in the first convolution and in the skip. residual=False leaves the skip out (plain U-Net block).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int, dropout: float, residual: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(channels_in, channels_out, 3, stride, 1),
            InstanceNorm(channels_out),
            nn.LeakyReLU(SLOPE, inplace=True),
            nn.Dropout3d(dropout),
            nn.Conv3d(channels_out, channels_out, 3, 1, 1),
            InstanceNorm(channels_out),
        )
        self.skip = nn.Conv3d(channels_in, channels_out, 1, stride) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        body = self.body(x)
        return functional.leaky_relu(body if self.skip is None else body + self.skip(x), SLOPE)


class ResDown(ConvBody):
    """Halves each side by a strided 3x3x3 convolution (wei2020, figure 2a)."""

    def __init__(self, channels_in: int, channels_out: int, dropout: float, residual: bool = True) -> None:
        super().__init__(channels_in, channels_out, 2, dropout, residual)


class ResUp(nn.Module):
    """Doubles each side by a strided deconvolution, joins the long skip, then the residual body (figure 2b).

    The deconvolution has a 2x2x2 kernel: with 3x3x3 the generator would have 6.56 M parameters, not 5.735 M.
    """

    def __init__(self, channels_in: int, channels_out: int, dropout: float, residual: bool = True) -> None:
        super().__init__()
        self.up = nn.Sequential(
            nn.ConvTranspose3d(channels_in, channels_out, 2, 2),
            InstanceNorm(channels_out),
            nn.LeakyReLU(SLOPE, inplace=True),
        )
        self.body = ConvBody(2 * channels_out, channels_out, 1, dropout, residual)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.body(torch.cat((self.up(x), skip), 1))


class FlexibleSelfAttention(nn.Module):
    """y = gamma * o + x with attention on a pooled map (wei2020, equations 1-3 and figure 1).

    Query, key and value are 1x1x1 convolutions to C/8 channels (no bias), pooled by `pool` on each side; softmax
    without a scale; then a 1x1x1 convolution back to C (the paper adds o of C/8 channels to x of C, which needs one)
    and nearest up-pooling. gamma starts at 0, so that the layer starts as the identity. Pooling query, key and value
    shrinks the attention map by pool^6 (the paper's pool^3 holds when one side is pooled). `global-max` pools all of
    each side, whatever `pool`: one token, whose attention is 1, so that o is one context for the whole patch.
    The attention map itself is never in memory. Parameters: C^2 / 2 + 1, at 64 channels 2,049.
    """

    def __init__(self, channels: int, pool: int = 2, pooling: Pooling = "max") -> None:
        super().__init__()
        if channels < 8 or pool < 1:
            values = f"{channels} channels, pool {pool}; expected at least 8 channels and pool 1"
            raise InputError("self-attention impossible", "preset", values, "raise `width` or `attention_pool`")
        inner = channels // 8
        self.query = nn.Conv3d(channels, inner, 1, bias=False)
        self.key = nn.Conv3d(channels, inner, 1, bias=False)
        self.value = nn.Conv3d(channels, inner, 1, bias=False)
        self.out = nn.Conv3d(inner, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.pool, self.pooling = pool, pooling

    def forward(self, x: Tensor) -> Tensor:
        pooled = [self._pooled(branch(x)) for branch in (self.query, self.key, self.value)]
        # (N, c, x, y, z) -> (N, 1, tokens, c); contiguous, or torch falls back to a materialised map.
        query, key, value = (features.flatten(2).transpose(1, 2).unsqueeze(1).contiguous() for features in pooled)
        attended = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        o = self.out(attended.squeeze(1).transpose(1, 2).reshape(pooled[2].shape))
        return self.gamma * functional.interpolate(o, size=x.shape[2:], mode="nearest") + x

    def _pooled(self, features: Tensor) -> Tensor:
        """(N, c, X, Y, Z) -> (N, c, X/p, Y/p, Z/p), or one voxel for `global-max`."""
        if self.pooling == "global-max":
            return features.amax((2, 3, 4), keepdim=True)
        if self.pool == 1:
            return features
        pool = functional.max_pool3d if self.pooling == "max" else functional.avg_pool3d
        return pool(features, self.pool)
