"""One prediction from the members of a bundle."""

from collections.abc import Sequence

import numpy as np
import torch

from myelosynth.synthesis.checkpoints import Checkpoint
from myelosynth.synthesis.systems.base import Prediction, PredictionInputs
from myelosynth.synthesis.systems.registry import find_system

BETWEEN = "differences between the members, not calibrated"
MODEL = "the model's own"
TOTAL = "the model's own and differences between the members"


def predict_together(
    members: Sequence[Checkpoint], inputs: PredictionInputs, device: torch.device
) -> tuple[Prediction, str]:
    """The mean of the members' predictions, and what its SD is made of; empty without an SD.

    The variance is that between the members, plus the mean of their own where they give one.
    """
    predicted = [find_system(member.model).predict(member, inputs, device) for member in members]
    if len(predicted) == 1:
        return predicted[0], MODEL if predicted[0].std is not None else ""
    means = np.stack([one.mean for one in predicted]).astype(np.float64)
    variance = means.var(0, ddof=1)
    own = [one.std for one in predicted if one.std is not None]
    if len(own) == len(predicted):
        variance += (np.stack(own).astype(np.float64) ** 2).mean(0)
    mean, std = means.mean(0).astype(np.float32), np.sqrt(variance).astype(np.float32)
    return Prediction(mean, std), TOTAL if len(own) == len(predicted) else BETWEEN
