"""What a command read and wrote, with SHA-256, told at its end: the record of a job, in the job's own log.

Every file that the process opens or puts in place is noticed through Python's audit hooks (PEP 578), so a writer that
knows nothing of records is in them too. Files that other programs open are not, unless they stand on the command line.
"""

import hashlib
import os
import re
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from myelosynth import __version__
from myelosynth.images.opened import EVENT as READ

SWITCH = "MYELOSYNTH_RECORD"
"""The environment variable that asks for records; the Snakefile sets it for every job."""
UNREAD = "-"
_PREFIX = "record: "
# A file that is only looked at (its header) is not worth reading whole; whoever takes it as an argument hashes it.
_LARGE = 64 * 2**20
# Distribution and module of the libraries that can change a number.
_LIBRARIES = {
    **{name: name for name in ("deepbet", "dipy", "matplotlib", "monai", "nibabel", "nilearn", "nipype", "numpy")},
    **{name: name for name in ("pandas", "safetensors", "scipy", "statsmodels", "torch")},
    **{"antspyx": "ants", "fslpy": "fsl", "scikit-image": "skimage", "scikit-learn": "sklearn"},
}
# Events of what a process makes for itself; their first argument is the path.
_MAKING = ("tempfile.mkdtemp", "tempfile.mkstemp", "os.mkdir")
_SYSTEM = ("/bin/", "/dev/", "/etc/", "/lib/", "/lib64/", "/proc/", "/run/", "/sbin/", "/sys/", "/usr/", "/var/")


def wanted() -> bool:
    """Whether this process is to tell its record; of several ranks of a training the first does."""
    return bool(os.environ.get(SWITCH)) and os.environ.get("RANK", "0") == "0"


class Recorder:
    """Notices what this process opens from now on. Call `install` once; `text` is the record."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._here, self._temporary = f"{os.getcwd()}/", f"{tempfile.gettempdir()}/"
        self._programs = tuple(f"{place}/" for place in (sys.prefix, sys.base_prefix, Path(__file__).parents[1]))
        self._ran = ran(arguments)
        self._arguments = list(dict.fromkeys(os.path.abspath(path) for path in _candidates(arguments)))
        self._read: dict[str, None] = {}
        self._written: dict[str, None] = {}
        self._made: dict[str, None] = {}

    def install(self) -> None:
        sys.addaudithook(self._notice)

    def _notice(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, flags = args[0], args[2]
            if isinstance(path, (str, bytes, os.PathLike)):
                writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
                (self._written if writes else self._read).setdefault(os.path.abspath(os.fsdecode(path)))
        elif event == "os.rename":
            self._written.setdefault(os.path.abspath(os.fsdecode(args[1])))
        elif event == READ:
            self._read.setdefault(os.path.abspath(os.fsdecode(args[0])))
        elif event in _MAKING:
            self._made.setdefault(os.path.abspath(os.fsdecode(args[0])))

    def text(self) -> str:
        """The record, line by line: files read and written, the command, versions, and a seal over all of it."""
        written = [path for place in list(self._written) for path in _files(place) if self._ours(path)]
        named = [path for path in self._arguments if os.path.isfile(path)]
        read = [path for path in {**dict.fromkeys(named), **self._read} if path not in self._written]
        lines = [f"read sha256={self._digest(path)} {self._told(path)}" for path in read if self._ours(path)]
        lines += [f"wrote sha256={_sha256(path)} {self._told(path)}" for path in written]
        lines.append(f"ran {self._ran}")
        lines.append(f"with {' '.join(f'{name}={number}' for name, number in software().items())}")
        return seal(lines, _so_far())

    def _digest(self, path: str) -> str:
        return UNREAD if path not in self._arguments and os.path.getsize(path) > _LARGE else _sha256(path)

    def _told(self, path: str) -> str:
        """Relative to the working directory where the file lies below it."""
        return path.removeprefix(self._here)

    def _ours(self, path: str) -> bool:
        """Whether a path is a file of the study: there, regular, and neither a program's nor the system's own."""
        if path.startswith(self._programs) or not os.path.isfile(path) or "\n" in path:
            return False
        if path in self._arguments or path.startswith(self._here):
            return "/.snakemake/" not in path
        return not path.startswith(_SYSTEM) and "/." not in path and not self._passing(path)

    def _passing(self, path: str) -> bool:
        """Whether a file is in the system's temporary folder because this process put it there."""
        if not path.startswith(self._temporary):
            return False
        return path in self._written or any(str(place) in self._made for place in (path, *Path(path).parents))


def ran(arguments: Sequence[str]) -> str:
    """The words after `myelosynth` in one line, as a shell would take them.

    >>> ran(["split", "my table.tsv", "--folds", "2"])
    "split 'my table.tsv' --folds 2"
    """
    return shlex.join(argument.replace("\n", " ") for argument in arguments)


def _candidates(arguments: Iterable[str]) -> Iterator[str]:
    """Every part of an argument that may be a path: IMG, NAME=IMG, --option=IMG, inverse:XFM."""
    for argument in arguments:
        yield argument
        for mark in "=:":
            if mark in argument:
                yield argument.partition(mark)[2]


def _files(place: str) -> Iterator[str]:
    """A file itself, and all files of a folder that was put in place as one."""
    if not os.path.isdir(place):
        yield place
        return
    for folder, _, names in os.walk(place):
        yield from (os.path.join(folder, name) for name in sorted(names))


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def source_digest() -> str:
    """The first 16 digits of the SHA-256 over this package's own code: two checkouts of one version differ in it."""
    root = Path(__file__).parents[1]
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        whole.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:16]


def software() -> dict[str, str]:
    """Versions of myelosynth (and of its code), Python, and the libraries that this process has loaded."""
    found = {"myelosynth": __version__, "code": source_digest(), "python": ".".join(map(str, sys.version_info[:3]))}
    for name, module in _LIBRARIES.items():
        if module in sys.modules:
            try:
                found[name] = version(name)
            except PackageNotFoundError:  # a module of that name from elsewhere
                found[name] = "unknown"
    return found


def _so_far() -> bytes | None:
    """What standard error holds by now, where it is a file (a job's log) that can be read; else None."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if not stat.S_ISREG(os.fstat(2).st_mode):
            return None
        return Path("/proc/self/fd/2").read_bytes()
    except OSError:
        return None


def seal(lines: Sequence[str], before: bytes | None) -> str:
    """The lines with a seal: SHA-256 of them and, where `before` is known, of the log from its first byte."""
    body = "".join(f"{_PREFIX}{line}\n" for line in lines)
    whole = (before or b"") + body.encode()
    start = "none" if before is None else len(before)
    return f"{body}{_PREFIX}end lines={len(lines)} after={start} sha256={hashlib.sha256(whole).hexdigest()}\n"


@dataclass
class Record:
    """What the commands of one job told: path to SHA-256 (`-`: opened, not hashed), their words, software, faults."""

    read: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    software: list[dict[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def commands(self) -> int:
        return len(self.software)


_LINE = re.compile(rb"^record: (?:(read|wrote) sha256=([0-9a-f]{64}|-) (.+)|with (.+)|end (.+)|ran(?: (.*))?)$")


def parse(log: bytes) -> Record:
    """Read the records of a log; a seal that does not hold is a fault of the record."""
    record, position, block = Record(), 0, list[bytes]()
    for raw in log.splitlines(keepends=True):
        if raw.startswith(_PREFIX.encode()):
            line = _LINE.match(raw.rstrip(b"\n"))
            if line is None:
                record.faults.append(f"line not understood: {raw.decode(errors='replace').strip()[:80]}")
            elif line[5] is not None:
                _check(record, line[5].decode(), log, position, block)
                block = []
            else:
                block.append(raw)
                _take(record, line)
        position += len(raw)
    if block:
        record.faults.append(f"{len(block)} lines after the last seal")
    return record


def _take(record: Record, line: re.Match[bytes]) -> None:
    if line[4] is not None:
        record.software.append(dict(pair.split("=", 1) for pair in line[4].decode().split() if "=" in pair))
        return
    if line[1] is None:
        record.ran.append((line[6] or b"").decode(errors="surrogateescape"))
        return
    path, digest = line[3].decode(errors="surrogateescape"), line[2].decode()
    (record.read if line[1] == b"read" else record.written)[path] = digest


def _check(record: Record, told: str, log: bytes, position: int, block: Sequence[bytes]) -> None:
    """Hold a seal against the lines before it, and against the log from its first byte."""
    values = dict(pair.split("=", 1) for pair in told.split() if "=" in pair)
    body = b"".join(block)
    if values.get("lines") != str(len(block)):
        record.faults.append(f"{len(block)} lines before a seal of {values.get('lines')}")
        return
    before = b"" if values.get("after") == "none" else log[: position - len(body)]
    if values.get("after") not in ("none", str(len(before))):
        record.faults.append(f"{len(before)} bytes before the record, sealed {values.get('after')}")
    elif hashlib.sha256(before + body).hexdigest() != values.get("sha256"):
        record.faults.append("the text does not match its seal")
