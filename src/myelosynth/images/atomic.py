"""Files appear whole or not at all, after a kill, a full disk or a power loss too."""

import errno
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

PART = ".part-"
"""How the name of a folder begins in which files are made."""

_ROOM = re.compile(rf"{re.escape(PART)}(?P<machine>.+)-(?P<pid>\d+)-[^-]+")


@contextmanager
def staged(*paths: Path) -> Iterator[list[Path]]:
    """Yield one temporary path per target; move all of them into place only if the body succeeds.

    A temporary path has its target's name, in a hidden folder `.part-*` beside the target that no other job writes to,
    and is on the disk before it is moved. What is written may be a file or a folder. On an exception everything
    temporary is removed and every target left as it was; what a killed job leaves is removed by the next one of
    the same machine that writes into the same folder. Raises FileNotFoundError when the body left one of the temporary
    paths unwritten; an OSError names the target.
    """
    targets = [Path(path) for path in paths]
    rooms = dict[Path, Path]()
    try:
        with _naming(targets):
            for target in targets:
                if target.parent not in rooms:
                    rooms[target.parent] = _room(target.parent)
            parts = [rooms[target.parent] / target.name for target in targets]
            yield parts
            for part, target in zip(parts, targets, strict=True):
                if not part.exists():
                    raise FileNotFoundError(errno.ENOENT, "nothing was written", str(target))
            for part in parts:
                _settle(part)
            for part, target in zip(parts, targets, strict=True):
                os.replace(part, target)
            for folder in rooms:
                _sync(folder)
    finally:
        for room in rooms.values():
            shutil.rmtree(room, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step (UTF-8)."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file in one step."""
    with staged(path) as (part,):
        part.write_bytes(content)


def _room(folder: Path) -> Path:
    """A hidden folder for this process alone; those of processes of this machine that are gone are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    with os.scandir(folder) as entries:
        others = [entry.name for entry in entries if entry.name.startswith(PART)]
    for name in others:
        owner = _ROOM.fullmatch(name)
        if owner and owner["machine"] == _machine() and not _runs(int(owner["pid"])):
            shutil.rmtree(folder / name, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PART}{_machine()}-{os.getpid()}-", dir=folder))


@lru_cache(maxsize=1)
def _machine() -> str:
    """Where a process number means something: the host, and the container if there is one."""
    try:
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # not Linux
        space = 0
    return f"{platform.node()}.{space:x}"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _settle(part: Path) -> None:
    """Wait until a file, or a folder with all that is in it, is on the disk."""
    if part.is_dir():
        for folder, _, files in os.walk(part):
            for name in files:
                if not (Path(folder) / name).is_symlink():
                    _sync(Path(folder) / name)
            _sync(Path(folder))
    else:
        _sync(part)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as fault:
        if not (path.is_dir() and fault.errno == errno.EINVAL):  # some file systems cannot do it for a folder
            raise
    finally:
        os.close(handle)


@contextmanager
def _naming(targets: list[Path]) -> Iterator[None]:
    """An error of the system names the target, not a path that is gone when it is read."""
    try:
        yield
    except OSError as fault:
        named = str(fault.filename or "")
        if fault.errno is None or (named and f"/{PART}" not in named):
            raise
        meant = [target for target in targets if target.name == Path(named).name] or targets
        raise OSError(fault.errno, fault.strerror, str(meant[0])) from fault
