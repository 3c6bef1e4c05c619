"""What the study cost: jobs of every step with time and memory, as Snakemake recorded them."""

from pathlib import Path

import pandas as pd

from myelosynth.bids.layout import Layout
from myelosynth.reports.page import Gap
from myelosynth.reports.tables import Table, count, number, read_table

_COLUMNS = ("s", "max_rss")


def runtime_table(layout: Layout) -> Table | Gap:
    """One row a step, the longest first: jobs, wall clock, CPU, most memory."""
    rows = []
    for folder in sorted((layout.root / "benchmarks").glob("*/")):
        step = _step(folder)
        if step is not None:
            rows.append((folder.name, step))
    if not rows:
        return Gap("runtime", "there are no benchmark files")
    rows.sort(key=lambda pair: -pair[1]["s"].sum())
    cells = [[name.replace("_", " "), *_cells(step)] for name, step in rows]
    everything = pd.concat([step for _, step in rows])
    cells.append(["all steps", *_cells(everything)])
    heads = ("Step", "Jobs", "Minutes in all", "Seconds a job", "longest", "CPU minutes", "Most memory (MB)")
    notes = (
        "Wall clock of the jobs, start of the program included, whatever else the machine did; jobs ran beside each "
        "other, so their sum is more than the run took. Memory: largest resident set of a job.",
    )
    return Table(
        heads, cells, "Time and memory of every step", ["total" if c[0] == "all steps" else "" for c in cells], notes
    )


def _step(folder: Path) -> pd.DataFrame | None:
    tables = [read_table(path, _COLUMNS) for path in sorted(folder.glob("*.tsv"))]
    found = [table for table in tables if table is not None and len(table)]
    return pd.concat(found) if found else None


def _cells(step: pd.DataFrame) -> list[str]:
    seconds = pd.to_numeric(step["s"], errors="coerce")
    cpu = pd.to_numeric(step["cpu_time"], errors="coerce") if "cpu_time" in step else pd.Series(dtype=float)
    memory = pd.to_numeric(step["max_rss"], errors="coerce")
    times = [number(seconds.sum() / 60, 1), number(seconds.mean(), 1), number(seconds.max(), 1)]
    return [count(len(step)), *times, number(cpu.sum() / 60 if cpu.notna().any() else None, 1), number(memory.max(), 0)]
