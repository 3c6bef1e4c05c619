"""Every brain extraction that can run here, on heads with a reference mask: volume, agreement, seconds, memory, gate.

The head is simulated at 2.5 mm, and its truth is known; with --real DIR, the two raw T1w of patient01 of the Ljubljana
data set beside FSL BET's masks, which are a comparator and no truth.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from myelosynth.images.grid import Grid
from myelosynth.images.volume import load_mask, open_image
from myelosynth.interfaces.engines import ENGINES


def heads(folder: Path, real: Path | None) -> list[tuple[str, Path, Path]]:
    """Name, T1w and reference brain mask."""
    if real is not None:
        studies = ("study1", "study2")
        t1w = [real / "ms_longitudinal" / "patient01" / f"{study}_T1W.nii.gz" for study in studies]
        masks = [real / "fsl_reference" / f"patient01_{study}" / "T1_brain_mask.nii.gz" for study in studies]
        return list(zip(studies, t1w, masks, strict=True))
    cohort = ["--patients", "0", "--controls", "1", "--resolution", "2.5"]
    subprocess.run(["myelosynth", "simulate", str(folder / "raw"), *cohort], check=True, stdout=subprocess.DEVNULL)
    t1w = folder / "raw" / "sub-001" / "ses-t0" / "anat" / "sub-001_ses-t0_T1w.nii.gz"
    truth = folder / "raw" / "sourcedata" / "truth" / "sub-001" / "ses-t0" / "brain.nii.gz"
    return [("simulated 2.5 mm", t1w, truth)]


def command(t1w: Path, mask: Path, engine: str) -> dict[str, object]:
    """`myelosynth extract-brain` as a whole: what its gate says, CPU seconds and peak memory."""
    arguments = ["myelosynth", "extract-brain", t1w, "--out-mask", mask, "--engine", engine, "--accept-failed"]
    process = subprocess.Popen(list(map(str, arguments)), env={**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"myelosynth extract-brain --engine {engine} failed")
    quality = json.loads(mask.with_name(mask.name.replace(".nii.gz", ".json")).read_text())["QualityControl"]
    gate = "passed" if quality["Passed"] else "; ".join(quality["Faults"])
    return {"ml": quality["BrainVolumeMl"], "user s": usage.ru_utime, "MB": usage.ru_maxrss / 1024, "gate": gate}


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def distance(one: NDArray[np.bool_], other: NDArray[np.bool_], grid: Grid) -> float:
    """95th percentile in mm of the distance between two surfaces, the larger of both directions."""
    clouds = []
    for mask in (one, other):
        edge = np.argwhere(mask & ~ndimage.binary_erosion(mask))
        clouds.append(edge @ grid.affine[:3, :3].T + grid.affine[:3, 3])
    ways = (cKDTree(clouds[1]).query(clouds[0])[0], cKDTree(clouds[0]).query(clouds[1])[0])
    return float(max(np.percentile(way, 95) for way in ways))


def main() -> None:
    """Print a row an image and engine against the reference, then the agreement of each two engines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, help="folder with ms_longitudinal and fsl_reference")
    options = parser.parse_args()
    rows, pairs = [], []
    engines = [engine for engine in ENGINES["extract-brain"] if not engine.fault()]
    with tempfile.TemporaryDirectory() as name:
        for head, t1w, reference in heads(Path(name), options.real):
            truth, grid = load_mask(reference), Grid.of(open_image(reference))
            masks = {}
            for engine in engines:
                out = Path(name, f"{engine.name}.nii.gz")
                measured = command(t1w, out, engine.name)
                masks[engine.name] = mask = load_mask(out, grid, reference)
                agreement = {"Dice": dice(mask, truth), "95 % mm": distance(mask, truth, grid)}
                rows.append({"head": head, "engine": engine.name, **agreement, **measured})
            for one, other in itertools.combinations(masks, 2):
                pairs.append({"head": head, "pair": f"{one}, {other}", "Dice": dice(masks[one], masks[other])})
    print(pd.DataFrame(rows).round(4).to_string(index=False))
    if pairs:
        print(pd.DataFrame(pairs).round(4).to_string(index=False))
    for engine in ENGINES["extract-brain"]:
        if engine not in engines:
            print(f"{engine.name} cannot run here: {engine.fault()}")


if __name__ == "__main__":
    main()
