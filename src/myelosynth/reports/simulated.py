"""Whether the data behind a page are simulated; every page asks here."""

from pathlib import Path

from myelosynth.bids.layout import Layout
from myelosynth.bids.sidecar import read_json

NOTICE = (
    "Simulated data. These images come from a physics-based simulation, not from patients: "
    "nothing on this page is a clinical finding."
)


def is_simulated(results: Path | None = None, raw: Path | None = None) -> bool:
    """Whether the raw data set or the results say `"Simulated": true` in dataset_description.json or participants.json.

    Raises InputError when one of these files is there but is not JSON.
    """
    candidates = []
    if raw is not None:
        candidates += [Path(raw) / "dataset_description.json", Path(raw) / "participants.json"]
    if results is not None:
        candidates.append(Layout(Path(results)).derivatives / "dataset_description.json")
    return any(read_json(path).get("Simulated") is True for path in candidates if path.is_file())
