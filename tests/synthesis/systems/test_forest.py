"""The forest as tensors against scikit-learn's own."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestRegressor

from myelosynth.images.volume import load_mask, load_volume
from myelosynth.synthesis.checkpoints import load_checkpoint
from myelosynth.synthesis.data.folds import read_fold
from myelosynth.synthesis.systems import forest
from myelosynth.synthesis.systems.base import PredictionInputs
from myelosynth.synthesis.systems.forest import RandomForest, forest_mean, neighbourhoods, tree_tensors


@pytest.mark.parametrize("min_leaf", [1, 4])
def test_tensors_predict_as_scikit_learn(min_leaf):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 6)).astype(np.float32)
    y = 1 + x[:, 0] * x[:, 1] + 0.1 * rng.standard_normal(500)
    model = RandomForestRegressor(7, min_samples_leaf=min_leaf, max_features=0.5, random_state=0).fit(x, y)
    content = tree_tensors(model)
    new = rng.standard_normal((300, 6)).astype(np.float32)
    # Values that lie exactly on thresholds, and one float32 to both sides, are where rounding would show.
    edges = content["threshold"][content["children"][:, 0] != torch.arange(len(content["feature"]))][:100].numpy()
    for step in (-np.inf, 0, np.inf):
        near = np.nextafter(edges, np.float32(step)) if step else edges
        new = np.concatenate([new, np.repeat(near[:, None], 6, 1)])
    trees = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    np.testing.assert_allclose(
        forest_mean(trees, content["depth"], torch.from_numpy(new)), model.predict(new), rtol=0, atol=1e-6
    )


def test_one_split_by_hand():
    """feature 1 <= 0.5: 2, else 5; thresholds that no float32 hits are rounded down."""
    x = np.array([[0, 0.1], [0, 0.9]] * 10, np.float32)
    model = RandomForestRegressor(1, bootstrap=False, random_state=0).fit(x, x[:, 1] * 3.75 + 1.625)
    content = tree_tensors(model)
    assert content["depth"] == 1
    exact = model.estimators_[0].tree_.threshold[0]
    assert (
        float(content["threshold"][0])
        <= exact
        < float(np.nextafter(np.float32(content["threshold"][0]), np.float32(9)))
    )
    assert content["children"].tolist() == [[1, 2], [1, 1], [2, 2]]


def test_neighbourhoods_are_the_27_voxels_of_every_channel():
    images = np.arange(2 * 4 * 5 * 6, dtype=np.float32).reshape(2, 4, 5, 6) + 1
    inner, corner = neighbourhoods(images, np.array([[1, 2, 3], [0, 0, 0]]))
    np.testing.assert_array_equal(inner, images[:, 0:3, 1:4, 2:5].ravel())
    expected = np.zeros((2, 3, 3, 3), np.float32)
    expected[:, 1:, 1:, 1:] = images[:, :2, :2, :2]
    np.testing.assert_array_equal(corner, expected.ravel())


def test_chunks_do_not_show_and_draws_are_bounded(cohort, trained, monkeypatch):
    checkpoint = load_checkpoint(trained["random-forest"] / "checkpoint.pt")
    folder = cohort.folder / read_fold(cohort.split, 1).participants("test")[0]
    mask = load_mask(folder / "mask.nii.gz")
    images = {name: load_volume(folder / f"{name}.nii.gz").data for name in checkpoint.sources}
    inputs = PredictionInputs(images, {}, mask, load_volume(folder / "FA.nii.gz").grid)
    whole = RandomForest().predict(checkpoint, inputs, torch.device("cpu")).mean
    monkeypatch.setattr(forest, "CHUNK", 1000)
    np.testing.assert_array_equal(RandomForest().predict(checkpoint, inputs, torch.device("cpu")).mean, whole)
    # 400 voxels, leaves of two at least, four trees
    assert len(checkpoint.content["feature"]) < 4 * 2 * 200
