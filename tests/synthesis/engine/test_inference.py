"""The sliding window against MONAI's."""

import numpy as np
import pytest
import torch
from monai.inferers.utils import sliding_window_inference

from myelosynth.models.generator import Generator
from myelosynth.synthesis.engine.inference import sliding_window, window_starts

CPU = torch.device("cpu")


@pytest.mark.parametrize(("shape", "overlap"), [((40, 53, 36), 0.5), ((64, 32, 20), 0.25), ((33, 33, 70), 0.0)])
def test_equals_monai(shape, overlap):
    torch.manual_seed(0)
    network = Generator(2, 4).eval()
    network.head.bias.data.fill_(1)
    images = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    mask = np.ones(shape, bool)
    ours = sliding_window(network, images, mask, 32, overlap, 2, CPU)
    with torch.inference_mode():
        theirs = sliding_window_inference(torch.from_numpy(images)[None], (32,) * 3, 1, network, overlap, "gaussian")
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=2e-5)


def test_windows_without_brain_are_skipped_and_change_nothing():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((1, 40, 40, 110)).astype(np.float32)
    mask = np.zeros(images.shape[1:], bool)
    mask[5:35, 5:35, 3:20] = mask[5:35, 5:35, 90:105] = True
    seen = []

    def network(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return x.abs() + 1

    result = sliding_window(network, images, mask, 32, 0.5, 4, CPU)
    np.testing.assert_allclose(result[mask], np.abs(images[0])[mask] + 1, rtol=1e-5)
    assert not result[~mask].any()
    assert sum(seen) < len(window_starts(102, 32, 0.5))


@pytest.mark.parametrize("side", [10, 32, 33, 47, 48, 100])
def test_windows_cover_an_axis(side):
    starts = window_starts(side, 32, 0.5)
    covered = {voxel for start in starts for voxel in range(start, start + 32)}
    assert covered >= set(range(side))
    assert starts[0] == 0
    assert len(starts) == len(set(starts))
