"""Regional time-activity curves: tables in, distribution volume ratios out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from myelosynth.errors import InputError
from myelosynth.physics.dvr import Analysis
from myelosynth.physics.frames import Frames

FINE_RATES = 1024
_TIMES = ("frame_start", "frame_end")


def read_tacs(path: Path) -> tuple[pd.DataFrame, Frames]:
    """Read a table of curves: frame_start and frame_end in seconds, then one column a region.

    Returns the regions (F rows) and their frames. Raises InputError for a missing file, column or value, and for frames
    that overlap or leave a gap.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path")
    try:
        table = pd.read_csv(path, sep="\t")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as fault:
        raise InputError("not a TSV table", path, str(fault), "give tab-separated columns") from fault
    lacking = [name for name in _TIMES if name not in table]
    if lacking:
        values = f"columns {' '.join(map(str, table.columns))}, lacking {' '.join(lacking)}"
        raise InputError("TAC table without frame times", path, values, "add them, in seconds")
    numbers = table.apply(pd.to_numeric, errors="coerce")
    if numbers.isna().to_numpy().any():
        row, column = np.argwhere(numbers.isna().to_numpy())[0]
        values = f"row {row + 1}, column {table.columns[column]}: {table.iloc[row, column]!r}"
        raise InputError("TAC is not a number", path, values, "complete the table")
    frames = Frames.of(numbers["frame_start"].tolist(), numbers["frame_end"].tolist(), path)
    return numbers.drop(columns=list(_TIMES)), frames


def regional_dvr(path: Path, reference: str, analysis: Analysis) -> tuple[pd.DataFrame, dict[str, Any]]:
    """DVR of every region in a table of curves, and the settings; SRTM and SRTM2 add r1, k2prime (1/min) and bpnd.

    k2' and t* of `auto` come from all regions together. Raises InputError when the reference is not a column, no other
    region is there, and for all that `Analysis.fit` refuses.
    """
    regions, frames = read_tacs(path)
    if reference not in regions or regions.shape[1] < 2:
        values = f"{reference!r} among {' '.join(regions.columns)}"
        raise InputError("no such reference column, or no other region", path, values, "correct --reference")
    names = [name for name in regions if name != reference]
    curves = regions[names].to_numpy(float).T
    found, settings = analysis.fit(curves, curves, regions[reference].to_numpy(float), frames, path)
    table = pd.DataFrame({"region": names, **found})
    return table if analysis.model == "logan" else table.assign(bpnd=table["dvr"] - 1), settings
