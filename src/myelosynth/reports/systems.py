"""What each system is called and what part it plays in a table: truth, floor, ceiling, null or candidate."""

from dataclasses import dataclass

TRUE_COLOUR, PREDICTED_COLOUR, RETEST_COLOUR, FLOOR_COLOUR, NULL_COLOUR = (
    "#D55E00",
    "#0072B2",
    "#666666",
    "#B0B0B0",
    "#000000",
)
_CANDIDATES = (PREDICTED_COLOUR, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#117733", "#882255")

_KNOWN = {
    "true": ("Measured PET", "truth"),
    "retest": ("Retest (second noise draw)", "ceiling"),
    "noise-free": ("Noise-free PET", "ceiling"),
    "oracle": ("Oracle (all that MRI could tell)", "ceiling"),
    "null-scan": ("Null (second scan, no change)", "null"),
    "mean-atlas": ("Atlas of training controls", "floor"),
    "regional-mean": ("Regional training mean", "floor"),
    "ridge": ("Ridge regression", "floor"),
    "random-forest": ("Random forest", "floor"),
    "all-positive": ("All lesion voxels positive", "floor"),
    "no-change": ("No change", "floor"),
    "dnn": ("2-layer DNN", "candidate"),
    "cf-sagan-l1": ("CF-SAGAN, L1 (Sketcher)", "candidate"),
    "residual-context": ("Residual context (ours)", "candidate"),
}
_NETWORKS = {"unet": "3D U-Net", "cgan": "cGAN", "cf-sagan": "CF-SAGAN"}
_LOSSES = {"learned": "learned attention"}
_STAGES = {"": "", "refiner-": "Refiner ", "refiner2-": "Second Refiner "}
_KNOWN |= {
    f"{stage}{network}-{loss}": (f"{told}{name}, {_LOSSES.get(loss, loss.upper())}", "candidate")
    for stage, told in _STAGES.items()
    for network, name in _NETWORKS.items()
    for loss in ("l1", "wl1", "nwl1", "learned")
    if f"{stage}{network}-{loss}" not in _KNOWN
}
KIND_WORDS = {"truth": "truth", "ceiling": "ceiling", "floor": "floor", "null": "null", "candidate": "model"}
_ORDER = {"truth": 0, "candidate": 1, "floor": 2, "ceiling": 3, "null": 4}


@dataclass(frozen=True)
class System:
    """A row of a table: key as in the folders, name for people, part it plays."""

    key: str
    name: str
    kind: str

    @property
    def short(self) -> str:
        """The name without what is in brackets.

        >>> system("oracle").short
        'Oracle'
        """
        return self.name.split(" (")[0]

    @property
    def tag(self) -> str:
        return KIND_WORDS[self.kind]


def system(key: str) -> System:
    """The system of a key; an unlisted one is a candidate under its own key.

    >>> system("retest").kind, system("my-net").name
    ('ceiling', 'my-net')
    """
    name, kind = _KNOWN.get(key, (key, "candidate"))
    return System(key, name, kind)


def ordered(keys: list[str], main: str | None = None) -> list[System]:
    """Systems without repeats: truth, the main system, other candidates, floors, ceilings, nulls."""
    unique = [system(key) for key in dict.fromkeys(keys)]
    return sorted(unique, key=lambda s: (_ORDER[s.kind], s.key != main))


def colours(systems: list[System]) -> dict[str, str]:
    """One colour-blind-safe colour per system; the first candidate gets the colour of predictions."""
    candidates = iter(_CANDIDATES * (1 + len(systems) // len(_CANDIDATES)))
    fixed = {"truth": TRUE_COLOUR, "ceiling": RETEST_COLOUR, "floor": FLOOR_COLOUR, "null": NULL_COLOUR}
    return {s.key: fixed[s.kind] if s.kind in fixed else next(candidates) for s in systems}
