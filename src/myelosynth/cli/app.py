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


def main() -> None:
    """Run the command line; bad input gives one line on stderr and exit 1, `--verbose` shows the traceback.

    What the operating system refuses (permissions, a full disk) is told in the same way.
    """
    from myelosynth.cli import commands  # noqa: F401  (registers every command)

    verbose = "--verbose" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--verbose"]
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        share_with(shared_with())
        app(args=arguments)
    except (InputError, OSError) as fault:
        if verbose:
            raise
        print(f"error: {fault if isinstance(fault, InputError) else _refused(fault)}", file=sys.stderr)
        sys.exit(1)


def _refused(fault: OSError) -> InputError:
    where = fault.filename2 or fault.filename or ""
    cure = "check the path, its permissions and the space left"
    return InputError("file cannot be read or written", where, fault.strerror or str(fault), cure)
