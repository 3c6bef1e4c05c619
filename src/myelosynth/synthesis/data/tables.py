"""Tab-separated tables, checked on reading; a prediction reads none, so pandas is imported with the first."""

from pathlib import Path
from typing import TYPE_CHECKING

from myelosynth.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: Path, columns: tuple[str, ...]) -> "pd.DataFrame":
    """A tab-separated table, all text, with these columns and at least one row. Raises InputError."""
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise InputError("file missing", path, "no such file", "check the path or run the step that makes it")
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as fault:
        raise InputError("not a readable table", path, str(fault), "write it tab-separated") from fault
    missing = [column for column in columns if column not in table]
    if missing:
        values = f"no {', '.join(missing)}; found {', '.join(map(str, table.columns))}"
        raise InputError("columns missing", path, values, f"the table needs {', '.join(columns)}")
    if table.empty:
        raise InputError("table is empty", path, "0 rows, expected at least 1", "check how it was made")
    return table
