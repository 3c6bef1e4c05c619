"""What makes a folder of results a BIDS derivative."""

import os
from collections.abc import Sequence
from pathlib import Path

from myelosynth import __version__
from myelosynth.bids.layout import Layout
from myelosynth.bids.sidecar import read_json, write_json
from myelosynth.images.atomic import write_text

# Names that BIDS does not know yet (docs/data.md says what each one is).
IGNORED = (
    *("*_xfm.txt", "*_xfm.json", "*_dwimap.*", "*_distmap.*"),
    *("*_indices.*", "*_intervals.*", "*_null.*", "*_lesions.*"),
)

DESCRIPTIONS = {
    "preproc": "as the pipeline uses it: corrected, masked where the name says so, on the grid that `space` names",
    "filled": "T1w with the lesions filled with white matter, for the segmentation",
    "brain": "brain mask",
    "manual": "lesions as the data set gives them, in the world of the T1w",
    "followup": "lesions drawn at the follow-up, on the analysis grid",
    "core": "white matter away from grey matter: voxels of the control curve",
    "distance": "distance of each voxel to the CSF, mm",
    "petshare": "share of CSF in each voxel at the resolution of the PET",
    "dvr": "distribution volume ratio, measured",
    "predDvr": "distribution volume ratio, predicted from MRI; synthetic",
    "predDvrStd": "standard deviation of the predicted distribution volume ratio",
    "true": "made from the measured PET",
    "pred": "made from the predicted PET (or from a second noise draw of a simulated one)",
}
"""What the `desc-` entities of the file names mean."""
_UNKNOWN = """\
Names that BIDS does not know, listed in .bidsignore:
- *_xfm.txt: transforms, ITK text affines, from the moving to the fixed image
- *_dwimap: radial and axial diffusivity, mm2/s; *_distmap: distance to the CSF, mm
- *_indices.tsv: the five indices of one patient, fractions of the baseline lesion volume
- *_intervals.tsv: their intervals where the prediction has a spread; *_null.tsv: their null
- *_lesions.tsv: a row per lesion
"""
AUTHORS = ["The myelosynth developers"]
METHOD = "https://doi.org/10.1016/j.neuroimage.2020.117308"
_ACKNOWLEDGE = f"Cite myelosynth {__version__} and the method it builds on: Wei et al., NeuroImage 223:117308, 2020."


def describe_derivatives(
    results: Path, raw: Path, lesions: Path, systems: Sequence[str], ready: Path | None = None, main_too: bool = True
) -> None:
    """Write dataset_description.json and .bidsignore of every system's folder, and of the main derivative.

    Raises InputError when the raw data set has no description.
    """
    layout = Layout(results)
    source = read_json(raw / "dataset_description.json")
    simulated = bool(source.get("Simulated", False))
    main = layout.derivatives
    if main_too:
        given = {"raw": raw, "lesions": lesions, **({"ready": ready} if ready else {})}
        _describe(main, "myelosynth", simulated, given)
    for system in systems:
        links = {"raw": raw, "myelosynth": main}
        _describe(layout.system(system), f"myelosynth: DVR of {system}", simulated, links)


def _describe(folder: Path, name: str, simulated: bool, links: dict[str, Path]) -> None:
    relative = {key: os.path.relpath(path, folder) for key, path in links.items()}
    title = f"{name} (from simulated data)" if simulated else name
    record = {
        "Name": title,
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "License": "n/a",
        "Simulated": simulated,
        "Authors": AUTHORS,
        "HowToAcknowledge": _ACKNOWLEDGE,
        "ReferencesAndLinks": [METHOD],
        "GeneratedBy": [{"Name": "myelosynth", "Version": __version__, "Description": name}],
        "SourceDatasets": [{"URL": path} for path in relative.values()],
        "DatasetLinks": relative,
    }
    write_json(folder / "dataset_description.json", record)
    write_text(folder / ".bidsignore", "\n".join(IGNORED) + "\n")
    rows = ["desc_id\tdescription", *(f"desc-{key}\t{words}" for key, words in DESCRIPTIONS.items())]
    write_text(folder / "descriptions.tsv", "\n".join(rows) + "\n")
    columns = {"desc_id": {"Description": "entity of a file name"}, "description": {"Description": "what it means"}}
    write_json(folder / "descriptions.json", {"Description": "what desc- in the file names means", **columns})
    write_text(folder / "README", _readme(title, simulated))


def _readme(title: str, simulated: bool) -> str:
    """What a person who finds the folder has to know."""
    origin = "The images are simulated: no person was scanned." if simulated else "The images are of persons."
    return f"""{title}

Made by myelosynth {__version__}; the JSON sidecar of each file says how, from what, and with which settings.
{origin} Predicted PET is synthetic: it is computed from MRI, not measured ("Synthetic": true in its sidecar).
World coordinates are RAS+ millimetres. space-dvrt0 is the lattice of the baseline DVR, the analysis grid of a
participant; space-T1wt0 is that grid where there is no PET.
The words behind desc- in the file names are explained in descriptions.tsv.

{_UNKNOWN}
Research software: not a medical device, not for diagnosis.
"""
