"""The record that a command ends with, and its seal."""

import hashlib
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from myelosynth.audit.record import SWITCH, UNREAD, parse, seal


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def job(tmp_path):
    """`run(log, *arguments)`: a command with its output in a log, as a rule runs it; further commands append."""
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tgroup\n" + "".join(f"sub-{n:02}\tpatient\n" for n in range(1, 9))
    )

    def run(log, *arguments, **environment):
        with (tmp_path / log).open("ab") as stream:
            return subprocess.run(
                [sys.executable, "-m", "myelosynth", *map(str, arguments)],
                cwd=tmp_path,
                env={**os.environ, SWITCH: "1", **environment},
                stdout=stream,
                stderr=subprocess.STDOUT,
            ).returncode

    return run


def test_it_tells_what_was_read_and_written_with_checksums_and_versions(tmp_path, job):
    assert job("log", "split", "participants.tsv", "tables/split.tsv", "--folds", 2) == 0
    record = parse((tmp_path / "log").read_bytes())
    assert record.faults == []
    assert record.read == {"participants.tsv": sha(tmp_path / "participants.tsv")}
    names = ("tables/split.tsv", "tables/split.json")
    assert record.written == {name: sha(tmp_path / name) for name in names}
    assert record.ran == ["split participants.tsv tables/split.tsv --folds 2"]
    (software,) = record.software
    assert {"myelosynth", "code", "python", "pandas", "numpy"} <= set(software)


def test_two_commands_share_a_log_and_each_seals_all_before_it(tmp_path, job):
    job("log", "split", "participants.tsv", "split.tsv", "--folds", 2, "--validation", 0)
    job("log", "inner-split", "split.tsv", "inner.tsv", "--fold", 1, "--folds", 2, "--validation", 0)
    text = (tmp_path / "log").read_bytes()
    record = parse(text)
    assert (record.faults, record.commands) == ([], 2)
    assert record.read["split.tsv"] == record.written["split.tsv"]
    assert parse(b"x" + text).faults


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"wrote sha256=0", b"wrote sha256=1"),
        (b"=1\n", b"=2\n"),
        (b"record: read", b"read"),
        (b"end ", b""),
        (b"word", b"sword"),
    ],
)
def test_an_edited_record_breaks_its_seal(old, new):
    lines = [f"read sha256={'1' * 64} a.tsv", f"wrote sha256={'0' * 64} b.tsv", "with myelosynth=1"]
    text = b"a word\n" + seal(lines, b"a word\n").encode()
    assert parse(text).faults == []
    assert old in text
    assert parse(text.replace(old, new, 1)).faults


def test_a_file_that_is_opened_without_being_named_is_in_the_record(tmp_path):
    """The images that a manifest lists, say."""
    code = (
        "import sys; from pathlib import Path; from myelosynth.audit.record import Recorder;"
        "r = Recorder(['inverse:a.txt', '--source', 'FA=b.txt', '--mask=c.txt']); r.install();"
        "Path('seen.txt').read_text(); Path('made.txt').write_text('x'); Path('.part').write_text('y');"
        "Path('.part').replace('moved.txt'); print(r.text(), end='')"
    )
    for name in ("a", "b", "c", "seen", "unseen"):
        (tmp_path / f"{name}.txt").write_text(name)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)
    record = parse(done.stdout)
    assert sorted(record.read) == ["a.txt", "b.txt", "c.txt", "seen.txt"]
    assert sorted(record.written) == ["made.txt", "moved.txt"]


def test_a_large_file_that_is_only_opened_is_named_without_a_checksum(tmp_path, monkeypatch):
    from myelosynth.audit import record as module

    monkeypatch.setattr(module, "_LARGE", 3)
    monkeypatch.chdir(tmp_path)
    for name in ("named", "opened"):
        (tmp_path / name).write_text("four")
    recorder = module.Recorder(["named"])
    recorder._notice("open", ("opened", "r", os.O_RDONLY))
    told = parse(recorder.text().encode()).read
    assert told == {"named": sha(tmp_path / "named"), "opened": UNREAD}


def test_no_record_of_a_command_that_fails_or_was_not_asked(tmp_path, job):
    assert job("failed", "split", "nobody.tsv", "split.tsv") == 1
    assert job("unasked", "split", "participants.tsv", "split.tsv", "--folds", 2, **{SWITCH: ""}) == 0
    assert job("rank", "split", "participants.tsv", "split.tsv", "--folds", 2, RANK="1") == 0
    assert b"record:" not in b"".join((tmp_path / name).read_bytes() for name in ("failed", "unasked", "rank"))


def test_a_file_that_a_library_opens_past_python_is_in_the_record(tmp_path, monkeypatch):
    from myelosynth.errors import InputError
    from myelosynth.interfaces import ants_bridge
    from myelosynth.synthesis import checkpoints

    told = []
    weights, affine = tmp_path / "weights.safetensors", tmp_path / "0GenericAffine.mat"
    weights.write_bytes(b"none")
    itk = SimpleNamespace(parameters=[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], fixed_parameters=[0, 0, 0])
    monkeypatch.setattr(ants_bridge, "load_ants", lambda: SimpleNamespace(read_transform=lambda path: itk))
    for module in (checkpoints, ants_bridge):
        monkeypatch.setattr(module, "opened", told.append)
    with pytest.raises(InputError, match="not a readable safetensors file"):
        checkpoints.load_checkpoint(weights)
    ants_bridge.read_mat(str(affine))
    assert told == [weights, str(affine)]


def test_what_this_process_made_in_the_temporary_folder_is_left_out_and_nothing_else(tmp_path):
    """Files of somebody else may be there too; a file told by `opened` is in the record as any other."""
    code = (
        "import os, tempfile; from pathlib import Path; from myelosynth.audit.record import Recorder;"
        "from myelosynth.images.opened import opened;"
        "r = Recorder([]); r.install(); place = Path(tempfile.mkdtemp()); (place / 'own.txt').write_text('x');"
        "os.system(f'echo > {place}/program.txt'); (place / 'program.txt').read_text();"
        "temporary = Path(tempfile.gettempdir()); (temporary / 'note.txt').write_text('y');"
        "(temporary / 'theirs.txt').read_text(); opened('told.txt'); print(r.text(), end='')"
    )
    temporary, here = tmp_path / "temporary", tmp_path / "here"
    for path in (temporary / "theirs.txt", here / "told.txt"):
        path.parent.mkdir()
        path.write_text("z")
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, "-c", code], cwd=here, env=environment, capture_output=True, check=True)
    record = parse(done.stdout)
    assert sorted(record.read) == [str(temporary / "theirs.txt"), "told.txt"]
    assert record.written == {}
