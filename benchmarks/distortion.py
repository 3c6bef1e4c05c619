"""EPI distortion of simulated diffusion series: what each method leaves of a known shift, and of the error in FA.

The field has a sinus of 110 Hz, two ear canals of -60 Hz and a smooth background of 8 Hz (SD); at a readout of 50 ms a
voxel is 20 Hz. The series of the simulated cohort is distorted by it, its reverse b0 by the opposite. Whole commands
as the workflow calls them: for `t1w` the distorted b0 is registered to the bias-corrected T1w first. Peer: ANTs' SyN of
b0 to the inverted T1w, restricted to the phase axis, in voxel axes.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from myelosynth.bids.layout import RawLayout
from myelosynth.images.grid import Grid
from myelosynth.images.resample import resample
from myelosynth.images.transform import LinearTransform
from myelosynth.images.volume import load_volume, save_volume
from myelosynth.interfaces.ants_bridge import load_ants

READOUT_S = 0.05
SOURCES = (((0.5, 0.88, 0.25), 0.10, 110.0), ((0.22, 0.5, 0.18), 0.09, -60.0), ((0.78, 0.5, 0.18), 0.09, -60.0))
"""Centre as a share of the brain's box (left to right, back to front, bottom to top), width, Hz."""
BACKGROUND_HZ, BACKGROUND_MM = 8.0, 15.0
LARGE_MM = 2.0


def field_of(brain: NDArray[np.bool_], grid: Grid, seed: int) -> NDArray[np.float64]:
    """A field (X, Y, Z) in Hz on a RAS grid."""
    inside = np.argwhere(brain)
    low, high = inside.min(0), inside.max(0)
    place = (np.moveaxis(np.indices(brain.shape), 0, -1) - low) / (high - low)
    noise = np.random.default_rng(seed).standard_normal(brain.shape)
    background = ndimage.gaussian_filter(noise, BACKGROUND_MM / np.array(grid.voxel_sizes), mode="nearest")
    field = BACKGROUND_HZ * background / background.std()
    for centre, width, strength in SOURCES:
        field += strength * np.exp(-((place - np.array(centre)) ** 2).sum(-1) / (2 * width**2))
    return field


def distorted(series: NDArray[np.float32], shift: NDArray[np.float64]) -> NDArray[np.float32]:
    """A series (X, Y, Z, N) as the scanner sees it, shift in voxels (X, Y, Z) along the second axis."""
    seen, here = np.empty_like(series), np.arange(series.shape[1], dtype=float)
    for i, k in np.ndindex(series.shape[0], series.shape[2]):
        source = np.interp(here, here + shift[i, :, k], here)
        stretch = 1 + np.interp(source, here, np.gradient(shift[i, :, k]))
        below = np.minimum(source.astype(int), here.size - 2)
        part = (source - below)[:, None]
        line = series[i, :, k]
        seen[i, :, k] = ((1 - part) * line[below] + part * line[below + 1]) / stretch[:, None]
    return seen


def peer(folder: Path, axis: int) -> tuple[NDArray[np.float32], float]:
    """Shift (X, Y, Z) in voxels by ANTs' SyN, cross-correlation, from b0 to the inverted T1w; its user CPU seconds."""
    t1w, brain, b0 = (load_volume(folder / f"{name}.nii.gz") for name in ("t1w", "brain", "b0"))
    back = ~LinearTransform.read(folder / "rigid.txt")
    inside = resample(brain.data, brain.grid, b0.grid, back) > 0.5
    order = np.argsort(np.argsort(-resample(t1w.data, t1w.grid, b0.grid, back)[inside]))
    target = np.zeros(inside.shape, np.float32)
    target[inside] = np.quantile(b0.data[inside], order / order.size)
    ants, started = load_ants(), os.times().user
    box = ndimage.find_objects(ndimage.binary_dilation(inside, iterations=5).astype(np.uint8))[0]
    fixed, moving, mask = (
        ants.from_numpy(np.ascontiguousarray(image[box], np.float32), spacing=b0.grid.voxel_sizes)
        for image in (target, b0.data, inside)
    )
    restricted = tuple(int(k == axis) for k in range(3))
    found = ants.registration(
        fixed, moving, "SyNOnly", "Identity", mask=mask, syn_metric="CC", syn_sampling=3, reg_iterations=(40, 20, 0),
        flow_sigma=3, total_sigma=3, restrict_transformation=restricted, random_seed=7,
    )  # fmt: skip
    shift = np.zeros(inside.shape, np.float32)
    warp = next(path for path in found["fwdtransforms"] if path.endswith("Warp.nii.gz"))
    shift[box] = ants.image_read(warp).numpy()[..., axis] / b0.grid.voxel_sizes[axis]
    return shift, os.times().user - started


def command(*words: object) -> float:
    """Run a command; its user CPU seconds."""
    process = subprocess.Popen(["myelosynth", *map(str, words)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(map(str, words))}")
    return usage.ru_utime


def measure(folder: Path, resolution: float, number: int, heads: int) -> list[dict[str, object]]:
    """One row a method, for one head."""
    sub, root = f"{number:03d}", folder / "raw"
    cohort = ("--patients", heads, "--controls", 0, "--participant", sub)
    command("simulate", root, *cohort, "--resolution", resolution)
    raw = RawLayout(root, root / "derivatives" / "lesions")
    truth = LinearTransform.read(raw.truth(sub, "t0", "from-DWI_to-T1w_mode-image_xfm.txt"))
    clean = load_volume(raw.dwi(sub, "t0"), 4)
    grid, brain_t1w = clean.grid, load_volume(raw.truth(sub, "t0", "brain.nii.gz"))
    brain = resample(brain_t1w.data, brain_t1w.grid, grid, ~truth) > 0.5
    field = field_of(brain, grid, number)
    here = folder / sub
    here.mkdir()
    record = json.loads(raw.dwi(sub, "t0", ".json").read_text()) | {"TotalReadoutTime": READOUT_S}
    sign = -1 if record["PhaseEncodingDirection"].endswith("-") else 1
    shift = sign * READOUT_S * field
    series = distorted(clean.data, shift)
    # The noise of the pair is independent: the series keeps two of its five b0, the reverse image has the others.
    kept = [0, 1, *range(5, series.shape[3])]
    save_volume(here / "dwi.nii.gz", series[..., kept], grid)
    (here / "dwi.json").write_text(json.dumps(record))
    for kind in ("bval", "bvec"):
        table = np.loadtxt(raw.dwi(sub, "t0", f".{kind}"), ndmin=2)
        np.savetxt(here / f"dwi.{kind}", table[:, kept])
    other = "j" if sign < 0 else "j-"
    save_volume(here / "reverse.nii.gz", distorted(clean.data[..., 2:5], -shift).mean(-1), grid)
    (here / "reverse.json").write_text(json.dumps(record | {"PhaseEncodingDirection": other}))
    measured = field + np.random.default_rng(number).normal(0, 3, field.shape)
    save_volume(here / "field.nii.gz", np.where(ndimage.binary_dilation(brain, iterations=2), measured, 0), grid)
    (here / "field.json").write_text(json.dumps({"Units": "Hz"}))
    save_volume(here / "mask.nii.gz", brain, grid, np.uint8)
    save_volume(here / "clean.nii.gz", clean.data[..., kept], grid)
    bvals = ("--bvals", here / "dwi.bval")
    tables = (*bvals, "--bvecs", here / "dwi.bvec", "--mask", here / "mask.nii.gz")
    command("fit-tensor", here / "clean.nii.gz", *tables, "--out-dir", here / "clean")
    command("n4", raw.anat(sub, "t0", "T1w"), here / "t1w.nii.gz")
    command("mean-b0", here / "dwi.nii.gz", here / "b0.nii.gz", *bvals)
    command("register", here / "b0.nii.gz", here / "t1w.nii.gz", "--out-transform", here / "rigid.txt")
    shutil.copy(raw.truth(sub, "t0", "brain.nii.gz"), here / "brain.nii.gz")
    methods = {
        "fieldmap": ("--fieldmap", here / "field.nii.gz"),
        "reverse": ("--reverse", here / "reverse.nii.gz"),
        "t1w": ("--t1w", here / "t1w.nii.gz", "--t1w-mask", here / "brain.nii.gz", "--transform", here / "rigid.txt"),
    }
    size = grid.voxel_sizes[1]
    anisotropy = load_volume(here / "clean" / "fa.nii.gz").data
    white = brain & (anisotropy > 0.25)
    rows = []
    for method in ("uncorrected", *methods, "peer: SyN"):
        seconds, found, undo = 0.0, np.zeros_like(shift), ()
        if method == "peer: SyN":
            found, seconds = peer(here, 1)
            undo = ("--shift", here / "peer.nii.gz")
            save_volume(undo[1], found * size, grid)
            (here / "peer.json").write_text(json.dumps({"PhaseAxis": "j", "EPIDistortion": "corrected by the peer"}))
        elif method != "uncorrected":
            out = here / f"shift-{method}.nii.gz"
            seconds = command("epi-shift", here / "dwi.nii.gz", out, *bvals, "--method", method, *methods[method])
            found, undo = np.asarray(nib.load(out).dataobj) / size, ("--shift", out)
        command("fit-tensor", here / "dwi.nii.gz", *tables, "--out-dir", here / f"fit {method}", *undo)
        away = np.abs(found - shift) * size
        large = brain & (np.abs(shift) * size > LARGE_MM)
        fitted = load_volume(here / f"fit {method}" / "fa.nii.gz").data
        rows.append({
            "head": sub, "method": method, "mean mm": away[brain].mean(), "95 % mm": np.percentile(away[brain], 95),
            f"mean mm where > {LARGE_MM:g}": away[large].mean(), "its share %": 100 * large.sum() / brain.sum(),
            "FA error, white": np.abs(fitted - anisotropy)[white].mean(), "user s": seconds,
        })  # fmt: skip
    return rows


def main() -> None:
    """Print one row a head and method, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=int, default=2, help="simulated heads")
    parser.add_argument("--resolution", type=float, default=2.5, help="voxel of the simulated images, mm")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        heads = range(1, options.heads + 1)
        rows = [row for number in heads for row in measure(Path(name), options.resolution, number, options.heads)]
    table = pd.DataFrame(rows)
    print(table.round(3).to_string(index=False))
    print("\nmean over heads")
    print(table.drop(columns="head").groupby("method", sort=False).mean().round(3).to_string())


if __name__ == "__main__":
    main()
