"""How close a predicted image is to its target: MSE, PSNR, SSIM, MAE, and the discrepancy of a region."""

from math import log10
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError

SSIM_SIGMA = 1.5
SSIM_WINDOW = 11  # scikit-image's Gaussian window: 2 * int(3.5 * sigma + 0.5) + 1


class ImageMetrics(TypedDict):
    """Metrics of one pair of images; None is undefined (PSNR of identical images, masked rows without a mask)."""

    mse: float
    psnr: float | None
    ssim: float
    mae: float
    mse_masked: float | None
    psnr_masked: float | None
    ssim_masked: float | None
    mae_masked: float | None
    data_range: float
    ssim_range: float


class RegionDifference(TypedDict):
    """Both readings of "myelin content prediction discrepancy" in one region, in the image's unit."""

    mae: float
    mean_difference: float
    bias: float


def compare(
    pred: NDArray, target: NDArray, mask: NDArray[np.bool_] | None = None, data_range: float | None = None
) -> ImageMetrics:
    """MSE, PSNR, SSIM and MAE over the whole image and within a mask.

    pred, target: (X, Y, Z) in one unit and space; mask: (X, Y, Z) boolean. `data_range` is MAX of wei2020 equation .2;
    without it the maximum of the target. The dynamic range L of SSIM (Wang et al. 2004, IEEE Trans Image Process
    13:600) is `data_range` too where it is given; without it the range of the target inside the mask, which neither a
    prediction nor a voxel outside the brain changes (its maximum without a mask, or where it has one value there).
    Background inflates the whole-image values, so the masked ones stand beside them: masked MSE and MAE average over
    the mask, masked PSNR is of masked MSE, masked SSIM is the mean of the SSIM map within the mask. PSNR of identical
    images is infinite, which JSON cannot hold: it is None, with an MSE of 0.

    Raises InputError for shapes that differ, axes shorter than the SSIM window, an empty mask or a range not above 0.
    """
    pred, target = np.asarray(pred, np.float64), np.asarray(target, np.float64)
    _require_shape("images differ in shape", pred, target)
    span = float(target.max()) if data_range is None else float(data_range)
    if not span > 0:
        raise InputError("data range must be above 0", "image comparison", f"{span:g}", "give --data-range")
    inside = None if mask is None else _inside(mask, target)
    within = float(np.ptp(target[inside])) if inside is not None and data_range is None else span
    within = within or span
    mean_ssim, ssim_map = structural_similarity(pred, target, within)
    difference = pred - target
    mse = float(np.mean(difference**2))
    result = ImageMetrics(
        mse=mse,
        psnr=psnr(mse, span),
        ssim=mean_ssim,
        mae=float(np.mean(np.abs(difference))),
        mse_masked=None,
        psnr_masked=None,
        ssim_masked=None,
        mae_masked=None,
        data_range=span,
        ssim_range=within,
    )
    if inside is not None:
        mse_masked = float(np.mean(difference[inside] ** 2))
        result["mse_masked"] = mse_masked
        result["psnr_masked"] = psnr(mse_masked, span)
        result["ssim_masked"] = float(np.mean(ssim_map[inside]))
        result["mae_masked"] = float(np.mean(np.abs(difference[inside])))
    return result


def psnr(mse: float, data_range: float) -> float | None:
    """Peak signal-to-noise ratio in dB, wei2020 equation .2; None where it is infinite.

    >>> round(psnr(0.01, 1.0), 6)
    20.0
    """
    return 20.0 * log10(data_range) - 10.0 * log10(mse) if mse > 0 else None


def structural_similarity(pred: NDArray, target: NDArray, data_range: float) -> tuple[float, NDArray[np.float64]]:
    """SSIM, its mean without the border and its map (X, Y, Z): Gaussian window of sigma 1.5, population covariance.

    This one definition (scikit-image's, equal to MONAI's) is kept everywhere, since definitions differ by .01 and more.
    Raises InputError for axes shorter than the window.
    """
    from skimage.metrics import structural_similarity as ssim

    if min(target.shape) < SSIM_WINDOW:
        values = f"shape {target.shape}, expected at least {SSIM_WINDOW} voxels along every axis"
        raise InputError("image too small for SSIM", "image comparison", values, "compare larger images")
    mean, similarity = ssim(
        pred,
        target,
        data_range=data_range,
        gaussian_weights=True,
        sigma=SSIM_SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    return float(mean), np.asarray(similarity, np.float64)


def region_difference(pred: NDArray, target: NDArray, region: NDArray[np.bool_]) -> RegionDifference:
    """Discrepancy within one region, such as MS lesions: wei2020 Table 1(b), in the unit of the images.

    The paper says "mean absolute difference", but .022 in lesions beside a global RMSE of .088 fits the absolute
    difference of the two regional means better, so both are reported: `mae` is voxelwise, `mean_difference` is
    abs(mean of pred - mean of target), and `bias` is the same with its sign. pred, target, region: (X, Y, Z).
    Raises InputError for other shapes or an empty region.
    """
    pred, target = np.asarray(pred, np.float64), np.asarray(target, np.float64)
    _require_shape("images differ in shape", pred, target)
    inside = _inside(region, target)
    difference = (pred - target)[inside]
    bias = float(difference.mean())
    return RegionDifference(mae=float(np.abs(difference).mean()), mean_difference=abs(bias), bias=bias)


def _inside(mask: NDArray[np.bool_], target: NDArray) -> NDArray[np.bool_]:
    inside = np.asarray(mask, bool)
    _require_shape("mask differs in shape", inside, target)
    if not inside.any():
        raise InputError("mask is empty", "image comparison", "0 voxels, expected at least 1", "give another mask")
    return inside


def _require_shape(what: str, found: NDArray, expected: NDArray) -> None:
    if found.shape != expected.shape:
        values = f"{found.shape} against {expected.shape}"
        raise InputError(what, "image comparison", values, "resample one onto the other")
