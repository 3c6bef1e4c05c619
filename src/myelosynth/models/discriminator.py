"""The conditional 3D patch discriminator of wei2020."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from myelosynth.models.generator import ATTENTION_LEVEL, LEVELS
from myelosynth.models.layers import SLOPE, FlexibleSelfAttention, Pooling, ResDown


class Discriminator(nn.Module):
    """conv - 4 ResDown with flexible self-attention behind the second - 1x1x1 logits (wei2020, figure 2).

    A 64^3 patch gives 4^3 logits. At width 16 with four MRI channels and the PET: 3,576,482 parameters. With
    attention=False and residual=False it is the patch discriminator of the cGAN: 3,530,433.
    """

    def __init__(
        self,
        channels_in: int,
        width: int = 16,
        dropout: float = 0.5,
        attention: bool = True,
        residual: bool = True,
        attention_pool: int = 2,
        attention_pooling: Pooling = "max",
    ) -> None:
        super().__init__()
        maps = [width * 2**level for level in range(LEVELS + 1)]
        blocks: list[nn.Module] = [nn.Conv3d(channels_in, width, 3, 1, 1), nn.LeakyReLU(SLOPE)]
        for level, (low, high) in enumerate(pairwise(maps), 1):
            blocks.append(ResDown(low, high, dropout, residual))
            if level == ATTENTION_LEVEL and attention:
                blocks.append(FlexibleSelfAttention(high, attention_pool, attention_pooling))
        self.blocks = nn.Sequential(*blocks, nn.Conv3d(maps[-1], 1, 1))

    def forward(self, mri: Tensor, pet: Tensor) -> Tensor:
        """mri: (N, C, X, Y, Z); pet: (N, 1, X, Y, Z); returns logits (N, 1, X/16, Y/16, Z/16)."""
        return self.blocks(torch.cat((mri, pet.to(mri.dtype)), 1))
