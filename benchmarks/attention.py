"""Flexible self-attention at 16,384 tokens: the layer (SDPA) against the same layer with a materialised map.

Width 16: 64 channels, queries of 8, a map of 16,384^2 float32 (1 GiB). User CPU seconds of one thread, best of runs.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from myelosynth.models.layers import FlexibleSelfAttention

CHANNELS, POOL, SIDES = 64, 2, (64, 64, 32)
AT_LEAST, AT_MOST = 4.0, 1e-5


def materialised(layer: FlexibleSelfAttention, x: Tensor) -> Tensor:
    """The layer on x (1, C, X, Y, Z) with softmax(q k^T) as a tensor (wei2020, equations 1-3)."""
    query, key, value = (
        functional.max_pool3d(branch(x), POOL).flatten(2)[0].T for branch in (layer.query, layer.key, layer.value)
    )
    attended = torch.softmax(query @ key.T, dim=1) @ value
    o = layer.out(attended.T.reshape(1, -1, *(side // POOL for side in SIDES)))
    return layer.gamma * functional.interpolate(o, size=SIDES, mode="nearest") + x


def best(run: Callable[[], Tensor], runs: int) -> tuple[float, Tensor]:
    """Least CPU seconds of some runs, and the output."""
    seconds = []
    for _ in range(runs):
        started = time.process_time()
        output = run()
        seconds.append(time.process_time() - started)
    return min(seconds), output


@torch.inference_mode()
def main() -> None:
    """Print seconds, ratio and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = FlexibleSelfAttention(CHANNELS, POOL).eval()
    layer.gamma.fill_(1.0)
    x = torch.randn(1, CHANNELS, *SIDES)
    fast, ours = best(lambda: layer(x), options.runs)
    slow, theirs = best(lambda: materialised(layer, x), options.runs)
    difference = float((ours - theirs).abs().max())
    tokens = SIDES[0] * SIDES[1] * SIDES[2] // POOL**3
    print(
        f"{tokens} tokens: SDPA {fast:.2f} s, materialised map {slow:.2f} s, ratio {slow / fast:.1f} (>= {AT_LEAST:g})"
    )
    print(f"largest difference {difference:.1e} (<= {AT_MOST:g}), output SD {float(theirs.std()):.2f}")


if __name__ == "__main__":
    main()
