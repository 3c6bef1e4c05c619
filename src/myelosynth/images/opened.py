"""Tells Python's audit hooks (PEP 578) of a file that a library opens past Python's own `open`."""

import os
import sys
from pathlib import Path

EVENT = "myelosynth.read"
"""The name of the event; its one argument is the path."""


def opened(path: str | Path) -> None:
    """Say that a file is about to be read, so that the record of a command has it (audit/record.py)."""
    sys.audit(EVENT, os.fspath(path))
