"""Whole networks: published sizes, what they do with the background, what a Cascade freezes."""

from itertools import pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from myelosynth.errors import InputError
from myelosynth.models.discriminator import Discriminator
from myelosynth.models.generator import Cascade, Generator
from myelosynth.models.layers import FlexibleSelfAttention


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def conv(low: int, high: int, kernel: int) -> int:
    return low * high * kernel**3 + high


def body(low: int, high: int) -> int:
    """Two 3x3x3 convolutions, the 1x1x1 skip and two affine norms."""
    return conv(low, high, 3) + conv(high, high, 3) + conv(low, high, 1) + 4 * high


def test_parameters_are_the_published_numbers():
    """models.md 6: generator 5.735 M, discriminator 3.576 M at width 16."""
    maps = [16, 32, 64, 128, 256]
    steps = list(pairwise(maps))
    attention = 3 * 64 * 8 + 8 * 64 + 1
    down = sum(body(low, high) for low, high in steps)
    up = sum(conv(high, low, 2) + 2 * low + body(2 * low, low) for low, high in steps)
    generator, discriminator = parameters(Generator(4)), parameters(Discriminator(5))
    assert generator == conv(4, 16, 3) + down + up + 2 * attention + conv(16, 1, 3)
    assert discriminator == conv(5, 16, 3) + down + attention + conv(256, 1, 1)
    assert round(generator / 1e6, 3) == 5.735
    assert round(discriminator / 1e6, 3) == 3.576


def test_forward_costs_the_published_operations():
    """models.md 6: 27.7 GFLOP for a patch of 64^3."""
    with torch.device("meta"):
        network, patch = Generator(4), torch.zeros(1, 4, 64, 64, 64)
    with FlopCounterMode(display=False) as counter:
        network(patch)
    assert round(counter.get_total_flops() / 1e9, 1) == 27.7


def test_discriminator_judges_sixteenths():
    with torch.device("meta"):
        logits = Discriminator(5)(torch.zeros(2, 4, 64, 64, 64), torch.zeros(2, 1, 64, 64, 64))
    assert logits.shape == (2, 1, 4, 4, 4)


def test_attention_sits_in_encoder_decoder_and_discriminator():
    def places(module: torch.nn.Module) -> list[str]:
        return [name for name, part in module.named_modules() if isinstance(part, FlexibleSelfAttention)]

    assert places(Generator(4, 4)) == ["attention.encoder", "attention.decoder"]
    assert len(places(Discriminator(5, 4))) == 1
    assert places(Generator(4, 4, attention=False)) == []


def test_generator_is_not_negative_and_zero_outside_the_brain():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 32, 32, 32)
    x[..., :9] = 0
    network = Generator(4, 4, dropout=0)
    network.head.bias.data.fill_(1)
    out = network(x)
    assert out.shape == (2, 1, 32, 32, 32)
    assert (out >= 0).all()
    assert not out[..., :9].any()
    assert out[..., 9:].any()


def test_attention_reaches_across_the_patch():
    """With gamma at 1 a distant voxel changes the answer of the attention layer at the other end."""
    torch.manual_seed(0)
    layer = FlexibleSelfAttention(8)
    layer.gamma.data.fill_(1)
    x = torch.randn(1, 8, 8, 8, 8)
    other = x.clone()
    other[..., -1] += 5
    assert not torch.allclose(layer(x)[..., 0], layer(other)[..., 0])


def test_sides_must_be_multiples_of_sixteen():
    with pytest.raises(InputError, match=r"multiples of 16"):
        Generator(4, 4)(torch.zeros(1, 4, 40, 32, 32))


def test_cascade_trains_the_refiner_only():
    torch.manual_seed(0)
    cascade = Cascade(Generator(4, 4), Generator(5, 4)).train()
    x = torch.randn(1, 4, 32, 32, 32)
    cascade(x).mean().backward()
    assert not cascade.sketcher.training
    assert cascade.refiner.training
    assert all(parameter.grad is None for parameter in cascade.sketcher.parameters())
    assert any(parameter.grad is not None for parameter in cascade.refiner.parameters())
    cascade.eval()
    sketch = cascade.sketcher(x)
    torch.testing.assert_close(cascade(x), cascade.refiner(torch.cat((x, sketch), 1)))
    torch.testing.assert_close(cascade(x), cascade(x, sketch))
