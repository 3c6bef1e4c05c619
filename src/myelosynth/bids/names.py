"""BIDS names: one function for every path."""

import re
from pathlib import Path

_ORDER = (
    *("sub", "ses", "from_", "to", "mode", "acq", "ce", "trc", "rec", "dir", "run", "mt", "hemi", "space", "atlas"),
    *("seg", "res", "label", "model", "param", "desc"),
)


def bids_name(suffix: str, extension: str = ".nii.gz", **entities: str | None) -> str:
    """A file name with its entities in the order of BIDS 1.10; None leaves an entity out.

    >>> bids_name("FLAIR", sub="01", ses="t0", desc="preproc", space="T1w")
    'sub-01_ses-t0_space-T1w_desc-preproc_FLAIR.nii.gz'
    """
    unknown = set(entities) - set(_ORDER)
    if unknown:
        raise ValueError(f"unknown BIDS entities {sorted(unknown)}")
    pairs = [f"{key.rstrip('_')}-{entities[key]}" for key in _ORDER if entities.get(key) is not None]
    return "_".join([*pairs, suffix]) + extension


def bids_path(root: Path | str, datatype: str, suffix: str, extension: str = ".nii.gz", **entities: str | None) -> Path:
    """`root/sub-X/ses-Y/datatype/name`."""
    folders = [f"{key}-{entities[key]}" for key in ("sub", "ses") if entities.get(key)]
    return Path(root, *folders, datatype, bids_name(suffix, extension, **entities))


def sidecar_path(image: Path) -> Path:
    """The JSON sidecar beside an image, table or transform.

    >>> sidecar_path(Path("a_T1w.nii.gz")).name
    'a_T1w.json'
    """
    name = image.name
    for extension in (".nii.gz", ".nii", ".tsv", ".txt", ".pt"):
        if name.endswith(extension):
            return image.with_name(name[: -len(extension)] + ".json")
    return image.with_name(name + ".json")


def companion_path(image: Path, extension: str) -> Path:
    """The file of another kind that belongs to an image: the image's own name with another extension.

    >>> companion_path(Path("sub-01_ses-t0_dir-AP_dwi.nii.gz"), ".bval").name
    'sub-01_ses-t0_dir-AP_dwi.bval'
    """
    return sidecar_path(image).with_suffix(extension)


def entities_of(path: Path | str) -> dict[str, str]:
    """The entities in a BIDS file name, with its `suffix`.

    >>> entities_of("sub-01_ses-t0_mt-on_MTR.nii.gz")["mt"]
    'on'
    """
    stem = Path(path).name.split(".")[0]
    *pairs, suffix = stem.split("_")
    return {**dict(pair.split("-", 1) for pair in pairs if "-" in pair), "suffix": suffix}


def participant_of(path: Path | str) -> str | None:
    """The participant that a path names, `sub-LABEL`, in its file name or else in a folder; None without one.

    >>> participant_of("sub-01/ses-t0/anat/sub-01_ses-t0_T1w.nii.gz"), participant_of("sub-02/FA.nii.gz")
    ('sub-01', 'sub-02')
    """
    for part in reversed(Path(path).parts):
        if label := re.match(r"sub-[0-9A-Za-z]+(?=[_.]|$)", part):
            return label.group()
    return None
