"""Members of the residual ensemble: what one is, how it is trained, how it does on whom it never saw."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from myelosynth.models.regions import LESION
from myelosynth.models.residual import CHUNK, Context, ContextRidge, ResidualNetwork, subsets
from myelosynth.synthesis.config import ResidualContext
from myelosynth.synthesis.data.subjects import Statistics, Subject

# Sources beyond this many SD are held there: their squares would carry a ridge far outside what it has seen.
LIMIT = 6.0
# SD over mean absolute value of a normal distribution.
_SD = math.sqrt(math.pi / 2)
_SAMPLE, _DRAW, _CHECK = 0, 1, 2
_WARM_UP = 20


def key_of(present: Sequence[int]) -> str:
    """How a checkpoint names a subset of the sources: their numbers in the task, from 0.

    >>> key_of((0, 2))
    '0,2'
    """
    return ",".join(map(str, present))


@dataclass(frozen=True)
class Voxels:
    """Sampled voxels: context (V, F), target (V,), whether they lie in a lesion (V,)."""

    columns: Tensor
    target: Tensor
    lesion: NDArray[np.bool_]


@dataclass(frozen=True)
class Member:
    """Normalisation, ridge weights (F,) of every subset by key, and the network that corrects them."""

    statistics: Statistics
    weights: Mapping[str, Tensor]
    network: ResidualNetwork

    def normalise(
        self, sources: NDArray[np.float32], mask: NDArray[np.bool_], present: Sequence[int], device: torch.device
    ) -> Tensor:
        """Normalised sources (C, X, Y, Z) within limits; 0 outside the brain and where a source is not there."""
        images = np.clip(self.statistics.normalise(sources, mask), -LIMIT, LIMIT)
        images[[number for number in range(len(images)) if number not in present]] = 0
        return torch.from_numpy(images).to(device)

    def ridge(self, columns: Tensor, present: Sequence[int]) -> Tensor:
        """The regression's values (V,) of context (V, F)."""
        return columns @ self.weights[key_of(present)].to(columns)

    @torch.inference_mode()
    def parts(self, columns: Tensor, present: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Ridge, the network's residual and its SD, each (V,) in target units."""
        ridge = self.ridge(columns, present)
        residual, scale = self.network(columns, ridge, present)
        return ridge, residual, _SD * scale.exp()

    def state(self) -> dict[str, Any]:
        """Plain values and tensors for a checkpoint, on the CPU."""
        return {
            "mean": torch.from_numpy(self.statistics.mean),
            "std": torch.from_numpy(self.statistics.std),
            "weights": {key: weights.cpu() for key, weights in self.weights.items()},
            "network": {key: value.cpu() for key, value in self.network.state_dict().items()},
        }

    @classmethod
    def of_state(cls, context: Context, hidden: int, state: Mapping[str, Any], device: torch.device) -> "Member":
        """The member whose `state` this is, on the device."""
        network = ResidualNetwork(context, hidden)
        network.load_state_dict(state["network"])
        statistics = Statistics(state["mean"].numpy(), state["std"].numpy(), 0.0)
        return cls(statistics, state["weights"], network.eval().to(device))


def sample_voxels(
    subject: Subject, member: Statistics, context: Context, most: int, entropy: tuple[int, ...], device: torch.device
) -> Voxels:
    """At most `most` brain voxels of a scan, drawn evenly, and all its lesion voxels."""
    voxels = np.argwhere(subject.mask)
    lesion = subject.regions[subject.mask] == LESION
    chosen = default_rng(SeedSequence((_SAMPLE, *entropy))).permutation(len(voxels))[:most]
    taken = lesion.copy()
    taken[chosen] = True
    images = np.clip(member.normalise(subject.sources, subject.mask), -LIMIT, LIMIT)
    columns = context.of(torch.from_numpy(images).to(device), subject.mask, voxels[taken])
    target = torch.from_numpy(subject.target[subject.mask][taken]).to(device)
    return Voxels(columns, target, lesion[taken])


def fit_member(
    context: Context, settings: ResidualContext, statistics: Statistics, samples: Sequence[Voxels], seed: int
) -> tuple[Member, list[dict[str, float]]]:
    """Ridge in closed form, then the network on random voxels; also rows for the log.

    Half of a batch has all sources, the other half one random subset of them (channel dropout). Huber loss for the
    residual; the scale learns from errors that it cannot change (Laplace likelihood). Adam with decoupled decay, half a
    cosine, an exponential average of the weights. Everything random in a step follows from (seed, step).
    """
    ridge = ContextRidge.fit(context, [(s.columns, s.target) for s in samples], settings.alpha)
    choices = subsets(context.sources)
    weights = {key_of(present): ridge.weights(present) for present in choices}
    columns, target = torch.cat([s.columns for s in samples]), torch.cat([s.target for s in samples])
    lesions = np.flatnonzero(np.concatenate([s.lesion for s in samples]))
    torch.manual_seed(seed)
    network = ResidualNetwork(context, settings.hidden).to(columns.device)
    member = Member(statistics, weights, network)
    whole = choices[-1]
    network.standardise(columns, member.ridge(columns, whole), target)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    average = AveragedModel(network, avg_fn=_average)
    rows, total = [], 0.0
    for step in range(settings.steps):
        optimiser.param_groups[0]["lr"] = rate = _rate(settings, step)
        random = default_rng(SeedSequence((_DRAW, seed, step)))
        drawn = _drawn(random, len(target), lesions, settings)
        dropped = choices[random.integers(max(len(choices) - 1, 1))]
        halves = zip(np.array_split(drawn, 2), (whole, dropped), strict=True)
        losses = [_loss(member, columns[half], target[half], present) for half, present in halves]
        loss = (losses[0][0] + losses[1][0]) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        average.update_parameters(network)
        total += losses[0][1]
        if (step + 1) % settings.interval == 0 or step + 1 == settings.steps:
            count = (step % settings.interval) + 1
            rows.append({"step": step + 1, "learning_rate": rate, "image_loss": total / count})
            total = 0.0
    network.load_state_dict(average.module.state_dict())
    return Member(statistics, weights, network.eval()), rows


def _rate(settings: ResidualContext, step: int) -> float:
    """The learning rate of a step (from 0): warmed up, then half a cosine down to 0."""
    warm = min(1, (step + 1) / _WARM_UP)
    return settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))


def _drawn(random: Generator, voxels: int, lesions: NDArray[np.intp], settings: ResidualContext) -> NDArray[np.int64]:
    """The numbers of a batch's voxels, a share of them in lesions where there are any, in random order."""
    drawn = random.integers(voxels, size=settings.batch)
    share = round(settings.lesion_share * settings.batch) if len(lesions) else 0
    drawn[:share] = lesions[random.integers(max(len(lesions), 1), size=share)]
    return random.permutation(drawn)


def _loss(member: Member, columns: Tensor, target: Tensor, present: Sequence[int]) -> tuple[Tensor, float]:
    """The loss in units of the ridge's error, and the mean absolute error in target units."""
    ridge = member.ridge(columns, present)
    residual, scale = member.network(columns, ridge, present)
    error, unit = ridge + residual - target, member.network.target[2]
    image = functional.huber_loss(error / unit, torch.zeros_like(error))
    likelihood = (error.detach().abs() / scale.exp() + scale).mean()
    return image + 0.1 * likelihood, float(error.detach().abs().mean())


def _average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    """Exponential average whose memory grows to 50 steps."""
    return averaged + (current - averaged) * max(1 - 0.98, 9 / (int(count) + 10))


@dataclass(frozen=True)
class HeldOut:
    """A subject under a member that never saw it: (ridge - target, residual, SD), each (V,), by subset.

    `some` holds sampled voxels for every subset, `whole` all brain voxels with all sources.
    """

    subject: Subject
    some: dict[str, tuple[Tensor, Tensor, Tensor]]
    whole: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of(cls, member: Member, subject: Subject, most: int, seed: int, device: torch.device) -> "HeldOut":
        """Predict the subject; subsets on at most `most` voxels."""
        context = member.network.context
        choices = subsets(context.sources)
        images = member.normalise(subject.sources, subject.mask, choices[-1], device)
        voxels = np.argwhere(subject.mask)
        target = torch.from_numpy(subject.target[subject.mask]).to(device)
        chosen = np.sort(default_rng(SeedSequence((_CHECK, seed))).permutation(len(voxels))[:most])

        def errors(columns: Tensor, truth: Tensor, present: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
            ridge, residual, std = member.parts(columns, present)
            return (ridge - truth).cpu(), residual.cpu(), std.cpu()

        columns = context.of(images, subject.mask, voxels[chosen])
        some = {key_of(present): errors(columns, target[chosen], present) for present in choices}
        parts = [
            errors(context.of(images, subject.mask, voxels[chunk]), target[chunk], choices[-1])
            for chunk in np.array_split(np.arange(len(voxels)), -(-len(voxels) // CHUNK))
        ]
        return cls(subject, some, tuple(torch.cat(part) for part in zip(*parts, strict=True)))  # type: ignore[arg-type]
