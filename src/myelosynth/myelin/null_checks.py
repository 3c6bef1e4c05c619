"""Whether a null and the maps that are held against it belong together: people, system, voxels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from myelosynth.bids.names import participant_of, sidecar_path
from myelosynth.bids.sidecar import read_json
from myelosynth.errors import InputError
from myelosynth.myelin.null import same_voxels

MEASURED = "true"
"""What a null of measured PET is called."""


def require_system(images: Sequence[Path], system: object, where: object) -> None:
    """Raises InputError where the sidecar of a DVR names another system than `where`, a null, is of.

    A prediction's sidecar is Synthetic and names model and loss, and the system is MODEL or MODEL-LOSS; the sidecar of
    any other map is of measured PET. An image without a sidecar says nothing.
    """
    for image in images:
        sidecar = sidecar_path(image)
        if not sidecar.is_file():
            continue
        record = read_json(sidecar)
        model = str(record.get("Model"))
        # Replicates are trainings of one system.
        names = [f"{model}-{record.get('Loss')}", model] if record.get("Synthetic") is True else [MEASURED]
        if str(system).split("@")[0] not in names:
            values = f"{names[0]} by its sidecar, the null is of {system or 'a system that is not told'}"
            raise InputError("map and null of different systems", image, values, f"correct --system or {where}")


def require_no_patient(dvr: Path, null: Path, record: Mapping[str, Any]) -> None:
    """Raises InputError where the participant of a DVR is among the patients behind the null."""
    participant = participant_of(dvr.name)
    if participant and participant in (record.get("Participants") or []):
        values = f"{participant} is one of the patients behind {null.name}"
        cure = "fit the null without the test subjects of the fold, or give --new-participant"
        raise InputError("leak: null saw the subject", dvr, values, cure)


def require_voxels(sizes: Sequence[float], fitted: object, null: Path, dvr: Path) -> None:
    """Raises InputError where the voxels, mm, are of another size than those that the null tells."""
    wanted = [float(size) for size in fitted] if isinstance(fitted, list) else []
    if len(wanted) != 3 or not same_voxels(sizes, wanted):
        told = [" x ".join(f"{size:g}" for size in one) for one in (sizes, wanted)]
        values = f"{told[0]} mm, {null.name} has {told[1] or 'no'} mm"
        raise InputError("voxels of another size than the null's", dvr, values, "fit a null on these voxels")
