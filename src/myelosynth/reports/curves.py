"""Plots of curves: control DVR by distance to CSF, and training."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot

from myelosynth.reports.inputs import CohortInputs
from myelosynth.reports.page import Gap, Picture, plotting, svg_uri
from myelosynth.reports.systems import system
from myelosynth.reports.tables import read_table

_FOLD_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def _fold_of(path: Path) -> int:
    digits = path.stem.rsplit("-", 1)[-1]
    return int(digits) if digits.isdigit() else 0


def control_curves(cohort: CohortInputs) -> Picture | Gap:
    """Mean and SD of the controls' DVR by distance to CSF, one curve per fold."""
    columns = ("distance_low", "distance_high", "n", "mean", "sd")
    found = [(path, read_table(path, columns)) for path in sorted(cohort.tables.glob("curve_fold-*.tsv"), key=_fold_of)]
    curves = [(path, table) for path, table in found if table is not None and not table.empty]
    if not curves:
        return Gap("control curves", "no table curve_fold-K.tsv has been made")
    with plotting():
        figure, ax = pyplot.subplots(figsize=(7.2, 3.6))
        for number, (path, table) in enumerate(curves):
            colour = _FOLD_COLOURS[number % len(_FOLD_COLOURS)]
            high = table["distance_high"].replace(np.inf, np.nan).fillna(table["distance_low"] + 2)
            middle = (table["distance_low"] + high) / 2
            ax.plot(middle, table["mean"], "o-", markersize=3, color=colour, label=f"fold {_fold_of(path)}, mean")
            ax.fill_between(middle, table["mean"] - table["sd"], table["mean"] + table["sd"], color=colour, alpha=0.13)
        ax.set_xlabel("distance to CSF (mm)")
        ax.set_ylabel("DVR of controls' white matter")
        ax.legend()
        caption = (
            "Control curve of each fold: mean (line) and ± 1 SD (band) over voxels of the fold's controls. A lesion "
            "voxel below the lower edge at its own distance counts as demyelinated."
        )
        return Picture(svg_uri(figure), "DVR of controls by distance to CSF, per fold", caption)


def training_curves(cohort: CohortInputs) -> Picture | Gap:
    """Validation error by training step, one panel per system, one line per fold."""
    logs: dict[str, list[tuple[int, pd.DataFrame]]] = {}
    for name in cohort.systems:
        folder = cohort.layout.checkpoint(name, 1).parent.parent
        for path in sorted(folder.glob("fold-*/log.tsv"), key=lambda p: _fold_of(p.parent)):
            table = read_table(path, ("step", "image_loss", "validation_l1"))
            if table is not None and not table.empty:
                logs.setdefault(name, []).append((_fold_of(path.parent), table))
    if not logs:
        return Gap("training curves", "no system keeps a training log")
    with plotting():
        figure, axes = pyplot.subplots(1, len(logs), figsize=(1 + 2.9 * len(logs), 3.0), squeeze=False)
        for ax, (name, folds) in zip(axes[0], logs.items(), strict=True):
            for number, (fold, table) in enumerate(folds):
                colour = _FOLD_COLOURS[number % len(_FOLD_COLOURS)]
                ax.plot(table["step"], table["image_loss"], color=colour, linewidth=0.8, alpha=0.6, linestyle="--")
                ax.plot(table["step"], table["validation_l1"], color=colour, linewidth=1.4, label=f"fold {fold}")
            ax.set_title(system(name).name)
            ax.set_xlabel("training step")
        axes[0][0].set_ylabel("error (DVR)")
        axes[0][0].legend()
        figure.tight_layout()
        caption = (
            "Training: mean absolute error of the validation subjects (solid) and the system's own image loss on its "
            "training patches (dashed; weighted losses have another scale). The weights with least validation error "
            "are kept."
        )
        return Picture(svg_uri(figure), "training curves per system and fold", caption)
