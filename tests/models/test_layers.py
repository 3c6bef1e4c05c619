"""Blocks against written-out arithmetic."""

import pytest
import torch

from myelosynth.errors import InputError
from myelosynth.models.layers import FlexibleSelfAttention, InstanceNorm, ResDown, ResUp


def written_out_attention(layer: FlexibleSelfAttention, x: torch.Tensor) -> torch.Tensor:
    """Equations 1-3 of wei2020 in float64 with the whole attention map in memory, one sample at a time."""

    def weight(name: str) -> torch.Tensor:
        return getattr(layer, name).weight[:, :, 0, 0, 0].double()

    def pooled(features: torch.Tensor) -> torch.Tensor:
        c, X, Y, Z = features.shape
        if layer.pooling == "global-max":
            return features.reshape(c, -1).max(1).values.reshape(c, 1, 1, 1)
        p = layer.pool
        blocks = features.reshape(c, X // p, p, Y // p, p, Z // p, p)
        return blocks.amax((2, 4, 6)) if layer.pooling == "max" else blocks.mean((2, 4, 6))

    outputs = []
    for sample in x.double():
        branch = {}
        for name in ("query", "key", "value"):
            branch[name] = pooled(torch.einsum("oc,cxyz->oxyz", weight(name), sample))
        sides = branch["key"].shape[1:]
        f, g, h = (branch[name].flatten(1) for name in ("key", "query", "value"))
        score = torch.einsum("ci,cj->ji", f, g)
        beta = torch.exp(score) / torch.exp(score).sum(1, keepdim=True)
        o = torch.einsum("ji,ci->cj", beta, h).reshape(-1, *sides)
        o = torch.einsum("oc,cxyz->oxyz", weight("out"), o)
        for axis in (1, 2, 3):
            o = o.repeat_interleave(sample.shape[axis] // sides[axis - 1], axis)
        outputs.append(layer.gamma.double() * o + sample)
    return torch.stack(outputs)


@pytest.mark.parametrize("pooling", ["max", "average", "global-max"])
@pytest.mark.parametrize("pool", [1, 2])
def test_attention_equals_the_materialised_softmax_in_float64(pool, pooling):
    torch.manual_seed(1)
    layer = FlexibleSelfAttention(16, pool, pooling)
    layer.gamma.data.fill_(0.7)
    x = torch.randn(2, 16, 4, 6, 8)
    torch.testing.assert_close(layer(x).double(), written_out_attention(layer, x), rtol=1e-6, atol=1e-6)


def test_global_pooling_gives_every_voxel_the_same_context():
    torch.manual_seed(1)
    layer = FlexibleSelfAttention(16, 2, "global-max")
    layer.gamma.data.fill_(1)
    x = torch.randn(1, 16, 4, 4, 4)
    context = (layer(x) - x).flatten(2)
    torch.testing.assert_close(context, context[..., :1].expand_as(context), atol=1e-6, rtol=1e-5)
    assert context.abs().max() > 0.01


@pytest.mark.parametrize("pooling", ["max", "average", "global-max"])
def test_attention_has_the_stated_parameters(pooling):
    assert sum(p.numel() for p in FlexibleSelfAttention(64, 2, pooling).parameters()) == 64**2 // 2 + 1 == 2049


def test_attention_starts_as_the_identity_and_can_learn():
    layer = FlexibleSelfAttention(8)
    x = torch.randn(1, 8, 4, 4, 4)
    assert torch.equal(layer(x), x)
    (layer(x) ** 2).sum().backward()
    assert layer.gamma.grad.abs() > 0


def test_attention_needs_eight_channels():
    with pytest.raises(InputError, match="self-attention impossible"):
        FlexibleSelfAttention(4)


def test_down_halves_and_up_doubles():
    x = torch.randn(2, 4, 8, 16, 8)
    low = ResDown(4, 8, 0.5)(x)
    assert low.shape == (2, 8, 4, 8, 4)
    assert ResUp(8, 4, 0.5)(low, x).shape == x.shape


def test_deconvolution_puts_one_voxel_into_its_own_cube():
    """A 2x2x2 kernel of stride 2: every low-resolution voxel owns eight voxels, none overlap."""
    deconvolution = ResUp(2, 1, 0.0).up[0]
    deconvolution.bias.data.zero_()
    x = torch.zeros(1, 2, 3, 3, 3)
    x[0, 0, 1, 2, 0] = 2
    out = deconvolution(x)
    assert out.shape == (1, 1, 6, 6, 6)
    torch.testing.assert_close(out[0, 0, 2:4, 4:6, 0:2], 2 * deconvolution.weight[0, 0])
    assert out.count_nonzero() == 8


def test_residual_skip_can_be_left_out():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 8, 8, 8)
    plain, residual = ResDown(4, 8, 0.0, residual=False), ResDown(4, 8, 0.0)
    residual.body.load_state_dict(plain.body.state_dict())
    assert plain.skip is None
    expected = torch.nn.functional.leaky_relu(plain.body(x) + residual.skip(x), 0.2)
    torch.testing.assert_close(residual(x), expected)
    torch.testing.assert_close(plain(x), torch.nn.functional.leaky_relu(plain.body(x), 0.2))


def test_instance_norm_is_per_sample_and_in_float32():
    """bfloat16 keeps 8 bits: statistics of values around 100 would be gone if they were taken in it."""
    norm = InstanceNorm(2)
    x = (100 + torch.randn(3, 2, 8, 8, 8)).bfloat16()
    out = norm(x)
    assert out.dtype == torch.bfloat16
    values = x.float()
    mean, variance = values.mean((2, 3, 4), keepdim=True), values.var((2, 3, 4), unbiased=False, keepdim=True)
    expected = (values - mean) / (variance + norm.eps).sqrt()
    torch.testing.assert_close(out.float(), expected.bfloat16().float())
    assert not list(norm.buffers())
