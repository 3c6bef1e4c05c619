"""Ready maps: masks and quantitative maps that come with the data set, in a BIDS derivative of it.

Space rule: a mask lies on the grid of its image: brain and WM on the T1w's; the PET's reference region on the T1w's
with `space-T1w`, without a `space-` entity on the PET's. A map is placed by its own header: with `space-T1w` in the
world of the session's T1w, without a `space-` entity in that of the raw image it was made of.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from myelosynth.bids.guard import require_image_name
from myelosynth.bids.names import entities_of
from myelosynth.errors import InputError, printable


class Kind(NamedTuple):
    """Where ready files of one kind lie, what their names say, and the values they may have.

    level: what the highest 1 % of the positive values reach in this unit; a map below it is in another unit. image: the
    one on whose grid a mask without a `space-` entity lies.
    """

    datatype: str
    suffix: str
    entities: dict[str, str]
    limits: tuple[float, float] | None = None
    unit: str = ""
    level: float = 0.0
    image: str = "T1w"


READY = {
    "brain": Kind("anat", "mask", {"desc": "brain"}),
    "WM": Kind("anat", "mask", {"label": "WM"}),
    "reference": Kind("anat", "mask", {"label": "reference"}, image="PET"),
    "MTR": Kind("anat", "MTRmap", {}, (0.0, 100.0), "percent", 5.0),
    "FA": Kind("dwi", "FA", {}, (0.0, 1.0), "1", 0.1),
    "RD": Kind("dwi", "dwimap", {"param": "rd"}, (0.0, 0.01), "mm2/s", 1e-4),
    "AD": Kind("dwi", "dwimap", {"param": "ad"}, (0.0, 0.01), "mm2/s", 1e-4),
    "DVR": Kind("pet", "pet", {"desc": "dvr"}, (0.0, 5.0), "1", 0.5),
}
"""Every kind of ready file, by its name in the session index; masks have no limits."""


def in_t1w(path: Path | str) -> bool:
    """Whether a ready map lies in the world of the T1w."""
    return entities_of(path).get("space") == "T1w"


def anchor_of(kind: str, path: Path | str) -> str:
    """The contrast whose image a ready file is held against: the mask's grid, or the world of a map in T1w space."""
    return "T1w" if in_t1w(path) else READY[kind].image


def find_ready(root: Path, sub: str, ses: str, kind: str) -> tuple[Path | None, list[Path]]:
    """The ready file of a kind, and the files beside it in spaces that cannot be used.

    Raises InputError for two files that could both be it.
    """
    datatype, suffix, entities, *_ = READY[kind]
    folder = root / f"sub-{sub}" / f"ses-{ses}" / datatype
    named = [path for path in sorted(folder.glob(f"*_{suffix}.nii*")) if entities.items() <= entities_of(path).items()]
    for path in named:
        require_image_name(path, sub, ses)
    usable = [path for path in named if entities_of(path).get("space", "T1w") == "T1w"]
    if len(usable) > 1:
        values = f"{len(usable)} files: {', '.join(path.name for path in usable)}"
        raise InputError(f"several ready files for {kind}", folder, values, "keep one of them")
    return (usable[0] if usable else None), [path for path in named if path not in usable]


@lru_cache(maxsize=4096)
def lesions_in_t1w(mask: Path, t1w: Path, flair: Path | None) -> bool:
    """Whether a lesion mask lies on the grid of the T1w and not on the FLAIR's: its name says so, else its header.

    A mask that names no space and fits both, or is given without a FLAIR, is the FLAIR's, or the T1w's. Raises
    InputError for one that names no space and fits neither.
    """
    space = entities_of(mask).get("space")
    if space is not None or flair is None:
        return space in (None, "T1w")
    from myelosynth.images.grid import Grid
    from myelosynth.images.volume import open_image

    ours, on_flair, on_t1w = (Grid.of(open_image(path)) for path in (mask, flair, t1w))
    if not (ours.matches(on_flair) or ours.matches(on_t1w)):
        values = f"shape {ours.shape}, the FLAIR's is {on_flair.shape}, the T1w's {on_t1w.shape}; affines may differ"
        raise InputError("lesion mask on no known grid", mask, values, "draw it on one of the two")
    return not ours.matches(on_flair)


def require_ready(root: Path, participants: Iterable[str] | None, found: int) -> list[str]:
    """One line for each participant of the ready maps whom the data set does not have.

    participants: None where only some were looked at, so that the others' maps tell nothing. Raises InputError when the
    folder is missing or nothing in it is a ready map.
    """
    if not root.is_dir():
        raise InputError("ready maps missing", root, "no such folder", "correct dataset.ready (--ready)")
    if participants is None:
        return []
    if not found:
        values = "0 files sub-X/ses-Y/{anat,dwi,pet}/ of a kind that is known, for participants of the data set"
        raise InputError("no ready maps found", root, values, "correct dataset.ready (--ready), or set it to null")
    known = {f"sub-{sub}" for sub in participants}
    strangers = [path.name for path in sorted(root.glob("sub-*")) if path.is_dir() and path.name not in known]
    return [f"not used: ready maps of {printable(name)}, who is not in the data set" for name in strangers]
