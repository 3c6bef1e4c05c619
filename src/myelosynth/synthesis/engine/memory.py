"""Memory of a training: blocks that are computed twice instead of kept, and a full memory told in one line."""

from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from myelosynth.errors import InputError
from myelosynth.models.layers import ConvBody, ResUp


def checkpoint_blocks(network: nn.Module) -> int:
    """Let every down and up block forget its insides after the forward pass; returns the number of blocks.

    The backward pass computes them again with the same dropout: gradients stay what they were. The modules and the
    names of their weights stay too; a pass without gradients is not changed.
    """
    blocks = list(_outermost(network))
    for block in blocks:
        block.forward = partial(_recomputed, block, block.forward)
    return len(blocks)


def _outermost(module: nn.Module) -> list[nn.Module]:
    """Blocks that lie in no other block."""
    if isinstance(module, ConvBody | ResUp):
        return [module]
    return [block for child in module.children() for block in _outermost(child)]


def _recomputed(block: nn.Module, forward: object, *features: torch.Tensor) -> torch.Tensor:
    if block.training and torch.is_grad_enabled():
        return checkpoint(forward, *features, use_reentrant=False)
    return forward(*features)  # type: ignore[operator]


def told_memory(fault: Exception, patch: int, batch: int, width: int | None) -> Exception:
    """InputError for a full memory, of the device or of the machine; any other fault unchanged."""
    # The CPU's allocator raises a plain RuntimeError.
    if not isinstance(fault, MemoryError | torch.OutOfMemoryError) and "not enough memory" not in str(fault):
        return fault
    first = str(fault).splitlines()[0] if str(fault) else "allocation failed"
    cure = (
        "lower `batch`, `patch` or `width` in the preset (--preset), "
        "or set `gradient_checkpointing: true` or `precision: bf16`, or use --device cpu"
    )
    size = f"patch {patch}, batch {batch}" + (f", width {width}" if width else "")
    return InputError("out of memory", "network", f"{size}: {first}", cure)
