"""Flexible self-attention at 16,384 tokens: the layer (SDPA) against the same layer with a materialised map.

Width 16: 64 channels, queries of 8, a map of 16,384^2 float32 (1 GiB). CPU seconds of one thread, best of runs.
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


def mapped(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q k^T) v with the map as a tensor; all (1, 1, tokens, c)."""
    return torch.softmax(query @ key.mT, -1) @ value


def materialised(layer: FlexibleSelfAttention, x: Tensor) -> Tensor:
    """The layer on x (1, C, X, Y, Z) with the map as a tensor (wei2020, equations 1-3)."""
    attended = mapped(*tokens(layer, x))[0, 0]
    o = layer.out(attended.T.reshape(1, -1, *(side // POOL for side in SIDES)))
    return layer.gamma * functional.interpolate(o, size=SIDES, mode="nearest") + x


def tokens(layer: FlexibleSelfAttention, x: Tensor) -> list[Tensor]:
    """Query, key and value (1, 1, tokens, c) of the layer."""
    branches = (layer.query, layer.key, layer.value)
    return [functional.max_pool3d(branch(x), POOL).flatten(2)[None].mT.contiguous() for branch in branches]


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
    triple = tokens(layer, x)
    attention = functional.scaled_dot_product_attention
    print(f"{triple[0].shape[2]} tokens; wanted: attention {AT_LEAST:g} times as fast, layers alike to {AT_MOST:g}")
    for name, one, other in (
        ("attention", lambda: attention(*triple, scale=1.0), lambda: mapped(*triple)),
        ("whole layer", lambda: layer(x), lambda: materialised(layer, x)),
    ):
        fast, ours = best(one, options.runs)
        slow, theirs = best(other, options.runs)
        difference = float((ours - theirs).abs().max())
        seconds = f"fused {fast:.2f} s, materialised {slow:.2f} s, ratio {slow / fast:.1f}"
        print(f"{name}: {seconds}, largest difference {difference:.1e}")


if __name__ == "__main__":
    main()
