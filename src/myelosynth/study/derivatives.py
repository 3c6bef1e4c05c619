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
        "GeneratedBy": [{"Name": "myelosynth", "Version": __version__}],
        "SourceDatasets": [{"URL": path} for path in relative.values()],
        "DatasetLinks": relative,
    }
    write_json(folder / "dataset_description.json", record)
    write_text(folder / ".bidsignore", "\n".join(IGNORED) + "\n")
    write_text(folder / "README", f"{title}\n\nMade by myelosynth {__version__}; each file's JSON sidecar says how.\n")
