"""White matter by the embedded tissue engines: against the truth of simulated heads, with --real DIR against FSL FAST.

Regions are drawn by the warped template (deep grey nuclei, cerebellum); the cerebrum is the rest. FAST is a comparator,
not truth: it calls much of the deep grey and of the cerebellar cortex white matter.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myelosynth.images.volume import Volume, load_mask, load_volume
from myelosynth.interfaces.deformable import warp_to_brain
from myelosynth.interfaces.template import tissue_template

ENGINES = ("myelosynth", "dipy")
REAL = {
    "patient01 study1": ("patient01_study1", "T1_brain_mask", "T1_wmseg"),
    "patient01 study2": ("patient01_study2", "T1_brain_mask", "T1_wmseg"),
    "patient07": ("patient07", "brain_mask", "wmseg_lesionfilled"),
    "patient19": ("patient19", "brain_mask", "wmseg_lesionfilled"),
}


@dataclass(frozen=True)
class Case:
    """A T1w ready for segmentation, its brain mask, and the white matter to compare with (on the T1w grid)."""

    name: str
    t1w: Path
    mask: Path
    white: NDArray[np.bool_]


def command(*arguments: object) -> float:
    """Run a myelosynth command; its user CPU seconds."""
    before = getrusage(RUSAGE_CHILDREN).ru_utime
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
    program = Path(sys.executable).parent / "myelosynth"
    subprocess.run([program, *map(str, arguments)], check=True, env=environment)
    return getrusage(RUSAGE_CHILDREN).ru_utime - before


def simulated(folder: Path) -> Iterator[Case]:
    """Patient 001 of two simulated cohorts, 2.5 and 1.5 mm: N4, true lesions filled, true brain mask."""
    for resolution in (2.5, 1.5):
        data = folder / f"{resolution}"
        options = ("--patients", 1, "--controls", 0, "--resolution", resolution, "--seed", 3)
        command("simulate", data, *options, "--participant", "001")
        truth = data / "sourcedata" / "truth" / "sub-001" / "ses-t0"
        flat, filled = folder / f"n4-{resolution}.nii.gz", folder / f"filled-{resolution}.nii.gz"
        command("n4", data / "sub-001" / "ses-t0" / "anat" / "sub-001_ses-t0_T1w.nii.gz", flat)
        command("fill-lesions", flat, truth / "lesions.nii.gz", filled)
        white = load_volume(truth / "tissue.nii.gz").data == 3
        yield Case(f"simulated {resolution} mm", filled, truth / "brain.nii.gz", white)


def real(data: Path, folder: Path) -> Iterator[Case]:
    """The Ljubljana images with FAST's white matter: N4 and FSL's mask; expert lesions filled where there are any."""
    for name, (reference, mask, white) in REAL.items():
        t1w = folder / f"{reference}.nii.gz"
        if "study" in name:
            raw = data / "ms_longitudinal" / "patient01" / f"study{name[-1]}_T1W.nii.gz"
            command("n4", raw, t1w)
        else:
            brain = data / "ms_cross_sectional" / name
            command("fill-lesions", brain / "T1.nii.gz", brain / "lesions.nii.gz", t1w)
        of_fsl = data / "fsl_reference" / reference
        grid = load_volume(t1w).grid
        yield Case(name, t1w, of_fsl / f"{mask}.nii.gz", load_mask(of_fsl / f"{white}.nii.gz", grid, t1w))


def regions(volume: Volume, mask: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Whole brain, cerebrum, deep grey nuclei and cerebellum (X, Y, Z)."""
    known = tissue_template()
    brain = np.where(mask, volume.data, 0).astype(np.float32)
    maps, _ = warp_to_brain((known.nuclei, known.cerebellum), known.brain, known.grid, brain, volume.grid)
    deep, below = mask & (maps[0] > 0.5), mask & (maps[1] > 0.5)
    return {"brain": mask, "cerebrum": mask & ~deep & ~below, "deep grey": deep, "cerebellum": below}


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))


def rows(case: Case, folder: Path, engines: tuple[str, ...]) -> Iterator[dict[str, object]]:
    """One row for the comparator and one an engine."""
    volume = load_volume(case.t1w)
    mask = load_mask(case.mask, volume.grid, case.t1w)
    parts = regions(volume, mask)
    ml = volume.grid.voxel_volume / 1000
    comparator = "truth" if case.name.startswith("simulated") else "FAST"
    for engine in (comparator, *engines):
        found, seconds = case.white, None
        if engine != comparator:
            out = folder / f"{case.t1w.name}-{engine}"
            started = command("segment-tissue", case.t1w, "--mask", case.mask, "--out-dir", out, "--engine", engine)
            found, seconds = load_mask(out / "wm_mask.nii.gz"), started
        row: dict[str, object] = {"image": case.name, "engine": engine, "user s": seconds, "WM ml": found.sum() * ml}
        if engine != comparator:
            row |= {f"Dice {name}": dice(found & part, case.white & part) for name, part in parts.items()}
        yield row | {f"WM % {name}": 100 * found[part].mean() for name, part in list(parts.items())[2:]}


def main() -> None:
    """Print one row an image and engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, help="folder with ms_longitudinal, ms_cross_sectional and fsl_reference")
    parser.add_argument("--keep", type=Path, help="folder that keeps the images; default: none is kept")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), help="engines of segment-tissue")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.keep or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        cases = real(options.real.absolute(), folder) if options.real else simulated(folder)
        with chdir(scratch):
            table = [row for case in cases for row in rows(case, folder, tuple(options.engines))]
    print(pd.DataFrame(table).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
