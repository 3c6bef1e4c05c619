"""Susceptibility distortion of echo-planar images: shifts along the phase-encoding axis.

An off-resonance of f Hz moves the signal of a voxel by f T voxels along its phase axis, T being the total readout time:
what belongs at x stands at x + s(x) (Jezzard & Balaban 1995, Magn Reson Med 34:65). Along that axis the signal is also
stretched or piled up, by 1 / (1 + ds/dx).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid

Array = NDArray[np.float32]
AXES = ("i", "j", "k")
LONGEST_READOUT_S = 1.0
NEAR_MM, FAR_MM = 2.0, (6.0, 20.0, 60.0)
"""Gaussian sigmas: a field map is smoothed by the first, and continued where it says nothing by the others."""
HERTZ = {"Hz": 1.0, "rad/s": 1 / (2 * np.pi), "T": 42.577e6}
"""Hz in one unit of a field map (T: protons)."""
LONGEST_ECHOES_S = 0.1
RADIAN_TURNS, SAID_TURNS = 1.03, 8
"""Whole range of phases that are radians by themselves, and of those whose sidecar says so (unwrapped already)."""
UNSIGNED, SIGNED = 2048, 4096
"""Half a turn as scanners store it: 0 to 4095, where 2048 is phase 0, or -4096 to 4096."""
REACHED = 0.8
"""Share of such a range that must be reached: other scanners store thousandths of a radian, -3142 to 3142."""


@dataclass(frozen=True)
class PhaseEncoding:
    """Phase encoding of an echo-planar image: voxel axis (0, 1, 2), sign of its blips, total readout time in s.

    >>> PhaseEncoding(1, -1, 0.05).direction
    'j-'
    """

    axis: int
    sign: int
    readout_s: float

    @property
    def direction(self) -> str:
        """As BIDS writes it: voxel axis of the stored image, `-` where blips run towards lower indices."""
        return AXES[self.axis] + ("-" if self.sign < 0 else "")

    def shift(self, field_hz: NDArray) -> Array:
        """Shift, voxels along the axis, of a field (X, Y, Z) in Hz."""
        return (self.sign * self.readout_s * field_hz).astype(np.float32)

    @classmethod
    def from_sidecar(cls, record: Mapping[str, Any], where: Path | str, timed: bool = True) -> "PhaseEncoding":
        """Of a BIDS sidecar; without `timed` the readout time may be absent (then 0).

        Raises InputError for a direction or a readout time that is absent or impossible.
        """
        direction = record.get("PhaseEncodingDirection")
        if not isinstance(direction, str) or direction.removesuffix("-") not in AXES:
            values = f"{direction!r}, expected i, j or k with or without -" if direction else "absent"
            cure = "add PhaseEncodingDirection to the sidecar (the axis of the stored image)"
            raise InputError("phase encoding unknown", where, values, cure)
        readout = record.get("TotalReadoutTime", None if timed else 0.0)
        usable = isinstance(readout, int | float) and (0 < readout < LONGEST_READOUT_S or not timed)
        if not isinstance(readout, int | float) or not usable:
            values = f"TotalReadoutTime {readout!r}, expected s, below 1" if readout is not None else "absent"
            cure = "add TotalReadoutTime, EffectiveEchoSpacing x (ReconMatrixPE - 1), to the sidecar"
            raise InputError("readout time unknown", where, values, cure)
        return cls(AXES.index(direction[0]), -1 if direction.endswith("-") else 1, float(readout))


def unwarp(data: NDArray, shift: NDArray, axis: int) -> Array:
    """An echo-planar image (X, Y, Z) or series (X, Y, Z, N) without its distortion, on its own grid.

    shift: (X, Y, Z), voxels along the axis, in undistorted space. Cubic interpolation along the axis alone, times
    1 + ds/dx, so that the signal of a line stays what it was; values below 0 become 0.
    """
    place = np.indices(shift.shape, np.float32)
    place[axis] += shift
    scale = 1 + np.gradient(shift, axis=axis)
    volumes = data[..., None] if data.ndim == 3 else data
    result = np.empty(volumes.shape, np.float32)
    for n in range(volumes.shape[3]):
        moved = ndimage.map_coordinates(volumes[..., n].astype(np.float32), place, order=3, mode="nearest")
        result[..., n] = np.maximum(moved * scale, 0)
    return result[..., 0] if data.ndim == 3 else result


def echo_times(record: Mapping[str, Any], where: Path, magnitude: Path | None) -> tuple[float, float] | None:
    """Echo times in s of a phase difference by its sidecar; None for a field map, which `Units` in HERTZ tells.

    Raises InputError for neither of the two, and for a phase difference without magnitude or usable echo times.
    """
    if record.get("Units") in HERTZ:
        return None
    first, second = record.get("EchoTime1"), record.get("EchoTime2")
    if first is None and second is None:
        values = f"Units {record.get('Units')!r}, expected {', '.join(HERTZ)}, or EchoTime1 and EchoTime2"
        raise InputError("field map of unknown units", where, values, "complete its sidecar")
    if not (
        isinstance(first, int | float) and isinstance(second, int | float) and 0 < second - first < LONGEST_ECHOES_S
    ):
        values = f"EchoTime1 {first}, EchoTime2 {second}, expected s, the second later"
        raise InputError("echo times unusable", where, values, "correct its sidecar")
    if magnitude is None:
        cure = "give it (fmap/*_magnitude1 beside the phase difference)"
        raise InputError("phase difference without magnitude", where, "--magnitude not given", cure)
    return float(first), float(second)


def in_radians(phase: NDArray, unit: str | None, where: Path | str) -> NDArray[np.float64]:
    """Phases (X, Y, Z) in radians, -pi to pi, whole turns taken away.

    unit: `Units` of the sidecar; `rad` is taken at its word. Otherwise a range of at most one turn is radians, and
    what scanners store is known by its range; a phase that is masked need not fill it. Raises InputError for others.
    """
    low, high = float(phase.min()), float(phase.max())
    turns = (high - low) / (2 * np.pi)
    if turns <= (SAID_TURNS if unit == "rad" else RADIAN_TURNS):
        radians = phase.astype(float)
    elif unit != "rad" and low >= 0 and 2 * UNSIGNED * REACHED < high <= 2 * UNSIGNED:
        radians = (phase.astype(float) - UNSIGNED) * (np.pi / UNSIGNED)
    elif unit != "rad" and low < 0 and REACHED * SIGNED < max(-low, high) <= SIGNED:
        radians = phase.astype(float) * (np.pi / SIGNED)
    else:
        values = f"phase range {low:g} to {high:g}, Units {unit!r}, expected radians, 0 to 4095, or -4096 to 4096"
        raise InputError("phase of unknown scale", where, values, 'convert it to radians, with Units "rad"')
    return np.angle(np.exp(1j * radians))


def field_of_phases(radians: NDArray, inside: NDArray[np.bool_], echo_times_s: tuple[float, float]) -> Array:
    """Field (X, Y, Z) in Hz from the phase difference of two echoes: unwrapped, divided by 2 pi and the time between.

    radians: -pi to pi; inside: the head, (X, Y, Z), 0 outside it. Unwrapping leaves whole turns open: the median of the
    head is taken to lie within half a turn.
    """
    from skimage.restoration import unwrap_phase

    within = np.ma.MaskedArray(radians, mask=~inside)  # type: ignore[no-untyped-call]
    unwrapped = np.ma.filled(unwrap_phase(within, rng=0), 0.0)
    unwrapped -= 2 * np.pi * np.round(np.median(unwrapped[inside]) / (2 * np.pi))
    return np.where(inside, unwrapped / (2 * np.pi * (echo_times_s[1] - echo_times_s[0])), 0).astype(np.float32)


def continued(field: NDArray, weight: NDArray, grid: Grid) -> Array:
    """A field (X, Y, Z) smoothed by 2 mm within its weight (X, Y, Z), and continued smoothly where that is 0.

    Without it the field would jump at the head's edge, and its gradient with it.
    """
    sizes = np.array(grid.voxel_sizes)
    result, open_ = np.zeros(field.shape), np.ones(field.shape, bool)
    weight = weight.astype(float) / weight.max()
    for sigma in (NEAR_MM, *FAR_MM):
        share = ndimage.gaussian_filter(weight, sigma / sizes, mode="constant")
        mean = ndimage.gaussian_filter(field * weight, sigma / sizes, mode="constant") / np.maximum(share, 1e-12)
        found = open_ & (share > 0.05)
        result[found] = mean[found]
        open_ &= ~found
    result[open_] = np.average(field, weights=weight)
    # The stages meet in small steps at their borders.
    smooth = ndimage.gaussian_filter(result, FAR_MM[0] / sizes, mode="nearest")
    near = np.clip(ndimage.gaussian_filter((weight > 0.05).astype(float), NEAR_MM / sizes), 0, 1)
    return (near * result + (1 - near) * smooth).astype(np.float32)
