"""How many voxels of a control who is no part of the curve fall below it: the false alarms of the threshold."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.errors import InputError
from myelosynth.myelin.curve import Curve, CurveSettings, Voxels, curve_of, merged_edges
from myelosynth.myelin.thresholds import STRICT_SDS

PARTS = 4
"""Bins of the check to a bin of the curve."""
COLUMNS: dict[str, dict[str, str]] = {
    "control": {"Description": "the control who was left out of the curve; all: the voxels of everybody together"},
    "part": {"Description": "bin: the voxels between two distances; all: at any distance"},
    "distance_low": {"Description": "lower edge of the bin, included", "Units": "mm"},
    "distance_high": {"Description": "upper edge of the bin, excluded", "Units": "mm"},
    "n": {"Description": "white-matter voxels"},
    "share": {
        "Description": "share of them below mean - 1 SD of the other controls, which would be called demyelinated in a "
        "lesion; .159 for normal values from the same distribution",
        "Units": "1",
    },
    f"share_z{STRICT_SDS}": {
        "Description": f"the same below mean - {STRICT_SDS} SD; .050 for normal values",
        "Units": "1",
    },
    "mean_z": {"Description": "mean of (DVR - mean) / SD by the other controls; 0 is expected", "Units": "1"},
}


def leave_one_out(controls: Mapping[str, Voxels], settings: CurveSettings) -> list[dict[str, Any]]:
    """One row per control and distance bin: the share of its voxels below the curve of all other controls.

    The bins are a quarter as wide as the curve's and the same for everybody: over a bin of the curve itself the share
    is right by construction, however steep DVR is within it. `all` pools the voxels of all controls. A bin in which a
    control has no voxel has no row. Raises InputError where a lone control leaves nobody to compare with, or the others
    have too few voxels for a curve.
    """
    if len(controls) < 2:
        values = f"{len(controls)} control, expected 2 or more"
        raise InputError("nobody to compare a control with", "leave-one-out check", values, "add controls to the fold")
    everybody = np.concatenate([distance for distance, _ in controls.values()])
    edges = merged_edges(everybody, settings.bin_width / PARTS, settings.minimum_voxels)
    held = CurveSettings(settings.bin_width, settings.minimum_voxels, settings.smoothing)  # one may reach farther
    found = []
    for name, (distance, dvr) in controls.items():
        curve = curve_of([voxels for other, voxels in controls.items() if other != name], held)
        found.append((name, distance, _alarms(curve, distance, dvr)))
    pooled = np.concatenate([alarms for *_, alarms in found], axis=1)
    return [
        row
        for name, distance, alarms in [*found, ("all", everybody, pooled)]
        for row in _rows(name, edges, distance, alarms)
    ]


def _alarms(curve: Curve, distance: NDArray, dvr: NDArray) -> NDArray[np.float64]:
    """Below 1 SD, below the strict threshold, z: (3, N)."""
    below = [dvr < curve.threshold(distance, sds) for sds in (1.0, STRICT_SDS)]
    return np.array([*below, curve.z(dvr, distance)], float)


def _rows(name: str, edges: NDArray, distance: NDArray, alarms: NDArray) -> Sequence[dict[str, Any]]:
    index = np.clip(np.searchsorted(edges, distance, side="right") - 1, 0, len(edges) - 2)
    parts = [("bin", low, high, index == k) for k, (low, high) in enumerate(pairwise(edges))]
    parts.append(("all", edges[0], edges[-1], np.ones(len(distance), bool)))
    rows = []
    for part, low, high, here in parts:
        if here.any():
            means = alarms[:, here].mean(axis=1).tolist()
            rows.append(dict(zip(COLUMNS, (name, part, low, high, int(here.sum()), *means), strict=True)))
    return rows
