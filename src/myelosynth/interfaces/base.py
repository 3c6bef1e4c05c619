"""The frame that every embedded engine fills: read, compute, write with a sidecar."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("NIPYPE_NO_ET", "1")  # no call home: compute nodes have no network

from nipype.interfaces.base import CommandLine, SimpleInterface

from myelosynth.errors import InputError

for _logger in ("nipype", "nipype.interface", "nipype.utils"):
    logging.getLogger(_logger).setLevel(logging.ERROR)


@contextmanager
def private_folder() -> Iterator[Path]:
    """Run inside a temporary working directory: Nipype interfaces drop files where they stand."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="myelosynth-") as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def run(interface: SimpleInterface) -> Any:
    """Run an interface in a private folder and return its outputs; file inputs must be absolute paths.

    An InputError raised inside comes out unchanged.
    """
    with private_folder():
        return interface.run(ignore_exception=False).outputs


def run_program(program: CommandLine) -> Any:
    """Run a lab engine's command line where we stand and return its outputs.

    Raises InputError with the command and the end of its stderr when it cannot start, exits non-zero or leaves an
    output unwritten (Nipype alone does not always raise).
    """
    result = program.run(ignore_exception=True)
    code = getattr(result.runtime, "returncode", None)
    traceback = getattr(result.runtime, "traceback", None)
    if code == 0 and not traceback:
        return result.outputs
    said = str(getattr(result.runtime, "stderr", "") or traceback or "").strip().splitlines()
    values = f"exit code {code}: {' '.join(line.strip() for line in said[-3:])}"
    raise InputError("engine failed", str(program.cmd), values, "run the program by hand on this input")
