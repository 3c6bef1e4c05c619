"""What may come from outside: labels, file names and paths, looked at before they reach a path, a shell or a page."""

import re
from functools import lru_cache
from os.path import islink, realpath
from pathlib import Path, PurePath

from myelosynth.errors import InputError

_LABEL = re.compile(r"[0-9A-Za-z]+")
_WORD = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]*")
_IMAGE = re.compile(r"sub-([0-9A-Za-z]+)_ses-([0-9A-Za-z]+)(?:_[A-Za-z]+-[0-9A-Za-z+]+)*_[0-9A-Za-z]+\.nii(?:\.gz)?")
_SPECIAL = '{}$`"\\'
"""Read by Snakemake as wildcards, or by a shell between double quotes, where a cluster's submission puts commands."""


def require_label(entity: str, label: str, where: object) -> str:
    """The label of an entity (`sub`, `ses`) as it stands. Raises InputError unless it is ASCII letters and digits."""
    if not _LABEL.fullmatch(label):
        values = f"{entity}-{label}, expected letters and digits after {entity}-"
        raise InputError("not a BIDS label", where, values, "rename it, files and tables alike")
    return label


def require_word(what: str, name: str, where: object) -> str:
    """The name of a contrast as it stands. Raises InputError unless it is ASCII letters, digits and hyphens."""
    if not _WORD.fullmatch(name):
        raise InputError(f"{what} not understood", where, f"got {name}, expected letters and digits", "mend the name")
    return name


def require_image_name(image: Path, sub: str, ses: str) -> None:
    """Raise InputError unless the name of an image is BIDS and tells the participant and the session of its folder."""
    told = _IMAGE.fullmatch(image.name)
    if told is None or told.groups() != (sub, ses):
        values = f"expected sub-{sub}_ses-{ses}_[entity-LABEL_]SUFFIX.nii.gz, labels of letters and digits"
        raise InputError("not a BIDS name", image, values, "rename the file, and those that belong to it")


def plain_path(text: str) -> str:
    """A path of the configuration as it stands: blanks, apostrophes and every script's letters are welcome.

    Raises ValueError for an empty one, for characters that do not print, for those that Snakemake or a shell reads in
    another way, and for one that looks like an option or a home folder.
    """
    if not text or text[0] in "-~":
        cure = "write the home folder out" if text.startswith("~") else "put ./ before it" if text else "name a path"
        raise ValueError(f"a path cannot be empty or begin with - or ~: {cure}")
    odd = next((character for character in text if character in _SPECIAL or not character.isprintable()), None)
    if odd is not None:
        told = odd if odd in _SPECIAL else f"U+{ord(odd):04X}"
        raise ValueError(f"a path cannot hold {told}: rename the folder, or give another way to it")
    return text


def plain_name(text: str) -> bool:
    """Whether a text is the name of a file in a folder and of nothing outside it."""
    return text.isprintable() and "\\" not in text and PurePath(text).name == text and text not in ("", ".", "..")


def require_inside(path: Path, roots: tuple[Path, ...], cure: str) -> None:
    """Raise InputError for a file that is there by a link out of every one of the folders `roots`.

    The folders themselves may be links: a person named them. Links within them, as DataLad and git-annex make, stay.
    """
    inside = _inside(path, roots) if islink(path) else _folder_inside(path.parent, roots)
    if not inside:
        raise InputError("link leaves the data set", path, f"it leads to {realpath(path)}", cure)


def _inside(path: Path, roots: tuple[Path, ...]) -> bool:
    there = PurePath(realpath(path))
    return any(there.is_relative_to(realpath(root)) for root in roots)


# Images share folders.
_folder_inside = lru_cache(maxsize=65536)(_inside)
