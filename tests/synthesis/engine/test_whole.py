"""Few windows and one pass over the brain: what they cover, and when they are the same function as windows."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from myelosynth.errors import InputError
from myelosynth.models.generator import Generator
from myelosynth.synthesis.engine.whole import Window, even_starts, few_windows, predict_volume

CPU = torch.device("cpu")
WINDOW = Window(32, 0.5, 2)
SHAPE = (50, 66, 41)


def ellipsoid(shape=SHAPE):
    index = np.stack(np.meshgrid(*(np.linspace(-1.1, 1.1, side) for side in shape), indexing="ij"))
    return (index**2).sum(0) < 1


@pytest.fixture
def images():
    return np.random.default_rng(0).standard_normal((2, *SHAPE)).astype(np.float32) * ellipsoid()


@pytest.mark.parametrize("path", ["window", "few", "whole"])
def test_a_voxelwise_network_is_the_same_on_every_path(images, path):
    result = predict_volume(lambda x: x.sum(1, keepdim=True), images, ellipsoid(), WINDOW, path, CPU)
    np.testing.assert_allclose(result, images.sum(0), atol=1e-5)


@pytest.mark.parametrize(
    ("low", "high", "side"), [(0, 119, 119), (3, 50, 119), (0, 64, 64), (60, 119, 119), (0, 200, 200)]
)
def test_even_starts_cover_with_the_least_overlap(low, high, side):
    starts = even_starts(low, high, 64, 0.125, side)
    covered = {voxel for start in starts for voxel in range(start, start + 64)}
    assert covered >= set(range(low, high))
    assert min(starts) >= 0
    assert max(starts) + 64 <= side
    assert all(second - first <= 56 for first, second in pairwise(starts))


def test_few_windows_cover_the_brain_with_fewer_windows():
    brain = ellipsoid((119, 143, 120))
    places = list(few_windows(brain, 64))
    covered = np.zeros(brain.shape, bool)
    for place in places:
        assert all(part.stop - part.start == 64 for part in place)
        covered[place] = True
    assert covered[brain].all()
    assert len(places) == 12


def test_two_brains_apart_are_both_covered():
    brain = np.zeros((40, 40, 130), bool)
    brain[5:35, 5:35, 3:20] = brain[2:20, 8:30, 90:125] = True
    covered = np.zeros(brain.shape, bool)
    for place in few_windows(brain, 32):
        covered[place] = True
    assert covered[brain].all()


def test_whole_is_the_network_on_the_padded_box(images):
    torch.manual_seed(0)
    network = Generator(2, 4).eval()
    network.head.bias.data.fill_(1)
    mask = ellipsoid()
    result = predict_volume(network, images, mask, WINDOW, "whole", CPU)
    box = tuple(slice(int(v.min()), int(v.max()) + 1) for v in np.nonzero(mask))
    cut = images[(slice(None), *box)]
    pads = [(lack // 2, lack - lack // 2) for side in cut.shape[1:] if (lack := max(-side % 16, 32 - side)) >= 0]
    with torch.inference_mode():
        expected = network(torch.from_numpy(np.pad(cut, [(0, 0), *pads]))[None])[0, 0].numpy()
    inner = tuple(slice(low, low + side) for (low, _), side in zip(pads, cut.shape[1:], strict=True))
    np.testing.assert_allclose(result[box], expected[inner] * mask[box], atol=1e-5)
    assert not result[~mask].any()


def test_a_brain_inside_one_window_is_predicted_alike_on_every_path():
    torch.manual_seed(0)
    network = Generator(1, 4).eval()
    network.head.bias.data.fill_(1)
    mask = ellipsoid((30, 26, 22))
    images = np.random.default_rng(1).standard_normal((1, *mask.shape)).astype(np.float32) * mask
    window, *others = (predict_volume(network, images, mask, WINDOW, path, CPU) for path in ("window", "few", "whole"))
    for other in others:
        np.testing.assert_allclose(other, window, atol=1e-5)


def test_bfloat16_changes_little_and_norms_stay_in_float32(images):
    torch.manual_seed(0)
    network = Generator(2, 4).eval()
    network.head.bias.data.fill_(1)
    seen = []
    network.head.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    mask = ellipsoid()
    exact = predict_volume(network, images, mask, WINDOW, "few", CPU)
    rough = predict_volume(network, images, mask, Window(32, 0.5, 2, True), "few", CPU)
    assert set(seen) == {torch.float32, torch.bfloat16}
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact)[mask].mean() < 0.02


def test_no_single_small_patch_where_torch_is_slow(images):
    sizes = []

    def network(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return x[:, :1]

    predict_volume(network, images, ellipsoid(), Window(32, 0.5, 1), "window", CPU)
    assert max(sizes) == 2


def test_an_unknown_path_is_told(images):
    with pytest.raises(InputError, match=r"unknown path.*'fast'"):
        predict_volume(lambda x: x, images, ellipsoid(), WINDOW, "fast", CPU)
