"""The final index table on the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from myelosynth.bids.layout import Layout
from myelosynth.errors import InputError
from myelosynth.reports.cards import INDEX_COLUMNS, value_of
from myelosynth.reports.indices import INDICES
from myelosynth.reports.names import cohort_page
from myelosynth.reports.simulated import NOTICE, is_simulated
from myelosynth.reports.systems import system as named
from myelosynth.reports.tables import points, read_table


def print_indices(layout: Layout, system: str, tables: Path, page: Path | None) -> None:
    """Print patients x indices, measured and predicted in percent, and the path of the cohort page.

    Raises InputError when indices.tsv has not been made, or does not hold the system.
    """
    path = tables / "indices.tsv"
    frame = read_table(path, INDEX_COLUMNS)
    if frame is None:
        raise InputError("file missing", path, "no such file", "run `myelosynth evaluate` first")
    if system not in set(frame["system"]):
        values = f"{system}; the table has {', '.join(dict.fromkeys(map(str, frame['system'])))}"
        raise InputError("system not in the table", path, values, "name one of them with --system")
    shown = Table(title=f"Myelin indices, measured / predicted by {named(system).name} (% of baseline lesion volume)")
    shown.add_column("patient")
    for index in INDICES:
        shown.add_column(index.name, justify="right")
    for participant, rows in frame.groupby("participant_id", sort=True):
        by = rows.drop_duplicates("system").set_index("system")
        cells = []
        for index in INDICES:
            pair = (points(value_of(by, key, index.key), index.signed) for key in ("true", system))
            cells.append(" / ".join(pair))
        shown.add_row(str(participant), *cells)
    console = Console(width=None if Console().is_terminal else 132)
    console.print(shown)
    if is_simulated(layout.root):
        console.print(NOTICE)
    target = page or cohort_page(layout)
    console.print(
        f"Cohort report: {target}" if target.is_file() else f"No cohort report yet at {target}", soft_wrap=True
    )
