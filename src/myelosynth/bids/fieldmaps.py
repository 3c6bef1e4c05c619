"""Field maps of a diffusion series in `fmap/`, chosen by what their BIDS sidecars say they are for."""

from pathlib import Path
from typing import Any

from myelosynth.bids.guard import require_image_name
from myelosynth.bids.names import sidecar_path
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError

_PATTERNS = {
    "fieldmap": ("*_fieldmap.nii*", "*_phasediff.nii*"),
    "reverse": ("*_epi.nii*",),
}
_MAGNITUDES = {"fieldmap": "magnitude", "phasediff": "magnitude1"}


def find_fieldmap(dwi: Path, method: str) -> dict[str, Path]:
    """Files that tell the distortion of a raw diffusion series, by the option of `epi-shift` that takes them.

    method `fieldmap`: a field map, or a phase difference of two echoes, with its magnitude; method `reverse`: the b0 of
    opposite phase encoding. It must name the series by IntendedFor or B0FieldIdentifier; one that names nothing at all
    is taken if it is alone. Raises InputError for none, more than one, or a name of somebody else.
    """
    folder = dwi.parent.parent / "fmap"
    found = sorted(path for pattern in _PATTERNS[method] for path in folder.glob(pattern))
    if method == "reverse":
        direction = _direction(dwi)
        found = [path for path in found if direction and _direction(path) == _opposite(direction)]
    usable = [path for path in found if _meant_for(path, dwi)]
    if len(found) == 1 and _names_nothing(found[0]):
        usable = found
    if len(usable) != 1:
        wanted = " or ".join(_PATTERNS[method])
        if method == "reverse":
            wanted += f" whose PhaseEncodingDirection is opposite to {_direction(dwi) or 'absent'}, that of {dwi.name}"
        values = f"{len(found)} files {wanted}, {len(usable)} of them for {dwi.name}, expected 1"
        cure = "add it, name the series in its IntendedFor, or choose another diffusion.distortion"
        raise InputError(
            f"no {'b0 of opposite phase encoding' if method == 'reverse' else 'field map'}", folder, values, cure
        )
    sub, ses = (part.partition("-")[2] for part in dwi.name.split("_")[:2])
    require_image_name(usable[0], sub, ses)
    if method == "reverse":
        return {"reverse": usable[0]}
    head, _, rest = usable[0].name.rpartition("_")
    magnitude = usable[0].with_name(f"{head}_{_MAGNITUDES[rest.split('.')[0]]}.{rest.split('.', 1)[1]}")
    return {"fieldmap": usable[0], **({"magnitude": magnitude} if magnitude.is_file() else {})}


def _meant_for(path: Path, dwi: Path) -> bool:
    """Whether a file of fmap/ says that it is for the series."""
    record, series = _record(path), _record(dwi)
    if any(Path(str(entry)).name == dwi.name for entry in _list(record.get("IntendedFor"))):
        return True
    return bool(set(_list(record.get("B0FieldIdentifier"))) & set(_list(series.get("B0FieldSource"))))


def _names_nothing(path: Path) -> bool:
    """Whether a file of fmap/ does not say what it is for."""
    return not any(_list(_record(path).get(key)) for key in ("IntendedFor", "B0FieldIdentifier"))


def _direction(path: Path) -> str:
    return str(_record(path).get("PhaseEncodingDirection", ""))


def _opposite(direction: str) -> str:
    return direction[0] if direction.endswith("-") else f"{direction}-"


def _record(path: Path) -> dict[str, Any]:
    sidecar = sidecar_path(path)
    return read_json(sidecar) if sidecar.is_file() else {}


def _list(entry: Any) -> list[Any]:
    return entry if isinstance(entry, list) else [] if entry is None else [entry]
