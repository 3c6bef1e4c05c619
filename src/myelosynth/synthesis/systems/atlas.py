"""The mean of the training controls on the MNI152 grid: no MRI is looked at."""

import numpy as np
import torch
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_mask, load_volume
from myelosynth.synthesis.checkpoints import Checkpoint
from myelosynth.synthesis.config import TEMPLATE, Task
from myelosynth.synthesis.systems.base import Prediction, PredictionInputs, System, Trained, TrainingJob

RESOLUTION_MM = 2


class MeanAtlas(System):
    """Masked mean of the training controls' targets in template space, pushed to each subject's grid.

    Where no control has a value the training mean stands in. The spread is the SD between controls.
    """

    losses = ("mean",)
    spread = True

    def training_contrasts(self, task: Task) -> list[str]:
        return [task.target, TEMPLATE]

    def prediction_sources(self, sources: list[str]) -> list[str]:
        return [TEMPLATE]

    def train(self, job: TrainingJob) -> Trained:
        """Raises InputError when the fold's training part has no control."""
        controls = [scan for scan in job.scans.training if job.fold.groups[scan.participant] == "control"]
        if not controls:
            groups = ", ".join(sorted({job.fold.groups[scan.participant] for scan in job.scans.training}))
            found = f"0 controls among {len(job.scans.training)} training scans (groups: {groups})"
            raise InputError("no training controls", f"fold {job.fold.number}", found, "use fewer folds")
        grid = template_grid()
        sums = np.zeros((3, *grid.shape))
        brain_values = []
        for scan in controls:
            volume = load_volume(scan.paths[job.task.target])
            mask = load_mask(scan.mask, volume.grid, volume.path)
            transform = LinearTransform.read(scan.paths[TEMPLATE])
            values, known = _pull(volume.data, mask, volume.grid, grid, transform)
            sums += np.stack([known, values * known, values**2 * known])
            brain_values.append(volume.data[mask])
        count = np.maximum(sums[0], 1)
        mean = sums[1] / count
        variance = np.maximum(sums[2] / count - mean**2, 0) * sums[0] / np.maximum(sums[0] - 1, 1)
        pooled = np.concatenate(brain_values)
        content = {
            "mean": torch.from_numpy(mean.astype(np.float32)),
            "std": torch.from_numpy(np.sqrt(variance).astype(np.float32)),
            "count": torch.from_numpy(sums[0].astype(np.int16)),
            "affine": torch.from_numpy(grid.affine.copy()),
            "fill_mean": float(pooled.mean(dtype=np.float64)),
            "fill_std": float(pooled.std(dtype=np.float64)),
        }
        report = {"Controls": [scan.participant for scan in controls]}
        return Trained(job.checkpoint(content), report)

    def predict(self, checkpoint: Checkpoint, inputs: PredictionInputs, device: torch.device) -> Prediction:
        """The atlas on the subject's grid; the SD only where two controls or more have a value, else the pooled SD."""
        content = checkpoint.content
        count = content["count"].numpy()
        grid = Grid(count.shape, content["affine"].numpy())
        to_subject = ~inputs.transforms[TEMPLATE]
        pushed = []
        for name, least in (("mean", 1), ("std", 2)):
            known_there = count >= least
            values, known = _pull(content[name].numpy(), known_there, grid, inputs.grid, to_subject)
            filled = np.where(known, values, content[f"fill_{name}"])
            pushed.append((filled * inputs.mask).astype(np.float32))
        return Prediction(pushed[0], pushed[1])


def template_grid() -> Grid:
    """The grid of nilearn's bundled MNI152 template at 2 mm."""
    from nilearn.datasets import load_mni152_template

    return Grid.of(load_mni152_template(resolution=RESOLUTION_MM))


def _pull(
    data: NDArray, mask: NDArray[np.bool_], grid: Grid, target: Grid, transform: LinearTransform
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Linear interpolation that never mixes in voxels outside `mask`; values, and where at least half was inside."""
    weight = resample(mask.astype(np.float64), grid, target, transform)
    total = resample(np.where(mask, data, 0).astype(np.float64), grid, target, transform)
    known = weight >= 0.5
    return np.where(known, total / np.where(known, weight, 1), 0), known
