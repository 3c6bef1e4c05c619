"""Who may read what is written: its owner alone, or the group too where that is asked for."""

import os

from myelosynth.errors import InputError

VARIABLE = "MYELOSYNTH_SHARE"
_MASKS = {"private": 0o077, "group": 0o027}


def shared_with() -> str:
    """`private` or `group`, as the environment says. Raises InputError for another word."""
    share = os.environ.get(VARIABLE) or "private"
    if share not in _MASKS:
        raise InputError("sharing not understood", VARIABLE, f"got {share}, expected {' or '.join(_MASKS)}", "mend it")
    return share


def share_with(share: str) -> None:
    """Set who may read what this process and its children write: files 0600 or 0640, folders 0700 or 0750."""
    os.environ[VARIABLE] = share
    os.umask(_MASKS[share])
