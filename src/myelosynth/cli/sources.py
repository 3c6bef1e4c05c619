"""Sources of a prediction on the command line: NAME=IMG, all on the grid of the mask."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from myelosynth.synthesis.systems.base import PredictionInputs


def named_sources(given: list[str], known: list[str], needed: list[str], optional: bool = False) -> dict[str, Path]:
    """The needed NAME=IMG pairs; known names that the model does not use are left out. Raises InputError.

    optional: one of the needed is enough.
    """
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
    if missing and (not optional or len(missing) == len(needed)):
        values = f"no {', '.join(missing)}; got {', '.join(paths)}"
        wanted = f"one of {', '.join(needed)} at least" if optional else ", ".join(needed)
        raise InputError("sources missing", "--source", values, f"the model needs {wanted}")
    return {name: paths[name] for name in needed if name in paths}


def load_inputs(paths: dict[str, Path], mask: Path, path: str = "auto", bf16: bool = False) -> "PredictionInputs":
    """Images, transforms and mask on the mask's grid; `path` and `bf16` as in PredictionInputs.

    Raises InputError for another grid, or a mask in the place of an image.
    """
    from myelosynth.images.grid import Grid
    from myelosynth.images.transform import LinearTransform
    from myelosynth.images.volume import load_mask, load_volume, open_image
    from myelosynth.synthesis.config import TEMPLATE
    from myelosynth.synthesis.data.subjects import require_measured
    from myelosynth.synthesis.systems.base import PredictionInputs

    brain, grid = load_mask(mask), Grid.of(open_image(mask))
    images, transforms = {}, {}
    for name, file in paths.items():
        if name == TEMPLATE:
            transforms[name] = LinearTransform.read(file)
            continue
        volume = load_volume(file)
        grid.require(volume.grid, file, mask)
        require_measured(name, volume.data[brain], file)
        images[name] = volume.data
    return PredictionInputs(images, transforms, brain, grid, path, bf16)
