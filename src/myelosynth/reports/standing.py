"""Where one patient stands: the indices among those of the cohort and beside their null."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes

from myelosynth.reports.cards import Nulls, value_of
from myelosynth.reports.indices import INDICES, Index
from myelosynth.reports.page import Gap, Picture, plotting, svg_uri
from myelosynth.reports.systems import PREDICTED_COLOUR, TRUE_COLOUR

_LANES = (("true", 0.18, TRUE_COLOUR, "D", "measured"), ("", -0.18, PREDICTED_COLOUR, "o", "predicted"))


def standing(
    indices: pd.DataFrame | None, system: str, nulls: Mapping[str, Nulls], everybody: pd.DataFrame | None
) -> Picture | Gap:
    """One row an index: this patient large, all others small, the null interval as a bar."""
    known = [index for index in INDICES if value_of(indices, "true", index.key) is not None]
    known = known or [index for index in INDICES if value_of(indices, system, index.key) is not None]
    if not known:
        return Gap("place among the cohort", "this patient has no index")
    with plotting():
        figure, ax = pyplot.subplots(figsize=(9.0, 0.7 + 0.62 * len(known)))
        for row, index in enumerate(reversed(known)):
            for key, shift, colour, marker, words in _LANES:
                name = key or system
                label = words if row == 0 else ""
                _lane(ax, row + shift, index, indices, name, nulls.get(name, {}), everybody, (colour, marker, label))
        ax.axvline(0, color="#888888", linewidth=0.8)
        ax.set_yticks(range(len(known)), [index.name for index in reversed(known)])
        ax.set_ylim(-0.6, len(known) - 0.4)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("% of baseline lesion volume; percent points for the global index")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12 + 0.1 / len(known)), ncol=2)
        others = 0 if everybody is None else everybody["participant_id"].nunique()
        caption = (
            f"Large: this patient. Small: the {others} patients of the cohort who have indices. Grey bars: the "
            "interval of what a second scan without any change gives; a value on its bar is not a finding."
        )
        return Picture(svg_uri(figure), f"indices of this patient among {others} patients, beside their null", caption)


def _lane(
    ax: Axes,
    height: float,
    index: Index,
    indices: pd.DataFrame | None,
    system: str,
    nulls: Nulls,
    everybody: pd.DataFrame | None,
    style: tuple[str, str, str],
) -> None:
    """One kind of map of one index: null bar, cohort, patient."""
    colour, marker, label = style
    if index.key in nulls:
        low, high = 100 * nulls[index.key].low, 100 * nulls[index.key].high
        ax.barh(height, high - low, 0.26, left=low, color="#CFCFCF", zorder=1)
    if everybody is not None:
        rest = everybody[everybody["system"] == system][index.key].dropna().to_numpy(float)
        ax.plot(100 * rest, np.full(rest.size, height), marker, color=colour, alpha=0.35, markersize=3.5, zorder=2)
    value = value_of(indices, system, index.key)
    if value is not None:
        ax.plot(
            [100 * value],
            [height],
            marker,
            color=colour,
            markersize=9,
            markeredgecolor="black",
            linestyle="none",
            zorder=3,
            label=label,
        )
