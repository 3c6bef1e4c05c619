"""What a training tells while it runs: log.tsv, TensorBoard, a bar on a terminal, a line an interval elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import write_json
from myelosynth.errors import InputError
from myelosynth.images.atomic import write_text

LOG_COLUMNS = {
    "step": {"Description": "optimisation steps of the generator so far"},
    "learning_rate": {"Description": "learning rate of the last step"},
    "image_loss": {"Description": "mean image loss of the system since the row before", "Units": "target units"},
    "adversarial_loss": {"Description": "mean adversarial loss of the generator since the row before"},
    "discriminator_loss": {"Description": "mean loss of the discriminator since the row before"},
    "validation_l1": {"Description": "mean absolute error in the brains of the validation subjects; n/a without any"},
}
# Told without --verbose too: the log of a job on a cluster is all that shows that it moves.
_log = logging.getLogger("myelosynth.progress")
_log.setLevel(logging.INFO)


class Progress:
    """The steps still to do, with the time that they need: a bar on a terminal, else a line an interval."""

    def __init__(self, first: int, steps: int, shown: bool) -> None:
        self.first, self.steps, self.shown = first, steps, shown
        self.bar = shown and sys.stderr.isatty()
        self.started = time.monotonic()

    def remaining(self) -> Iterator[int]:
        """Steps from the first one on."""
        numbers: Iterable[int] = range(self.first, self.steps)
        if self.bar:
            numbers = track(numbers, "training", self.steps, self.first, console=Console(stderr=True))
        yield from numbers

    def tell(self, row: dict[str, Any]) -> None:
        """One line with a row of the log and the time left, where there is no bar."""
        if not self.shown or self.bar:
            return
        done, error = row["step"], row["validation_l1"]
        elapsed = time.monotonic() - self.started
        left = elapsed / max(done - self.first, 1) * (self.steps - done)
        validation = "n/a" if error is None else f"{error:.4g}"
        _log.info(
            "training: step %d of %d, %s elapsed, %s left, image loss %.4g, validation L1 %s",
            *(done, self.steps, _clock(elapsed), _clock(left), row["image_loss"], validation),
        )


class TensorBoard:
    """The rows of log.tsv as TensorBoard events in a folder, each row once however often a training is resumed."""

    def __init__(self, folder: Path, rows: list[dict[str, Any]]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # A killed run may have left rows behind that its state does not have: write them anew.
        for stale in folder.glob("events.out.tfevents.*"):
            stale.unlink()
        self.writer = SummaryWriter(folder)
        for row in rows:
            self.add(row)

    def add(self, row: dict[str, Any]) -> None:
        """One point a column, at the row's step."""
        for name in LOG_COLUMNS:
            if name != "step" and row[name] is not None:
                self.writer.add_scalar(name, row[name], row["step"])
        self.writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()


def require_tensorboard() -> None:
    """Raises InputError where the optional package is absent."""
    if find_spec("tensorboard") is None:
        cure = "pip install 'myelosynth[tensorboard]', or leave --tensorboard out"
        raise InputError("package missing", "--tensorboard", "tensorboard is not installed", cure)


def write_log(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the training log with its sidecar."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(LOG_COLUMNS))
    write_text(path, table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g", lineterminator="\n"))
    write_json(sidecar_path(path), LOG_COLUMNS)


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _clock(3723.4)
    '1:02:03'
    """
    return str(timedelta(seconds=int(seconds)))
