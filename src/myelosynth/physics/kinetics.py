"""Reference-tissue kinetics: Logan graphical analysis, SRTM and SRTM2, for many curves at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from myelosynth.physics.frames import Frames

Array = NDArray[np.float64]
STEP_MIN = 1 / 60
K2A_LIMITS = (0.003, 1.0)
K2PRIME_LIMITS = (0.02, 0.4)
K2PRIME_CURVES = 4_000
CHUNK = 20_000
MAXIMUM_DEVIATION = 0.1
LINEAR_FRAMES = 3


@dataclass(frozen=True, eq=False)
class KineticFit:
    """Parameters per curve (N,): DVR, relative delivery R1, and the clearance of the reference k2', per minute."""

    dvr: Array
    r1: Array
    k2prime: Array


def cumulative_integral(curves: Array, mid_min: Array) -> Array:
    """Integral from injection to each mid-frame time, by trapezoids over mid-frame times from (0, 0).

    curves: (..., F), activity; returns (..., F), activity x min.
    """
    times = np.concatenate([[0.0], mid_min])
    values = np.concatenate([np.zeros((*curves.shape[:-1], 1)), curves], axis=-1)
    return np.cumsum(np.diff(times) * (values[..., 1:] + values[..., :-1]) / 2, axis=-1)


def logan_dvr(
    curves: NDArray[np.floating], reference: Array, frames: Frames, first: int, k2prime: float | None = None
) -> Array:
    """DVR of each curve (N, F) by reference Logan; NaN where the curve is not positive after t*.

    Slope of  int C / C  on  (int Cr + Cr / k2') / C  over frames `first`...; without k2' the term Cr / k2' is dropped
    (Logan et al. 1996, J Cereb Blood Flow Metab 16:834, equations 6 and 7). reference: (F,); k2prime: per minute.
    """
    slopes = [np.empty(0)]
    for begin in range(0, len(curves), CHUNK):
        x, y = _logan_plot(np.asarray(curves[begin : begin + CHUNK], float), reference, frames, k2prime)
        x, y = x[:, first:], y[:, first:]
        with np.errstate(divide="ignore", invalid="ignore"):
            x_centred = x - x.mean(1, keepdims=True)
            slopes.append((x_centred * y).sum(1) / (x_centred**2).sum(1))
    return np.concatenate(slopes)


def _logan_plot(curves: Array, reference: Array, frames: Frames, k2prime: float | None) -> tuple[Array, Array]:
    """Abscissa and ordinate (N, F) of the reference Logan plot, minutes; NaN where a curve is not positive."""
    mid = frames.mid_min
    delivered = cumulative_integral(reference, mid) + (reference / k2prime if k2prime is not None else 0.0)
    positive = np.where(curves > 0, curves, np.nan)
    return delivered / positive, cumulative_integral(curves, mid) / positive


def linear_from(
    curves: Array, reference: Array, frames: Frames, k2prime: float | None = None, limit: float = MAXIMUM_DEVIATION
) -> tuple[int | None, float]:
    """The earliest frame from which the Logan plot of every curve (N, F) is a line, and its largest deviation.

    Deviation of a point is |measured - line| / |line|, over the frames that the line is fitted to: the search for t* by
    a maximal error, 10 %, of PMOD's Logan model (PMOD Kinetic Modeling guide, "t*" and "Max. Err."). A line needs
    three frames. Returns None, and the deviation of the last three, when none is straight enough.
    """
    x, y = _logan_plot(np.asarray(curves, float), reference, frames, k2prime)
    deviation = np.inf
    for first in range(x.shape[1] - LINEAR_FRAMES + 1):
        late, integral = x[:, first:], y[:, first:]
        centred = late - late.mean(1, keepdims=True)
        slope = (centred * integral).sum(1, keepdims=True) / (centred**2).sum(1, keepdims=True)
        line = integral.mean(1, keepdims=True) + slope * centred
        deviation = float(np.abs((integral - line) / line).max())
        if deviation <= limit:
            return first, deviation
    return None, deviation


def convolved_reference(reference: Array, frames: Frames, k2a: Array) -> Array:
    """Frame means (K, F) of Cr convolved with exp(-k2a t), for each of K rates per minute.

    The reference (F,) is taken as piecewise linear through (0, 0) and its mid-frame values, constant after the last;
    the recursion is exact for a linear segment.
    """
    edges = frames.edges_min
    time = np.arange(round(edges[-1] / STEP_MIN) + 1) * STEP_MIN
    curve = np.interp(time, np.append(0.0, frames.mid_min), np.append(0.0, reference))
    means = np.empty((k2a.size, frames.start_s.size))
    for row, rate in enumerate(k2a):
        decay = np.exp(-rate * STEP_MIN)
        whole = (1 - decay) / rate
        newest = (1 - whole / STEP_MIN) / rate
        convolved = lfilter([newest, whole - newest], [1.0, -decay], curve)
        area = np.append(0.0, np.cumsum((convolved[1:] + convolved[:-1]) / 2) * STEP_MIN)
        means[row] = np.diff(np.interp(edges, time, area)) / np.diff(edges)
    return means


def srtm(curves: Array, reference: Array, frames: Frames, rates: int = 128) -> KineticFit:
    """Simplified reference tissue model of each curve (N, F) by basis functions over k2a.

    C = R1 Cr + (k2 - R1 k2a) Cr (x) exp(-k2a t),  DVR = k2 / k2a  (Lammertsma & Hume 1996; basis functions: Gunn et al.
    1997, NeuroImage 6:279). Frames weigh by their duration; `rates` trial values of k2a, refined by a parabola.
    """
    k2a = np.geomspace(*K2A_LIMITS, rates)
    basis = convolved_reference(reference, frames, k2a)
    design = np.stack([np.broadcast_to(reference, basis.shape), basis], axis=-1)
    r1_phi, position = _best_rate(curves, design, frames)
    r1, phi = r1_phi[..., 0], r1_phi[..., 1]
    trial = k2a[position.trials]
    with np.errstate(divide="ignore", invalid="ignore"):
        return KineticFit(position.mix(r1 + phi / trial), position.mix(r1), position.mix(phi / r1 + trial))


def srtm2(curves: Array, reference: Array, frames: Frames, k2prime: float, rates: int = 128) -> KineticFit:
    """SRTM of each curve (N, F) with the clearance of the reference fixed to `k2prime`, per minute.

    C = R1 (Cr + (k2' - k2a) Cr (x) exp(-k2a t)),  DVR = R1 k2' / k2a  (Wu & Carson 2002, J Cereb Blood Flow Metab
    22:1440, equation 3).
    """
    k2a = np.geomspace(*K2A_LIMITS, rates)
    basis = reference + (k2prime - k2a)[:, None] * convolved_reference(reference, frames, k2a)
    (r1, position) = _best_rate(curves, basis[..., None], frames)
    trial = k2a[position.trials]
    ratio = position.mix(r1[..., 0] * k2prime / trial)
    return KineticFit(ratio, position.mix(r1[..., 0]), np.full(len(curves), k2prime))


@dataclass(frozen=True, eq=False)
class _Position:
    """Three neighbouring trial rates (N, 3) and the offset (N,) of the parabola's top, in steps from the middle one."""

    trials: NDArray[np.int64]
    offset: Array

    def mix(self, values: Array) -> Array:
        """Quadratic interpolation of values (N, 3) at the offset."""
        d = self.offset
        return values[:, 0] * d * (d - 1) / 2 + values[:, 1] * (1 - d**2) + values[:, 2] * d * (d + 1) / 2


def _best_rate(curves: Array, design: Array, frames: Frames) -> tuple[Array, _Position]:
    """Weighted least squares of curves (N, F) on each design (K, F, P): coefficients (N, 3, P) around the best."""
    weight = np.sqrt(frames.duration_s / frames.duration_s.mean())
    q, r = np.linalg.qr(design * weight[:, None])
    solve = np.linalg.inv(r)
    columns = q.transpose(1, 0, 2).reshape(q.shape[1], -1)
    coefficients, trials, offsets = [], [], []
    for begin in range(0, len(curves), CHUNK):
        part = curves[begin : begin + CHUNK] * weight
        projected = (part @ columns).reshape(len(part), q.shape[0], q.shape[2])
        explained = (projected**2).sum(2)
        middle = np.clip(explained.argmax(1), 1, q.shape[0] - 2)
        near = middle[:, None] + np.array([-1, 0, 1])
        low, mid, high = np.take_along_axis(explained, near, 1).T
        curvature = low - 2 * mid + high
        with np.errstate(divide="ignore", invalid="ignore"):
            offset = np.where(curvature < 0, (low - high) / (2 * curvature), 0.0)
        offsets.append(np.clip(offset, -1, 1))
        trials.append(near)
        chosen = np.take_along_axis(projected, near[..., None], 1)
        coefficients.append(np.einsum("nkpq,nkq->nkp", solve[near], chosen))
    return np.concatenate(coefficients), _Position(np.concatenate(trials), np.concatenate(offsets))


def subject_k2prime(curves: Array, reference: Array, frames: Frames) -> float:
    """The one clearance of the reference, per minute, that fits all curves (N, F) best by SRTM2.

    Least squares over k2' with R1 and k2a free in every curve: curves equal to the reference, in which k2' cannot be
    told, weigh nothing, and unlike a median of SRTM estimates the result does not drift with voxel noise. At most
    `K2PRIME_CURVES` evenly spaced curves count. Returns NaN when the best value is at an end of the range searched.
    """
    weight = np.sqrt(frames.duration_s)
    chosen = curves[:: max(1, len(curves) // K2PRIME_CURVES)] * weight
    trials, k2a = np.geomspace(*K2PRIME_LIMITS, 31), np.geomspace(*K2A_LIMITS, 250)
    convolved = convolved_reference(reference, frames, k2a)
    explained = np.empty(trials.size)
    for row, k2prime in enumerate(trials):
        basis = (reference + (k2prime - k2a)[:, None] * convolved) * weight
        basis /= np.linalg.norm(basis, axis=1, keepdims=True)
        explained[row] = ((chosen @ basis.T) ** 2).max(1).sum()
    top = int(explained.argmax())
    if not 0 < top < trials.size - 1:
        return float("nan")
    low, mid, high = explained[top - 1 : top + 2]
    offset = (low - high) / (2 * (low - 2 * mid + high))
    return float(trials[top] * (trials[1] / trials[0]) ** offset)
