"""The networks as systems: 3D U-Net, CF-SAGAN (Sketcher) and the Refiner behind it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from myelosynth.errors import InputError
from myelosynth.images.volume import load_volume
from myelosynth.models.discriminator import Discriminator
from myelosynth.models.generator import Cascade, Generator
from myelosynth.models.losses import LOSSES
from myelosynth.synthesis.checkpoints import Checkpoint, file_sha256, load_checkpoint
from myelosynth.synthesis.inference import sliding_window
from myelosynth.synthesis.manifest import Scan
from myelosynth.synthesis.sampling import PatchSource, Sampler, largest_crop, patch_source
from myelosynth.synthesis.subjects import Statistics, Subject, load_subject
from myelosynth.synthesis.system import Prediction, PredictionInputs, System, Trained, TrainingJob
from myelosynth.synthesis.training import Networks, Schedule, Trainer, derived_seed, fingerprint_of, make_deterministic

VALIDATION_OVERLAP = 0.0


@dataclass(frozen=True)
class Sketches:
    """Where a Refiner's sketches come from: the Sketcher's checkpoint, and out-of-fold images where there are any."""

    checkpoint: Checkpoint
    sha256: str
    images: dict[str, Path]

    @property
    def origin(self) -> str:
        return "out-of-fold images" if self.images else "frozen Sketcher of the fold"


class NetworkSystem(System):
    """A generator on patches. adversarial: with a discriminator; refines: behind a frozen Sketcher."""

    losses = tuple(LOSSES)

    def __init__(self, attention: bool, residual: bool, adversarial: bool, refines: bool = False) -> None:
        self.attention, self.residual, self.adversarial = attention, residual, adversarial
        self.needs_sketches = refines

    def train(self, job: TrainingJob) -> Trained:
        """Raises InputError when memory runs out, or when the Sketcher does not belong to this fold."""
        make_deterministic(job.device)
        training = [load_subject(scan, job.task) for scan in job.scans.training]
        validation = [load_subject(scan, job.task) for scan in job.scans.validation]
        statistics = Statistics.of(training, job.task.sources)
        sketches = find_sketches(job, statistics) if job.sketches else None
        architecture = self._architecture(job, sketches)
        try:
            return self._train(job, training, validation, statistics, sketches, architecture)
        except (MemoryError, RuntimeError) as fault:
            raise _out_of_memory(fault, job.preset.patch, job.preset.batch) from fault

    def _train(
        self,
        job: TrainingJob,
        training: list[Subject],
        validation: list[Subject],
        statistics: Statistics,
        sketches: Sketches | None,
        architecture: dict[str, Any],
    ) -> Trained:
        preset, device = job.preset, job.device
        torch.manual_seed(derived_seed(job.seed, -1 % 2**32))
        generator = build_generator(architecture)
        trainable = generator.refiner if isinstance(generator, Cascade) else generator
        with torch.no_grad():
            # A ReLU behind a head that starts below 0 would never learn: start at the training mean.
            trainable.head.bias.fill_(statistics.target_mean)  # type: ignore[union-attr]
        if sketches:
            generator.sketcher.load_state_dict(sketches.checkpoint.content["weights"])  # type: ignore[union-attr]
        count = len(job.task.sources)
        settings = (preset.width, preset.dropout, preset.attention_pool, preset.attention_pooling)
        critic = Discriminator(count + 1, *settings).to(device) if self.adversarial else None
        sources = _patch_sources(job, training, statistics, sketches)
        sampler = Sampler(sources, preset, job.seed)
        length = preset.network(job.model)
        steps = length.steps if preset.sampling == "random" else (length.epochs or 0) * sampler.steps_per_epoch
        schedule = Schedule(steps or 0, length.learning_rate, preset.decay)
        generator.to(device)
        validate = _Validation(generator, validation, statistics, preset.patch, preset.batch, device)
        networks = Networks(generator, trainable, critic, count)  # type: ignore[arg-type]
        loss = LOSSES[job.loss]
        trainer = Trainer(networks, sampler, schedule, preset, loss, validate, job.seed, device)
        arrays = [part for s in (*training, *validation) for part in (s.sources, s.target, s.mask, s.regions)]
        arrays += [source.images.cpu().numpy() for source in sources] if sketches else []
        origin = {"model": job.model, "loss": job.loss, "seed": job.seed, "split": job.fold.sha256}
        origin |= {"fold": job.fold.number, "preset": preset.model_dump(), "architecture": architecture}
        origin |= {"sketcher": sketches.sha256 if sketches else None, "device": device.type}
        trainer.run(job.out, fingerprint_of(origin, arrays), job.resume)
        content = {
            "architecture": architecture,
            "mean": torch.from_numpy(statistics.mean),
            "std": torch.from_numpy(statistics.std),
            "weights": {key: value.cpu() for key, value in generator.state_dict().items()},
        }
        best = trainer.best
        report = {
            "Steps": schedule.steps,
            "BestStep": best["step"],
            "ValidationL1": best["validation_l1"] if validation else None,
            "GeneratorParameters": _parameters(generator),
            "DiscriminatorParameters": _parameters(critic) if critic else None,
            "Sketches": sketches.origin if sketches else None,
            "SketcherSha256": sketches.sha256 if sketches else None,
        }
        return Trained(job.checkpoint(content), report)

    def _architecture(self, job: TrainingJob, sketches: Sketches | None) -> dict[str, Any]:
        preset = job.preset
        own = {
            "channels_in": len(job.task.sources) + (1 if sketches else 0),
            "width": preset.width,
            "dropout": preset.dropout,
            "attention": self.attention,
            "residual": self.residual,
            "attention_pool": preset.attention_pool,
            "pooling": preset.attention_pooling,
        }
        sketcher = sketches.checkpoint.content["architecture"]["generator"] if sketches else None
        return {"generator": own, "sketcher": sketcher, "patch": preset.patch, "overlap": preset.overlap}

    def predict(self, checkpoint: Checkpoint, inputs: PredictionInputs, device: torch.device) -> Prediction:
        """Sliding window with the training patch size. Raises InputError when memory runs out."""
        make_deterministic(device)
        content = checkpoint.content
        architecture = content["architecture"]
        generator = build_generator(architecture)
        generator.load_state_dict(content["weights"])
        generator.eval().to(device)
        statistics = Statistics(content["mean"].numpy(), content["std"].numpy(), 0.0)
        sources = np.stack([inputs.images[name] for name in checkpoint.sources])
        images = statistics.normalise(sources, inputs.mask)
        patch, overlap = architecture["patch"], architecture["overlap"]
        try:
            return Prediction(sliding_window(generator, images, inputs.mask, patch, overlap, 1, device))
        except (MemoryError, RuntimeError) as fault:
            raise _out_of_memory(fault, patch, 1) from fault


def build_generator(architecture: dict[str, Any]) -> nn.Module:
    """The generator of a checkpoint: one network, or a Refiner behind its Sketcher."""
    generator = Generator(**architecture["generator"])
    if architecture["sketcher"] is None:
        return generator
    return Cascade(Generator(**architecture["sketcher"]), generator)


def find_sketches(job: TrainingJob, statistics: Statistics) -> Sketches:
    """The Sketcher of the same fold, checked: it has seen the same training subjects and no test subject.

    Raises InputError for another split, fold or task, other training statistics, or out-of-fold sketches that do not
    cover every training scan.
    """
    folder = job.sketches or Path()
    path = folder / "checkpoint.pt"
    sketcher = load_checkpoint(path)
    for what, theirs, ours in (
        ("split sha256", sketcher.split_sha256, job.fold.sha256),
        ("fold", sketcher.fold, job.fold.number),
        ("sources", sketcher.sources, job.task.sources),
        ("target", sketcher.target, job.task.target),
    ):
        if theirs != ours:
            values = f"{what} {theirs} of the Sketcher against {ours}"
            raise InputError("leak: Sketcher of another fold or task", path, values, "train the Sketcher on this fold")
    leaked = set(sketcher.participants["train"]) & set(job.fold.participants("test"))
    if leaked:
        values = f"trained on {', '.join(sorted(leaked))}, test in fold {job.fold.number}"
        raise InputError("leak: test participant in the training data", path, values, "train the Sketcher again")
    if "architecture" not in sketcher.content or sketcher.content["architecture"]["sketcher"] is not None:
        raise InputError("no Sketcher", path, f"model {sketcher.model}", "give the folder of a single generator")
    if not np.allclose(sketcher.content["mean"].numpy(), statistics.mean, rtol=1e-4):
        values = f"means {sketcher.content['mean'].tolist()} against {statistics.mean.tolist()}"
        raise InputError("Sketcher saw other images", path, values, "train the Sketcher again")
    scans = [*job.scans.training]
    images = {s.name: p for s in scans if (p := folder / "sketches" / f"{s.name}.nii.gz").is_file()}
    if images and len(images) < len(scans):
        missing = next(scan.name for scan in scans if scan.name not in images)
        values = f"{len(images)} of {len(scans)} training scans, {missing} is missing"
        raise InputError("out-of-fold sketches incomplete", folder / "sketches", values, "predict the others too")
    return Sketches(sketcher, file_sha256(path), images)


class _Validation:
    """Mean absolute error in the brains of the validation subjects, each subject weighing the same."""

    def __init__(
        self,
        generator: nn.Module,
        subjects: list[Subject],
        statistics: Statistics,
        patch: int,
        batch: int,
        device: torch.device,
    ) -> None:
        self.generator, self.patch, self.batch, self.device = generator, patch, batch, device
        self.subjects = [(statistics.normalise(s.sources, s.mask), s) for s in subjects]

    def __call__(self) -> float | None:
        errors = [self._error(images, subject.target, subject.mask) for images, subject in self.subjects]
        return float(np.mean(errors)) if errors else None

    def _error(self, images: NDArray[np.float32], target: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
        settings = (self.patch, VALIDATION_OVERLAP, self.batch, self.device)
        predicted = sliding_window(self.generator, images, mask, *settings)
        return float(np.abs(predicted - target)[mask].mean(dtype=np.float64))


def _patch_sources(
    job: TrainingJob, subjects: list[Subject], statistics: Statistics, sketches: Sketches | None
) -> list[PatchSource]:
    sources = []
    for scan, subject in zip(job.scans.training, subjects, strict=True):
        channels = [*statistics.normalise(subject.sources, subject.mask), subject.target]
        if sketches and sketches.images:
            channels.insert(-1, _load_sketch(sketches.images[scan.name], scan, subject))
        images = np.stack(channels)
        sources.append(patch_source(images, subject.mask, subject.regions, largest_crop(job.preset), job.device))
    return sources


def _load_sketch(path: Path, scan: Scan, subject: Subject) -> NDArray[np.float32]:
    volume = load_volume(path)
    subject.grid.require(volume.grid, path, scan.name)
    return volume.data * subject.mask


def _out_of_memory(fault: Exception, patch: int, batch: int) -> Exception:
    """InputError for a full memory, any other fault unchanged."""
    if isinstance(fault, MemoryError | torch.OutOfMemoryError) or "not enough memory" in str(fault):
        values = f"patch {patch}, batch {batch}: {str(fault).splitlines()[0] if str(fault) else 'allocation failed'}"
        cure = "lower `batch`, `patch` or `width` in the preset (--preset), or use --device cpu"
        return InputError("out of memory", "training", values, cure)
    return fault


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
