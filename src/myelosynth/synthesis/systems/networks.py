"""The networks as systems: one network alone, or behind the frozen stages of a cascade."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from myelosynth.models.discriminator import Discriminator
from myelosynth.models.generator import Cascade
from myelosynth.models.losses import LOSSES
from myelosynth.synthesis.checkpoints import Checkpoint
from myelosynth.synthesis.data.sampling import PatchSource, Sampler, largest_crop, patch_source
from myelosynth.synthesis.data.subjects import Statistics, Subject, load_subject
from myelosynth.synthesis.engine.distributed import Ranks
from myelosynth.synthesis.engine.gate import Held, chosen_path, judge
from myelosynth.synthesis.engine.inference import bounding_box, sliding_window
from myelosynth.synthesis.engine.memory import told_memory
from myelosynth.synthesis.engine.schedule import require_validation
from myelosynth.synthesis.engine.training import (
    Networks,
    Schedule,
    Trainer,
    derived_seed,
    fingerprint_of,
    make_deterministic,
)
from myelosynth.synthesis.engine.whole import Window, predict_volume
from myelosynth.synthesis.fitness import voxel_mm
from myelosynth.synthesis.systems.architecture import build_generator, load_generator, network_settings
from myelosynth.synthesis.systems.attention import learned_weights, predicted_image, with_weights
from myelosynth.synthesis.systems.base import Prediction, PredictionInputs, System, Trained, TrainingJob
from myelosynth.synthesis.systems.regions import count_regions
from myelosynth.synthesis.systems.sketches import Sketches, find_sketches, load_sketch

IMAGE_LOSSES = ("l1", "wl1", "nwl1")
REFINER_LOSSES = (*IMAGE_LOSSES, "learned")
# Validation only ranks weights: windows side by side cost an eighth of the half-overlapping ones of a prediction.
VALIDATION_OVERLAP = 0.0
# Any step number that training never reaches, so that initial weights share no stream with a step.
_INITIAL = 2**62


@dataclass(frozen=True)
class _Data:
    """The subjects of a fold in memory, what was learned about their intensities, and what a Refiner builds on."""

    training: list[Subject]
    validation: list[Subject]
    statistics: Statistics
    sketches: Sketches | None


class NetworkSystem(System):
    """A generator on patches.

    network: a class of models/ with (N, channels_in, X, Y, Z) -> (N, 1, X, Y, Z) and a last convolution `head`;
    parameters of its constructor that have the name of a preset key get its value, `settings` gives others.
    adversarial: with a discriminator, of the same settings; refines: behind the frozen stages before it.
    """

    windows = True

    def __init__(
        self,
        network: Callable[..., nn.Module],
        losses: tuple[str, ...],
        adversarial: bool = False,
        refines: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.network, self.losses, self.adversarial = network, losses, adversarial
        self.needs_sketches, self.settings = refines, dict(settings or {})

    def train(self, job: TrainingJob) -> Trained:
        """Raises InputError when memory runs out, the Sketcher does not belong to this fold, or a regional loss finds
        no region."""
        make_deterministic(job.device, job.preset.deterministic)
        require_validation(job.preset, len(job.scans.validation), f"fold {job.fold.number}")
        scans = [job.scans.training, job.scans.validation]
        if job.loss == "learned":  # learns from no mask: they are not even read
            scans = [[replace(scan, lesions=None, nawm=None) for scan in some] for some in scans]
        training, validation = ([load_subject(scan, job.task) for scan in some] for some in scans)
        counts = count_regions(training, job.loss)
        statistics = Statistics.of(training, job.task.sources)
        sketches = find_sketches(job, statistics) if self.needs_sketches else None
        data = _Data(training, validation, statistics, sketches)
        try:
            trained = self._train(job, data, self._architecture(job, sketches))
        except (MemoryError, RuntimeError) as fault:
            raise told_memory(fault, job.preset.patch, job.preset.batch, job.preset.width) from fault
        return replace(trained, report={**trained.report, "RegionVoxels": counts})

    def predict(self, checkpoint: Checkpoint, inputs: PredictionInputs, device: torch.device) -> Prediction:
        """Windows of the training size, or a faster path: `inputs.path`. Raises InputError when memory runs out."""
        make_deterministic(device)
        content = checkpoint.content
        architecture = content["architecture"]
        generator = load_generator(checkpoint).to(device)
        statistics = Statistics(content["mean"].numpy(), content["std"].numpy(), 0.0)
        box = bounding_box(inputs.mask)
        brain = inputs.mask[box]
        images = statistics.normalise(np.stack([inputs.images[name][box] for name in checkpoint.sources]), brain)
        window = _window(architecture, inputs.bf16)
        path, reason = chosen_path(inputs.path, content.get("fast_path"), inputs.bf16)
        mean = np.zeros(inputs.mask.shape, np.float32)
        try:
            mean[box] = predict_volume(generator, images, brain, window, path, device)
        except (MemoryError, RuntimeError) as fault:
            width = architecture["stages"][-1]["settings"].get("width")
            raise told_memory(fault, window.patch, window.batch, width) from fault
        return Prediction(mean, report={"Path": path, "PathReason": reason})

    def _architecture(self, job: TrainingJob, sketches: Sketches | None) -> dict[str, Any]:
        """What `build_generator` and the sliding window need, as plain values; the stages in their order."""
        preset = job.preset
        channels_in = len(job.task.sources) + (1 if sketches else 0)
        own = {"network": job.model, "settings": network_settings(self.network, channels_in, preset, self.settings)}
        before = sketches.checkpoint.content["architecture"]["stages"] if sketches else []
        return {"stages": [*before, own], "patch": preset.patch, "overlap": preset.overlap, "batch": preset.batch}

    def _networks(self, job: TrainingJob, data: _Data, architecture: dict[str, Any]) -> Networks:
        """Networks with initial weights from the seed, the Sketcher's from its checkpoint, on the device."""
        torch.manual_seed(derived_seed(job.seed, _INITIAL))
        generator = build_generator(architecture)
        trainable = generator
        if isinstance(generator, Cascade) and data.sketches:
            generator.sketcher.load_state_dict(data.sketches.checkpoint.content["weights"])
            trainable = generator.refiner
        # A ReLU behind a head that starts below 0 would never learn: start at the training mean.
        trainable.head.bias.data.fill_(data.statistics.target_mean)
        count = len(job.task.sources)
        critic = None
        if self.adversarial:
            critic = Discriminator(**network_settings(Discriminator, count + 1, job.preset, self.settings)).to(
                job.device
            )
        return Networks(generator.to(job.device), trainable, critic, count)

    def _train(self, job: TrainingJob, data: _Data, architecture: dict[str, Any]) -> Trained:
        preset, device = job.preset, job.device
        networks = self._networks(job, data, architecture)
        sampler = Sampler(_patch_sources(job, data, networks.generator), preset, job.seed)
        length = preset.network(job.model)
        steps = length.steps if preset.sampling == "random" else (length.epochs or 0) * sampler.steps_per_epoch
        schedule = Schedule(steps or 0, length.learning_rate, preset.decay)
        validate = _Validation(networks.generator, data, architecture, device)
        trainer = Trainer(networks, sampler, schedule, preset, LOSSES[job.loss], validate, job.seed, device)
        trainer.run(job.out, _fingerprint(job, data, sampler, architecture), job.resume, job.tensorboard)
        content = {
            "architecture": architecture,
            "mean": torch.from_numpy(data.statistics.mean),
            "std": torch.from_numpy(data.statistics.std),
            "weights": {key: value.cpu() for key, value in networks.generator.state_dict().items()},
            "lineage": data.sketches.lineage if data.sketches else [],
            "voxel_mm": voxel_mm(data.training),
            "fast_path": _gate(networks.generator, data, architecture, device) if Ranks.current().leads else None,
        }
        sketches = data.sketches
        report = {
            "Steps": schedule.steps,
            **trainer.outcome(),
            "BestStep": trainer.best["step"],
            "ValidationL1": trainer.best["validation_l1"] if data.validation else None,
            "GeneratorParameters": _parameters(networks.generator),
            "DiscriminatorParameters": _parameters(networks.discriminator) if networks.discriminator else None,
            "Sketches": sketches.origin if sketches else None,
            "SketcherSha256": sketches.sha256 if sketches else None,
            "Stages": [stage["network"] for stage in architecture["stages"]],
            "VoxelSize": content["voxel_mm"],
            "FastPath": content["fast_path"],
        }
        return Trained(job.checkpoint(content), report)


class _Validation:
    """Mean absolute error in the brains of the validation subjects, each subject weighing the same."""

    def __init__(self, generator: nn.Module, data: _Data, window: dict[str, Any], device: torch.device) -> None:
        self.generator = generator
        self.settings = (window["patch"], VALIDATION_OVERLAP, window["batch"], device)
        self.subjects = [(data.statistics.normalise(s.sources, s.mask), s) for s in data.validation]

    def __call__(self) -> float | None:
        errors = [self._error(images, subject.target, subject.mask) for images, subject in self.subjects]
        return float(np.mean(errors)) if errors else None

    def _error(self, images: NDArray[np.float32], target: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
        predicted = sliding_window(self.generator, images, mask, *self.settings)
        return float(np.abs(predicted - target)[mask].mean(dtype=np.float64))


def _window(architecture: dict[str, Any], bf16: bool = False) -> Window:
    return Window(architecture["patch"], architecture["overlap"], architecture["batch"], bf16)


def _gate(generator: nn.Module, data: _Data, architecture: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Whether the trained generator may take a faster path by default: judged on the validation subjects alone."""
    window = _window(architecture)
    subjects = (Held(data.statistics.normalise(s.sources, s.mask), s.target, s.mask) for s in data.validation)
    return judge(lambda images, mask, path: predict_volume(generator, images, mask, window, path, device), subjects)


def _patch_sources(job: TrainingJob, data: _Data, generator: Any) -> list[PatchSource]:
    """The training subjects on the device: normalised sources, an out-of-fold sketch if there is one, target.

    Their regions, or for the loss `learned` the weights in their place.
    """
    least = largest_crop(job.preset)
    given = {}
    if data.sketches and data.sketches.images:
        given = {s.name: load_sketch(data.sketches.images[s.name], s) for s in data.training}
    weights = {}
    if job.loss == "learned":
        sketches = given or {s.name: _sketch(job, data.statistics, s, generator.sketcher) for s in data.training}
        weights = learned_weights(job, data.training, data.statistics, sketches)
    sources = []
    for subject in data.training:
        channels = [*data.statistics.normalise(subject.sources, subject.mask), subject.target]
        if given:
            channels.insert(-1, given[subject.name])
        if weights:
            channels.insert(0, weights[subject.name])
        source = patch_source(np.stack(channels), subject.mask, subject.regions, least, job.device, subject.name)
        sources.append(with_weights(source) if weights else source)
    return sources


def _sketch(job: TrainingJob, statistics: Statistics, subject: Subject, sketcher: nn.Module) -> NDArray[np.float32]:
    """What the frozen stages make of a training scan, (X, Y, Z) in target units."""
    return predicted_image(job, sketcher, statistics.normalise(subject.sources, subject.mask), subject.mask)


def _fingerprint(job: TrainingJob, data: _Data, sampler: Sampler, architecture: dict[str, Any]) -> str:
    """What a `last.pt` must have been made with to be continued."""
    settings = {
        "model": job.model,
        "loss": job.loss,
        "seed": job.seed,
        "fold": job.fold.number,
        "split": job.fold.sha256,
        "preset": job.preset.model_dump(),
        "architecture": architecture,
        "sketcher": data.sketches.sha256 if data.sketches else None,
        "device": job.device.type,
    }
    arrays = [part.cpu().numpy() for source in sampler.sources for part in (source.images, source.regions)]
    arrays += [part for s in data.validation for part in (s.sources, s.target, s.mask)]
    return fingerprint_of(settings, arrays)


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
