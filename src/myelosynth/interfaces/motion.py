"""Motion between the volumes of a series: rigid registration to one reference, with ANTs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.interfaces.ants_bridge import load_ants, read_mat, to_ants

SEED = 7
SAMPLES = 20_000
"""Voxels that the similarity looks at; more are slower and found no better."""


def rigid_motion(
    moving: NDArray[np.float32], fixed: NDArray[np.float32], grid: Grid, moving_grid: Grid | None = None
) -> LinearTransform:
    """Pull transform from `fixed` to `moving`, both (X, Y, Z) on `grid`: six parameters, mutual information.

    moving_grid: where `moving` has a grid of its own.
    """
    found = load_ants().registration(
        fixed=to_ants(fixed, grid),
        moving=to_ants(moving, moving_grid or grid),
        type_of_transform="Rigid",
        initial_transform="Identity",
        aff_metric="mattes",
        aff_iterations=(60, 40, 10),
        aff_shrink_factors=(4, 2, 1),
        aff_smoothing_sigmas=(2, 1, 0),
        aff_random_sampling_rate=min(1.0, SAMPLES / fixed.size),
        random_seed=SEED,
    )
    return read_mat(found["fwdtransforms"][0])


def realign(series: NDArray[np.float32], grid: Grid, motion: Sequence[LinearTransform]) -> NDArray[np.float32]:
    """The series (X, Y, Z, N) with every volume pulled once onto the reference position, linearly."""
    moved = [resample(series[..., n], grid, grid, transform) for n, transform in enumerate(motion)]
    return np.stack(moved, axis=-1).astype(np.float32)


def summary(motion: Sequence[LinearTransform], grid: Grid) -> dict[str, float]:
    """Largest and mean displacement, mm, of the grid's centre over the volumes, and the largest rotation, degrees."""
    centre = (grid.affine @ np.append((np.array(grid.shape) - 1) / 2, 1.0))[:3]
    shifts = [float(np.linalg.norm(transform.apply(centre) - centre)) for transform in motion]
    cosines = [(np.trace(transform.matrix[:3, :3]) - 1) / 2 for transform in motion]
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    return {
        "MaximumShiftMm": round(max(shifts), 3),
        "MeanShiftMm": round(float(np.mean(shifts)), 3),
        "MaximumRotationDeg": round(float(angles.max()), 3),
    }
