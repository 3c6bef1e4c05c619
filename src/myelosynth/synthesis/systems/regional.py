"""The training mean of each region of the MNI152 template: a floor that knows coarse anatomy and nothing else."""

import numpy as np
import torch
from numpy.typing import NDArray

from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.volume import load_mask, load_volume
from myelosynth.synthesis.checkpoints import Checkpoint
from myelosynth.synthesis.config import TEMPLATE, Task
from myelosynth.synthesis.systems.atlas import RESOLUTION_MM, template_grid
from myelosynth.synthesis.systems.base import Prediction, PredictionInputs, System, Trained, TrainingJob

TISSUES = ("rest", "white matter", "cortex", "deep grey matter", "cerebellum and brainstem")
"""What the labels 0 to 4 mean; `rest` is CSF, and all that lies outside the template's tissue."""


class RegionalMean(System):
    """Mean of the training participants' targets in each of five regions, patients and controls alike.

    "Per-region mean" suggests the regions of the evaluation: lesions, NAWM, other. Those come from an expert's mask of
    the very session that is predicted, and a floor that was given it would know more than the networks above it, which
    never are. So the regions are the template's (nilearn's bundled tissue maps of MNI152), brought to the subject by
    its affine transform, as for the mean atlas; in training no mask but the brain's is read either. A region without a
    training voxel predicts the mean of all.
    """

    losses = ("mean",)

    def training_contrasts(self, task: Task) -> list[str]:
        return [task.target, TEMPLATE]

    def prediction_sources(self, sources: list[str]) -> list[str]:
        return [TEMPLATE]

    def train(self, job: TrainingJob) -> Trained:
        from myelosynth.images.transform import LinearTransform

        grid, labels = template_grid(), template_regions()
        sums, counts = np.zeros(len(TISSUES)), np.zeros(len(TISSUES), np.int64)
        for scan in job.scans.training:
            volume = load_volume(scan.paths[job.task.target])
            mask = load_mask(scan.mask, volume.grid, volume.path)
            to_subject = ~LinearTransform.read(scan.paths[TEMPLATE])
            regions = resample(labels, grid, volume.grid, to_subject, "nearest")[mask]
            sums += np.bincount(regions, volume.data[mask].astype(np.float64), len(TISSUES))
            counts += np.bincount(regions, minlength=len(TISSUES))
        overall = sums.sum() / counts.sum()
        means = np.where(counts, sums / np.maximum(counts, 1), overall)
        content = {
            "regions": torch.from_numpy(labels),
            "affine": torch.from_numpy(grid.affine.copy()),
            "means": torch.from_numpy(means),
        }
        report = {
            "RegionVoxels": dict(zip(TISSUES, counts.tolist(), strict=True)),
            "RegionMeans": dict(zip(TISSUES, means.tolist(), strict=True)),
        }
        return Trained(job.checkpoint(content), report)

    def predict(self, checkpoint: Checkpoint, inputs: PredictionInputs, device: torch.device) -> Prediction:
        content = checkpoint.content
        labels = content["regions"].numpy()
        grid = Grid(labels.shape, content["affine"].numpy())
        regions = resample(labels, grid, inputs.grid, ~inputs.transforms[TEMPLATE], "nearest")
        return Prediction((np.maximum(content["means"].numpy(), 0)[regions] * inputs.mask).astype(np.float32))


def template_regions() -> NDArray[np.uint8]:
    """Labels (X, Y, Z) on the template's 2 mm grid, see TISSUES.

    White and grey matter are where the template's map of it holds at least half. Deep grey matter is the grey matter in
    a box around thalami and basal ganglia; cerebellum and brainstem are what lies below and behind two planes (MNI mm).
    """
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

    grey = load_mni152_gm_template(resolution=RESOLUTION_MM).get_fdata() >= 0.5
    white = load_mni152_wm_template(resolution=RESOLUTION_MM).get_fdata() >= 0.5
    affine = template_grid().affine
    index = np.moveaxis(np.indices(grey.shape), 0, -1)
    x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3], -1, 0)
    labels = np.zeros(grey.shape, np.uint8)
    labels[white] = 1
    labels[grey & ~white] = 2
    labels[grey & ~white & (np.abs(x) <= 32) & (y >= -38) & (y <= 22) & (z >= -14) & (z <= 20)] = 3
    behind = (y <= -30) & (z <= -20)
    stem = (np.abs(x) <= 18) & (y <= -12) & (z <= -12)
    labels[(grey | white) & (behind | stem)] = 4
    return labels
