"""One patient through the eyes of every system: example masks (figure 3B) and images (figure 8 of wei2020)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from myelosynth.bids.index import BASELINE
from myelosynth.evaluation.overlap import dice
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.maps import AGREEMENT, Analysis, dvr_scale
from myelosynth.reports.page import Gap, Picture
from myelosynth.reports.panels import Panel, Scale, panel_grid
from myelosynth.reports.slices import Box, Cut, Layer, box_of, fullest_cuts, window
from myelosynth.reports.systems import System, system

_MAPS, _DIFFERENCES, _LIMIT = "viridis", "PuOr_r", 0.2
_DIM = 1.8
_COLUMNS = 6


def typical_patient(cohort: CohortInputs) -> str | None:
    """The patient with maps whose t0 DICE of the main system is the median one (the upper of two); None without any."""
    overlap = cohort.table("overlap")
    own = overlap[(overlap["system"] == cohort.main) & (overlap["session_id"] == "ses-t0") & overlap["dice"].notna()]
    ordered = [str(name).removeprefix("sub-") for name in own.sort_values(["dice", "participant_id"])["participant_id"]]
    ordered = [sub for sub in ordered if cohort.layout.demyelinated("true", sub, BASELINE).is_file()]
    return ordered[len(ordered) // 2] if ordered else None


def example_masks(cohort: CohortInputs, sub: str, shown: Sequence[System]) -> Picture | Gap:
    """Demyelinated voxels of one patient at t0, every system against the measured PET, with its DICE; figure 3B."""
    what = "example masks"
    analysis = Analysis.of(cohort.layout, sub, cohort.main)
    truth = analysis.labels(cohort.layout.demyelinated("true", sub, BASELINE)) if analysis else None
    if analysis is None or truth is None:
        return Gap(what, f"sub-{sub} has no map from measured PET")
    box = box_of(analysis.lesions, analysis.sizes, 12)
    cut = fullest_cuts(analysis.lesions[box], 2, 1, gap=1)[0]
    base = analysis.base(box, _DIM)
    panels = [Panel(f"{analysis.background_name} of t0", [analysis.base(box), analysis.outline(box)])]
    for one in shown:
        found = analysis.labels(cohort.layout.demyelinated(one.key, sub, BASELINE))
        if found is not None:
            panels.append(_mask_panel(one, found > 0, truth > 0, analysis, box, base))
    if len(panels) == 1:
        return Gap(what, f"sub-{sub} has no predicted map")
    caption = (
        f"sub-{sub} (median DICE of {system(cohort.main).name}), axial slice with most lesion, radiological "
        "convention. DICE is of all lesion voxels of this patient, not of the slice. After figure 3B."
    )
    return Picture(panel_grid(panels, cut, analysis.sizes, _COLUMNS - 1), "demyelinated voxels by system", caption)


def _mask_panel(one: System, found: NDArray, truth: NDArray, analysis: Analysis, box: Box, base: Layer) -> Panel:
    inside, score = analysis.lesions, dice(found, truth)
    classes = np.select(
        [inside & truth & found, inside & ~truth & ~found, inside & found, inside & truth], [1, 2, 3, 4], 0
    )
    words = "DICE undefined" if score is None else f"DICE {score:.2f}"
    layer = Layer("labels", classes[box].astype(np.uint8), palette=tuple(colour for colour, _ in AGREEMENT))
    return Panel(f"{one.short}\n{words}", [base, layer])


def image_comparison(cohort: CohortInputs, sub: str, shown: Sequence[System]) -> list[Picture] | Gap:
    """Inputs, predictions of every system and truth of one patient at t0, and what each gets wrong; figure 8."""
    layout, analysis = cohort.layout, Analysis.of(cohort.layout, sub, cohort.main)
    truth = analysis.volume(layout.source(sub, BASELINE, "DVR")) if analysis else None
    if analysis is None or truth is None:
        return Gap("comparison of images", f"sub-{sub} has no measured DVR")
    box = box_of(analysis.brain, analysis.sizes, 3)
    cut = fullest_cuts((analysis.lesions if analysis.lesions.any() else analysis.brain)[box], 2, 1, gap=1)[0]
    found = {one: analysis.volume(layout.prediction(one.key, sub, BASELINE)) for one in shown}
    images = {one: data for one, data in found.items() if data is not None}
    low, high = dvr_scale([truth, *images.values()], analysis.brain)
    outline, inside = analysis.outline(box), analysis.brain[box]

    def dvr(data: NDArray) -> list[Layer]:
        return [Layer("image", data[box], _MAPS, low, high, inside), outline]

    def wrong(data: NDArray) -> list[Layer]:
        layer = Layer("image", (data - truth)[box], _DIFFERENCES, -_LIMIT, _LIMIT, inside)
        return [layer, analysis.outline(box, "#00E676")]

    measured = Panel("Measured DVR", dvr(truth))
    ours = [Panel(f"Predicted DVR\n{one.short}", dvr(data)) for one, data in images.items() if one.key == cohort.main]
    scale = Scale("DVR (ratio)", _MAPS, low, high)
    where = f"sub-{sub} at t0, axial slice with most lesion (outlined), radiological convention."
    first = [*_inputs(cohort, sub, analysis, box), *ours, measured]
    everything = [measured, *(Panel(one.short, dvr(data)) for one, data in images.items())]
    errors = [Panel(one.short, wrong(data)) for one, data in images.items()]
    difference = Scale("predicted minus measured DVR", _DIFFERENCES, -_LIMIT, _LIMIT)
    return [
        _drawn(first, cut, analysis, scale, f"Inputs (each in its own grey window), prediction, truth. {where} (A)"),
        _drawn(everything, cut, analysis, scale, f"Every system, floor and ceiling in one colour scale. {where} (B)"),
        _drawn(errors, cut, analysis, difference, f"Predicted minus measured DVR. {where} (C, not in the paper)"),
    ]


def _drawn(panels: Sequence[Panel], cut: Cut, analysis: Analysis, scale: Scale, caption: str) -> Picture:
    uri = panel_grid(panels, cut, analysis.sizes, _COLUMNS, scale)
    return Picture(uri, "slices of " + ", ".join(panel.label.replace("\n", " ") for panel in panels), caption)


def _inputs(cohort: CohortInputs, sub: str, analysis: Analysis, box: Box) -> list[Panel]:
    panels = []
    for contrast in cohort.sources:
        data = analysis.volume(cohort.layout.source(sub, BASELINE, contrast))
        if data is not None:
            low, high = window(data, analysis.brain)
            panels.append(Panel(contrast, [Layer("image", data[box], "gray", low, high, analysis.brain[box])]))
    return panels
