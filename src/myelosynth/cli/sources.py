"""Sources of a prediction on the command line: NAME=IMG, all on the grid of the mask."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from myelosynth.synthesis.systems.base import PredictionInputs


def named_sources(given: list[str], known: list[str], needed: list[str]) -> dict[str, Path]:
    """The needed NAME=IMG pairs; known names that the model does not use are left out. Raises InputError."""
    from myelosynth.errors import InputError
    from myelosynth.synthesis.config import TEMPLATE

    paths: dict[str, Path] = {}
    for pair in given:
        name, equals, path = pair.partition("=")
        if not equals or not path or name not in (*known, TEMPLATE):
            names = ", ".join((*known, TEMPLATE))
            raise InputError("source not understood", "--source", f"got {pair!r}", f"write NAME=IMG, NAME of {names}")
        if name in paths:
            raise InputError("source given twice", "--source", f"{name}: {paths[name]} and {path}", "give one of them")
        paths[name] = Path(path).absolute()
    missing = [name for name in needed if name not in paths]
    if missing:
        values = f"no {', '.join(missing)}; got {', '.join(paths)}"
        raise InputError("sources missing", "--source", values, f"the model needs {', '.join(needed)}")
    return {name: paths[name] for name in needed}


def load_inputs(paths: dict[str, Path], mask: Path) -> "PredictionInputs":
    """Images, transforms and mask on the mask's grid. Raises InputError for another grid."""
    from myelosynth.images.grid import Grid
    from myelosynth.images.transform import LinearTransform
    from myelosynth.images.volume import load_mask, load_volume, open_image
    from myelosynth.synthesis.config import TEMPLATE
    from myelosynth.synthesis.systems.base import PredictionInputs

    brain, grid = load_mask(mask), Grid.of(open_image(mask))
    images, transforms = {}, {}
    for name, path in paths.items():
        if name == TEMPLATE:
            transforms[name] = LinearTransform.read(path)
            continue
        volume = load_volume(path)
        grid.require(volume.grid, path, mask)
        images[name] = volume.data
    return PredictionInputs(images, transforms, brain, grid)


def spatial_reference(mask: Path, image: Path) -> str:
    """The image that defines the grid: the mask's own reference where its sidecar names one, else the mask."""
    from myelosynth.bids.names import sidecar_path
    from myelosynth.bids.sidecar import bids_uri, dataset_root, read_json

    sidecar, root = sidecar_path(mask), dataset_root(mask.absolute().parent)
    named = str(read_json(sidecar).get("SpatialReference", "")) if sidecar.is_file() else ""
    if root and named.startswith("bids::"):
        return bids_uri(root / named.removeprefix("bids::"), image)
    return bids_uri(mask, image)
