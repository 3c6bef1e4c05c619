"""The gate on fast prediction: a faster path is the default only where validation subjects lose next to nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myelosynth.synthesis.engine.whole import FAST

LIMIT_DB = 0.1
_LEAST_MSE = 1e-20  # equal images have a large PSNR, not an infinite one

Predict = Callable[[NDArray[np.float32], NDArray[np.bool_], str], NDArray[np.float32]]


@dataclass(frozen=True)
class Held:
    """A validation subject: normalised images (C, X, Y, Z), target and brain mask (X, Y, Z)."""

    images: NDArray[np.float32]
    target: NDArray[np.float32]
    mask: NDArray[np.bool_]


def judge(predict: Predict, subjects: Iterable[Held]) -> dict[str, Any]:
    """Score both fast paths against windows on validation subjects; plain values for a checkpoint.

    A path passes when its masked PSNR against the target is at most LIMIT_DB below that of windows in every subject.
    `path` is the passing one with the least work; psnr_window and psnr_fast are means over the subjects, loss_db is the
    largest loss of one subject. Without subjects nothing is allowed, and `reason` says so.
    """
    scores: dict[str, list[tuple[float, float, float]]] = {path: [] for path in ("window", *FAST)}
    for subject in subjects:
        inside = subject.target[subject.mask].astype(np.float64)
        window = predict(subject.images, subject.mask, "window")[subject.mask].astype(np.float64)
        scores["window"].append((*_scores(window, inside, inside), np.inf))
        for path in FAST:
            fast = predict(subject.images, subject.mask, path)[subject.mask].astype(np.float64)
            scores[path].append((*_scores(fast, inside, inside), _scores(fast, window, inside)[0]))
    common = {"limit_db": LIMIT_DB, "subjects": len(scores["window"])}
    if not scores["window"]:
        reason = "no validation subjects to compare the paths on"
        return {"allowed": False, "path": None, "reason": reason, "psnr_window": None, **common, "paths": {}}
    reference = np.array(scores["window"])
    paths = {path: _compared(np.array(scores[path]), reference) for path in FAST}
    passing = [path for path in FAST if paths[path]["loss_db"] <= LIMIT_DB]
    chosen = passing[0] if passing else min(FAST, key=lambda path: paths[path]["loss_db"])
    told = paths[chosen]
    reason = f"{chosen} loses {told['loss_db']:.3f} dB at most, limit {LIMIT_DB} dB"
    return {
        "allowed": bool(passing),
        "path": chosen if passing else None,
        "reason": reason,
        "psnr_window": float(reference[:, 0].mean()),
        "mae_window": float(reference[:, 1].mean()),
        "psnr_fast": told["psnr"],
        "loss_db": told["loss_db"],
        **common,
        "paths": paths,
    }


def _scores(predicted: NDArray, target: NDArray, scale: NDArray) -> tuple[float, float]:
    """PSNR in dB, with the maximum of `scale` as MAX, and mean absolute error, over brain voxels (n,)."""
    error = predicted - target
    mse = max(float((error**2).mean()), _LEAST_MSE)
    return 10 * float(np.log10(scale.max() ** 2 / mse)), float(np.abs(error).mean())


def _compared(scores: NDArray, reference: NDArray) -> dict[str, float]:
    """Means of PSNR, MAE and PSNR against windows, and the largest loss of a subject; both (subjects, 3)."""
    psnr, mae, against_window = scores.mean(0)
    loss = float((reference[:, 0] - scores[:, 0]).max())
    return {"psnr": float(psnr), "mae": float(mae), "loss_db": loss, "psnr_against_window": float(against_window)}


def chosen_path(wanted: str, gate: dict[str, Any] | None, bf16: bool = False) -> tuple[str, str]:
    """The path that `wanted` (auto, window, few or whole) means for a checkpoint with this gate, and why."""
    if wanted != "auto":
        return wanted, "asked for"
    if gate is None:
        return "window", "the checkpoint has no gate on fast paths"
    if bf16:
        return "window", "the gate judged float32, not bfloat16"
    return (gate["path"], gate["reason"]) if gate["allowed"] else ("window", gate["reason"])
