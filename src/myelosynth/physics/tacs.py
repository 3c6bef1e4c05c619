"""Regional time-activity curves: tables in, distribution volume ratios out."""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from myelosynth.errors import InputError
from myelosynth.physics.frames import Frames
from myelosynth.physics.kinetics import logan_dvr, srtm, srtm2

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


def regional_dvr(
    path: Path,
    reference: str,
    model: Literal["logan", "srtm", "srtm2"],
    k2prime: float | None = None,
    t_star_min: float = 20.0,
) -> pd.DataFrame:
    """DVR of every region in a table of curves; SRTM and SRTM2 add r1, k2prime (per minute) and bpnd.

    Raises InputError when the reference is not a column, or no other region is there.
    """
    regions, frames = read_tacs(path)
    if reference not in regions or regions.shape[1] < 2:
        values = f"{reference!r} among {' '.join(regions.columns)}"
        raise InputError("no such reference column, or no other region", path, values, "correct --reference")
    cr = regions[reference].to_numpy(float)
    names = [name for name in regions if name != reference]
    curves = regions[names].to_numpy(float).T
    if model == "logan":
        dvr = logan_dvr(curves, cr, frames, frames.first_after(t_star_min, path), k2prime)
        return pd.DataFrame({"region": names, "dvr": dvr})
    if model == "srtm2":
        if k2prime is None:
            raise InputError("srtm2 needs k2'", path, "not given", "give a rate in 1/min")
        fit = srtm2(curves, cr, frames, k2prime, FINE_RATES)
    else:
        fit = srtm(curves, cr, frames, FINE_RATES)
    return pd.DataFrame({"region": names, "dvr": fit.dvr, "r1": fit.r1, "k2prime": fit.k2prime, "bpnd": fit.dvr - 1})
