"""Rate of the full training step (two discriminator updates and one of the generator), beside a naive peer in one run.

    python benchmarks/training.py             what fits the machine: on a GPU the published size, in bf16, batch 16
    python benchmarks/training.py --help      other sizes

Every row is the engine's own step: crops and augmentation on the device, optimisers, seeds, watch over the losses. The
peer takes the same step as one would first write it: float32, batches cut on the CPU and sent over, the discriminator
called for real and fake in turn, every loss read at once. On CUDA milliseconds are wall time after a synchronisation;
on the CPU they are CPU time of the process, and only ratios mean something.
"""

import argparse
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from myelosynth.models.discriminator import Discriminator
from myelosynth.models.generator import Cascade, Generator
from myelosynth.models.losses import LOSSES, adversarial_loss, discriminator_loss
from myelosynth.models.regions import LESION, NAWM, OTHER
from myelosynth.synthesis.config import TrainingPreset, load_preset
from myelosynth.synthesis.data.sampling import PatchSource, Sampler, largest_crop, patch_source
from myelosynth.synthesis.engine.distributed import Ranks
from myelosynth.synthesis.engine.losses import LossWatch
from myelosynth.synthesis.engine.training import Networks, Schedule, Trainer, make_deterministic

PAPER = Path(__file__).parents[1] / "config" / "presets" / "paper.yaml"
SOURCES = 4
# wei2020: 28 subjects, three folds, three of the training part for validation; 370 epochs of each network.
TRAINING_SUBJECTS, EPOCHS = 16, 370
BAR_MS, GOAL_MIN = 2.0, 30.0
GPU_VARIANTS: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "bf16": {},
    "bf16, any kernel": {"deterministic": False},
    "bf16, channels last": {"channels_last": True},
    "bf16, compile": {"compile": True},
    "bf16, compile, channels last": {"compile": True, "channels_last": True},
    "bf16, compile, channels last, any kernel": {"compile": True, "channels_last": True, "deterministic": False},
    "bf16, checkpointed blocks": {"gradient_checkpointing": True},
}
CPU_VARIANTS: dict[str, dict[str, Any]] = {
    "fp32": {},
    "bf16": {"precision": "bf16"},
    "fp32, channels last": {"channels_last": True},
    "fp32, checkpointed blocks": {"gradient_checkpointing": True},
}


def scans(count: int, shape: tuple[int, int, int], preset: TrainingPreset, device: torch.device) -> list[PatchSource]:
    """Noise in an ellipsoid that fills its box, as a brain does; a few lesion voxels."""
    index = np.indices(shape) - (np.array(shape)[:, None, None, None] - 1) / 2
    mask = ((index / (np.array(shape)[:, None, None, None] / 2)) ** 2).sum(0) < 1
    regions = np.where(mask, NAWM, OTHER).astype(np.uint8)
    regions[tuple(slice(side // 2, side // 2 + 4) for side in shape)] = LESION
    sources = []
    for number in range(count):
        images = np.random.default_rng(number).standard_normal((SOURCES + 1, *shape), dtype=np.float32) * mask
        sources.append(patch_source(np.abs(images), mask, regions, largest_crop(preset), device, f"scan-{number}"))
    return sources


def networks(preset: TrainingPreset, refines: bool, device: torch.device) -> Networks:
    """The Sketcher, or a Refiner behind a frozen one, each with its discriminator; weights from one seed."""
    torch.manual_seed(0)
    sketcher = Generator(SOURCES, preset.width, preset.dropout)
    critic = Discriminator(SOURCES + 1, preset.width, preset.dropout).to(device)
    if not refines:
        return Networks(sketcher.to(device), sketcher, critic, SOURCES)
    cascade = Cascade(sketcher, Generator(SOURCES + 1, preset.width, preset.dropout)).to(device)
    return Networks(cascade, cascade.refiner, critic, SOURCES)


def engine(preset: TrainingPreset, sources: list[PatchSource], refines: bool) -> Callable[[int], None]:
    """A step of the engine."""
    device = sources[0].images.device
    loss = LOSSES["nwl1" if refines else "l1"]
    schedule, sampler = Schedule(10**6, 1e-4, preset.decay), Sampler(sources, preset, 0)
    made = networks(preset, refines, device)
    trainer = Trainer(made, sampler, schedule, preset, loss, lambda: None, 0, device)
    watch = LossWatch(device, Ranks())
    return lambda step: trainer.take(step, watch)


def peer(preset: TrainingPreset, sources: list[PatchSource], device: torch.device) -> Callable[[int], None]:
    """The Sketcher's step as one would first write it; `sources` on the CPU."""
    made = networks(preset, False, device)
    generator, critic, sampler = made.generator.train(), made.discriminator, Sampler(sources, preset, 0)
    assert critic is not None
    ours, theirs = (torch.optim.Adam(n.parameters(), 1e-4, preset.betas) for n in (generator, critic))

    def descend(loss: Tensor, optimiser: torch.optim.Optimizer) -> float:
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    def step(number: int) -> None:
        images, _ = (part.to(device) for part in sampler.batch(number))
        mri, target = images[:, :SOURCES], images[:, -1:]
        fake = generator(mri)
        for _ in range(preset.discriminator_updates):
            real, made_up = critic(mri, target), critic(mri, fake.detach())
            descend(discriminator_loss(real, made_up, preset.label_smoothing), theirs)
        weighted = preset.image_loss_weight * (fake - target).abs().mean()
        descend(weighted + adversarial_loss(critic(mri, fake)), ours)

    return step


def measured(
    step: Callable[[int], None], preset: TrainingPreset, device: torch.device, counts: tuple[int, int]
) -> dict:
    """Milliseconds a sample after a warm-up, and the peak of the GPU's memory."""
    warm, timed = counts
    cuda = device.type == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    for number in range(warm):
        step(number)
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = clock()
    for number in range(warm, warm + timed):
        step(number)
    if cuda:
        torch.cuda.synchronize()
    spent = clock() - started
    peak = torch.cuda.max_memory_allocated() / 2**30 if cuda else float("nan")
    return {"ms a sample": 1000 * spent / timed / preset.batch, "peak GiB": peak}


def variant(preset: TrainingPreset, settings: dict[str, Any], device: torch.device) -> TrainingPreset:
    """The preset of a row, with torch's switches set for it."""
    torch._dynamo.reset()
    gc.collect()  # networks of the row before
    chosen = preset.model_copy(update=settings)
    make_deterministic(device, chosen.deterministic)
    return chosen


def table(options: argparse.Namespace, preset: TrainingPreset, device: torch.device) -> tuple[pd.DataFrame, int]:
    """One row a variant, the peer last; and the grid patches of one subject."""
    shape, counts = (options.side,) * 3 if options.side else (148, 182, 148), (options.warm, options.steps)
    sources = scans(options.scans, shape, preset, device)
    known = GPU_VARIANTS if device.type == "cuda" else CPU_VARIANTS
    variants = {name: settings for name, settings in known.items() if options.only in name}
    rows = {}
    for name, settings in variants.items():
        chosen = variant(preset, settings, device)
        for title, refines in (("Sketcher", False), ("Refiner", True)):
            rows[f"{title}, {name}"] = measured(engine(chosen, sources, refines), chosen, device, counts)
            print(f"{title}, {name}: {rows[f'{title}, {name}']['ms a sample']:.3f} ms a sample", flush=True)
    plain = variant(preset, {"precision": "fp32"}, device)
    away = scans(options.scans, shape, preset, torch.device("cpu")) if device.type == "cuda" else sources
    rows["Sketcher, peer"] = measured(peer(plain, away, device), plain, device, counts)
    found = pd.DataFrame(rows).T
    found["times the peer's rate"] = found.loc["Sketcher, peer", "ms a sample"] / found["ms a sample"]
    return found, len(Sampler(sources[:1], preset, 0).grid)


def verdict(found: pd.DataFrame, patches: int) -> list[str]:
    """The best row of each network against the bar, and the minutes of one fold of the paper by these rows."""
    lines, best = [], []
    for network in ("Sketcher", "Refiner"):
        rate = found["ms a sample"].filter(like=network).drop("Sketcher, peer", errors="ignore")
        best.append(rate.min())
        told = "within" if best[-1] <= BAR_MS else "NOT within"
        lines.append(f"{rate.idxmin()}: {best[-1]:.3f} ms a sample, {told} the bar of {BAR_MS:g} ms")
    samples = EPOCHS * TRAINING_SUBJECTS * patches
    lines.append(
        f"One fold of {EPOCHS} + {EPOCHS} epochs, {TRAINING_SUBJECTS} subjects, {patches} patches each: "
        f"{2 * samples:,} samples, {samples * sum(best) / 60_000:.1f} min projected (goal {GOAL_MIN:g}), "
        "validation not counted"
    )
    return lines


def main() -> None:
    """Print the table, the projected minutes of a fold, and what was not measured."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if cuda else "cpu", choices=["cuda", "cpu"])
    parser.add_argument("--width", type=int, help="default: 16 on CUDA, 8 on the CPU")
    parser.add_argument("--patch", type=int, help="default: 64 on CUDA, 48 on the CPU")
    parser.add_argument("--batch", type=int, help="default: 16 on CUDA, 2 on the CPU")
    parser.add_argument("--steps", type=int, help="timed steps; default: 40 on CUDA, 2 on the CPU")
    parser.add_argument("--side", type=int, help="of a cubic volume; default: 148x182x148 on CUDA, 64 on the CPU")
    parser.add_argument("--only", default="", help="rows whose name contains this, such as compile")
    options = parser.parse_args()
    known = GPU_VARIANTS if options.device == "cuda" else CPU_VARIANTS
    if not any(options.only in name for name in known):
        parser.error(f"--only {options.only!r}: rows are {'; '.join(known)}")
    device = torch.device(options.device)
    sizes = (16, 64, 16, 40, 0, 10, 4) if device.type == "cuda" else (8, 48, 2, 2, 64, 1, 2)
    for name, size in zip(("width", "patch", "batch", "steps", "side", "warm", "scans"), sizes, strict=True):
        if getattr(options, name, None) is None:
            setattr(options, name, size)
    if device.type == "cpu":
        torch.set_num_threads(1)
    update = {"width": options.width, "patch": options.patch, "batch": options.batch}
    preset = load_preset(str(PAPER)).model_copy(update=update)
    title = torch.cuda.get_device_name() if device.type == "cuda" else "CPU, one thread"
    print(f"{title}, torch {torch.__version__}: width {preset.width}, patch {preset.patch}, batch {preset.batch}")
    found, patches = table(options, preset, device)
    print("\n" + found.round(3).to_string() + "\n")
    if device.type == "cpu":
        print(
            "Not measured here: CUDA, the published size, torch.compile, the bar of 2 ms a sample, minutes of a fold."
        )
        return
    print("\n".join(verdict(found, patches)))


if __name__ == "__main__":
    main()
