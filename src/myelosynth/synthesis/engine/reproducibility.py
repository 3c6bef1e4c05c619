"""What makes two trainings the same: seeds of a step, deterministic kernels, the fingerprint of a run."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

import myelosynth
from myelosynth.synthesis.engine.distributed import Ranks


def derived_seed(seed: int, step: int, rank: int = 0) -> int:
    """The torch seed of one step (dropout, smoothed labels); every process of a shared training has its own."""
    entropy = (seed, 2, step, rank) if rank else (seed, 2, step)
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)


def fingerprint_of(settings: dict[str, Any], arrays: list[np.ndarray]) -> str:
    """A hash of everything that determines a training: settings, torch's version, threads, processes, code, images."""
    machine = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processes": Ranks.current().count,
    }
    digest = hashlib.blake2b(json.dumps({**settings, **machine}, sort_keys=True, default=str).encode())
    for room in ("models", "synthesis"):
        for module in sorted(Path(myelosynth.__file__).parent.joinpath(room).rglob("*.py")):
            digest.update(module.read_bytes())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def make_deterministic(device: torch.device, wanted: bool = True) -> None:
    """Ask torch for reproducible kernels; on CUDA some poolings have none, there it only warns.

    Where they are not wanted, the fastest kernel for each shape is looked for instead.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted, warn_only=device.type == "cuda")
    torch.backends.cudnn.benchmark = not wanted
