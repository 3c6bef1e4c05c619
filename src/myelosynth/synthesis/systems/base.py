"""What every system offers: training for a fold, prediction from a checkpoint."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform
from myelosynth.synthesis.checkpoints import Checkpoint
from myelosynth.synthesis.config import Task, TrainingPreset
from myelosynth.synthesis.data.folds import Fold
from myelosynth.synthesis.data.manifest import Selection


@dataclass(frozen=True)
class TrainingJob:
    """One system, one fold: everything that its training may use."""

    model: str
    loss: str
    task: Task
    preset: TrainingPreset
    fold: Fold
    scans: Selection
    out: Path
    seed: int
    device: torch.device
    sketches: Path | None = None
    out_of_fold: bool = False
    resume: bool = False
    tensorboard: bool = False

    def __post_init__(self) -> None:
        """Raises InputError when a scan of the job is of a participant whom the fold tests."""
        self.scans.require_held_out(self.fold)

    def checkpoint(self, content: dict[str, Any]) -> Checkpoint:
        """The checkpoint of this job around what a system has learned."""
        participants = {role: self.fold.participants(role) for role in ("train", "validation", "test")}
        task = self.task
        origin = (task.name, task.sources, task.target, self.fold.number, self.seed, self.fold.sha256)
        return Checkpoint(self.model, self.loss, *origin, participants, content)


@dataclass(frozen=True)
class Trained:
    """The outcome of a training and what its sidecar should tell."""

    checkpoint: Checkpoint
    report: dict[str, Any]


@dataclass(frozen=True)
class PredictionInputs:
    """One session to predict: images and transforms by name, brain mask, all on `grid`.

    path and bf16: how systems that work by windows shall do it (engine/whole.py); `auto` is what their gate allows.
    """

    images: dict[str, NDArray[np.float32]]
    transforms: dict[str, LinearTransform]
    mask: NDArray[np.bool_]
    grid: Grid
    path: str = "auto"
    bf16: bool = False


@dataclass(frozen=True)
class Prediction:
    """Predicted target (X, Y, Z), 0 outside the brain, and its SD where the system offers one.

    report: how it was made; spread_record: what the SD's sidecar should tell.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32] | None = None
    report: dict[str, Any] = field(default_factory=dict)
    spread_record: dict[str, Any] = field(default_factory=dict)


class System(ABC):
    """A way to predict the target.

    losses: what --loss accepts; spread: whether it gives an SD; optional_sources: whether one source is enough;
    windows: whether it looks at windows of images, so that path, bfloat16 and flips mean something to it.
    """

    losses: tuple[str, ...]
    spread = False
    windows = False
    needs_sketches = False
    optional_sources = False

    def training_contrasts(self, task: Task) -> list[str]:
        """The contrasts that a training scan must have."""
        return [*task.sources, task.target]

    def prediction_sources(self, sources: list[str]) -> list[str]:
        """The names that `predict` must be given, from the task's sources."""
        return sources

    @abstractmethod
    def train(self, job: TrainingJob) -> Trained:
        """Learn from the job's training scans."""

    @abstractmethod
    def predict(self, checkpoint: Checkpoint, inputs: PredictionInputs, device: torch.device) -> Prediction:
        """Predict one session."""
