"""Whole networks: published sizes, what they do with the background, what a Cascade freezes."""

from itertools import pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from myelosynth.errors import InputError
from myelosynth.models.discriminator import Discriminator
from myelosynth.models.dnn import TwoLayerDnn
from myelosynth.models.error_head import ErrorHead
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


def test_parameters_are_those_that_the_docstrings_state():
    plain = {"attention": False, "residual": False}
    stated = [
        (Generator(4), 5_734_915, Generator),
        (Generator(5), 5_735_347, Generator),
        (Generator(4, **plain), 5_643_057, Generator),
        (Generator(5, **plain), 5_643_489, Generator),
        (Discriminator(5), 3_576_482, Discriminator),
        (Discriminator(5, **plain), 3_530_433, Discriminator),
        (TwoLayerDnn(4), 48_051, TwoLayerDnn),
        (ErrorHead(5, 8), 2_833, ErrorHead),
    ]
    for network, count, where in stated:
        assert parameters(network) == count
        assert f"{count:,}" in where.__doc__


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
    assert places(Discriminator(5, 4, attention=False)) == []


@pytest.mark.parametrize("pooling", ["max", "average", "global-max"])
def test_networks_start_as_if_they_had_no_attention(pooling):
    """gamma is 0: taking every attention layer out changes nothing, putting gamma up does."""
    torch.manual_seed(0)
    x, pet = torch.randn(1, 4, 32, 32, 32), torch.rand(1, 1, 32, 32, 32)
    generator = Generator(4, 4, dropout=0, attention_pooling=pooling).eval()
    critic = Discriminator(5, 4, dropout=0, attention_pooling=pooling).eval()
    layers = [part for net in (generator, critic) for part in net.modules() if isinstance(part, FlexibleSelfAttention)]
    assert len(layers) == 3
    with torch.inference_mode():
        first = generator(x), critic(x, pet)
        hooks = [layer.register_forward_hook(lambda _layer, given, _out: given[0]) for layer in layers]
        assert torch.equal(generator(x), first[0])
        assert torch.equal(critic(x, pet), first[1])
        for layer, hook in zip(layers, hooks, strict=True):
            hook.remove()
            layer.gamma.data.fill_(5)
        assert not torch.equal(generator(x), first[0])
        assert not torch.equal(critic(x, pet), first[1])


def test_a_cascade_of_three_freezes_two_stages():
    torch.manual_seed(0)
    one, two, three = Generator(4, 4), Generator(5, 4), Generator(5, 4)
    cascade = Cascade(Cascade(one, two), three).train()
    assert (one.training, two.training, three.training) == (False, False, True)
    x = torch.randn(1, 4, 32, 32, 32)
    cascade(x).mean().backward()
    assert all(parameter.grad is None for stage in (one, two) for parameter in stage.parameters())
    assert any(parameter.grad is not None for parameter in three.parameters())
    cascade.eval()
    expected = three(torch.cat((x, two(torch.cat((x, one(x)), 1))), 1))
    torch.testing.assert_close(cascade(x), expected)
    torch.testing.assert_close(cascade(x, one(x)), three(torch.cat((x, one(x)), 1)))


def test_the_dnn_is_the_patch_network_slid_over_the_volume():
    """15^3 patches without padding give their inner 3^3 voxels (Li 2014), and the volume gives the same there."""
    torch.manual_seed(0)
    network = TwoLayerDnn(4)
    network.head.bias.data.fill_(0.5)
    x = torch.randn(2, 4, 20, 17, 18)
    whole = network(x)
    assert whole.shape == (2, 1, 20, 17, 18)
    assert (whole >= 0).all()
    assert whole.any()
    patch = x[..., 3:18, 1:16, 2:17]
    inner = torch.relu(network.head(torch.sigmoid(network.second(torch.sigmoid(network.first(patch))))))
    assert inner.shape == (2, 1, 3, 3, 3)
    torch.testing.assert_close(whole[..., 9:12, 7:10, 8:11], inner)


def test_the_dnn_takes_background_for_what_lies_beyond_the_patch():
    torch.manual_seed(0)
    network = TwoLayerDnn(4)
    x = torch.randn(1, 4, 14, 14, 14)
    framed = torch.nn.functional.pad(x, (6,) * 6)
    torch.testing.assert_close(network(framed)[..., 6:-6, 6:-6, 6:-6], network(x))
    assert not network(framed)[..., :6].any()


def test_an_error_head_is_positive():
    torch.manual_seed(0)
    out = ErrorHead(5, 8)(5 * torch.randn(2, 4, 8, 8, 8), torch.rand(2, 1, 8, 8, 8))
    assert out.shape == (2, 1, 8, 8, 8)
    assert (out > 0).all()


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
