"""Files appear whole or not at all."""

import errno
import os
import subprocess
import sys

import pytest

from myelosynth.images.atomic import staged, write_text


def test_both_or_none(tmp_path):
    one, other = tmp_path / "a" / "one.txt", tmp_path / "other.txt"
    other.write_text("before")

    def interrupted() -> None:
        with staged(one, other) as (part, second):
            part.write_text("half")
            second.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert not one.exists()
    assert other.read_text() == "before"
    assert not list(tmp_path.rglob(".part-*"))


def test_success_moves_all_and_leaves_no_part(tmp_path):
    with staged(tmp_path / "a.txt", tmp_path / "b.txt") as (a, b):
        a.write_text("1")
        b.write_text("2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_an_unwritten_part_is_an_error_and_every_target_stays(tmp_path):
    (tmp_path / "b.txt").write_text("old")
    with (
        pytest.raises(FileNotFoundError, match="nothing was written"),
        staged(tmp_path / "a.txt", tmp_path / "b.txt") as (a, _),
    ):
        a.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]
    assert (tmp_path / "b.txt").read_text() == "old"


def test_write_text_replaces(tmp_path):
    write_text(tmp_path / "t.txt", "µ")
    write_text(tmp_path / "t.txt", "mm²")
    assert (tmp_path / "t.txt").read_text(encoding="utf-8") == "mm²"


HALF = """
import os, signal, sys
from pathlib import Path
from myelosynth.images.atomic import staged
with staged(Path(sys.argv[1])) as (part,):
    part.write_text("half")
    {}
"""


def writer(target, then):
    """A process that has written half of a file."""
    return subprocess.Popen([sys.executable, "-c", HALF.format(then), str(target)], stdin=-1, stdout=-1, text=True)


def test_what_a_killed_job_leaves_is_removed_by_the_next_and_a_living_one_is_let_alone(tmp_path):
    target = tmp_path / "t.txt"
    killed = writer(target, "os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.wait() < 0
    living = writer(target, "print(flush=True); input()")
    living.stdout.readline()
    assert len(list(tmp_path.glob(".part-*"))) == 1, "the living one has removed what the killed one left"
    write_text(target, "whole")
    assert len(list(tmp_path.glob(".part-*"))) == 1
    assert target.read_text() == "whole"
    living.communicate("\n")
    assert living.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]


def test_two_writers_of_one_file_never_share_a_part(tmp_path):
    with staged(tmp_path / "t.txt") as (one,), staged(tmp_path / "t.txt") as (other,):
        assert one != other
        assert one.name == other.name == "t.txt", "some writers put the name into what they write"
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "t.txt").read_text() == "1"


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    calls, sync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (calls.append(os.readlink(f"/proc/self/fd/{handle}")), sync(handle))
    )
    monkeypatch.setattr(os, "replace", lambda part, target: (calls.append("replace"), replace(part, target)))
    write_text(tmp_path / "t.txt", "text")
    content, moved, folder = calls
    assert content.endswith("/t.txt")
    assert (moved, folder) == ("replace", str(tmp_path))


def test_a_folder_with_all_that_is_in_it(tmp_path):
    with staged(tmp_path / "out") as (part,):
        (part / "sub").mkdir(parents=True)
        (part / "sub" / "a.txt").write_text("a")
        (part / "link").symlink_to("nowhere")
    assert (tmp_path / "out" / "sub" / "a.txt").read_text() == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_names_the_target(tmp_path):
    with pytest.raises(OSError, match="No space left") as told, staged(tmp_path / "t.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert told.value.filename == str(tmp_path / "t.txt")
    with pytest.raises(FileNotFoundError) as told, staged(tmp_path / "t.txt") as (part,):
        part.read_text()
    assert told.value.filename == str(tmp_path / "t.txt")
    with pytest.raises(FileNotFoundError) as told, staged(tmp_path / "t.txt"):
        (tmp_path / "other.txt").read_text()
    assert told.value.filename == str(tmp_path / "other.txt"), "a file of somebody else keeps its name"
