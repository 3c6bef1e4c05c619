"""How many training voxels the regional losses find in each region."""

import logging
from collections.abc import Sequence

import numpy as np

from myelosynth.errors import InputError
from myelosynth.models.regions import LESION, NAWM, OTHER
from myelosynth.synthesis.data.subjects import Subject

_NAMES = {"lesion": LESION, "nawm": NAWM, "other": OTHER}
_log = logging.getLogger(__name__)


def count_regions(subjects: Sequence[Subject], loss: str) -> dict[str, int]:
    """Brain voxels of all training scans in each region.

    Raises InputError where WL1 or NWL1 would find neither lesions nor NAWM: NWL1 is then 0 whatever is predicted. One
    empty region contributes nothing to either loss (wei2020, section 2.3), which is only told.
    """
    counts = {name: sum(int(np.sum(s.regions[s.mask] == label)) for s in subjects) for name, label in _NAMES.items()}
    if loss not in ("wl1", "nwl1"):
        return counts
    empty = [name for name in ("lesion", "nawm") if not counts[name]]
    if len(empty) == 2:
        values = f"0 lesion and 0 NAWM voxels in {len(subjects)} training scans, {counts['other']} others"
        cure = "fill the columns lesions and nawm of the manifest, or take a loss that needs no region (l1, learned)"
        raise InputError("empty regions", f"loss {loss}", values, cure)
    for name in empty:
        _log.warning("no %s voxel in any training scan: the region contributes nothing to %s", name, loss)
    return counts
