"""What the viewer of a page lays over the anatomy: the maps of its pictures, in the same colours and scales."""

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.index import BASELINE, FOLLOW_UP
from myelosynth.reports.maps import (
    AGREEMENT,
    CHANGE,
    DEMYELINATED,
    DIFFERENCE,
    DIFFERENCES,
    MAPS,
    Analysis,
    agreement_classes,
    dvr_scale,
)
from myelosynth.reports.viewer import Overlay

_MEASURED, _PREDICTED = "measured", "predicted"


def overlays_of(analysis: Analysis, system: str) -> list[Overlay]:
    """Every map of a patient that there is: DVR, differences, spread, demyelinated voxels, change; none is required.

    Where nothing was measured the overlays are those of the prediction alone.
    """
    layout, sub = analysis.layout, analysis.sub
    dvr: dict[tuple[str, str], NDArray] = {}
    for ses in (BASELINE, FOLLOW_UP):
        paths = {_MEASURED: layout.source(sub, ses, "DVR"), _PREDICTED: layout.prediction(system, sub, ses)}
        dvr |= {(side, ses): data for side, path in paths.items() if (data := analysis.volume(path)) is not None}
    return [*_values(analysis, system, dvr), *_labels(analysis, system)]


def _values(analysis: Analysis, system: str, dvr: dict[tuple[str, str], NDArray]) -> list[Overlay]:
    """DVR maps in one scale, differences where both sides are there, and the spread of the prediction."""
    if not dvr:
        return []
    low, high = dvr_scale(list(dvr.values()), analysis.brain)
    found = [
        Overlay("DVR", f"{side}, {ses}", data, analysis.brain & (data > 0), MAPS, low, high)
        for (side, ses), data in dvr.items()
    ]
    spread = []
    for ses in (BASELINE, FOLLOW_UP):
        pair = [dvr.get((side, ses)) for side in (_MEASURED, _PREDICTED)]
        if pair[0] is not None and pair[1] is not None:
            shown = analysis.brain & (pair[0] > 0) & (pair[1] > 0)
            name = f"predicted minus measured, {ses}"
            found.append(
                Overlay("DVR difference", name, pair[1] - pair[0], shown, DIFFERENCES, -DIFFERENCE, DIFFERENCE)
            )
        data = analysis.volume(analysis.layout.prediction(system, analysis.sub, ses, desc="predDvrStd"))
        if data is not None:
            spread.append((ses, data))
    if spread:
        top = max(0.01, float(np.percentile(np.concatenate([data[analysis.brain] for _, data in spread]), 98)))
        shown = analysis.brain
        found += [Overlay("SD of predicted DVR", ses, data, shown, "magma", 0.0, top) for ses, data in spread]
    return found


def _labels(analysis: Analysis, system: str) -> list[Overlay]:
    """Demyelinated lesion voxels (both sides, and where they agree) and change classes."""
    layout, sub, lesions = analysis.layout, analysis.sub, analysis.lesions
    found = []
    for ses in (BASELINE, FOLLOW_UP):
        masks = {
            side: mask > 0
            for side, key in ((_MEASURED, "true"), (_PREDICTED, system))
            if (mask := analysis.labels(layout.demyelinated(key, sub, ses))) is not None
        }
        for side, mask in masks.items():
            classes = np.where(mask & lesions, 1, 2 * lesions).astype(np.uint8)
            found.append(Overlay("Demyelinated", f"{side}, {ses}", classes, palette=DEMYELINATED))
        if len(masks) == 2:
            classes = agreement_classes(masks[_MEASURED], masks[_PREDICTED], lesions)
            found.append(Overlay("Demyelinated", f"both, {ses}", classes, palette=AGREEMENT))
    for side, key in ((_MEASURED, "true"), (_PREDICTED, system)):
        change = analysis.labels(layout.change(key, sub, FOLLOW_UP))
        if change is not None:
            found.append(Overlay("Change", side, change, palette=CHANGE))
    return found
