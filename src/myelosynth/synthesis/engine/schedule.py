"""How long a training lasts and how fast it goes: steps, learning rate, early stopping."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from myelosynth.errors import InputError
from myelosynth.synthesis.config import TrainingPreset


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


def require_validation(preset: TrainingPreset, scans: int, where: object) -> None:
    """Raises InputError where a preset asks for early stopping and the fold has no validation scan to stop on."""
    if preset.patience is not None and not scans:
        values = f"patience {preset.patience}, 0 validation scans"
        cure = "make the split with --validation 1 or more, or set `patience: null` in the preset"
        raise InputError("early stopping needs validation subjects", where, values, cure)


def stop_reason(rows: Sequence[Mapping[str, Any]], best_step: int, patience: int | None) -> str | None:
    """Why a training stops early, None while it goes on: `patience` validations in a row without a new best.

    rows: the log so far, one row a validation; it and `best_step` are in the state, so a resumed run decides alike.

    >>> stop_reason([{"step": 10}, {"step": 20}, {"step": 30}], best_step=10, patience=2)
    'no better validation for 2 intervals, best at step 10, stopped at step 30'
    """
    if patience is None or sum(row["step"] > best_step for row in rows) < patience:
        return None
    told = "interval" if patience == 1 else "intervals"
    return f"no better validation for {patience} {told}, best at step {best_step}, stopped at step {rows[-1]['step']}"
