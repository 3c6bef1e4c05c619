"""The frame that every embedded engine fills: read, compute, write with a sidecar."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nipype.interfaces.base import SimpleInterface

from myelosynth.errors import InputError

logging.getLogger("nipype").setLevel(logging.ERROR)


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

    An InputError raised inside comes out unchanged; a command line that fails raises InputError with its stderr.
    """
    with private_folder():
        result = interface.run(ignore_exception=False)
        code = getattr(result.runtime, "returncode", 0)
        if code:
            stderr = str(getattr(result.runtime, "stderr", "")).strip().splitlines()
            values = f"exit code {code}: {' '.join(stderr[-3:])}"
            raise InputError("engine failed", type(interface).__name__, values, "see --verbose")
        return result.outputs
