"""Ridge regression from the sources of a voxel to its target: what a network must beat to mean anything."""

import numpy as np
import torch

from myelosynth.synthesis.checkpoints import Checkpoint
from myelosynth.synthesis.data.subjects import Statistics, load_subject
from myelosynth.synthesis.systems.base import Prediction, PredictionInputs, System, Trained, TrainingJob


class RidgeRegression(System):
    """Linear in the normalised sources, all brain voxels of the training subjects weighing the same."""

    losses = ("l2",)

    def train(self, job: TrainingJob) -> Trained:
        from sklearn.linear_model import Ridge

        subjects = [load_subject(scan, job.task) for scan in job.scans.training]
        statistics = Statistics.of(subjects, job.task.sources)
        features = np.concatenate([statistics.normalise(s.sources, s.mask)[:, s.mask] for s in subjects], 1)
        target = np.concatenate([s.target[s.mask] for s in subjects])
        model = Ridge(alpha=job.preset.ridge.alpha, solver="cholesky")
        model.fit(features.T.astype(np.float64), target.astype(np.float64))
        content = {
            "mean": torch.from_numpy(statistics.mean),
            "std": torch.from_numpy(statistics.std),
            "coefficients": torch.from_numpy(np.asarray(model.coef_)),
            "intercept": float(model.intercept_),
        }
        report = {"Alpha": job.preset.ridge.alpha, "Voxels": len(target)}
        return Trained(job.checkpoint(content), report)

    def predict(self, checkpoint: Checkpoint, inputs: PredictionInputs, device: torch.device) -> Prediction:
        content = checkpoint.content
        statistics = Statistics(content["mean"].numpy(), content["std"].numpy(), 0.0)
        sources = np.stack([inputs.images[name] for name in checkpoint.sources])
        features = statistics.normalise(sources, inputs.mask)[:, inputs.mask]
        predicted = np.zeros(inputs.mask.shape, np.float32)
        # Negative distribution volumes do not exist; the networks end in a ReLU for the same reason.
        predicted[inputs.mask] = np.maximum(content["coefficients"].numpy() @ features + content["intercept"], 0)
        return Prediction(predicted)
