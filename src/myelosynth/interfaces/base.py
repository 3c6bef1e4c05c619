"""The frame that every engine fills: read, compute, write with a sidecar that tells the call."""

import logging
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

os.environ.setdefault("NIPYPE_NO_ET", "1")  # no call home: compute nodes have no network
os.environ.setdefault("FSLOUTPUTTYPE", "NIFTI_GZ")  # else Nipype warns, and asks FSL for another type than ours

from nipype.interfaces.base import CommandLine, SimpleInterface

from myelosynth.bids.sidecar import current_call
from myelosynth.errors import InputError

_command_lines: ContextVar[list[str] | None] = ContextVar("command lines of the interface that runs", default=None)

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

    Sidecars that the interface writes hold its call (`describe_call`). An InputError raised inside comes out unchanged.
    """
    return run_recorded(interface)[0]


def run_recorded(interface: SimpleInterface) -> tuple[Any, dict[str, Any]]:
    """As `run`, and the call with the command lines of the lab programs that ran, for a sidecar written later."""
    call, lines = describe_call(interface), list[str]()
    collecting, telling = _command_lines.set(lines), current_call.set(call)
    try:
        with private_folder():
            outputs = interface.run(ignore_exception=False).outputs
    finally:
        _command_lines.reset(collecting)
        current_call.reset(telling)
    return outputs, call | ({"CommandLines": lines} if lines else {})


def describe_call(interface: SimpleInterface) -> dict[str, Any]:
    """Function and arguments of an interface; files by name alone, so that a sidecar does not depend on where it ran.

    Run time stays out for the same reason: outputs and sidecars of equal inputs are equal to the byte.
    """
    kind = type(interface)
    given = interface.inputs.get_traitsfree()
    return {
        "Function": f"{kind.__module__}.{kind.__qualname__}",
        "Arguments": {name: _by_name(value) for name, value in sorted(given.items())},
    }


def _by_name(value: Any) -> Any:
    """The name of a file; anything else as it is."""
    return Path(value).name if isinstance(value, str) and os.path.isabs(value) else value


def shown_command(program: CommandLine) -> str:
    """The command line of a program: files by name, what belongs to FSL below $FSLDIR, no number of threads."""
    home = os.environ.get("FSLDIR", "").rstrip("/")
    words: list[str] = []
    for word in shlex.split(re.sub(r" -openmp \d+", "", str(program.cmdline))):
        ours = home and word.startswith(f"{home}/etc/")
        words.append(f"$FSLDIR{word[len(home) :]}" if ours else Path(word).name if "/" in word else word)
    return " ".join(words)


def run_program(program: CommandLine) -> Any:
    """Run a lab engine's command line where we stand and return its outputs.

    Raises InputError with the command and the end of its stderr when it cannot start, exits non-zero or leaves an
    output unwritten (Nipype alone does not always raise).
    """
    lines = _command_lines.get()
    if lines is not None:
        lines.append(shown_command(program))
    result = program.run(ignore_exception=True)
    code = getattr(result.runtime, "returncode", None)
    traceback = getattr(result.runtime, "traceback", None)
    if code == 0 and not traceback:
        return result.outputs
    said = str(getattr(result.runtime, "stderr", "") or traceback or "").strip().splitlines()
    values = f"exit code {code}: {' '.join(line.strip() for line in said[-3:])}"
    raise InputError("engine failed", str(program.cmd), values, "run the program by hand on this input")


def use_our_threads() -> None:
    """Tell PyTorch the number of threads that this job was given."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
