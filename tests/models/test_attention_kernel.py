"""The attention map is never materialised."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from myelosynth.models.layers import FlexibleSelfAttention


def test_self_attention_runs_where_only_the_fused_kernel_is_allowed():
    layer, x = FlexibleSelfAttention(16, 2), torch.randn(2, 16, 8, 8, 8)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        layer(x).sum().backward()
    assert layer.gamma.grad is not None
