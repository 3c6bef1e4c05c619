"""The two-optimiser loop of wei2020, written to be killed at any time and resumed to the same result."""

import hashlib
import json
import logging
import math
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

import myelosynth
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import write_json
from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text
from myelosynth.models.discriminator import Discriminator
from myelosynth.models.losses import ImageLoss, adversarial_loss, discriminator_loss
from myelosynth.synthesis.checkpoints import load_state, save_state
from myelosynth.synthesis.config import TrainingPreset
from myelosynth.synthesis.data.sampling import Sampler

LOG_COLUMNS = {
    "step": {"Description": "optimisation steps of the generator so far"},
    "learning_rate": {"Description": "learning rate of the last step"},
    "image_loss": {"Description": "mean image loss (L1, WL1 or NWL1) since the row before", "Units": "target units"},
    "adversarial_loss": {"Description": "mean adversarial loss of the generator since the row before"},
    "discriminator_loss": {"Description": "mean loss of the discriminator since the row before"},
    "validation_l1": {"Description": "mean absolute error in the brains of the validation subjects; n/a without any"},
}
_log = logging.getLogger(__name__)


@dataclass
class Networks:
    """What is trained: the generator, its trainable part (all of it, or a Refiner), and perhaps a discriminator."""

    generator: nn.Module
    trainable: nn.Module
    discriminator: Discriminator | None
    sources: int


@dataclass(frozen=True)
class Schedule:
    """Length and speed of a training."""

    steps: int
    learning_rate: float
    decay: str

    def rate(self, step: int) -> float:
        """The learning rate of a step (from 0): constant as in the paper, or half a cosine down to 0."""
        if self.decay == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))


class Trainer:
    """Trains networks step by step; everything random in a step follows from (seed, step).

    State that a step needs and that is not derived from them (weights, optimisers, best weights so far, log) goes to
    `last.pt` every interval. `validate` returns the mean absolute error on validation subjects, None without any; the
    best weights by it are kept, without validation the last.
    """

    def __init__(
        self,
        networks: Networks,
        sampler: Sampler,
        schedule: Schedule,
        preset: TrainingPreset,
        image_loss: ImageLoss,
        validate: Callable[[], float | None],
        seed: int,
        device: torch.device,
    ) -> None:
        self.networks, self.sampler, self.schedule, self.preset = networks, sampler, schedule, preset
        self.image_loss, self.validate, self.seed, self.device = image_loss, validate, seed, device
        self.optimiser = self._adam(networks.trainable)
        self.discriminator_optimiser = self._adam(networks.discriminator) if networks.discriminator else None
        self.step, self.rows = 0, list[dict[str, Any]]()
        self.best: dict[str, Any] = {"step": 0, "validation_l1": math.inf, "weights": {}}

    def run(self, out: Path, fingerprint: str, resume: bool) -> None:
        """Train to the end, and leave the generator with its best weights. Writes last.pt and log.tsv into `out`."""
        last = out / "last.pt"
        if resume and last.is_file():
            self._restore(last, fingerprint)
        sums = np.zeros(3)
        counted = 0
        for step in self._remaining():
            for group in (self.optimiser, self.discriminator_optimiser):
                if group:
                    group.param_groups[0]["lr"] = self.schedule.rate(step)
            torch.manual_seed(derived_seed(self.seed, step))
            sums, counted = sums + self.update(*self.sampler.batch(step)), counted + 1
            self.step = step + 1
            if self.step % self.preset.interval == 0 or self.step == self.schedule.steps:
                self._record(sums / counted)
                save_state(last, self._state(fingerprint))
                write_log(out / "log.tsv", self.rows)
                sums, counted = np.zeros(3), 0
        self.networks.trainable.load_state_dict(self.best["weights"])
        self.networks.generator.eval()

    def update(self, images: Tensor, regions: Tensor) -> np.ndarray:
        """One generator step, after the discriminator's; returns image, adversarial and discriminator loss."""
        self.networks.generator.train()
        count = self.networks.sources
        mri, target = images[:, :count], images[:, -1:]
        extra = images[:, count:-1]
        with self._autocast():
            fake = self.networks.generator(mri, extra) if extra.shape[1] else self.networks.generator(mri)
        critic_loss = self._update_discriminator(mri, target, fake.detach())
        image_loss = self.image_loss(fake, target, regions)
        weighted = self.preset.image_loss_weight * image_loss
        realism = torch.zeros(())
        if self.networks.discriminator:
            with self._autocast():
                logits = self.networks.discriminator(mri, fake)
            realism = adversarial_loss(logits.float())
            weighted = weighted + realism
        self.optimiser.zero_grad(set_to_none=True)
        weighted.backward()
        self.optimiser.step()
        return np.array([float(image_loss.detach()), float(realism.detach()), critic_loss])

    def _update_discriminator(self, mri: Tensor, target: Tensor, fake: Tensor) -> float:
        """The discriminator's updates against one batch, real and fake in one pass (instance norm keeps them apart)."""
        critic, optimiser = self.networks.discriminator, self.discriminator_optimiser
        if critic is None or optimiser is None:
            return 0.0
        total = 0.0
        critic.requires_grad_(True)
        for _ in range(self.preset.discriminator_updates):
            with self._autocast():
                logits = critic(torch.cat((mri, mri)), torch.cat((target, fake)))
            real, made = logits.float().chunk(2)
            loss = discriminator_loss(real, made, self.preset.label_smoothing)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += float(loss.detach())
        # The generator's step needs gradients through the discriminator, not for its weights.
        critic.requires_grad_(False)
        return total / self.preset.discriminator_updates

    def _record(self, means: np.ndarray) -> None:
        """Validate, keep the weights if they are the best so far, add a row to the log."""
        self.networks.generator.eval()
        error = self.validate()
        if error is not None and not math.isfinite(error):
            values = f"validation error {error} at step {self.step}, expected a finite one"
            raise InputError("training diverged", "network", values, "lower `learning_rate` in the preset (--preset)")
        if error is None or error < self.best["validation_l1"]:
            weights = {key: value.detach().cpu().clone() for key, value in self.networks.trainable.state_dict().items()}
            best_error = math.inf if error is None else error
            self.best = {"step": self.step, "validation_l1": best_error, "weights": weights}
        rate = self.schedule.rate(self.step - 1)
        row = dict(zip(LOG_COLUMNS, (self.step, rate, *(float(v) for v in means), error), strict=True))
        self.rows.append(row)

    def _state(self, fingerprint: str) -> dict[str, Any]:
        """Everything a later run needs. No RNG state: each step seeds its own from (seed, step)."""
        critic, optimiser = self.networks.discriminator, self.discriminator_optimiser
        return {
            "fingerprint": fingerprint,
            "step": self.step,
            "generator": self.networks.trainable.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "discriminator": critic.state_dict() if critic else None,
            "discriminator_optimiser": optimiser.state_dict() if optimiser else None,
            "best": self.best,
            "log": self.rows,
        }

    def _restore(self, last: Path, fingerprint: str) -> None:
        """Continue from `last`, unless it belongs to other settings or data: then say so and start anew."""
        state = load_state(last)
        if state.get("fingerprint") != fingerprint:
            _log.warning("%s was made with other settings, data or software: training starts from the beginning", last)
            return
        self.networks.trainable.load_state_dict(state["generator"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.networks.discriminator and self.discriminator_optimiser:
            self.networks.discriminator.load_state_dict(state["discriminator"])
            self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])
        self.step, self.best, self.rows = state["step"], state["best"], state["log"]

    def _remaining(self) -> Any:
        steps = range(self.step, self.schedule.steps)
        quiet = not sys.stderr.isatty()
        return track(steps, "training", console=Console(stderr=True), disable=quiet)

    def _adam(self, module: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(module.parameters(), lr=self.schedule.learning_rate, betas=self.preset.betas)

    def _autocast(self) -> AbstractContextManager:
        """bfloat16 on CUDA only; norms and losses stay in float32."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")


def derived_seed(seed: int, step: int) -> int:
    """The torch seed of one step (dropout, smoothed labels)."""
    return int(np.random.SeedSequence((seed, 2, step)).generate_state(1, np.uint64)[0] >> 1)


def fingerprint_of(settings: dict[str, Any], arrays: list[np.ndarray]) -> str:
    """A hash of everything that determines a training: settings, torch's version and threads, our code, the images."""
    record = {**settings, "torch": torch.__version__, "threads": torch.get_num_threads()}
    digest = hashlib.blake2b(json.dumps(record, sort_keys=True, default=str).encode())
    for room in ("models", "synthesis"):
        for module in sorted(Path(myelosynth.__file__).parent.joinpath(room).rglob("*.py")):
            digest.update(module.read_bytes())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def make_deterministic(device: torch.device) -> None:
    """Ask torch for reproducible kernels; on CUDA some poolings have none, there it only warns."""
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")


def write_log(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the training log with its sidecar."""
    table = pd.DataFrame(rows, columns=list(LOG_COLUMNS))
    write_text(path, table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g", lineterminator="\n"))
    write_json(sidecar_path(path), LOG_COLUMNS)
