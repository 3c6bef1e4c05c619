"""Disks that fill up, runs of the workflow that can be killed, and the command line that meets them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from myelosynth.cli.app import main


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line that a command ends with; anything else is a failure."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["myelosynth", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 1
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("error: ")
        return lines[0]

    return run


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a command that must succeed."""

    def run(*words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["myelosynth", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code

    return run


class Disk:
    """A file system of its own, 1 MiB large."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave no byte."""
        with (self.folder / "ballast").open("wb", buffering=0) as stream, suppress(OSError):
            while stream.write(b"x" * 4096):
                pass

    def empty(self) -> None:
        """Make room again."""
        (self.folder / "ballast").unlink()

    def mode(self, mode: str) -> None:
        """`ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.folder)], check=True)

    def files(self) -> list[str]:
        """All that is there."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.name != "ballast")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a disk that is full or read-only")
    yield Disk(folder)
    # Lazily: the error that a test looks at may hold a file open.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Line:
    """A folder in which Snakemake runs the tiny study."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("config", "profiles"):
            (folder / name).symlink_to(repository / name)
        self.command = ["snakemake", "-s", str(repository / "Snakefile"), "--cores", "2"]
        self.command += ["--configfile", str(repository / "tests/workflow/tiny.yaml"), "--"]

    def start(self, *targets: str) -> "subprocess.Popen[str]":
        """Snakemake and its jobs in a process group of their own."""
        return subprocess.Popen(
            [*self.command, *targets],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, *targets: str) -> tuple[int, str]:
        """Exit code, and all that was said."""
        process = self.start(*targets)
        said, _ = process.communicate()
        return process.returncode, said

    def wait_for(self, name: str) -> None:
        """Until a file is there."""
        end = time.monotonic() + 120
        while not (self.folder / name).exists():
            assert time.monotonic() < end, name
            time.sleep(0.02)


def kill(process: "subprocess.Popen[str]") -> None:
    """SIGKILL to a run and all its jobs."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture
def line(tmp_path: Path, repository: Path) -> Line:
    return Line(tmp_path / "line", repository)
