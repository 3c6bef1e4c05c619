"""Files appear whole or not at all."""

import pytest

from myelosynth.images.atomic import part_path, staged, write_text


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
    assert not part_path(one).exists()
    assert not part_path(other).exists()


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
