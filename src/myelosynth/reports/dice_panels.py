"""Box plots of DICE with what it means nothing to reach (all-positive) and what a second scan reaches (figure 3A)."""

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from pandas import DataFrame

from myelosynth.evaluation.published import published
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.page import Gap, Picture, plotting, svg_uri
from myelosynth.reports.plots import draw_box
from myelosynth.reports.scores import MAPS
from myelosynth.reports.systems import colours

LINES = (
    ("all-positive", "all lesion voxels positive", "#000000", (0, (5, 2))),
    ("retest", "retest of the measured PET", "#D55E00", (0, (1, 1.2))),
    ("oracle", "oracle (all that MRI could tell)", "#009E73", (0, (5, 1.5, 1, 1.5))),
)


def dice_panels(cohort: CohortInputs) -> Picture | Gap:
    """DICE of every method, static at t0 and t1 and dynamic, with all-positive, retest and oracle as lines."""
    overlap = cohort.table("overlap")
    overlap = overlap[overlap["dice"].notna()]
    shown = [m for m in MAPS if not overlap[(overlap["session_id"] == m[0]) & (overlap["map"] == m[1])].empty]
    methods = [one for one in cohort.ordered(overlap["system"]) if one.key in cohort.systems]
    if not shown or not methods:
        return Gap("DICE box plots", "no overlap is defined")
    palette = colours(methods)
    with plotting():
        size = (2.6 + 1.85 * len(shown), 1.5 + 0.36 * len(methods))
        figure, axes = pyplot.subplots(1, len(shown), figsize=size, sharey=True, squeeze=False)
        for ax, (session, which, words) in zip(axes[0], shown, strict=True):
            here = overlap[(overlap["session_id"] == session) & (overlap["map"] == which)]
            _lines(ax, here)
            for row, one in enumerate(methods):
                values = here[here["system"] == one.key]["dice"].to_numpy(float)
                if values.size:
                    draw_box(ax, values, row, palette[one.key])
                printed = published(one.key, "dice", session, which)
                if printed:
                    ax.plot(printed.mean, row, "D", markerfacecolor="none", markeredgecolor="black", markersize=5)
            ax.set_title(f"{words}\nn = {here['participant_id'].nunique()} patients", fontsize=9)
            ax.set_xlim(0, 1)
            ax.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
            ax.set_xlabel("DICE (0 to 1)")
        axes[0][0].set_yticks(range(len(methods)), [one.name for one in methods])
        axes[0][0].set_ylim(len(methods) - 0.4, -0.6)
        handles = [Line2D([], [], color=colour, linestyle=dash, label=label) for _, label, colour, dash in LINES]
        style = {"marker": "D", "linestyle": "none", "markerfacecolor": "none", "markeredgecolor": "black"}
        handles.append(Line2D([], [], **style, label="published mean (other data)"))  # type: ignore[arg-type]
        figure.tight_layout()
        figure.legend(handles=handles, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 0.0), fontsize=8)
        caption = (
            "DICE with the maps of the measured PET, one value per patient (points). Line: median; dotted: mean; box: "
            "quartiles; whiskers: least and greatest. Vertical lines are means over the same patients: a box left of "
            "the dashed line is worse than calling every lesion voxel positive. After figure 3A."
        )
        return Picture(svg_uri(figure), "box plots of DICE by system and map", caption, figure)


def _lines(ax: Axes, scores: DataFrame) -> None:
    for key, _, colour, dash in LINES:
        values = scores[scores["system"] == key]["dice"]
        if not values.empty:
            ax.axvline(float(values.mean()), color=colour, linestyle=dash, linewidth=1.3, zorder=1)
