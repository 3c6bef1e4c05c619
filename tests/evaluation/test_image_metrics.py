"""Image metrics against scikit-image called directly, and by hand."""

import json
from math import log10

import numpy as np
import pytest
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from myelosynth.errors import InputError
from myelosynth.evaluation.image_metrics import compare, psnr, region_difference

SHAPE = (16, 14, 13)


@pytest.fixture
def pair():
    rng = np.random.default_rng(4)
    target = rng.uniform(0.5, 1.5, SHAPE)
    return target + rng.normal(0, 0.1, SHAPE), target


def test_whole_image_values_equal_scikit_image(pair):
    pred, target = pair
    found = compare(pred, target)
    span = target.max()
    assert found["data_range"] == span
    assert found["mse"] == pytest.approx(mean_squared_error(target, pred))
    assert found["psnr"] == pytest.approx(peak_signal_noise_ratio(target, pred, data_range=span))
    expected = structural_similarity(
        target, pred, data_range=span, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert found["ssim"] == pytest.approx(expected, rel=1e-10)  # covariances differ by 1 in 1331
    assert found["ssim"] != pytest.approx(structural_similarity(target, pred, data_range=span), abs=1e-4)
    assert found["mae"] == pytest.approx(abs(pred - target).mean())
    assert found["mse_masked"] is None


def test_masked_values_ignore_what_lies_outside(pair):
    pred, target = pair
    mask = np.zeros(SHAPE, bool)
    mask[:6] = True
    found = compare(pred, target, mask)
    assert found["mse_masked"] == pytest.approx(((pred - target)[mask] ** 2).mean())
    assert found["mae_masked"] == pytest.approx(abs(pred - target)[mask].mean())
    assert found["psnr_masked"] == pytest.approx(
        20 * log10(target.max()) - 10 * log10(((pred - target)[mask] ** 2).mean())
    )
    spoilt = pred.copy()
    spoilt[15] += 5
    again = compare(spoilt, target, mask)
    assert again["mse"] > 10 * found["mse"]
    assert [again[k] for k in again if k.endswith("masked")] == [found[k] for k in found if k.endswith("masked")]


def test_masked_ssim_is_the_mean_of_the_map_within_the_mask(pair):
    pred, target = pair
    mask = np.zeros(SHAPE, bool)
    mask[3:9, 2:7, 5:11] = True
    _, similarity = structural_similarity(
        target, pred, data_range=2.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert compare(pred, target, mask, data_range=2.0)["ssim_masked"] == pytest.approx(similarity[mask].mean())


def test_ssim_takes_the_range_of_the_target_in_the_mask(pair):
    """Wang 2004's dynamic range; a bright voxel outside the brain changes the whole image's MAX and no SSIM in it."""
    pred, target = pair
    mask = np.zeros(SHAPE, bool)
    mask[3:9, 2:7, 5:11] = True
    bright = target.copy()
    bright[15, 13, 12] = 5.0
    found, again = compare(pred, target, mask), compare(pred, bright, mask)
    assert found["ssim_range"] == again["ssim_range"] == pytest.approx(np.ptp(target[mask]))
    assert again["ssim_masked"] == pytest.approx(found["ssim_masked"], rel=1e-9)
    assert again["data_range"] == 5.0
    _, similarity = structural_similarity(
        target, pred, data_range=np.ptp(target[mask]), gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        full=True,
    )  # fmt: skip
    assert found["ssim_masked"] == pytest.approx(similarity[mask].mean())


def test_published_mse_and_psnr_follow_from_one_another():
    """MAX = 2.85-3.02 by inversion of the printed PSNR: wei2020 equation .2 with MAX in DVR units."""
    target = np.zeros(SHAPE)
    target[0, 0, 0] = 2.9
    assert compare(target + np.sqrt(0.0078), target)["psnr"] == pytest.approx(30.3, abs=0.05)


def test_identical_images_are_json_safe(pair):
    _, target = pair
    found = compare(target, target, target > 0)
    assert (found["mse"], found["psnr"], found["psnr_masked"]) == (0, None, None)
    assert found["ssim"] == pytest.approx(1)
    assert "Infinity" not in json.dumps(found)


def test_region_difference_tells_both_readings_apart():
    target, region = np.ones((2, 2, 2)), np.zeros((2, 2, 2), bool)
    region[0] = True
    pred = target.copy()
    pred[0] = [[1.3, 0.9], [0.9, 0.8]]
    pred[1] = 9
    found = region_difference(pred, target, region)
    assert found["mae"] == pytest.approx((0.3 + 0.1 + 0.1 + 0.2) / 4)
    assert found["bias"] == pytest.approx(-0.025)
    assert found["mean_difference"] == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pred": np.ones((16, 14, 12))}, r"\(16, 14, 12\) against \(16, 14, 13\)"),
        ({"mask": np.zeros(SHAPE, bool)}, "mask is empty"),
        ({"mask": np.ones((3, 3, 3), bool)}, r"\(3, 3, 3\) against"),
        ({"data_range": 0.0}, "data range must be above 0"),
        ({"pred": np.ones((9, 14, 13)), "target": np.ones((9, 14, 13))}, "too small for SSIM"),
    ],
)
def test_faults_name_both_values(change, message):
    with pytest.raises(InputError, match=message):
        compare(**({"pred": np.ones(SHAPE), "target": np.ones(SHAPE)} | change))


def test_psnr_takes_the_largest_dvr_of_the_target_as_its_max():
    """Against a naive float64 loop to 1e-6 (models.md, known error 1): the published PSNR inverts to MAX 2.85-3.02."""
    rng = np.random.default_rng(7)
    target = rng.uniform(0.2, 1.6, (12, 13, 11)).astype(np.float32)
    target[3, 4, 5] = 2.9
    pred = (target + rng.normal(0, 0.08, target.shape)).astype(np.float32)
    mask = rng.random(target.shape) < 0.4
    total, inside, count, largest = 0.0, 0.0, 0, 0.0
    for voxel in np.ndindex(target.shape):
        square = (float(pred[voxel]) - float(target[voxel])) ** 2
        total, largest = total + square, max(largest, float(target[voxel]))
        if mask[voxel]:
            inside, count = inside + square, count + 1
    found = compare(pred, target, mask)
    assert found["data_range"] == pytest.approx(2.9)
    assert found["mse"] == pytest.approx(total / target.size, rel=1e-6)
    assert found["psnr"] == pytest.approx(20 * log10(largest) - 10 * log10(total / target.size), abs=1e-6)
    assert found["psnr_masked"] == pytest.approx(20 * log10(largest) - 10 * log10(inside / count), abs=1e-6)
    for mse, published, top in ((0.0078, 30.285, 2.89), (0.0136, 27.767, 2.85), (0.0107, 29.297, 3.02)):
        assert psnr(mse, top) == pytest.approx(published, abs=0.03)
