"""Patches: where they lie, what augmentation does to images and labels alike."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from myelosynth.models.regions import LESION, NAWM
from myelosynth.synthesis.config import load_preset
from myelosynth.synthesis.data.sampling import PatchPlan, Sampler, cut, largest_crop, patch_source

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def preset(repository):
    return load_preset(str(repository / "config" / "presets" / "tiny.yaml"))


def source_of(least: int = 43):
    """Images whose values are voxel indices, brain everywhere, one lesion voxel."""
    shape = (50, 48, 46)
    images = np.indices(shape).astype(np.float32)
    regions = np.full(shape, NAWM, np.uint8)
    regions[25, 24, 23] = LESION
    return patch_source(images, np.ones(shape, bool), regions, least, CPU)


def test_an_unaugmented_crop_is_the_cube_around_its_centre():
    images, regions = cut(source_of(), PatchPlan(0, (25, 24, 23)), 32)
    assert images.shape == (3, 32, 32, 32)
    assert images[:, 16, 16, 16].tolist() == [25, 24, 23]
    assert images[:, 0, 0, 0].tolist() == [9, 8, 7]
    assert regions[0, 16, 16, 16] == LESION


@given(st.tuples(st.integers(0, 49), st.integers(0, 47), st.integers(0, 45)), st.sampled_from([1.0, 1.25, 0.75]))
@settings(max_examples=25, deadline=None)
def test_crops_stay_inside(centre, scale):
    images, regions = cut(source_of(), PatchPlan(0, centre, scale=scale), 32)
    assert images.shape[1:] == regions.shape[1:] == (32, 32, 32)


@pytest.mark.parametrize("plane", [0, 1, 2])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotation_turns_images_and_labels_together(plane, turns):
    source = source_of()
    plan = PatchPlan(0, (25, 24, 23), plane, turns)
    images, regions = cut(source, plan, 32)
    x, y, z = np.argwhere(regions[0].numpy() == LESION)[0]
    assert images[:, x, y, z].tolist() == [25, 24, 23]
    plain, _ = cut(source, PatchPlan(0, (25, 24, 23)), 32)
    assert torch.equal(images[plane], plain[plane])
    moved = [axis for axis in range(3) if not torch.equal(images[axis], plain[axis])]
    assert moved == [axis for axis in range(3) if axis != plane]


@pytest.mark.parametrize("scale", [1.25, 0.75])
def test_scaling_magnifies_about_the_centre(scale):
    images, regions = cut(source_of(), PatchPlan(0, (25, 24, 23), scale=scale), 32)
    spacing = float(images[0, 20, 5, 5] - images[0, 10, 5, 5]) / 10
    assert spacing == pytest.approx(round(32 / scale) / 32, rel=1e-4)
    assert set(regions.unique().tolist()) <= {NAWM, LESION}


@pytest.mark.parametrize("scale", [1.25, 0.75])
def test_scaled_labels_stay_on_their_image(scale):
    """Every other slice is a lesion: after scaling a label is still that of the nearest voxel of the image."""
    source = source_of()
    source.regions[0::2], source.regions[1::2] = NAWM, LESION
    images, regions = cut(source, PatchPlan(0, (25, 24, 23), scale=scale), 32)
    clear = (images[0] % 1 - 0.5).abs() > 1e-3
    assert torch.equal((regions[0] == LESION)[clear], (images[0].round() % 2 == 1)[clear])


def test_a_batch_follows_from_seed_and_step(preset):
    sources = [source_of(largest_crop(preset)), source_of(largest_crop(preset))]
    first, again = Sampler(sources, preset, 5), Sampler(sources, preset, 5)
    assert first.plan(7) == again.plan(7)
    assert first.plan(7) != first.plan(8)
    assert first.plan(7) != Sampler(sources, preset, 6).plan(7)


def test_the_share_of_lesion_patches(preset):
    sampler = Sampler([source_of()], preset.model_copy(update={"lesion_share": 0.3}), 0)
    plans = [plan for step in range(500) for plan in sampler.plan(step)]
    share = np.mean([plan.centre == (25, 24, 23) for plan in plans])
    assert share == pytest.approx(0.3, abs=0.05)


def test_the_share_of_augmented_patches(preset):
    augmentation = preset.augmentation.model_copy(update={"share": 0.8})
    sampler = Sampler([source_of()], preset.model_copy(update={"augmentation": augmentation}), 0)
    plans = [plan for step in range(500) for plan in sampler.plan(step)]
    changed = [plan for plan in plans if plan.quarter_turns or plan.scale != 1]
    assert len(changed) / len(plans) == pytest.approx(0.8, abs=0.05)
    kinds = {(plan.quarter_turns, plan.scale) for plan in changed}
    assert kinds == {(1, 1.0), (2, 1.0), (3, 1.0), (0, 1.25), (0, 0.75)}
    # Each of the five is as likely as the others, about each axis.
    for kind in kinds:
        found = [plan.plane for plan in changed if (plan.quarter_turns, plan.scale) == kind]
        assert len(found) / len(changed) == pytest.approx(0.2, abs=0.06)
        assert set(found) == {0, 1, 2}


def test_an_epoch_of_the_grid_covers_the_brain(preset):
    grid = preset.model_copy(update={"sampling": "grid", "batch": 3})
    source = source_of()
    sampler = Sampler([source], grid, 0)
    seen = np.zeros(source.regions.shape, int)
    plans = [plan for step in range(sampler.steps_per_epoch) for plan in sampler.plan(step)]
    assert len({plan.centre for plan in plans}) == len(sampler.grid) == 12
    for plan in plans:
        box = tuple(slice(c - 16, c + 16) for c in plan.centre)
        seen[box] += 1
    assert seen.min() >= 1
    later = [p.centre for s in range(sampler.steps_per_epoch) for p in sampler.plan(s + sampler.steps_per_epoch)]
    assert later != [plan.centre for plan in plans]


def test_only_the_brain_box_is_kept_and_padded_to_fit():
    mask = np.zeros((60, 60, 60), bool)
    mask[10:50, 20:40, 5:15] = True
    images = np.stack([mask * 2.0, mask * 3.0]).astype(np.float32)
    source = patch_source(images, mask, mask.astype(np.uint8), 32, CPU)
    assert source.images.shape == (2, 40, 32, 32)
    assert len(source.brain) == mask.sum()
    assert (source.images[0].numpy()[tuple(source.brain.T)] == 2).all()
    assert float(source.images.sum()) == pytest.approx(5 * mask.sum())


def test_the_origin_leads_back_to_the_scan():
    mask = np.zeros((60, 60, 60), bool)
    mask[10:50, 20:40, 5:15] = True
    images = np.indices(mask.shape).astype(np.float32) + 1
    source = patch_source(images, mask, mask.astype(np.uint8), 32, CPU)
    x, y, z = source.brain[1234]
    assert (source.images[:, x, y, z].numpy() - 1).tolist() == [
        x + source.origin[0],
        *(int(v + o) for v, o in zip((y, z), source.origin[1:], strict=True)),
    ]


def test_a_share_is_a_part_of_the_batch(preset):
    sampler = Sampler([source_of()], preset, 2)
    whole, part = sampler.batch(3), sampler.batch(3, slice(1, 2))
    assert torch.equal(part[0], whole[0][1:2])
    assert torch.equal(part[1], whole[1][1:2])
