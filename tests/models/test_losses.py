"""Losses against loops over voxels and numbers worked out by hand."""

import math

import pytest
import torch

from myelosynth.models.losses import LOSSES, adversarial_loss, discriminator_loss
from myelosynth.models.regions import LESION, NAWM, OTHER


def batch(*rows: list[float]) -> torch.Tensor:
    """(N, 1, 1, 1, m) from one list per sample."""
    return torch.tensor(rows, dtype=torch.float32)[:, None, None, None, :]


def test_l1_by_hand():
    assert LOSSES["l1"](batch([1, 2]), batch([0, 4]), batch([0, 0])) == pytest.approx(1.5)


def test_nwl1_by_hand():
    """Equation 4 with n=1, m=4: m_les=1, m_nawm=2, m_other=1; weights 3/4, 1/2, 3/4; differences 1, 2, 3, 4."""
    regions = batch([LESION, NAWM, NAWM, OTHER])
    expected = (0.75 * 1 + 0.5 * (2 + 3) + 0.75 * 4) / (2 * 1 * 4)
    assert LOSSES["nwl1"](batch([1, 2, 3, 4]), torch.zeros(1, 1, 1, 1, 4), regions) == pytest.approx(expected)


def written_out(name: str, prediction: torch.Tensor, target: torch.Tensor, third: torch.Tensor) -> float:
    """Each loss as a sum over samples and voxels in Python's float64."""
    n, m = len(prediction), prediction[0].numel()
    pairs = zip(prediction.flatten(1).tolist(), target.flatten(1).tolist(), strict=True)
    differences = [[abs(p - t) for p, t in zip(*pair, strict=True)] for pair in pairs]
    labels = third.flatten(1).tolist()
    regions = (LESION, NAWM, OTHER)
    sizes = [{region: row.count(region) for region in regions} for row in labels]
    total = 0.0
    for i in range(n):
        for j in range(m):
            difference, label = differences[i][j], labels[i][j]
            if name == "nwl1":
                share = sum(size[label] for size in sizes) / n / m
                total += (1 - share) * difference / (2 * n * m)
            elif name == "wl1":
                total += difference / sizes[i][label] / (n * len(regions))
            else:
                total += {"l1": difference, "l2": difference**2, "learned": label * difference}[name] / (n * m)
    return total


@pytest.mark.parametrize("name", LOSSES)
def test_losses_against_a_loop_in_float64(name):
    generator = torch.Generator().manual_seed(0)
    prediction, target = 1 + torch.rand(2, 3, 1, 4, 5, 6, generator=generator)
    third = torch.randint(0, 3, (3, 1, 4, 5, 6), generator=generator)
    third[2][third[2] == LESION] = OTHER  # a sample without lesions
    if name == "learned":
        third = torch.rand(third.shape, generator=generator)
    expected = written_out(name, prediction, target, third)
    assert float(LOSSES[name](prediction, target, third)) == pytest.approx(expected, rel=1e-6, abs=0)
    doubles = LOSSES[name](prediction.double(), target.double(), third)
    assert float(doubles) == pytest.approx(expected, rel=1e-12, abs=0)


def test_nwl1_of_one_region_alone_is_zero():
    """A region that fills every sample has weight 1 - m/m; the empty ones contribute nothing."""
    assert LOSSES["nwl1"](batch([1, 2]), batch([0, 0]), batch([OTHER, OTHER])) == 0


def test_wl1_by_hand():
    """Sample 1: lesion mean 4, NAWM mean 2, other mean 1; sample 2: no lesion, NAWM mean 3, other mean 5."""
    prediction = batch([4, 1, 3, 1], [3, 3, 3, 5])
    regions = batch([LESION, NAWM, NAWM, OTHER], [NAWM, NAWM, NAWM, OTHER])
    expected = (4 + 2 + 1 + 3 + 5) / (2 * 3)
    assert LOSSES["wl1"](prediction, torch.zeros_like(prediction), regions) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["l1", "wl1", "nwl1"])
def test_a_lesion_voxel_pulls_harder_with_the_regional_losses(name):
    prediction = torch.zeros(1, 1, 1, 1, 10, requires_grad=True)
    regions = batch([LESION] + [NAWM] * 3 + [OTHER] * 6)
    LOSSES[name](prediction, torch.ones_like(prediction), regions).backward()
    lesion, nawm, other = prediction.grad.flatten()[[0, 1, 9]].abs()
    assert lesion == other if name == "l1" else lesion > nawm > other


def test_adversarial_loss_uses_the_hard_label():
    assert float(adversarial_loss(torch.tensor([0.7]))) == pytest.approx(math.log(1 + math.exp(-0.7)))


def test_discriminator_labels_are_smoothed_within_their_ranges():
    """Cross-entropy on a logit x is softplus(x) - label * x, which gives the drawn label back."""
    torch.manual_seed(0)
    x, wide = 3.0, 40.0
    labels = []
    for _ in range(300):
        # A fake logit of 0 costs log 2 whatever its label.
        loss = float(discriminator_loss(torch.tensor([x]), torch.tensor([0.0]), 0.1))
        labels.append((math.log1p(math.exp(x)) - (2 * loss - math.log(2))) / x)
    assert 0.9 <= min(labels) < 0.91
    assert 0.99 < max(labels) <= 1.0 + 1e-5
    fakes = []
    for _ in range(300):
        loss = float(discriminator_loss(torch.tensor([0.0]), torch.tensor([-wide]), 0.1))
        fakes.append((2 * loss - math.log(2)) / wide)
    assert -1e-6 <= min(fakes) < 0.01
    assert 0.09 < max(fakes) <= 0.1 + 1e-6


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_smoothed_cross_entropy_against_float64(smoothing):
    """The same draws, then -y log s(x) - (1 - y) log(1 - s(x)) of both halves in float64, logit by logit."""
    generator = torch.Generator().manual_seed(2)
    real, fake = 3 * torch.randn(2, 4, 1, 2, 2, 2, generator=generator)
    torch.manual_seed(7)
    loss = float(discriminator_loss(real, fake, smoothing))
    torch.manual_seed(7)
    ones, zeros = 1 - smoothing * torch.rand_like(real), smoothing * torch.rand_like(fake)
    total = 0.0
    for logits, labels in ((real, ones), (fake, zeros)):
        pairs = list(zip(logits.flatten().tolist(), labels.flatten().tolist(), strict=True))
        for x, y in pairs:
            likely = 1 / (1 + math.exp(-x))
            total -= (y * math.log(likely) + (1 - y) * math.log(1 - likely)) / len(pairs) / 2
    assert loss == pytest.approx(total, rel=1e-6)
