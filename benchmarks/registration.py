"""Own registrations beside antspyx rigid as it comes: error, user CPU time and memory of whole commands, in one run.

Simulated heads know their offsets. With --real DIR, patient01 of the Ljubljana data set is compared with FSL's BBR, and
its FLAIR is registered again from eight headers moved by known transforms, each through the command's own rigid start.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myelosynth.bids.layout import RawLayout
from myelosynth.images.transform import LinearTransform
from myelosynth.interfaces.ants_bridge import read_mat

SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
PEER = """
import shutil, sys
import ants
moving, fixed, out = sys.argv[1:]
found = ants.registration(ants.image_read(fixed), ants.image_read(moving), type_of_transform="Rigid")
shutil.copy(found["fwdtransforms"][0], out)
"""


@dataclass(frozen=True)
class Pair:
    """One moving image with its T1w, masks on the T1w grid, and the transform it is measured against."""

    name: str
    moving: Path
    fixed: Path
    brain: Path
    white: Path
    grey: Path
    truth: LinearTransform


def command(*arguments: object) -> tuple[float, float]:
    """Run a program on one thread; user CPU seconds and peak memory in MB of the process."""
    process = subprocess.Popen([str(item) for item in arguments], env={**os.environ, **SINGLE_THREAD})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(map(str, arguments))}")
    return usage.ru_utime, usage.ru_maxrss / 1024


def brain_points(mask: Path) -> NDArray[np.float64]:
    """Every fiftieth brain voxel (N, 3), RAS mm."""
    image = nib.load(mask)
    return nib.affines.apply_affine(image.affine, np.argwhere(np.asarray(image.dataobj) > 0)[::50])


def simulated(folder: Path, resolution: float, heads: int) -> Iterator[Pair]:
    """T2w and FLAIR of each simulated baseline session; tissue from the simulation's truth."""
    raw = RawLayout(folder, folder / "derivatives" / "lesions")
    for number in range(1, heads + 1):
        sub = f"{number:03d}"
        cohort = ("--patients", heads, "--controls", 0, "--participant", sub)
        command("myelosynth", "simulate", folder, *cohort, "--resolution", resolution)
        tissue = nib.load(raw.truth(sub, "t0", "tissue.nii.gz"))
        labels = np.asarray(tissue.dataobj)
        paths = {name: folder / f"{sub}_{name}.nii.gz" for name in ("white", "grey")}
        for name, label in (("white", 3), ("grey", 2)):
            nib.save(nib.Nifti1Image((labels == label).astype(np.uint8), tissue.affine), paths[name])
        for contrast in ("T2w", "FLAIR"):
            truth = LinearTransform.read(raw.truth(sub, "t0", f"from-{contrast}_to-T1w_mode-image_xfm.txt"))
            images = (raw.anat(sub, "t0", contrast), raw.anat(sub, "t0", "T1w"), raw.truth(sub, "t0", "brain.nii.gz"))
            yield Pair(f"simulated {sub} {contrast}", *images, paths["white"], paths["grey"], truth)


def real(folder: Path) -> Iterator[Pair]:
    """T2w and FLAIR of both studies of patient01 against FSL 6.0.0 BBR, with FSL's masks."""
    for study in ("study1", "study2"):
        reference = folder / "fsl_reference" / f"patient01_{study}"
        masks = [reference / f"T1_{name}.nii.gz" for name in ("brain_mask", "wmseg", "gm_pve")]
        for contrast, name in (("T2W", "t2"), ("FLAIR", "flair")):
            truth = LinearTransform(np.linalg.inv(np.loadtxt(reference / f"{name}2t1_bbr_world.txt")))
            images = [folder / "ms_longitudinal" / "patient01" / f"{study}_{c}.nii.gz" for c in (contrast, "T1W")]
            yield Pair(f"patient01 {study} {contrast}", *images, *masks, truth)


def repeatability(folder: Path, scratch: Path) -> pd.DataFrame:
    """Mean displacement in mm over the brain between W_perturbed @ P and W of the header as it is, a row a header."""
    reference = folder / "fsl_reference"
    pair = next(pair for pair in real(folder) if pair.name == "patient01 study1 FLAIR")
    image, points = nib.load(pair.moving), brain_points(pair.brain)
    masks = ("--wm-mask", pair.white, "--gm", pair.grey)

    def pull(moving: Path, move: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Fixed points seen in the image as it is, by method; `move` takes it to the perturbed world."""
        peer, out = scratch / "peer.mat", scratch / "out.txt"
        command(sys.executable, "-c", PEER, moving, pair.fixed, peer)
        command("myelosynth", "register-bbr", moving, pair.fixed, *masks, "--out-transform", out)
        found = {"antspyx": read_mat(str(peer)), "bbr": LinearTransform.read(out)}
        return {name: (~LinearTransform(move) @ item).apply(points) for name, item in found.items()}

    straight, rows = pull(pair.moving, np.eye(4)), []
    for case in json.loads((reference / "perturb_patient01_study1_flair.json").read_text())["perturbations"]:
        moved = scratch / "perturbed.nii.gz"
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), np.array(case["perturbed_affine"])), moved)
        seen = pull(moved, np.array(case["perturbed_affine"]) @ np.linalg.inv(image.affine))
        apart = {name: float(np.linalg.norm(seen[name] - straight[name], axis=1).mean()) for name in seen}
        rows.append(
            {"degrees": case["angle_deg"], "mm": case["trans_mm"]} | {f"{k} off mm": v for k, v in apart.items()}
        )
    return pd.DataFrame(rows)


def measure(pair: Pair, folder: Path) -> dict[str, object]:
    """antspyx rigid with its defaults, our rigid by mutual information, boundary-based from there."""
    points = brain_points(pair.brain)

    def distance(transform: LinearTransform) -> float:
        apart = transform.apply(points) - pair.truth.apply(points)
        return float(np.linalg.norm(apart, axis=1).mean())

    peer, rigid, boundary = folder / "peer.mat", folder / "rigid.txt", folder / "boundary.txt"
    images = (pair.moving, pair.fixed)
    masks = ("--wm-mask", pair.white, "--gm", pair.grey, "--init", rigid)
    spent = {
        "antspyx": command(sys.executable, "-c", PEER, *images, peer),
        "rigid": command("myelosynth", "register", *images, "--out-transform", rigid),
        "bbr": command("myelosynth", "register-bbr", *images, *masks, "--out-transform", boundary),
    }
    found = {
        "antspyx": read_mat(str(peer)),
        "rigid": LinearTransform.read(rigid),
        "bbr": LinearTransform.read(boundary),
    }
    row: dict[str, object] = {"pair": pair.name}
    row |= {f"{name} mm": distance(transform) for name, transform in found.items()}
    row |= {f"{name} s": seconds for name, (seconds, _) in spent.items()}
    row |= {f"{name}/antspyx s": spent[name][0] / spent["antspyx"][0] for name in ("rigid", "bbr")}
    return row | {f"{name} MB": megabytes for name, (_, megabytes) in spent.items()}


def main() -> None:
    """Print one row a pair, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=3, help="simulated heads")
    parser.add_argument("--resolution", type=float, default=1.5, help="voxel of the simulated images, mm")
    parser.add_argument("--real", type=Path, help="folder with ms_longitudinal and fsl_reference")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = [*simulated(folder / "raw", options.resolution, options.heads)]
        pairs += real(options.real) if options.real else []
        table = pd.DataFrame([measure(pair, folder) for pair in pairs])
        headers = repeatability(options.real, folder) if options.real else None
    print(table.round(3).to_string(index=False))
    print("\nmean over pairs")
    print(table.drop(columns="pair").mean().round(3).to_string())
    if headers is not None:
        print("\npatient01 study1 FLAIR from perturbed headers, displacement from the run with its own header")
        print(headers.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
