"""The `myelosynth` command: one sub-command per workflow step."""

import logging
import sys

import typer

from myelosynth.errors import InputError
from myelosynth.sharing import share_with, shared_with

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From multisequence MRI to PET-derived myelin maps, indices and reports.",
    epilog="Every command takes --verbose: messages of its progress and, after an error, the traceback.",
)

_NO_MEMORY = ("allocate memory", "out of memory", "failed to map segment", "failed to allocate")


def main() -> None:
    """Run the command line; bad input gives one line on stderr and exit 1, `--verbose` shows the traceback.

    What the operating system refuses (permissions, a full disk, memory) is told in the same way. Where
    MYELOSYNTH_RECORD is set, a command that succeeds ends with the record of the files that it read and wrote.
    """
    from myelosynth.cli import commands  # noqa: F401  (registers every command)

    verbose = "--verbose" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--verbose"]
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        share_with(shared_with())
        _run(arguments)
    except (InputError, OSError, MemoryError, RuntimeError, ImportError) as fault:
        told = _told(fault)
        if verbose or told is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        sys.exit(1)


def _told(fault: Exception) -> InputError | None:
    """The one line of a fault; None where it is a fault of ours."""
    if isinstance(fault, InputError):
        return fault
    # torch and ITK have no class of error for it, and a library that does not fit is an ImportError.
    if isinstance(fault, MemoryError) or any(words in str(fault).lower() for words in _NO_MEMORY):
        values = " ".join(str(fault).split())[:200] or type(fault).__name__
        return InputError("out of memory", "", values, "give the job more memory (mem_mb of its rule), or the machine")
    return _refused(fault) if isinstance(fault, OSError) else None


def _run(arguments: list[str]) -> None:
    """Run a command, and tell its record where the environment asks for one and the command succeeds."""
    from myelosynth.audit.record import Recorder, wanted

    if not wanted():
        app(args=arguments)
        return
    recorder = Recorder(arguments)
    recorder.install()
    try:
        app(args=arguments)
    except SystemExit as end:
        if end.code in (0, None):
            sys.stderr.write(recorder.text())
            sys.stderr.flush()
        raise


def _refused(fault: OSError) -> InputError:
    where = fault.filename2 or fault.filename or ""
    cure = "check the path, its permissions and the space left"
    return InputError("file cannot be read or written", where, fault.strerror or str(fault), cure)
