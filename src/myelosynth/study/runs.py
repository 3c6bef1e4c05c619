"""One run at a time in a working directory, none held up by one that was killed, and what killed jobs are told as."""

import atexit
import fcntl
import os
import platform
import re
import sys
from pathlib import Path

from myelosynth.errors import InputError

LOOKS_ONLY = frozenset(
    {
        *("--unlock", "--nolock", "--lint", "--summary", "-S", "--detailed-summary", "-D", "--report", "--archive"),
        *("--dag", "--rulegraph", "--filegraph", "--d3dag", "--list", "--list-rules", "-l", "--list-target-rules"),
        *("--lt", "--list-changes", "--lc", "--list-input-changes", "--li", "--list-params-changes", "--lp"),
        *("--list-untracked", "--lu", "--list-conda-envs", "--print-compilation"),
    }
)
"""Options by which Snakemake runs no job, or was told not to lock."""

_KILLED = re.compile(
    r"(?:returned non-zero exit status 137|died with <Signals\.SIGKILL: 9>).*?^Error in rule (\S+):$.*?^    log: (\S+)",
    re.MULTILINE | re.DOTALL,
)


def killed_jobs(said: str) -> list[InputError]:
    """The jobs of a run that were killed from outside, by what Snakemake said; their logs end without a word."""
    values = "SIGKILL from outside, most often because memory ran out"
    cure = "give it more (mem_mb) and run the same again"
    return [InputError(f"job of rule {rule} was killed", log, values, cure) for rule, log in _KILLED.findall(said)]


def stay_alone(folder: Path) -> None:
    """Hold Snakemake's folder of records (`.snakemake`) until this process ends, however it ends.

    Snakemake's own lock outlives a run that was killed; it is removed where its owner is known to be gone. Raises
    InputError while another run works here, or where a lock was left behind and its owner may live on another machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Open until the process ends; programs that it starts do not inherit it.
    handle = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT, 0o666)
    owner = os.pread(handle, 200, 0).decode(errors="replace")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        values = f"another run is at work there ({owner or 'it has just started'})"
        raise InputError("results in use", folder.parent, values, "wait for it to end, or stop it") from fault
    except OSError:  # a file system without such locks: Snakemake's own is left
        os.close(handle)
        return
    _remove_left(sorted((folder / "locks").glob("*.lock")), owner, folder)
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} on {platform.node()}".encode(), 0)
    atexit.register(os.ftruncate, handle, 0)


def _remove_left(locks: list[Path], owner: str, folder: Path) -> None:
    """Remove the lock that a killed run of this machine has left behind, and say so."""
    if not locks:
        return
    if not owner.endswith(f" on {platform.node()}"):
        values = f"a run that has not ended ({owner or 'process not known'}) has left Snakemake's lock"
        cure = "if it is gone: the same command with --unlock, then without"
        raise InputError("results locked", folder.parent, values, cure)
    for lock in locks:
        lock.unlink(missing_ok=True)
    told = f"The last run here ({owner}) was killed: its lock is removed, what it left half done is made again."
    print(told, file=sys.stderr)
