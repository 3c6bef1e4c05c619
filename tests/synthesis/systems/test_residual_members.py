"""Members of residual-context: which voxels and sources a step sees, what its loss pulls, which weights are kept."""

import numpy as np
import pytest
import torch

from myelosynth.images.grid import Grid
from myelosynth.models.regions import LESION
from myelosynth.models.residual import Context, subsets
from myelosynth.synthesis.config import ResidualContext
from myelosynth.synthesis.data.subjects import Statistics, Subject
from myelosynth.synthesis.systems import residual_members
from myelosynth.synthesis.systems.residual_members import LIMIT, Voxels, fit_member, sample_voxels

CPU = torch.device("cpu")
STEPS, BATCH, SHARE = 60, 32, 0.25
IN_LESION = 5.0  # the target of every lesion voxel: tells them apart in a batch
LESIONS = 10


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(3, 0)


@pytest.fixture(scope="module")
def statistics() -> Statistics:
    return Statistics(np.zeros(3, np.float32), np.ones(3, np.float32), 0.0)


@pytest.fixture(scope="module")
def samples(context) -> list[Voxels]:
    """512 voxels of one scan, the first ten in lesions."""
    images = np.random.default_rng(0).standard_normal((3, 8, 8, 8)).astype(np.float32)
    mask = np.ones((8, 8, 8), bool)
    columns = context.of(torch.from_numpy(images), mask, np.argwhere(mask))
    target = torch.sin(3 * columns[:, 0])
    target[:LESIONS] = IN_LESION
    return [Voxels(columns, target, np.arange(512) < LESIONS)]


def settings(**changes) -> ResidualContext:
    values = {"members": 2, "radius": 0, "alpha": 1.0, "voxels": 512, "hidden": 4, "steps": STEPS, "batch": BATCH}
    more = {"learning_rate": 1e-2, "lesion_share": SHARE, "confidence": 0.9, "interval": 20}
    return ResidualContext(**{**values, **more, **changes})


@pytest.fixture
def halves(monkeypatch):
    """Target and sources of each half batch, in the order in which the training saw them."""
    seen = []
    real = residual_members._loss

    def spy(member, columns, target, present):
        seen.append((target, present))
        return real(member, columns, target, present)

    monkeypatch.setattr(residual_members, "_loss", spy)
    return seen


def test_half_of_a_batch_lacks_sources(context, statistics, samples, halves):
    """Channel dropout: one half of each batch has all sources, the other a smaller set; every set gets its turn."""
    fit_member(context, settings(), statistics, samples, seed=0)
    assert [len(target) for target, _ in halves] == [BATCH // 2] * 2 * STEPS
    assert {present for _, present in halves[::2]} == {(0, 1, 2)}
    assert {present for _, present in halves[1::2]} == set(subsets(3)[:-1])


@pytest.mark.parametrize("share", [0.0, SHARE])
def test_a_share_of_a_batch_lies_in_lesions(context, statistics, samples, halves, share):
    fit_member(context, settings(lesion_share=share), statistics, samples, seed=0)
    counts = np.array([int((target == IN_LESION).sum()) for target, _ in halves])
    steps = counts[::2] + counts[1::2]
    # Others may be drawn in a lesion by chance.
    assert steps.min() >= share * BATCH
    assert steps.mean() == pytest.approx(share * BATCH + (1 - share) * BATCH * LESIONS / 512, abs=0.5)
    # Both halves have their part of them.
    assert abs(counts[::2].mean() - counts[1::2].mean()) < 1


def test_without_lesions_a_batch_is_drawn_all_the_same(context, statistics, samples, halves):
    healthy = [Voxels(s.columns, s.target, np.zeros_like(s.lesion)) for s in samples]
    fit_member(context, settings(steps=2), statistics, healthy, seed=0)
    assert [len(target) for target, _ in halves] == [BATCH // 2] * 4


def test_the_kept_weights_are_an_average_over_the_steps(context, statistics, samples, monkeypatch):
    """The first weights, then each step's with the weight 9 / (steps before + 10)."""
    course, real = [], torch.optim.AdamW.step

    def spy(self, *given):
        result = real(self, *given)
        course.append([parameter.detach().clone() for parameter in self.param_groups[0]["params"]])
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    member, _ = fit_member(context, settings(), statistics, samples, seed=0)
    average = course[0]
    for count, weights in enumerate(course[1:], 1):
        average = [old + (new - old) * 9 / (count + 10) for old, new in zip(average, weights, strict=True)]
    assert len(course) == STEPS
    for kept, wanted, last in zip(member.network.parameters(), average, course[-1], strict=True):
        torch.testing.assert_close(kept, wanted, atol=1e-6, rtol=1e-5)
        assert not torch.equal(kept, last)


def test_the_memory_of_the_average_ends_at_fifty_steps():
    none, one = torch.tensor(0.0), torch.tensor(1.0)
    kept = [float(residual_members._average(none, one, count)) for count in (1, 439, 441, 10**6)]
    assert kept == pytest.approx([9 / 11, 9 / 449, 0.02, 0.02])


def test_the_loss_by_hand(context, statistics, samples):
    """Huber pulls the residual; the scale follows the errors, and the errors do not follow the scale."""
    member, _ = fit_member(context, settings(steps=1), statistics, samples, seed=0)
    network, voxels, whole = member.network, samples[0], (0, 1, 2)
    for parameter in (network.head.weight, network.head.bias):
        torch.nn.init.zeros_(parameter)
    network.zero_grad()
    loss, mean = residual_members._loss(member, voxels.columns, voxels.target, whole)
    loss.backward()
    error = (member.ridge(voxels.columns, whole) - voxels.target).double()
    relative = error / float(network.target[2])
    huber = torch.where(relative.abs() < 1, relative**2 / 2, relative.abs() - 0.5).mean()
    likelihood = (relative.abs() + np.log(float(network.target[2]))).mean()
    assert loss.item() == pytest.approx(float(huber + 0.1 * likelihood), rel=1e-5)
    assert mean == pytest.approx(float(error.abs().mean()), rel=1e-5)
    pulls = [float(relative.clamp(-1, 1).mean()), 0.1 * float((1 - relative.abs()).mean())]
    assert network.head.bias.grad.tolist() == pytest.approx(pulls, abs=1e-6)


def test_all_lesion_voxels_and_some_of_the_others_are_sampled(context, statistics):
    mask = np.zeros((8, 8, 8), bool)
    mask[1:7, 1:7, 1:7] = True
    regions = np.zeros(mask.shape, np.uint8)
    regions[2:4, 2:4, 2:4] = LESION
    sources = np.random.default_rng(0).standard_normal((3, *mask.shape)).astype(np.float32)
    subject = Subject(
        "s", sources, np.where(regions == LESION, IN_LESION, 0.0), mask, regions, Grid((8,) * 3, np.eye(4))
    )
    found = sample_voxels(subject, statistics, context, 20, (0, 0), CPU)
    assert found.lesion.sum() == 8
    assert 20 <= len(found.target) <= 28
    np.testing.assert_array_equal((found.target == IN_LESION).numpy(), found.lesion)


def test_sources_are_held_within_limits(context, statistics, samples):
    """In training as in prediction; a source that is not there is 0."""
    mask = np.ones((2, 2, 2), bool)
    sources = np.full((3, 2, 2, 2), 100, np.float32)
    sources[1] *= -1
    member, _ = fit_member(context, settings(steps=1), statistics, samples, seed=0)
    images = member.normalise(sources, mask, (0, 1), CPU)
    assert [sorted(set(image.flatten().tolist())) for image in images] == [[LIMIT], [-LIMIT], [0.0]]
    subject = Subject("s", sources, sources[0], mask, np.zeros(mask.shape, np.uint8), Grid((2,) * 3, np.eye(4)))
    columns = sample_voxels(subject, statistics, context, 8, (0, 0), CPU).columns
    assert columns[0, :3].tolist() == [LIMIT, -LIMIT, LIMIT]
