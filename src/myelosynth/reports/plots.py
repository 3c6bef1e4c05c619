"""Plots over patients: DICE boxes, demyelinated percentages, indices (figures 3A, 4 and 5 of wei2020)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes

from myelosynth.reports.indices import DYNAMIC
from myelosynth.reports.inputs import CohortInputs, patients_sorted
from myelosynth.reports.page import Gap, Picture, plotting, svg_uri
from myelosynth.reports.scores import MAPS
from myelosynth.reports.systems import PREDICTED_COLOUR, TRUE_COLOUR, System, colours, system

_LABELS_UP_TO = 40  # more patients than this get no tick label each


def dice_boxes(cohort: CohortInputs) -> Picture | Gap:
    """Box plots of DICE per system and map; figure 3A."""
    overlap = cohort.table("overlap")
    overlap = overlap[overlap["dice"].notna()]
    if overlap.empty:
        return Gap("DICE box plots", "no overlap is defined")
    shown = [m for m in MAPS if not overlap[(overlap["session_id"] == m[0]) & (overlap["map"] == m[1])].empty]
    systems = cohort.ordered(overlap["system"])
    palette = colours(systems)
    with plotting():
        figure, axes = pyplot.subplots(
            1, len(shown), figsize=(2.4 + 1.9 * len(shown), 0.9 + 0.34 * len(systems)), sharey=True, squeeze=False
        )
        for ax, (session, which, words) in zip(axes[0], shown, strict=True):
            here = overlap[(overlap["session_id"] == session) & (overlap["map"] == which)]
            for row, one in enumerate(systems):
                values = here[here["system"] == one.key]["dice"].to_numpy(float)
                if values.size:
                    draw_box(ax, values, row, palette[one.key])
            ax.set_title(words)
            ax.set_xlim(0, 1)
            ax.set_xlabel("DICE (0 to 1)")
        axes[0][0].set_yticks(range(len(systems)), [one.name for one in systems])
        axes[0][0].invert_yaxis()
        caption = (
            "DICE with the maps of the measured PET, one value per patient (points). Line: median; dotted line: mean; "
            "box: quartiles; whiskers: least and greatest. Floors light grey, ceilings dark grey. After figure 3A."
        )
        figure.tight_layout()
        return Picture(svg_uri(figure), "box plots of DICE by system and map", caption, figure)


def draw_box(ax: Axes, values: np.ndarray, row: int, colour: str) -> None:
    """A horizontal box with every value (N,) as a point."""
    ax.boxplot(
        values,
        positions=[row],
        orientation="horizontal",
        widths=0.6,
        whis=(0, 100),
        showmeans=True,
        meanline=True,
        patch_artist=True,
        boxprops={"facecolor": colour, "alpha": 0.35, "edgecolor": colour},
        medianprops={"color": colour, "linewidth": 1.8},
        meanprops={"color": "black", "linestyle": ":", "linewidth": 1.2},
        whiskerprops={"color": colour},
        capprops={"color": colour},
    )
    offsets = np.linspace(-0.14, 0.14, values.size) if values.size > 1 else np.zeros(1)
    ax.plot(values, row + offsets, ".", color=colour, markersize=3)


def percent_bars(cohort: CohortInputs) -> Picture | Gap:
    """Demyelinated percentage of every patient, measured and predicted, at t0 and t1; figure 4."""
    indices = cohort.table("indices")
    order = patients_sorted(indices, "percent_t0")
    if not order:
        return Gap("percentages of demyelinated voxels", "no patient has indices from measured PET")
    place = np.arange(len(order))
    with plotting():
        figure, axes = pyplot.subplots(2, 1, figsize=(9.4, 4.8), sharex=True)
        for ax, key, words in zip(axes, ("percent_t0", "percent_t1"), ("t0", "t1"), strict=True):
            sides = (("true", -0.2, TRUE_COLOUR, "measured"), (cohort.main, 0.2, PREDICTED_COLOUR, "predicted"))
            for name, offset, colour, label in sides:
                ax.bar(place + offset, _values(indices, name, key, order), 0.38, color=colour, label=label)
            retest = _values(indices, "retest", key, order)
            if np.isfinite(retest).any():
                ax.plot(place - 0.2, retest, "_", color="black", markersize=8, label="retest of measured")
            ax.set_ylabel(f"demyelinated at {words}\n(% of lesion volume)")
            ax.grid(axis="x", visible=False)
        axes[0].legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        _patient_axis(axes[1], order)
        name = system(cohort.main).name
        caption = f"Share of demyelinated voxels in each patient's baseline lesions; predicted: {name}. After figure 4."
        return Picture(svg_uri(figure), "bars of demyelinated percentages per patient", caption, figure)


def index_lines(cohort: CohortInputs, models: Sequence[str] | None = None) -> Picture | Gap:
    """The three indices of change of every patient and system, sorted by the measured global index; figure 5.

    models: the methods to show, all of them by default.
    """
    indices = cohort.table("indices")
    order = patients_sorted(indices, "global")
    if not order:
        return Gap("indices of change", "no patient has indices from measured PET")
    hidden = ("noise-free", "oracle")
    systems = [one for one in cohort.ordered(indices["system"]) if one.key not in hidden and one.kind != "floor"]
    if models is not None:
        systems = [one for one in systems if one.kind != "candidate" or one.key in models]
    palette = colours(systems)
    with plotting():
        figure, axes = pyplot.subplots(len(DYNAMIC), 1, figsize=(9.4, 7.4), sharex=True)
        for ax, index in zip(axes, DYNAMIC, strict=True):
            for one in systems:
                style = _marker(one, cohort.main)
                ax.plot(_values(indices, one.key, index.key, order), color=palette[one.key], label=one.name, **style)
            ax.set_ylabel(f"{index.name}\n({'percent points' if index.signed else '% of lesion volume'})")
            if index.signed:
                ax.axhline(0, color="#555555", linewidth=0.8)
        axes[0].legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        _patient_axis(axes[-1], order)
        caption = (
            "Indices of myelin change per patient, sorted by the measured global index. Global index above zero: "
            "demyelination prevails; below: remyelination. Null: the baseline tissue scanned again at t1, so that all "
            "of it is noise and processing. After figure 5."
        )
        return Picture(svg_uri(figure), "the three indices of change per patient and system", caption, figure)


def _marker(one: System, main: str) -> dict:
    if one.kind == "truth":
        return {"marker": "D", "markersize": 5, "linewidth": 1.4, "zorder": 3}
    if one.key == main:
        return {"marker": "o", "markersize": 5, "linewidth": 1.4, "zorder": 4}
    if one.kind == "null":
        return {"marker": "+", "markersize": 7, "linewidth": 0.9, "linestyle": ":"}
    if one.kind == "ceiling":
        return {"marker": "x", "markersize": 5, "linewidth": 0.9, "linestyle": "--"}
    return {"marker": ".", "markersize": 5, "linewidth": 0, "alpha": 0.8}


def _values(indices: pd.DataFrame, name: str, key: str, order: list[str]) -> np.ndarray:
    """Percent values (N patients) of a system in the given order, NaN where there is none."""
    rows = indices[indices["system"] == name].drop_duplicates("participant_id").set_index("participant_id")
    return 100 * rows[key].reindex(order).to_numpy(float)


def _patient_axis(ax: Axes, order: list[str]) -> None:
    if len(order) <= _LABELS_UP_TO:
        ax.set_xticks(range(len(order)), [label.removeprefix("sub-") for label in order], rotation=90)
    else:
        ax.set_xticks([])
    ax.set_xlabel(f"patient (n = {len(order)})")
