"""Local context: a ridge regression on neighbourhoods that every rotation leaves as they are, and a small network that
predicts what it leaves over."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations, combinations_with_replacement, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CHUNK = 32768
"""Voxels whose neighbourhoods are in memory at once."""


def subsets(count: int) -> list[tuple[int, ...]]:
    """Every choice of at least one of `count` sources, the whole set last.

    >>> subsets(2)
    [(0,), (1,), (0, 1)]
    """
    return list(chain.from_iterable(combinations(range(count), size) for size in range(1, count + 1)))


def orbits(radius: int) -> list[list[tuple[int, ...]]]:
    """The offsets of a cube of 2 radius + 1 voxels, grouped by the cube's symmetry: centre, faces, edges, corners, ...

    Averages over these groups do not change when the image is flipped or turned by quarter turns.
    """
    groups: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for offset in product(range(-radius, radius + 1), repeat=3):
        groups.setdefault(tuple(sorted(map(abs, offset), reverse=True)), []).append(offset)
    return [groups[key] for key in sorted(groups)]


@dataclass(frozen=True)
class Context:
    """What a voxel knows of its neighbourhood: averages over each orbit of every term.

    Terms are the C normalised sources, their C (C + 1) / 2 products, and the brain mask (its averages tell how far the
    edge is, behind which the images are 0). Columns are terms times orbits, term by term, and a constant at the end.
    """

    sources: int
    radius: int

    @property
    def terms(self) -> list[tuple[int, ...]]:
        """The sources of each term; none for the mask."""
        single = [(number,) for number in range(self.sources)]
        return [*single, (), *combinations_with_replacement(range(self.sources), 2)]

    @property
    def columns(self) -> int:
        return len(self.terms) * len(orbits(self.radius)) + 1

    def known(self, present: Sequence[int]) -> NDArray[np.int64]:
        """The columns that need no other sources than `present`."""
        each = len(orbits(self.radius))
        known = [set(term) <= set(present) for term in self.terms]
        return np.flatnonzero([*np.repeat(known, each), True])

    def of(self, images: Tensor, mask: NDArray[np.bool_], voxels: NDArray[np.int64]) -> Tensor:
        """Context (V, columns) of voxels (V, 3) in normalised images (C, X, Y, Z), 0 outside the mask (X, Y, Z).

        Beyond the image everything is 0, as it is outside the brain: where an image was cut does not matter.
        """
        inside = torch.from_numpy(mask).to(images)
        channels = [*images, inside, *(images[i] * images[j] for i, j in self.terms[self.sources + 1 :])]
        padded = nn.functional.pad(torch.stack(channels, -1), (0, 0, *(self.radius,) * 6))
        flat = padded.reshape(-1, len(channels))
        strides = (padded.shape[1] * padded.shape[2], padded.shape[2], 1)
        centre = torch.from_numpy((voxels + self.radius) @ np.array(strides)).to(images.device)
        parts = []
        for group in orbits(self.radius):
            steps = [sum(o * s for o, s in zip(offset, strides, strict=True)) for offset in group]
            total = flat[centre + steps[0]]
            for step in steps[1:]:
                total = total + flat[centre + step]
            parts.append(total / len(group))
        context = torch.stack(parts, -1).flatten(1)
        return torch.cat((context, context.new_ones(len(context), 1)), 1)


@dataclass(frozen=True)
class ContextRidge:
    """Ridge regression of the target on the context, solvable for any subset of the sources from one Gram matrix.

    gram (F, F), moment (F,), float64: sums over voxels of the context's outer products and of context times target.
    """

    context: Context
    gram: Tensor
    moment: Tensor
    alpha: float

    @classmethod
    def fit(cls, context: Context, samples: Sequence[tuple[Tensor, Tensor]], alpha: float) -> "ContextRidge":
        """From (context (V, F), target (V,)) of each training scan."""
        gram = torch.zeros(context.columns, context.columns, dtype=torch.float64)
        moment = torch.zeros(context.columns, dtype=torch.float64)
        for columns, target in samples:
            for chunk, values in zip(columns.split(CHUNK), target.split(CHUNK), strict=True):
                wide = chunk.cpu().double()
                gram += wide.T @ wide
                moment += wide.T @ values.cpu().double()
        return cls(context, gram, moment, alpha)

    def weights(self, present: Sequence[int]) -> Tensor:
        """Coefficients (F,) for these sources, 0 for columns that need others; the constant is not shrunk."""
        known = torch.from_numpy(self.context.known(present))
        shrink = torch.full((len(known),), self.alpha, dtype=torch.float64)
        shrink[-1] = 0
        solved = torch.linalg.solve(self.gram[known][:, known] + torch.diag(shrink), self.moment[known])
        weights = torch.zeros(self.context.columns)
        weights[known] = solved.float()
        return weights


class ResidualNetwork(nn.Module):
    """Two hidden layers on the context of a voxel, the ridge's value and which sources are there.

    It gives the residual over the ridge and the logarithm of the error's scale, both in units of the ridge's own
    training error. The last layer starts at 0: untrained, the system is the ridge.
    Seen over an image it is a convolutional network with symmetric kernels of 2 radius + 1 voxels, and 1x1x1 layers.
    """

    def __init__(self, context: Context, hidden: int) -> None:
        super().__init__()
        self.context = context
        # The constant column is no input.
        self.shift = nn.Buffer(torch.zeros(context.columns - 1))
        self.scale = nn.Buffer(torch.ones(context.columns - 1))
        # Mean and SD of the ridge's values, and its root mean squared error.
        self.target = nn.Buffer(torch.tensor([0.0, 1.0, 1.0]))
        self.body = nn.Sequential(
            nn.Linear(context.columns + context.sources, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
        )
        self.head = nn.Linear(hidden, 2)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def standardise(self, columns: Tensor, ridge: Tensor, target: Tensor) -> None:
        """Learn the scales of inputs and outputs from training voxels: context (V, F), ridge and target (V,)."""
        error = (ridge - target).square().mean().sqrt().clamp(min=1e-9)
        self.shift.copy_(columns[:, :-1].mean(0))
        self.scale.copy_(columns[:, :-1].std(0).clamp(min=1e-6))
        self.target.copy_(torch.stack((ridge.mean(), ridge.std().clamp(min=1e-9), error)))

    def forward(self, columns: Tensor, ridge: Tensor, present: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Residual (V,) in target units and log scale (V,) of context (V, F) for these sources."""
        known = columns.new_zeros(self.context.columns)
        known[torch.from_numpy(self.context.known(present))] = 1
        there = columns.new_zeros(self.context.sources)
        there[list(present)] = 1
        context = (columns[:, :-1] - self.shift) / self.scale * known[:-1]
        mean, spread, error = self.target
        inputs = (context, ((ridge - mean) / spread)[:, None], there.expand(len(columns), -1))
        residual, scale = self.head(self.body(torch.cat(inputs, 1))).unbind(1)
        return residual * error, scale + error.log()
