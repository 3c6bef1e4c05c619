"""The two-optimiser loop of wei2020, written to be killed at any time and resumed to the same result."""

import logging
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from myelosynth.errors import InputError
from myelosynth.models.discriminator import Discriminator
from myelosynth.models.losses import ImageLoss, adversarial_loss, discriminator_loss
from myelosynth.synthesis.checkpoints import load_state, save_state
from myelosynth.synthesis.config import TrainingPreset
from myelosynth.synthesis.data.sampling import Sampler
from myelosynth.synthesis.engine.averaging import Averaging
from myelosynth.synthesis.engine.distributed import Ranks
from myelosynth.synthesis.engine.logs import LOG_COLUMNS, Progress, TensorBoard, write_log
from myelosynth.synthesis.engine.losses import LossWatch, NonFinite
from myelosynth.synthesis.engine.memory import checkpoint_blocks
from myelosynth.synthesis.engine.reproducibility import derived_seed, fingerprint_of, make_deterministic
from myelosynth.synthesis.engine.schedule import Schedule, stop_reason

# All that a system needs to train a network, from one door.
__all__ = ["Networks", "Schedule", "Trainer", "derived_seed", "fingerprint_of", "make_deterministic"]

_log = logging.getLogger(__name__)
# oneDNN's bfloat16 convolution has wrong weight gradients, NaN among them, on maps of 2^3 voxels: a patch of 32 there.
_LEAST_HALF_PATCH_ON_CPU = 48


@dataclass
class Networks:
    """What is trained: the generator, its trainable part (all of it, or a Refiner), and perhaps a discriminator."""

    generator: nn.Module
    trainable: nn.Module
    discriminator: Discriminator | None
    sources: int


class Trainer:
    """Trains networks step by step; everything random in a step follows from (seed, step).

    State that a step needs and that is not derived from them (weights and their average, optimisers, best weights so
    far, log) goes to `last.pt` every interval. `validate` returns the mean absolute error on validation subjects, None
    without any; the best weights by it are kept, without validation the last. Several processes share each batch.
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
        if preset.precision == "bf16" and device.type == "cpu" and preset.patch < _LEAST_HALF_PATCH_ON_CPU:
            values = f"bf16 on the CPU with patch {preset.patch}, expected {_LEAST_HALF_PATCH_ON_CPU} or more"
            raise InputError("precision not possible", "preset", values, "set `precision: auto` or a larger `patch`")
        self.ranks = Ranks.current()
        self.share = self.ranks.share(preset.batch)
        self.averaging = Averaging(networks.trainable, preset.ema) if preset.ema is not None else None
        self.optimiser = self._adam(networks.trainable)
        self.discriminator_optimiser = self._adam(networks.discriminator) if networks.discriminator else None
        self._generate = self._prepared(networks.generator, networks.trainable)
        self._criticise = self._prepared(networks.discriminator, networks.discriminator)
        self.step, self.rows = 0, list[dict[str, Any]]()
        self.best: dict[str, Any] = {"step": 0, "validation_l1": math.inf, "weights": {}}

    def run(self, out: Path, fingerprint: str, resume: bool, tensorboard: bool = False) -> None:
        """Train to the end, and leave the generator with its best weights.

        Writes last.pt, log.tsv and, where asked, tensorboard/ into `out`. Raises InputError at a loss that is not
        finite; last.pt stays as it was.
        """
        last = out / "last.pt"
        if resume and last.is_file():
            self._restore(last, fingerprint)
        self.ranks.require_same(self.step, last, self.device)
        board = TensorBoard(out / "tensorboard", self.rows) if tensorboard and self.ranks.leads else None
        watch = LossWatch(self.device, self.ranks)
        progress = Progress(self.step, self.schedule.steps, self.ranks.leads)
        for step in progress.remaining():
            if self.stopped:
                _log.info("%s", self.stopped)
                break
            try:
                self.take(step, watch)
                if self.step % self.preset.interval and self.step != self.schedule.steps:
                    continue
                means = watch.means()
            except NonFinite as fault:
                raise self._diverged(fault) from fault
            self._record(means)
            if self.ranks.leads:
                save_state(last, self._state(fingerprint))
                write_log(out / "log.tsv", self.rows)
                progress.tell(self.rows[-1])
            if board:
                board.add(self.rows[-1])
        if board:
            board.close()
        self.networks.trainable.load_state_dict(self.best["weights"])
        self.networks.generator.eval()

    def take(self, step: int, watch: LossWatch) -> None:
        """One step of the schedule (from 0): its batch, its seed, its learning rate. Raises NonFinite."""
        for group in (self.optimiser, self.discriminator_optimiser):
            if group:
                group.param_groups[0]["lr"] = self.schedule.rate(step)
        torch.manual_seed(derived_seed(self.seed, step, self.ranks.rank))
        losses = self.update(*self.sampler.batch(step, self.share))
        if self.averaging:
            self.averaging.update()
        self.step = step + 1
        watch.add(step, losses)

    @property
    def stopped(self) -> str | None:
        """Why the training has stopped before its last step, None where it has not."""
        return stop_reason(self.rows, self.best["step"], self.preset.patience)

    def outcome(self) -> dict[str, Any]:
        """What the sidecar of the checkpoint tells about the course of the training."""
        reason = self.stopped if self.step < self.schedule.steps else None
        return {"StepsDone": self.step, "EarlyStopping": reason, "Processes": self.ranks.count}

    def update(self, images: Tensor, regions: Tensor) -> Tensor:
        """One generator step, after the discriminator's.

        images (N, C + E + 1, P, P, P) and regions (N, 1, P, P, P) on the device. Returns the image, adversarial and
        discriminator loss (3,) in float64 on the device: nothing here waits for it.
        """
        self.networks.generator.train()
        if self.preset.channels_last:
            images = images.contiguous(memory_format=torch.channels_last_3d)
        count = self.networks.sources
        mri, target = images[:, :count], images[:, -1:]
        extra = images[:, count:-1]
        with self._autocast():
            fake = (self._generate(mri, extra) if extra.shape[1] else self._generate(mri)).float()
        critic_loss = self._update_discriminator(mri, target, fake.detach())
        image_loss = self.image_loss(fake, target, regions)
        weighted = self.preset.image_loss_weight * image_loss
        realism = torch.zeros((), device=self.device)
        if self.networks.discriminator:
            with self._autocast():
                logits = self._criticise(mri, fake)
            realism = adversarial_loss(logits.float())
            weighted = weighted + realism
        self._descend(weighted, self.networks.trainable, self.optimiser)
        return torch.stack([image_loss.detach().double(), realism.detach().double(), critic_loss])

    def _update_discriminator(self, mri: Tensor, target: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's updates against one batch, real and fake in one pass (instance norm keeps them apart)."""
        critic, optimiser = self.networks.discriminator, self.discriminator_optimiser
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        if critic is None or optimiser is None:
            return total
        critic.requires_grad_(True)
        for _ in range(self.preset.discriminator_updates):
            with self._autocast():
                logits = self._criticise(torch.cat((mri, mri)), torch.cat((target, fake)))
            real, made = logits.float().chunk(2)
            loss = discriminator_loss(real, made, self.preset.label_smoothing)
            self._descend(loss, critic, optimiser)
            total += loss.detach()
        # The generator's step needs gradients through the discriminator, not for its weights.
        critic.requires_grad_(False)
        return total / self.preset.discriminator_updates

    def _descend(self, loss: Tensor, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """One step down the gradient, averaged over the processes."""
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.average_gradients(network)
        optimiser.step()

    def _record(self, means: np.ndarray) -> None:
        """Validate, keep the weights if they are the best so far, add a row to the log."""
        self.networks.generator.eval()
        # A finite loss may have a gradient that is not.
        if not all(bool(weights.isfinite().all()) for weights in self.networks.trainable.parameters()):
            values = f"weights that are not finite at step {self.step}"
            raise InputError("training diverged", "network", values, "lower `learning_rate` in the preset (--preset)")
        with self.averaging.applied() if self.averaging else nullcontext():
            error = self.ranks.from_leader(self.validate, self.device)
            if error is not None and not math.isfinite(error):
                values = f"validation error {error} at step {self.step}, expected a finite one"
                cure = "lower `learning_rate` in the preset (--preset)"
                raise InputError("training diverged", "network", values, cure)
            if error is None or error < self.best["validation_l1"]:
                state = self.networks.trainable.state_dict()
                weights = {key: value.detach().cpu().clone() for key, value in state.items()}
                best_error = math.inf if error is None else error
                self.best = {"step": self.step, "validation_l1": best_error, "weights": weights}
        rate = self.schedule.rate(self.step - 1)
        row = dict(zip(LOG_COLUMNS, (self.step, rate, *(float(v) for v in means), error), strict=True))
        self.rows.append(row)

    def _diverged(self, fault: NonFinite) -> InputError:
        """Which batch, and from where a training can go on."""
        kept = f"last.pt of step {self.rows[-1]['step']} is kept" if self.rows else "no state was written yet"
        values = f"{fault.told} at step {fault.step + 1}, batch {self.sampler.told(fault.step)}; {kept}"
        cure = "look at these images, or lower `learning_rate` in the preset (--preset)"
        return InputError("training diverged", "network", values, cure)

    def _state(self, fingerprint: str) -> dict[str, Any]:
        """Everything a later run needs. No RNG state: each step seeds its own from (seed, step)."""
        critic, optimiser = self.networks.discriminator, self.discriminator_optimiser
        return {
            "fingerprint": fingerprint,
            "step": self.step,
            "generator": self.networks.trainable.state_dict(),
            "average": self.averaging.state() if self.averaging else None,
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
        if self.averaging:
            self.averaging.restore(state["average"])
        if self.networks.discriminator and self.discriminator_optimiser:
            self.networks.discriminator.load_state_dict(state["discriminator"])
            self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])
        self.step, self.best, self.rows = state["step"], state["best"], state["log"]

    def _prepared(self, network: nn.Module | None, learning: nn.Module | None) -> Any:
        """The network as a training step calls it; its weights and their names stay where they are."""
        if network is None or learning is None:
            return None
        if self.preset.gradient_checkpointing:
            checkpoint_blocks(learning)
        if self.preset.channels_last:
            network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        return torch.compile(network, dynamic=False) if self.preset.compile else network

    def _adam(self, module: nn.Module) -> torch.optim.Adam:
        # One kernel for all weights where there is a GPU; the CPU keeps the plain loop.
        fused = True if self.device.type == "cuda" else None
        speed = self.schedule.learning_rate
        return torch.optim.Adam(module.parameters(), lr=speed, betas=self.preset.betas, fused=fused)

    def _autocast(self) -> AbstractContextManager:
        """Networks in bfloat16 where the preset asks for it (auto: on CUDA); norms and losses stay in float32."""
        precision = self.preset.precision
        half = precision == "bf16" or (precision == "auto" and self.device.type == "cuda")
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)
