"""The bundle on disk: its files, its card, its hashes; read by the Snakefile, so imports stay light."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myelosynth.bids.guard import plain_name, require_inside, require_word
from myelosynth.bids.sidecar import read_json, sha256
from myelosynth.errors import InputError
from myelosynth.synthesis.names import CALIBRATED, OPTIONAL_SOURCES, parse_system

FORMAT = 1
CARD, TEXT = "model_card.json", "model_card.md"
TASK, CURVE, STATISTICS, PREPROCESSING = "task.yaml", "curve.tsv", "statistics.json", "preprocessing.yaml"
NULL = "null.json"
_KEYS = ("Format", "System", "Sources", "Inputs", "Target", "Members", "Spread", "Files", "Limits", "Simulated")
_AGAIN = "get the bundle again, or make it again with `myelosynth bundle`"


@dataclass(frozen=True)
class Card:
    """What a bundle says about itself: `record` is model_card.json as it stands."""

    folder: Path
    record: dict[str, Any]

    @property
    def system(self) -> str:
        """The system as a study writes it; predictions are filed under it."""
        return str(self.record["System"])

    @property
    def sources(self) -> list[str]:
        """The task's sources: the channels that a patient must have, all or, where they are optional, one at least."""
        return list(self.record["Sources"])

    @property
    def optional(self) -> bool:
        """Whether it predicts from any of its sources."""
        return parse_system(self.system).model in OPTIONAL_SOURCES

    @property
    def inputs(self) -> list[str]:
        """What a prediction is made from: the sources, or `template` for a system that looks at no image."""
        return list(self.record["Inputs"])

    @property
    def spread(self) -> bool:
        """Whether a prediction comes with its spread."""
        return bool(self.record["Spread"])

    @property
    def calibrated(self) -> bool:
        """Whether its spread is calibrated and tells how its errors hang together: of one member, not of several."""
        return parse_system(self.system).model in CALIBRATED and len(self.record["Members"]) == 1

    @property
    def simulated(self) -> bool:
        """Whether it was trained on simulated data."""
        return bool(self.record["Simulated"])

    @property
    def limits(self) -> list[str]:
        """What the model cannot do, one sentence each."""
        return [str(line) for line in self.record["Limits"]]

    @property
    def checkpoints(self) -> list[Path]:
        """The members of the ensemble. Raises InputError where the card names no file of one."""
        names = [member.get("Checkpoint") for member in self.record["Members"]]
        if not all(names):
            raise InputError("bundle not understood", self.folder / CARD, "a member has no Checkpoint", _AGAIN)
        return [self.folder / name for name in names]

    @property
    def task(self) -> Path:
        return self.folder / TASK

    @property
    def curve(self) -> Path:
        """The control curve: mean and SD of DVR by distance to CSF."""
        return self.folder / CURVE

    @property
    def statistics(self) -> Path:
        """What the brains of the training subjects looked like, channel by channel."""
        return self.folder / STATISTICS

    @property
    def preprocessing(self) -> Path | None:
        """Settings by which the training images were made; None where the bundle does not tell."""
        return self.folder / PREPROCESSING if PREPROCESSING in self.record["Files"] else None

    @property
    def null(self) -> Path | None:
        """What noise alone does to the indices of its predictions; None where the bundle does not tell."""
        return self.folder / NULL if NULL in self.record["Files"] else None

    @property
    def files(self) -> list[Path]:
        """Every file of the bundle."""
        return [self.folder / CARD, *(self.folder / name for name in self.record["Files"])]

    @property
    def sha256(self) -> str:
        """The identity of the bundle: of its card, which holds the hashes of all else."""
        return sha256(self.folder / CARD)


def read_card(folder: Path) -> Card:
    """The card of a bundle, its files not read.

    Raises InputError for a folder that is no bundle, or a card that points out of it.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        found = "no such folder" if not Path(folder).is_dir() else f"it has no {CARD}"
        raise InputError("not a bundle", folder, found, "give the folder that `myelosynth bundle` wrote")
    record = read_json(path)
    missing = [key for key in _KEYS if key not in record]
    if missing or record["Format"] != FORMAT:
        found = f"no {', '.join(missing)}" if missing else f"format {record['Format']}, expected {FORMAT}"
        raise InputError("bundle not understood", path, found, _AGAIN)
    _require_plain(Path(folder), record)
    return Card(Path(folder), record)


def _require_plain(folder: Path, record: dict[str, Any]) -> None:
    """Raise InputError for a card that names files outside its folder, an unknown system, or odd names of contrasts."""
    path, files = folder / CARD, record["Files"]
    members = [member.get("Checkpoint", "") for member in record["Members"] if isinstance(member, dict)]
    if not isinstance(files, dict) or not all(isinstance(name, str) and plain_name(name) for name in files):
        raise InputError("bundle not understood", path, "Files names something outside the folder", _AGAIN)
    strangers = [name for name in members if name and name not in files]
    if strangers or len(members) < len(record["Members"]):
        found = f"Members name {', '.join(map(str, strangers)) or 'no checkpoint'}, expected some of Files"
        raise InputError("bundle not understood", path, found, _AGAIN)
    try:
        parse_system(str(record["System"]))
    except ValueError as fault:
        raise InputError("bundle not understood", path, str(fault), _AGAIN) from fault
    for name in (*record["Sources"], *record["Inputs"], record["Target"]):
        require_word("contrast", str(name), path)
    for name in (CARD, *files):
        if (folder / name).is_symlink():
            require_inside(folder / name, (folder,), "copy the file itself into the bundle")


def load_bundle(folder: Path) -> Card:
    """The card of a bundle of which every file is as it was made.

    Raises InputError for the first file that is missing or was changed.
    """
    card = read_card(folder)
    for name, expected in card.record["Files"].items():
        path = card.folder / name
        if not path.is_file():
            raise InputError("file of the bundle missing", path, f"{CARD} lists it", _AGAIN)
        found = sha256(path)
        if found != expected:
            values = f"sha256 {found[:12]}..., expected {expected[:12]}... by {CARD}"
            raise InputError("file of the bundle was changed", path, values, _AGAIN)
    return card
