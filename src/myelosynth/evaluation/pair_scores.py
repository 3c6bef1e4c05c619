"""How close a system that learned permuted pairs comes to the measured lesions of its test patients."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.index import BASELINE, read_table
from myelosynth.bids.layout import Layout
from myelosynth.errors import InputError
from myelosynth.evaluation.image_metrics import region_difference
from myelosynth.evaluation.negative_controls import FLOOR, PERMUTED, REAL, SCORES
from myelosynth.evaluation.tables import number
from myelosynth.images.volume import load_mask, load_volume

LEAST_VOXELS = 10  # a correlation over fewer says nothing
COLUMNS = {
    "participant_id": {"Description": "test patient, baseline"},
    "trained": {
        "Description": f"{REAL}: on everybody's own PET; {PERMUTED}: on the PET of others; {FLOOR}: without any MRI"
    },
    "system": {"Description": "the system that predicted"},
    "lesion_mae": {"Description": "mean absolute error over the baseline lesions' voxels", "Units": "DVR"},
    "lesion_correlation": {
        "Description": f"Pearson's correlation of predicted and measured DVR over the same voxels; n/a below "
        f"{LEAST_VOXELS} voxels and where one of them does not vary"
    },
}


def pair_scores(
    layout: Layout, split: Path, people: Sequence[str], system: str, floor: str | None
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Rows of COLUMNS for the labels of patients, and the images behind them; who has no lesion voxel has no row.

    floor: a system to stand beside the two; None for none. Raises InputError for a patient whom the split does not test
    and for an image that is missing or on another grid.
    """
    tested = {row["participant_id"] for row in read_table(split, ("participant_id", "role")) if row["role"] == "test"}
    rows: list[dict[str, Any]] = []
    read: list[Path] = []
    for sub in people:
        if f"sub-{sub}" not in tested:
            values = f"sub-{sub} is test in no fold"
            raise InputError("not a test subject", split, values, "name patients whom the split tests")
        measured = load_volume(layout.source(sub, BASELINE, "DVR"))
        lesions = layout.label_mask(sub, BASELINE, "L", space=layout.space)
        inside = load_mask(lesions, measured.grid, measured.path, allow_empty=True, labels=True)
        images = {
            (REAL, system): layout.prediction(system, sub, BASELINE),
            (PERMUTED, system): layout.permuted_prediction(system, sub, BASELINE),
        }
        images |= {(FLOOR, floor): layout.prediction(floor, sub, BASELINE)} if floor else {}
        read += [measured.path, lesions, *images.values()]
        if not inside.any():
            continue
        for (trained, name), path in images.items():
            predicted = load_volume(path, allow_empty=True)
            measured.grid.require(predicted.grid, path, measured.path)
            head = {"participant_id": f"sub-{sub}", "trained": trained, "system": name}
            rows.append(head | lesion_scores(predicted.data, measured.data, inside))
    return rows, read


def lesion_scores(predicted: NDArray, measured: NDArray, lesions: NDArray[np.bool_]) -> dict[str, float | None]:
    """SCORES of one patient from DVR images and the lesion mask, all (X, Y, Z)."""
    own, truth = np.asarray(predicted, np.float64)[lesions], np.asarray(measured, np.float64)[lesions]
    varies = len(own) >= LEAST_VOXELS and min(np.ptp(own), np.ptp(truth)) > 0
    return {
        "lesion_mae": region_difference(predicted, measured, lesions)["mae"],
        "lesion_correlation": float(np.corrcoef(own, truth)[0, 1]) if varies else None,
    }


def read_pair_scores(path: Path) -> list[dict[str, Any]]:
    """The table again, its scores as numbers. Raises InputError for a file that is not such a table."""
    rows = read_table(path, tuple(COLUMNS))
    return [{**row, **{name: number(row[name], name, path) for name in SCORES}} for row in rows]
