"""Prediction of a 148x182x148 volume: our paths against MONAI's 64^3, 50 %, Gaussian sliding window over the volume.

User CPU seconds of one thread (network and stitching), peak memory of each process, masked PSNR against the measured
and the noise-free DVR of a simulated patient at 1.22 mm who was not trained on (simulated_maps.py). Without
--checkpoint a CF-SAGAN of --width is trained for --minutes of CPU time by `myelosynth train` on two others, with a
third as validation for the gate. `--random-width W` times another width with random weights, where PSNR means nothing.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from numpy.typing import NDArray
from simulated_maps import SHAPE, SOURCES, load, simulate

from myelosynth.models.generator import Generator
from myelosynth.synthesis.checkpoints import load_checkpoint
from myelosynth.synthesis.config import load_preset
from myelosynth.synthesis.data.subjects import Statistics
from myelosynth.synthesis.engine.whole import Window, predict_volume
from myelosynth.synthesis.systems.networks import build_generator

PATHS = ("monai", "window", "few", "whole")
ROLES = {"001": "train", "002": "train", "003": "test", "004": "validation"}
PATCH, OVERLAP, BATCH = 64, 0.5, 2
FASTER, LOSS_DB = 4.0, 0.1


def subject(folder: Path, label: str, seed: int) -> Path:
    """The folder of one simulated patient, made where it is not there yet."""
    place = folder / "subjects" / label
    if not (place / "lesions.nii.gz").is_file():
        simulate(int(label), 8, seed).save(place)
    return place


def train(folder: Path, width: int, minutes: float, seed: int) -> Path:
    """checkpoint.pt of a CF-SAGAN trained by the command for about `minutes` of CPU time; no dropout, as in `demo`."""
    split = ["participant_id\tgroup\tfold\trole", *(f"sub-{n}\tpatient\t1\t{role}" for n, role in ROLES.items())]
    rows = ["participant_id\tsession_id\tcontrast\tpath\tmask\tlesions\tnawm"]
    for label in ROLES:
        place = subject(folder, label, seed)
        masks = f"{place / 'mask.nii.gz'}\t{place / 'lesions.nii.gz'}\t"
        rows += [f"sub-{label}\tses-t0\t{name}\t{place / f'{name}.nii.gz'}\t{masks}" for name in (*SOURCES, "DVR")]
    (folder / "split.tsv").write_text("\n".join(split) + "\n")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    preset = load_preset("demo").model_dump(mode="json")
    steps = max(int(60 * minutes / seconds_a_step(width)), 1)
    preset |= {"width": width, "patch": PATCH, "batch": BATCH, "interval": steps}
    preset["networks"] = {"cf-sagan": {"steps": steps, "learning_rate": 2e-3}}
    (folder / "preset.yaml").write_text(yaml.safe_dump({"training": preset}))
    options = ["--task", "myelin", "--model", "cf-sagan", "--loss", "l1", "--fold", "1", "--device", "cpu"]
    files = ["--split", folder / "split.tsv", "--data", folder / "manifest.tsv", "--preset", folder / "preset.yaml"]
    subprocess.run(["myelosynth", "train", *options, *files, "--out", folder / "model"], check=True)
    return folder / "model" / "checkpoint.pt"


def seconds_a_step(width: int) -> float:
    """CPU seconds of a training step: three times those of a generator's, for its discriminator."""
    network, batch = Generator(len(SOURCES), width), torch.randn(BATCH, len(SOURCES), PATCH, PATCH, PATCH)
    started = time.process_time()
    network(batch).mean().backward()
    return 3 * (time.process_time() - started)


def run(path: str, checkpoint: Path | None, width: int | None, place: Path, out: Path) -> None:
    """Predict once in this process; writes the volume and prints seconds and peak memory as JSON."""
    torch.set_num_threads(1)
    maps = load(place)
    images = np.stack([maps.images[name] for name in SOURCES])
    if checkpoint and width is None:
        content = load_checkpoint(checkpoint).content
        network = build_generator(content["architecture"])
        network.load_state_dict(content["weights"])
        statistics = Statistics(content["mean"].numpy(), content["std"].numpy(), 0.0)
    else:
        network = Generator(len(SOURCES), width or 16)
        inside = images[:, maps.mask]
        statistics = Statistics(inside.mean(1), inside.std(1), 0.0)
    network.eval()
    normalised = statistics.normalise(images, maps.mask)
    device = torch.device("cpu")
    if path == "monai":
        from monai.inferers.utils import sliding_window_inference
    started = resource.getrusage(resource.RUSAGE_SELF)
    if path == "monai":
        with torch.inference_mode():
            batch = torch.from_numpy(normalised)[None]
            result = sliding_window_inference(batch, (PATCH,) * 3, BATCH, network, OVERLAP, "gaussian")
        predicted = result[0, 0].numpy() * maps.mask  # type: ignore[index, union-attr]
    else:
        window = Window(PATCH, OVERLAP, BATCH)
        predicted = predict_volume(network, normalised, maps.mask, window, path, device)
    ended = resource.getrusage(resource.RUSAGE_SELF)
    np.save(out, predicted)
    seconds = {"user s": ended.ru_utime - started.ru_utime, "system s": ended.ru_stime - started.ru_stime}
    print(json.dumps({**seconds, "peak MB": ended.ru_maxrss / 1024}))


def compare(place: Path, checkpoint: Path | None, width: int | None) -> pd.DataFrame:
    """A row a path, each in a process of its own."""
    maps, rows, reference = load(place), {}, np.zeros(0)
    with tempfile.TemporaryDirectory() as name:
        for path in PATHS:
            out = Path(name) / f"{path}.npy"
            words = [sys.executable, __file__, "--run", path, "--subject", str(place), "--out", str(out)]
            words += ["--checkpoint", str(checkpoint)] if checkpoint else []
            words += ["--random-width", str(width)] if width else []
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            told = subprocess.run(words, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
            predicted = np.load(out)
            reference = predicted if path == "monai" else reference
            row = json.loads(told.splitlines()[-1])
            row["PSNR"] = psnr(predicted, maps.images["DVR"], maps.mask)
            row["PSNR to truth"] = psnr(predicted, maps.images["DVR-truth"], maps.mask)
            row["PSNR to MONAI's"] = psnr(predicted, reference, maps.mask)
            rows[path] = row
            print(f"{path}: {row}", file=sys.stderr)
    table = pd.DataFrame(rows).T
    table.insert(0, "faster", table.loc["monai", "user s"] / table["user s"])
    table.insert(4, "loss dB", table.loc["monai", "PSNR"] - table["PSNR"])
    table.insert(5, "loss dB to truth", table.loc["monai", "PSNR to truth"] - table["PSNR to truth"])
    return table


def psnr(image: NDArray, target: NDArray, mask: NDArray[np.bool_]) -> float:
    """Masked PSNR in dB, MAX = the target's maximum."""
    error = ((image - target)[mask].astype(np.float64) ** 2).mean()
    return float(10 * np.log10(target[mask].max() ** 2 / max(error, 1e-20)))


def main() -> None:
    """Print one row a path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="a trained network with windows of 64 (default: train one)")
    parser.add_argument("--minutes", type=float, default=15, help="CPU minutes of training")
    parser.add_argument("--width", type=int, default=8, help="of the network that is trained")
    parser.add_argument("--random-width", type=int, help="time this width with random weights instead")
    parser.add_argument("--seed", type=int, default=7, help="of the simulated patients")
    parser.add_argument("--folder", type=Path, help="keep patients and model here (default: a temporary folder)")
    parser.add_argument("--run", choices=PATHS, help=argparse.SUPPRESS)
    parser.add_argument("--subject", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run(options.run, options.checkpoint, options.random_width, options.subject, options.out)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = (options.folder or Path(name)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint, width = options.checkpoint, options.random_width
        if checkpoint is None and width is None:
            checkpoint = train(folder, options.width, options.minutes, options.seed)
            print("gate:", json.dumps(load_checkpoint(checkpoint).content["fast_path"], indent=2))
        tested = next(label for label, role in ROLES.items() if role == "test")
        table = compare(subject(folder, tested, options.seed), checkpoint, width)
    print(f"volume {' x '.join(map(str, SHAPE))}; wanted: faster >= {FASTER:g} at a loss <= {LOSS_DB:g} dB")
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
