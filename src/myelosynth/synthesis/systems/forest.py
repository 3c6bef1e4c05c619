"""A random forest on 3^3 patches (after wei2019's comparison): what a network must beat to mean anything."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from myelosynth.synthesis.checkpoints import Checkpoint
from myelosynth.synthesis.data.subjects import Statistics, load_subject
from myelosynth.synthesis.fitness import voxel_mm
from myelosynth.synthesis.systems.base import Prediction, PredictionInputs, System, Trained, TrainingJob

# Voxels predicted together: some 100 MB for 60 trees.
CHUNK = 2**17


class RandomForest(System):
    """The normalised sources of a voxel and its 26 neighbours to its target, by scikit-learn's random forest.

    Training voxels are drawn from the brains of the training scans, as many from each as `forest.voxels` allows (scans
    with fewer give all). Neighbours outside the brain are 0. The checkpoint holds the trees as tensors.
    """

    losses = ("l2",)

    def train(self, job: TrainingJob) -> Trained:
        from sklearn.ensemble import RandomForestRegressor

        subjects = [load_subject(scan, job.task) for scan in job.scans.training]
        statistics = Statistics.of(subjects, job.task.sources)
        settings = job.preset.forest
        rng = np.random.default_rng(np.random.SeedSequence((job.seed, 0)))
        share = max(settings.voxels // len(subjects), 1)
        features, targets = [], []
        for subject in subjects:
            voxels = np.argwhere(subject.mask)
            voxels = voxels[np.sort(rng.choice(len(voxels), min(share, len(voxels)), replace=False))]
            features.append(neighbourhoods(statistics.normalise(subject.sources, subject.mask), voxels))
            targets.append(subject.target[tuple(voxels.T)])
        model = RandomForestRegressor(
            settings.trees,
            min_samples_leaf=settings.min_leaf,
            max_features=settings.features,
            random_state=job.seed,
            n_jobs=torch.get_num_threads(),
        )
        model.fit(np.concatenate(features), np.concatenate(targets).astype(np.float64))
        content = {
            "mean": torch.from_numpy(statistics.mean),
            "std": torch.from_numpy(statistics.std),
            "voxel_mm": voxel_mm(subjects),
            **tree_tensors(model),
        }
        report = {"Voxels": sum(map(len, targets)), "Trees": settings.trees, "Nodes": len(content["feature"])}
        return Trained(job.checkpoint(content), report)

    def predict(self, checkpoint: Checkpoint, inputs: PredictionInputs, device: torch.device) -> Prediction:
        content = checkpoint.content
        statistics = Statistics(content["mean"].numpy(), content["std"].numpy(), 0.0)
        sources = np.stack([inputs.images[name] for name in checkpoint.sources])
        images = statistics.normalise(sources, inputs.mask)
        voxels = np.argwhere(inputs.mask)
        trees = {name: value.to(device) for name, value in content.items() if isinstance(value, Tensor)}
        predicted = np.zeros(inputs.mask.shape, np.float32)
        for first in range(0, len(voxels), CHUNK):
            chunk = voxels[first : first + CHUNK]
            features = torch.from_numpy(neighbourhoods(images, chunk)).to(device)
            predicted[tuple(chunk.T)] = forest_mean(trees, content["depth"], features).cpu().numpy()
        return Prediction(np.maximum(predicted, 0))


def neighbourhoods(images: NDArray[np.float32], voxels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Features (V, 27 C) of voxels (V, 3) in images (C, X, Y, Z): each voxel with its 26 neighbours, 0 beyond."""
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (1, 1)])
    corners = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    x, y, z = np.moveaxis(voxels[:, None] + corners, -1, 0)
    return np.ascontiguousarray(padded[:, x, y, z].swapaxes(0, 1).reshape(len(voxels), -1))


def tree_tensors(model: Any) -> dict[str, Any]:
    """All nodes of scikit-learn's trees in one row: feature, threshold, the two children (a leaf is its own), value.

    roots: first node of each tree; depth: longest way to a leaf. scikit-learn compares float32 features with float64
    thresholds; here a threshold is the largest float32 that does not exceed it, which decides every case alike.
    """
    trees = [estimator.tree_ for estimator in model.estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
    own = [np.arange(tree.node_count) for tree in trees]
    leaf = [tree.children_left < 0 for tree in trees]

    def joined(parts: list[NDArray], dtype: type) -> Tensor:
        return torch.from_numpy(np.concatenate(parts).astype(dtype))

    sides = []
    for side in ("children_left", "children_right"):
        rows = zip(trees, leaf, own, roots, strict=True)
        sides.append(joined([np.where(end, here, getattr(tree, side)) + root for tree, end, here, root in rows], int))
    exact = np.concatenate([tree.threshold for tree in trees])
    rounded = exact.astype(np.float32)
    below = np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return {
        "feature": joined([np.where(end, 0, tree.feature) for tree, end in zip(trees, leaf, strict=True)], np.int32),
        "threshold": torch.from_numpy(below),
        "children": torch.stack(sides, 1).int(),
        "value": joined([tree.value[:, 0, 0] for tree in trees], np.float32),
        "roots": torch.from_numpy(roots.astype(np.int32)),
        "depth": max(tree.max_depth for tree in trees),
    }


def forest_mean(trees: dict[str, Tensor], depth: int, features: Tensor) -> Tensor:
    """The mean over all trees (V,) for features (V, F): every voxel walks down one tree after the other."""
    total = torch.zeros(len(features), dtype=torch.float64, device=features.device)
    for root in trees["roots"].tolist():
        node = torch.full((len(features),), root, device=features.device)
        for _ in range(depth):
            asked = features.gather(1, trees["feature"][node].long()[:, None])[:, 0]
            node = trees["children"][node, (asked > trees["threshold"][node]).long()].long()
        total += trees["value"][node]
    return total / len(trees["roots"])
