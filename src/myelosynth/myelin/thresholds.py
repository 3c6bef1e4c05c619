"""Other thresholds than the paper's, so that the two can be compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myelosynth.myelin.curve import Curve
from myelosynth.myelin.indices import COLUMNS as FRACTIONS
from myelosynth.myelin.indices import DESCRIPTIONS as INDICES
from myelosynth.myelin.indices import myelin_indices
from myelosynth.myelin.maps import PAPER, MapRules, change_classes, changed_enough, demyelinated, without_small_clusters

STRICT_SDS = 1.645
"""One normal voxel in twenty lies farther below the mean; one in six lies more than one SD below it."""
RULES = {
    "paper": "DVR below mean - 1 SD of the controls' measured PET at the same distance from CSF (wei2020, 2.5)",
    "z": f"z below -{STRICT_SDS}: DVR below mean - {STRICT_SDS} SD of the same controls",
    "predicted": "DVR below mean - 1 SD of the controls' predicted PET: prediction smooths the noise of a measured PET "
    "away, so its own controls spread less",
}
COLUMNS: dict[str, dict[str, str]] = {
    "rule": {"Description": "; ".join(f"{rule}: {text}" for rule, text in RULES.items())},
    **{name: {"Description": text, "Units": "1"} for name, text in INDICES.items()},
    "z_t0": {"Description": "mean of (DVR - mean) / SD by the curve of the rule over lesion voxels, at baseline"},
    "z_t1": {"Description": "the same at follow-up, over the same voxels"},
    "z_change": {"Description": "z_t1 - z_t0: a change that no threshold decides; positive is more myelin"},
}
COMPARED = (*FRACTIONS, "z_t0", "z_t1", "z_change")


@dataclass(frozen=True)
class Lesions:
    """Baseline lesions and distance from CSF, mm, (X, Y, Z) on one grid; voxel sizes, mm."""

    mask: NDArray[np.bool_]
    distance: NDArray
    voxel_sizes: tuple[float, ...]


def rows_by_rule(
    before: NDArray,
    after: NDArray,
    lesions: Lesions,
    curve: Curve,
    predicted: Curve | None = None,
    rules: MapRules = PAPER,
) -> list[dict[str, str | float | None]]:
    """The indices of one patient by every rule; before, after: DVR (X, Y, Z) at t0 and t1, 0 where there is none.

    predicted: the curve of the controls' predictions; without it there is no row of that rule. Only voxels with a DVR
    at both times count. A patient without any has rows of None.
    """
    both = lesions.mask & (before > 0) & (after > 0)
    curves = {"paper": (curve, 1.0), "z": (curve, STRICT_SDS)} | ({"predicted": (predicted, 1.0)} if predicted else {})
    rows: list[dict[str, str | float | None]] = []
    for rule, (own, sds) in curves.items():
        row: dict[str, str | float | None] = {"rule": rule}
        if both.any():
            masks = [
                without_small_clusters(
                    demyelinated(dvr, lesions.distance, lesions.mask, own, sds),
                    rules.minimum_cluster_ml,
                    lesions.voxel_sizes,
                )
                for dvr in (before, after)
            ]
            changed = changed_enough(before, after, rules.change_threshold)
            row |= myelin_indices(change_classes(masks[0], masks[1], both, changed), lesions.mask)
            z = [float(own.z(dvr[both], lesions.distance[both]).mean()) for dvr in (before, after)]
            row |= {"z_t0": z[0], "z_t1": z[1], "z_change": z[1] - z[0]}
        rows.append(row)
    return rows
