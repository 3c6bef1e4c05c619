"""Voxel weights of the loss `learned`: attention to where the Sketcher errs, without any mask (beyond wei2020)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from myelosynth.models.error_head import ErrorHead
from myelosynth.models.regions import OTHER
from myelosynth.synthesis.data.sampling import PatchSource, Sampler, largest_crop, patch_source
from myelosynth.synthesis.data.subjects import Statistics, Subject
from myelosynth.synthesis.engine.inference import sliding_window
from myelosynth.synthesis.engine.reproducibility import derived_seed
from myelosynth.synthesis.systems.base import TrainingJob

Images = Mapping[str, NDArray[np.float32]]
# Streams of the head's initial weights and patches, which no step of another network reaches.
_INITIAL = 2**61
_PATCHES = 2**61 + 1


def learned_weights(
    job: TrainingJob, subjects: Sequence[Subject], statistics: Statistics, sketches: Images
) -> dict[str, NDArray[np.float32]]:
    """Weights (X, Y, Z) of every training scan, in place of NWL1's: mean 1 in the brain, 0 outside it.

    With s the sketch, I the target and B a scan's brain, a head e (an ErrorHead) minimises

        sum_{j in B} (e_j - |I_j - s_j| / c)^2,    c = mean absolute error of the sketches in all brains,

    and the Refiner is trained with (1/nm) sum_i sum_j w_ij |I_ij - Ihat_ij|, w_ij = e_ij |B_i| / sum_{k in B_i} e_ik.
    The weights are an expectation given MRI and sketch, not the error itself: noise of a single voxel, which no Refiner
    can mend, does not get a weight of its own. The head is fitted before the Refiner and never meets its output, so
    that neither can lower the loss by moving weights. wei2020 names the need of lesion and NAWM masks as a limitation
    (section 4); here no region is read: the scans are loaded without them.

    sketches: (X, Y, Z) in target units by scan name, best from Sketchers that did not see the scan (out-of-fold).
    """
    error = np.mean([np.abs(s.target - sketches[s.name])[s.mask].mean(dtype=np.float64) for s in subjects])
    head = _fitted(job, [_source(job, s, statistics, sketches[s.name], float(error)) for s in subjects])
    weights = {}
    for subject in subjects:
        images = np.stack([*statistics.normalise(subject.sources, subject.mask), sketches[subject.name]])
        expected = predicted_image(job, head, images, subject.mask)
        weights[subject.name] = expected / expected[subject.mask].mean(dtype=np.float64).astype(np.float32)
    return weights


def predicted_image(
    job: TrainingJob, network: nn.Module, images: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(X, Y, Z) of a network on images (C, X, Y, Z), by the windows of the preset."""
    preset = job.preset
    return sliding_window(network, images, mask, preset.patch, preset.overlap, preset.batch, job.device)


def with_weights(source: PatchSource) -> PatchSource:
    """A training scan of which the first image takes the place of the regions."""
    return replace(source, images=source.images[1:], regions=source.images[0])


class _Joined(nn.Module):
    """An ErrorHead on one stack of MRI and sketch."""

    def __init__(self, head: ErrorHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x[:, :-1], x[:, -1:])


def _source(
    job: TrainingJob, subject: Subject, statistics: Statistics, sketch: NDArray[np.float32], scale: float
) -> PatchSource:
    """A scan to fit the head on: normalised sources, sketch, relative error of the sketch; regions: the brain."""
    error = np.abs(subject.target - sketch) / scale
    images = np.stack([subject.mask.astype(np.float32), *statistics.normalise(subject.sources, subject.mask), sketch])
    blank = np.full(subject.mask.shape, OTHER, np.uint8)
    stacked = np.concatenate([images, error[None]]).astype(np.float32)
    return with_weights(patch_source(stacked, subject.mask, blank, largest_crop(job.preset), job.device))


def _fitted(job: TrainingJob, sources: list[PatchSource]) -> nn.Module:
    """The head after `learned_attention.steps` of Adam on the preset's patches, seeds from the job's."""
    settings = job.preset.learned_attention
    torch.manual_seed(derived_seed(job.seed, _INITIAL))
    head = ErrorHead(len(job.task.sources) + 1, settings.width).to(job.device)
    optimiser = torch.optim.Adam(head.parameters(), lr=settings.learning_rate)
    sampler = Sampler(sources, job.preset, derived_seed(job.seed, _PATCHES))
    for step in range(settings.steps):
        images, brain = sampler.batch(step)
        expected = head(images[:, :-2], images[:, -2:-1])
        loss = (brain * (expected - images[:, -1:]) ** 2).sum() / brain.sum().clamp(min=1)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return _Joined(head).eval()
