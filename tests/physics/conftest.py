"""Curves and images with known kinetics, made by means that share no code with the package."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from myelosynth.physics.frames import Frames

DURATIONS = np.array([15.0] * 4 + [30.0] * 8 + [60.0] * 9 + [180.0] * 2 + [300.0] * 8 + [600.0] * 3)
K2PRIME = 0.07
STEP = 0.5 / 60


@pytest.fixture(scope="session")
def frames() -> Frames:
    """The 34 frames of a 90-minute scan."""
    ends = np.cumsum(DURATIONS)
    return Frames(ends - DURATIONS, DURATIONS)


def frame_means(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over frames of a curve sampled every STEP minutes."""
    edges = np.rint(np.append(0.0, np.cumsum(DURATIONS)) / 60 / STEP).astype(int)
    return np.array([curve[a : b + 1].mean() for a, b in pairwise(edges)])


@pytest.fixture(scope="session")
def tissue() -> Callable[[float, float], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Frame means of the reference and of a tissue with R1 and DVR, by Euler integration of the two compartments.

    dCr/dt = Cp - k2' Cr and dCt/dt = R1 Cp - k2a Ct with k2a = R1 k2' / DVR, from a bolus Cp (K1' = 1).
    """
    time = np.arange(round(90 / STEP) + 1) * STEP
    plasma = 100 * time * np.exp(-time / 0.5) + 6 * (1 - np.exp(-time)) * np.exp(-time / 25)

    def compartment(uptake: float, clearance: float) -> NDArray[np.float64]:
        curve = np.zeros_like(time)
        for n in range(1, time.size):
            curve[n] = curve[n - 1] + STEP * (uptake * plasma[n - 1] - clearance * curve[n - 1])
        return curve

    reference = frame_means(compartment(1.0, K2PRIME))

    def curves(r1: float, dvr: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return frame_means(compartment(r1, r1 * K2PRIME / dvr)), reference

    return curves
