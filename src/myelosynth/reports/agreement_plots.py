"""Agreement of predicted and measured indices in pictures, and where it holds: by lesion and against made-up change."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from myelosynth.reports.indices import DYNAMIC, INDICES, Index
from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.page import Gap, Picture, plotting, svg_uri
from myelosynth.reports.scores import MAPS
from myelosynth.reports.systems import PREDICTED_COLOUR, RETEST_COLOUR, System, colours, system
from myelosynth.reports.tables import interval, points

_WRONG = "#000000"  # wrong side of zero: colour and shape tell it
_FEWEST = 3  # pairs for limits and intervals
_LABELS_UP_TO = 8  # more patients than this get no label each


def index_scatter(cohort: CohortInputs) -> Picture | Gap:
    """Predicted against measured index of every patient, with the line of identity; wrong signs marked."""
    indices = cohort.table("indices")
    name = system(cohort.main).name
    pairs = {index.key: _pairs(indices, cohort.main, index.key) for index in INDICES}
    if all(both.empty for both in pairs.values()):
        return Gap("predicted against measured indices", f"no patient has both, measured PET and {name}")
    with plotting():
        figure, axes = pyplot.subplots(2, 3, figsize=(9.4, 6.6))
        named: dict[str, Artist] = {}
        for ax, index in zip(axes.flat, INDICES, strict=False):
            both = pairs[index.key]
            retest = _pairs(indices, "retest", index.key)
            if not retest.empty:
                ax.plot(retest["true"], retest["other"], "x", color=RETEST_COLOUR, markersize=5, label="retest")
            wrong = _wrong_sign(both) if index.signed else np.zeros(len(both), bool)
            shown: dict[str, Any] = {"markersize": 6, "linestyle": "none", "alpha": 0.85}
            parts = (
                (~wrong, "o", PREDICTED_COLOUR, "predicted"),
                (wrong, "s", _WRONG, "predicted, wrong side of zero"),
            )
            for part, marker, colour, words in parts:
                if part.any():
                    ax.plot(both[part]["true"], both[part]["other"], marker, color=colour, label=words, **shown)
            _square(ax, index, [both, retest])
            named |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
            ax.set_title(f"{index.name}, n = {len(both)}")
            ax.set_xlabel(f"measured ({_unit(index)})")
            ax.set_ylabel("predicted")
        axes.flat[-1].axis("off")
        axes.flat[-1].legend(list(named.values()), list(named), loc="center")
        figure.tight_layout()
        caption = (
            f"Indices of each patient from {name} against those from measured PET; dashed: equal. The retest (crosses) "
            "is a second scan of the same tissue: what noise alone leaves. Squares: the predicted global index lies on "
            "the other side of zero."
        )
        return Picture(svg_uri(figure), _scatter_words(pairs), caption, figure)


def bland_altman_plots(cohort: CohortInputs) -> Picture | Gap:
    """Difference against mean of predicted and measured index, with limits of agreement and their intervals."""
    indices = cohort.table("indices")
    known = cohort.table("agreement_intervals")
    name = system(cohort.main).name
    pairs = {index.key: _pairs(indices, cohort.main, index.key) for index in INDICES}
    if all(both.empty for both in pairs.values()):
        return Gap("differences of predicted and measured indices", f"no patient has both, measured PET and {name}")
    with plotting():
        figure, axes = pyplot.subplots(2, 3, figsize=(9.4, 6.6))
        for ax, index in zip(axes.flat, INDICES, strict=False):
            both, retest = pairs[index.key], _pairs(indices, "retest", index.key)
            difference, middle = both["other"] - both["true"], (both["other"] + both["true"]) / 2
            if len(retest) >= _FEWEST:
                noise = retest["other"] - retest["true"]
                ends = [float(noise.mean() + sign * 1.96 * noise.std(ddof=1)) for sign in (-1, 1)]
                ax.axhspan(*ends, color=RETEST_COLOUR, alpha=0.16, linewidth=0, label="limits of the retest")
            ax.plot(middle, difference, "o", color=PREDICTED_COLOUR, markersize=5.5, alpha=0.85)
            if len(both) <= _LABELS_UP_TO:
                _label_points(ax, middle, difference)
            ax.axhline(0, color="#555555", linewidth=0.8)
            _limits(ax, known, cohort.main, index)
            ax.margins(y=0.12)
            if len(both):
                reach = max(float(np.ptp(middle)), 1.0)
                ax.set_xlim(middle.min() - 0.12 * reach, middle.max() + 0.4 * reach)  # room for the whiskers
            ax.set_title(f"{index.name}, n = {len(both)}")
            ax.set_xlabel(f"mean of both ({_unit(index)})")
            ax.set_ylabel("predicted − measured (points)")
        handles, words = axes.flat[0].get_legend_handles_labels()
        axes.flat[-1].axis("off")
        axes.flat[-1].legend(handles, words, loc="center")
        figure.tight_layout()
        caption = (
            f"Bland-Altman plots of {name}: one point per patient, in percent points. Solid: bias; dashed: 95 % limits "
            "of agreement; whiskers at the right edge: 95 % intervals of the three, which few patients make wide. Grey "
            "band: limits of agreement of a second scan with the first."
        )
        return Picture(svg_uri(figure), _bland_altman_words(known, cohort.main), caption, figure)


def strata_dots(cohort: CohortInputs) -> Picture | Gap:
    """DICE by lesion size and by distance to the CSF, of the main system and the ceilings, beside all-positive."""
    table = cohort.table("agreement_strata")
    table = table[table["dice"].notna()]
    chosen = [one for one in cohort.ordered(table["system"]) if one.key in (cohort.main, "retest", "oracle")]
    if not any(one.key == cohort.main for one in chosen):
        return Gap("DICE by lesion size and distance to CSF", f"no stratum has a DICE of {system(cohort.main).name}")
    palette = colours(chosen) | {"oracle": "#009E73"}
    kinds = list(dict.fromkeys(table["stratified_by"]))
    shown = [m for m in MAPS if ((table["session_id"] == m[0]) & (table["map"] == m[1])).any()]
    with plotting():
        figure, axes = pyplot.subplots(
            len(shown), len(kinds), figsize=(9.4, 0.8 + 1.9 * len(shown)), sharex="col", sharey=True, squeeze=False
        )
        for line, (session, which, words) in zip(axes, shown, strict=True):
            here = table[(table["session_id"] == session) & (table["map"] == which)]
            for ax, kind in zip(line, kinds, strict=True):
                _stratum_axes(ax, here[here["stratified_by"] == kind], table, kind, chosen, palette)
            line[0].set_ylabel(f"DICE, {words}", fontsize=8)
        for ax, kind in zip(axes[0], kinds, strict=True):
            ax.set_title(f"by {kind}")
        handles, words_of = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, words_of, ncols=len(handles), loc="lower center", bbox_to_anchor=(0.5, 1.0))
        figure.tight_layout()
        caption = (
            "DICE with the maps of the measured PET inside each stratum, mean over the patients who have lesion voxels "
            "there (n lesions below). Bars: all lesion voxels called positive, the floor of the stratum. Lesion "
            "distance is that of its voxel nearest to the CSF."
        )
        return Picture(svg_uri(figure), "DICE by lesion size and by distance to the CSF, per map", caption, figure)


def _stratum_axes(
    ax: Axes, rows: pd.DataFrame, table: pd.DataFrame, kind: str, chosen: Sequence[System], palette: dict[str, str]
) -> None:
    """One map by one kind of stratum."""
    strata = list(dict.fromkeys(table[table["stratified_by"] == kind]["stratum"]))
    place = {name: number for number, name in enumerate(strata)}
    floor = rows.drop_duplicates("stratum")
    width = [place[name] for name in floor["stratum"]]
    ax.bar(width, floor["all_positive_dice"], 0.8, color="#D9D9D9", label="All-positive", zorder=1)
    for place_in_row, one in enumerate(chosen):
        own = rows[rows["system"] == one.key]
        offset = 0.2 * (place_in_row - (len(chosen) - 1) / 2)
        at = [place[name] + offset for name in own["stratum"]]
        marker = {"retest": "x", "oracle": "D"}.get(one.key, "o")
        style: dict[str, Any] = {"color": palette[one.key], "linestyle": "none", "markersize": 6, "zorder": 3}
        ax.plot(at, own["dice"], marker, label=one.short, **style)
    counts = table[table["stratified_by"] == kind].groupby("stratum")["n_lesions"].max()
    words = [name.replace(" to ", "–") for name in strata]
    words = ["≥ " + name.removesuffix(" and more") if name.endswith(" and more") else name for name in words]
    ticks = [f"{short}\nn = {counts[name]:g}" for short, name in zip(words, strata, strict=True)]
    ax.set_xticks(range(len(strata)), ticks, fontsize=7)
    ax.set_ylim(0, 1)
    ax.grid(axis="x", visible=False)


def _pairs(indices: pd.DataFrame, other: str, key: str) -> pd.DataFrame:
    """Columns true and other, in percent, of the patients (index) who have both."""
    sides = {
        side: indices[indices["system"] == name].drop_duplicates("participant_id").set_index("participant_id")[key]
        for side, name in (("true", "true"), ("other", other))
    }
    return 100 * pd.DataFrame(sides).astype(float).dropna()


def _wrong_sign(both: pd.DataFrame) -> np.ndarray:
    """Patients (N,) whose measured value has a side of zero that the other has not."""
    sides = np.sign(both["true"]), np.sign(both["other"])
    return ((sides[0] != 0) & (sides[0] != sides[1])).to_numpy()


def _square(ax: Axes, index: Index, shown: Sequence[pd.DataFrame]) -> None:
    """Equal axes with the line of identity; zero lines where the index has a sign."""
    values = np.concatenate([frame.to_numpy().ravel() for frame in shown])
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    edge = max(0.08 * (high - low), 1.0)
    ends = [low - edge, high + edge]
    ax.plot(ends, ends, "--", color="#555555", linewidth=0.9, zorder=1, label="equal")
    if index.signed:
        ax.axhline(0, color="#999999", linewidth=0.8, zorder=1)
        ax.axvline(0, color="#999999", linewidth=0.8, zorder=1)
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    ax.set_aspect("equal")


def _unit(index: Index) -> str:
    return "points" if index.signed else "%"


def _label_points(ax: Axes, x: pd.Series, y: pd.Series) -> None:
    for who in x.index:
        label, place = str(who).removeprefix("sub-"), (x[who], y[who])
        ax.annotate(label, place, xytext=(4, 3), textcoords="offset points", fontsize=7, color="#555555")


def _limits(ax: Axes, known: pd.DataFrame, main: str, index: Index) -> None:
    """Lines of bias and limits of the table, with their intervals as whiskers at the right edge."""
    rows = known[(known["system"] == main) & (known["index"] == index.key)]
    if rows.empty:
        return
    row = 100 * rows.iloc[0].drop(["system", "index"]).astype(float)
    for order, name in enumerate(("bias", "loa_low", "loa_high")):
        if not np.isfinite(row[name]):
            continue
        label = {"bias": "bias", "loa_low": "95 % limits of agreement"}.get(name)
        style: dict[str, Any] = {
            "color": PREDICTED_COLOUR,
            "linewidth": 1.2,
            "linestyle": "-" if name == "bias" else "--",
        }
        ax.axhline(row[name], label=label, **style)
        low, high = row[f"{name}_ci_low"], row[f"{name}_ci_high"]
        if np.isfinite(low):
            place = 0.88 + 0.045 * order
            where: dict[str, Any] = {
                "transform": ax.get_yaxis_transform(),
                "color": PREDICTED_COLOUR,
                "linewidth": 1.6,
                "marker": "_",
            }
            ax.plot([place, place], [low, high], label="their 95 % intervals" if name == "bias" else None, **where)


def _scatter_words(pairs: dict[str, pd.DataFrame]) -> str:
    both = pairs["global"]
    wrong = int(_wrong_sign(both).sum())
    told = f"the global index has the wrong sign in {wrong} of {len(both)} patients"
    return f"scatter of predicted against measured indices; {told}"


def _bland_altman_words(known: pd.DataFrame, main: str) -> str:
    told = []
    for index in DYNAMIC:
        for _, row in known[(known["system"] == main) & (known["index"] == index.key)].iterrows():
            limits = interval(row["loa_low"], row["loa_high"], lambda value: points(value, sign=True))
            told.append(f"{index.name.lower()} bias {points(row['bias'], sign=True)}, limits {limits}")
    return f"Bland-Altman plots of the indices in percent points: {'; '.join(told) or 'no limits'}"
