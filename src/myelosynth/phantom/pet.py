"""Forward model of dynamic [11C]PIB PET: the simplified reference tissue model in every voxel, with frame noise."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.phantom.geometry import FWHM_PER_SIGMA, Map
from myelosynth.phantom.tissues import WHITE
from myelosynth.physics.frames import Frames
from myelosynth.physics.kinetics import logan_dvr

K2PRIME = 0.07
"""Clearance of the reference region, per minute."""
HALF_LIFE_MIN = 20.36
T_STAR_MIN = 30.0
"""Logan's start for which the noise tiers hold."""
NOISE_FWHM_MM = 2.5
_STEP_MIN = 0.01
_RATES = np.geomspace(0.002, 0.4, 160)


def schedule() -> Frames:
    """34 frames over 90 minutes: 4x15 s, 8x30 s, 9x60 s, 2x180 s, 8x300 s, 3x600 s."""
    durations = np.repeat([15.0, 30.0, 60.0, 180.0, 300.0, 600.0], [4, 8, 9, 2, 8, 3])
    return Frames(np.concatenate([[0.0], np.cumsum(durations)[:-1]]), durations)


@dataclass(frozen=True, eq=False)
class Kinetics:
    """Frame means of the reference curve (F,), Bq/mL decay corrected, and of it convolved with exp(-k t) (K, F)."""

    frames: Frames
    reference: NDArray[np.float64]
    convolved: NDArray[np.float64]


@lru_cache(maxsize=1)
def kinetics() -> Kinetics:
    """The reference curve after a one-minute bolus: gamma-like plasma through one tissue that clears at k2'."""
    frames = schedule()
    time = np.arange(round(frames.edges_min[-1] / _STEP_MIN) + 1) * _STEP_MIN
    late = np.clip(time - 0.4, 0, None)
    plasma = (
        130e3 * late * np.exp(-late / 0.55)
        + 5.5e3 * (1 - np.exp(-late)) * np.exp(-late / 14)
        + 1.2e3 * np.exp(-late / 110) * (1 - np.exp(-late))
    )
    reference = 0.28 * _convolve(plasma, K2PRIME)
    convolved = np.stack([_frame_means(_convolve(reference, rate), frames) for rate in _RATES])
    return Kinetics(frames, _frame_means(reference, frames), convolved)


def curves(r1: NDArray, dvr: NDArray, frame: int | slice) -> NDArray:
    """Activity (Bq/mL) in one frame or several for voxel-wise R1 and DVR of one shape.

    C = R1 Cr + (k2 - R1 k2a) Cr (x) exp(-k2a t), k2 = R1 k2', k2a = k2 / DVR (Lammertsma & Hume 1996, NeuroImage 4:153,
    equation 7). Frames come last for a slice.
    """
    shared = kinetics()
    dvr = np.maximum(dvr, 0.05)
    k2a = np.clip(r1 * K2PRIME / dvr, _RATES[0], _RATES[-1])
    position = np.log(k2a / _RATES[0]) / np.log(_RATES[1] / _RATES[0])
    lower = np.clip(position.astype(np.int32), 0, _RATES.size - 2)
    share = position - lower
    table = shared.convolved[:, frame]
    reference = shared.reference[frame]
    if isinstance(frame, slice):
        r1, k2a, share = r1[..., None], k2a[..., None], share[..., None]
    convolved = (1 - share) * table[lower] + share * table[lower + 1]
    return r1 * reference + (r1 * K2PRIME - r1 * k2a) * convolved


def frame_noise(dvr_noise: float) -> float:
    """The noise scale for which Logan's DVR of a white matter voxel has the standard deviation `dvr_noise`.

    First-order propagation through the Logan slope; the noise of a frame has the variance scale^2 C exp(l t) / duration
    (decay-corrected counts).
    """
    shared = kinetics()
    first = shared.frames.first_after(T_STAR_MIN)
    typical = curves(np.array([WHITE.r1]), np.array([WHITE.dvr]), slice(None))[0]
    step = 1e-4 * typical.max()
    varied = typical + step * np.vstack([np.zeros(typical.size), np.eye(typical.size)])
    slopes = logan_dvr(varied, shared.reference, shared.frames, first, K2PRIME)
    gradient = (slopes[1:] - slopes[0]) / step
    return dvr_noise / float(np.sqrt((gradient**2 * typical * _noise_shape(shared.frames)).sum()))


def _noise_shape(frames: Frames) -> NDArray[np.float64]:
    """Variance of each frame (F,) for unit activity and unit scale."""
    return np.exp(np.log(2) / HALF_LIFE_MIN * frames.mid_min) / (frames.duration_s / 60)


def dynamic_series(
    r1: Map, dvr: Map, voxel_mm: tuple[float, float, float], random: np.random.Generator, dvr_noise: float
) -> NDArray[np.int16]:
    """A dynamic series (X, Y, Z, F) in whole Bq/mL, with spatially correlated counting noise, or without where
    `dvr_noise` is 0."""
    frames = kinetics().frames
    scale = frame_noise(dvr_noise)
    sigma = [NOISE_FWHM_MM / FWHM_PER_SIGMA / size for size in voxel_mm]
    unit = float(np.prod([_kernel_norm(part) for part in sigma]))
    spread = np.sqrt(_noise_shape(frames)) * scale / unit
    series = np.empty((*r1.shape, frames.start_s.size), np.int16, order="F")
    head = r1 > 0.01
    for frame in range(frames.start_s.size):
        activity = np.zeros(r1.shape, np.float32)
        activity[head] = curves(r1[head], dvr[head], frame)
        if dvr_noise > 0:
            noise = ndimage.gaussian_filter(random.standard_normal(r1.shape, dtype=np.float32), sigma, truncate=3)
            amplitude = np.sqrt(np.maximum(activity, 0.02 * kinetics().reference[frame])) * np.float32(spread[frame])
            activity += amplitude * noise
        series[..., frame] = np.clip(np.round(activity), -32768, 32767)
    return series


def _kernel_norm(sigma: float) -> float:
    """Standard deviation of unit white noise after a Gaussian filter along one axis."""
    impulse = np.zeros(2 * int(4 * sigma + 2) + 1)
    impulse[impulse.size // 2] = 1
    return float(np.sqrt((ndimage.gaussian_filter1d(impulse, sigma, truncate=3) ** 2).sum()))


def _convolve(curve: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Convolution with exp(-rate t) by the trapezoid recursion."""
    from scipy.signal import lfilter

    decay = np.exp(-rate * _STEP_MIN)
    return lfilter([0.5 * _STEP_MIN, 0.5 * _STEP_MIN * decay], [1, -decay], curve)


def _frame_means(curve: NDArray[np.float64], frames: Frames) -> NDArray[np.float64]:
    cumulated = np.concatenate([[0.0], np.cumsum((curve[1:] + curve[:-1]) / 2) * _STEP_MIN])
    time = np.arange(curve.size) * _STEP_MIN
    edges = np.interp(frames.edges_min, time, cumulated)
    return np.diff(edges) / np.diff(frames.edges_min)
