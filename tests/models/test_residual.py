"""Local context against a plain loop, its symmetry, the ridge against scikit-learn, the network's start."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from myelosynth.models.residual import Context, ContextRidge, ResidualNetwork, orbits, subsets


@pytest.fixture
def scan() -> tuple[torch.Tensor, np.ndarray]:
    random = np.random.default_rng(0)
    mask = random.random((6, 7, 5)) < 0.8
    return torch.from_numpy((random.standard_normal((3, 6, 7, 5)) * mask).astype(np.float32)), mask


def test_orbits_share_the_cube():
    assert [len(group) for group in orbits(1)] == [1, 6, 12, 8]
    assert sum(map(len, orbits(2))) == 125


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_context_is_that_of_a_plain_loop(scan, radius):
    images, mask = scan
    context = Context(3, radius)
    voxels = np.argwhere(mask)
    found = context.of(images, mask, voxels).numpy()
    assert found.shape == (len(voxels), context.columns)
    channels = [*images.numpy(), mask.astype(float)]
    channels += [channels[i] * channels[j] for i in range(3) for j in range(i, 3)]
    padded = [np.pad(channel, radius) for channel in channels]
    for row in (0, 31, len(voxels) - 1):
        x, y, z = voxels[row] + radius
        wanted = [np.mean([p[x + a, y + b, z + c] for a, b, c in group]) for p in padded for group in orbits(radius)]
        np.testing.assert_allclose(found[row], [*wanted, 1], atol=1e-6)


def test_flips_turns_and_cuts_change_nothing(scan):
    images, mask = scan
    context = Context(3, 2)
    whole = context.of(images, mask, np.argwhere(np.ones_like(mask))).reshape(*mask.shape, -1)
    turned = torch.rot90(torch.flip(images, (3,)), 1, (1, 2))
    mask_turned = np.rot90(np.flip(mask, 2), 1, (0, 1)).copy()
    found = context.of(turned, mask_turned, np.argwhere(np.ones_like(mask_turned))).reshape(*mask_turned.shape, -1)
    back = torch.flip(torch.rot90(found, -1, (0, 1)), (2,))
    torch.testing.assert_close(back, whole, atol=1e-5, rtol=1e-5)
    part = context.of(images[:, :5], mask[:5], np.argwhere(mask[:3]))
    torch.testing.assert_close(part, whole[:3][torch.from_numpy(mask[:3])], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("present", [(0, 1, 2), (1,), (0, 2)])
def test_the_ridge_of_a_subset_is_scikit_learns(scan, present):
    images, mask = scan
    context = Context(3, 1)
    columns = context.of(images, mask, np.argwhere(mask))
    target = torch.from_numpy(np.random.default_rng(1).standard_normal(len(columns)).astype(np.float32))
    weights = ContextRidge.fit(context, [(columns[:50], target[:50]), (columns[50:], target[50:])], 2.0).weights(
        present
    )
    # The columns of the subset, found by setting the other images to 0.
    gone = images.clone()
    gone[[number for number in range(3) if number not in present]] = 0
    less = context.of(gone, mask, np.argwhere(mask))
    reference = Ridge(alpha=2.0).fit(less[:, :-1].double().numpy(), target.double().numpy())
    np.testing.assert_allclose((columns @ weights).numpy(), reference.predict(less[:, :-1].double().numpy()), atol=1e-4)


def test_an_untrained_network_is_the_ridge(scan):
    images, mask = scan
    context = Context(3, 1)
    columns = context.of(images, mask, np.argwhere(mask))
    network = ResidualNetwork(context, 8)
    target = torch.linspace(0, 2, len(columns))
    ridge = target + 0.1
    network.standardise(columns, ridge, target)
    residual, scale = network(columns, ridge, (0, 1, 2))
    assert not residual.any()
    torch.testing.assert_close(scale.exp(), torch.full_like(ridge, 0.1))


def test_a_missing_source_does_not_speak(scan):
    images, mask = scan
    context = Context(3, 1)
    torch.manual_seed(0)
    network = ResidualNetwork(context, 8)
    torch.nn.init.normal_(network.head.weight)
    outputs = []
    for values in (0.0, 7.0):
        changed = images.clone()
        changed[1] = values
        columns = context.of(changed, mask, np.argwhere(mask))
        outputs.append(network(columns, torch.ones(len(columns)), (0, 2))[0])
    assert torch.equal(*outputs)


def test_subsets_end_with_all_sources():
    assert len(subsets(4)) == 15
    assert subsets(4)[-1] == (0, 1, 2, 3)
