"""Voxelwise kinetics of one 128x128x60x34 PET series: seconds and peak memory of whole commands, beside a peer.

Every voxel is tissue, so nothing is skipped. The peer is a reference Logan plot voxel by voxel with
scipy.stats.linregress, run on a part of the voxels and extrapolated.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import stats

from myelosynth.phantom.pet import K2PRIME, curves, schedule
from myelosynth.physics.kinetics import cumulative_integral

T_STAR_MIN = 30.0
ANALYSES = {
    "logan, k2' given": ("--k2prime", K2PRIME, "--t-star", T_STAR_MIN),
    "logan, k2' and t* auto": ("--k2prime", "auto", "--t-star", "auto"),
    "srtm": ("--model", "srtm"),
    "srtm2": ("--model", "srtm2", "--k2prime", K2PRIME),
}


def write_series(folder: Path, shape: tuple[int, int, int]) -> None:
    """pet.nii.gz with its sidecar, mask and reference: DVR 1.0-1.4 along x, R1 .5-1 along y, 3 % noise."""
    generator, frames = np.random.default_rng(0), schedule()
    dvr = np.broadcast_to(np.linspace(1.0, 1.4, shape[0])[:, None, None], shape)
    r1 = np.broadcast_to(np.linspace(0.5, 1.0, shape[1])[None, :, None], shape)
    reference = np.zeros(shape, np.uint8)
    reference[0] = 1
    series = np.empty((*shape, frames.start_s.size), np.float32)
    for n in range(frames.start_s.size):
        clean = np.where(reference > 0, curves(np.ones(1), np.ones(1), n), curves(r1[:, :, :1], dvr[:, :, :1], n))
        series[..., n] = clean * (1 + 0.03 * generator.standard_normal(shape, dtype=np.float32))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    nib.save(nib.Nifti1Image(series, affine), folder / "pet.nii.gz")
    nib.save(nib.Nifti1Image(reference, affine), folder / "reference.nii.gz")
    nib.save(nib.Nifti1Image(np.ones(shape, np.uint8), affine), folder / "mask.nii.gz")
    times = {"FrameTimesStart": frames.start_s.tolist(), "FrameDuration": frames.duration_s.tolist()}
    (folder / "pet.json").write_text(json.dumps({**times, "ImageDecayCorrected": True, "Units": "Bq/mL"}))


def command(folder: Path, options: tuple[object, ...]) -> dict[str, float]:
    """`myelosynth dvr` as a whole, reading and writing included: wall and CPU seconds, peak MB, error of the DVR."""
    paths = [folder / "pet.nii.gz", folder / "dvr.nii.gz", "--frames", folder / "pet.json"]
    paths += ["--reference-mask", folder / "reference.nii.gz", "--mask", folder / "mask.nii.gz"]
    started = time.perf_counter()
    process = subprocess.Popen(["myelosynth", "dvr", *map(str, (*paths, *options))])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("myelosynth dvr failed")
    found = np.asarray(nib.load(folder / "dvr.nii.gz").dataobj)
    truth = np.linspace(1.0, 1.4, found.shape[0])[1:, None, None]
    return {
        "wall s": time.perf_counter() - started,
        "CPU s": usage.ru_utime + usage.ru_stime,
        "peak MB": usage.ru_maxrss / 1024,
        "mean error": float((found[1:] - truth).mean()),
        "SD of error": float((found[1:] - truth).std()),
    }


def peer(folder: Path, voxels: int) -> float:
    """CPU seconds of a voxel-by-voxel Logan plot of the whole series, extrapolated from `voxels` of it."""
    data = np.asarray(nib.load(folder / "pet.nii.gz").dataobj)
    frames = schedule()
    first, mid = frames.first_after(T_STAR_MIN), frames.mid_min
    reference = data[0].mean((0, 1), dtype=float)
    chosen = data[1:].reshape(-1, data.shape[3])[:voxels]
    started = time.process_time()
    for curve in chosen.astype(float):
        late = curve[first:]
        x = (cumulative_integral(reference, mid) + reference / K2PRIME)[first:] / late
        _ = stats.linregress(x, cumulative_integral(curve, mid)[first:] / late).slope
    return (time.process_time() - started) * data[..., 0].size / voxels


def main() -> None:
    """Print one row an analysis, and the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(128, 128, 60), help="voxels")
    parser.add_argument("--peer-voxels", type=int, default=5000, help="voxels that the peer fits")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_series(folder, tuple(options.shape))
        rows = {title: command(folder, words) for title, words in ANALYSES.items()}
        extrapolated = peer(folder, options.peer_voxels)
    table = pd.DataFrame(rows).T
    table["CPU s / peer"] = table["CPU s"] / extrapolated
    print(table.round(4).to_string())
    print(f"\npeer: linregress a voxel, {extrapolated:.0f} CPU s, extrapolated from {options.peer_voxels} voxels")


if __name__ == "__main__":
    main()
