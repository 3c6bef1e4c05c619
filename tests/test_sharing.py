"""What is written is read by its owner alone, unless the group is asked for."""

import os
import stat
import subprocess

import pytest


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def written(folder, share, umask=0o022):
    """A command run with a common umask, where the environment asks for sharing or says nothing."""
    environment = {key: value for key, value in os.environ.items() if key != "MYELOSYNTH_SHARE"}
    environment |= {"MYELOSYNTH_SHARE": share} if share else {}
    command = ["myelosynth", "schema", str(folder / "new" / "schema.json")]
    return subprocess.run(command, env=environment, umask=umask, text=True, capture_output=True)


@pytest.mark.parametrize(
    ("share", "umask", "file", "folder"),
    [
        ("", 0o022, 0o600, 0o700),
        ("private", 0, 0o600, 0o700),
        ("group", 0o022, 0o640, 0o750),
        ("group", 0o077, 0o640, 0o750),
    ],
)
def test_commands_write_for_their_owner_unless_the_group_is_asked_for(tmp_path, share, umask, file, folder):
    assert written(tmp_path, share, umask).returncode == 0
    assert mode(tmp_path / "new" / "schema.json") == file
    assert mode(tmp_path / "new") == folder


def test_another_word_is_told(tmp_path):
    result = written(tmp_path, "everybody")
    assert result.returncode == 1
    assert (
        result.stderr
        == "error: sharing not understood, MYELOSYNTH_SHARE, got everybody, expected private or group, mend it\n"
    )
    assert not (tmp_path / "new").exists()
