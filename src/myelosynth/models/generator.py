"""The generator of wei2020 and the 3D U-Net that it becomes without attention and residual skips."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from myelosynth.errors import InputError
from myelosynth.models.layers import SLOPE, FlexibleSelfAttention, Pooling, ResDown, ResUp

LEVELS = 4
ATTENTION_LEVEL = 2


class Generator(nn.Module):
    """conv - 4 ResDown - 4 ResUp - conv - ReLU with long skips and flexible self-attention (wei2020, figure 2).

    Feature maps are width * (1, 2, 4, 8, 16). Attention sits behind the second ResDown and behind the second ResUp,
    where a 64^3 patch has 16^3 voxels and 4 * width channels. At width 16 with four inputs: 5,734,915 parameters.
    With attention=False and residual=False it is our 3D U-Net (after Sikka 2018), also the generator of the cGAN:
    5,643,057 parameters. A Refiner has one input more: 5,735,347 and 5,643,489.

    Normalised MRI is 0 outside the brain and nowhere else in all channels at once; there the output is 0 as well
    (our choice: the images are skull-stripped, so no loss and no discriminator should dwell on the background).
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
        # No norm in the stem: its long skip carries absolute MRI values to the last block, so that the output can
        # follow them; behind instance norms only contrasts within the patch are left.
        self.stem = nn.Sequential(nn.Conv3d(channels_in, width, 3, 1, 1), nn.LeakyReLU(SLOPE))
        self.down = nn.ModuleList(ResDown(low, high, dropout, residual) for low, high in pairwise(maps))
        self.up = nn.ModuleList(ResUp(high, low, dropout, residual) for low, high in reversed(list(pairwise(maps))))
        channels = maps[ATTENTION_LEVEL]
        places = ("encoder", "decoder") if attention else ()
        layer = (channels, attention_pool, attention_pooling)
        self.attention = nn.ModuleDict({place: FlexibleSelfAttention(*layer) for place in places})
        self.head = nn.Conv3d(width, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, channels_in, X, Y, Z) normalised, sides multiples of 16; returns (N, 1, X, Y, Z), not negative."""
        if any(side % 2**LEVELS for side in x.shape[2:]):
            values = f"sides {tuple(x.shape[2:])}, expected multiples of {2**LEVELS}"
            raise InputError("patch size", "preset", values, "change `patch`")
        skips = [self.stem(x)]
        for level, block in enumerate(self.down, 1):
            features = block(skips[-1])
            if level == ATTENTION_LEVEL and self.attention:
                features = self.attention["encoder"](features)
            skips.append(features)
        features = skips.pop()
        for level, block in zip(reversed(range(LEVELS)), self.up, strict=True):
            features = block(features, skips.pop())
            if level == ATTENTION_LEVEL and self.attention:
                features = self.attention["decoder"](features)
        brain = (x != 0).any(1, keepdim=True)
        return torch.relu(self.head(features).float()) * brain


class Cascade(nn.Module):
    """A Refiner behind a frozen Sketcher (wei2020, section 2.3): refiner(MRI, sketcher(MRI)), patch by patch.

    The Sketcher is always in evaluation mode and gets no gradient. It may be a Cascade itself: the paper tried three
    stages, each of which refines the image of the one before.
    """

    def __init__(self, sketcher: nn.Module, refiner: nn.Module) -> None:
        super().__init__()
        self.sketcher, self.refiner = sketcher.requires_grad_(False).eval(), refiner

    def train(self, mode: bool = True) -> "Cascade":
        super().train(mode)
        self.sketcher.eval()
        return self

    def forward(self, x: Tensor, sketch: Tensor | None = None) -> Tensor:
        """x: (N, C, X, Y, Z) normalised MRI; sketch: (N, 1, X, Y, Z) in target units, computed here when not given."""
        if sketch is None:
            with torch.no_grad():
                sketch = self.sketcher(x)
        return self.refiner(torch.cat((x, sketch), 1))
