"""Blocks computed twice give the same gradients; a full memory is told in one line."""

import pytest
import torch

from myelosynth.errors import InputError
from myelosynth.models.discriminator import Discriminator
from myelosynth.models.generator import Generator
from myelosynth.synthesis.engine.memory import checkpoint_blocks, told_memory


def gradients(network, *inputs):
    torch.manual_seed(7)
    network.zero_grad()
    network(*inputs).square().mean().backward()
    return [parameter.grad.clone() for parameter in network.parameters()]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_checkpointed_blocks_have_the_same_gradients(dropout):
    torch.manual_seed(1)
    network, x = Generator(2, width=4, dropout=dropout), torch.rand(1, 2, 32, 32, 32)
    network.head.bias.data.fill_(1.0)
    names = list(network.state_dict())
    plain = gradients(network, x)
    assert checkpoint_blocks(network) == 8
    assert list(network.state_dict()) == names
    again = gradients(network, x)
    assert max(float(gradient.abs().max()) for gradient in plain) > 0
    assert all(torch.equal(first, second) for first, second in zip(plain, again, strict=True))


def test_checkpointed_blocks_are_computed_twice():
    network, calls = Discriminator(2, width=4, dropout=0.5), []
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout3d):
            module.register_forward_hook(lambda *_: calls.append(1))
    inputs = torch.rand(1, 1, 32, 32, 32), torch.rand(1, 1, 32, 32, 32)
    gradients(network, *inputs)
    assert len(calls) == 4
    checkpoint_blocks(network)
    calls.clear()
    gradients(network, *inputs)
    assert len(calls) == 8
    calls.clear()
    network.eval()
    with torch.no_grad():
        network(*inputs)
    assert len(calls) == 4


@pytest.mark.parametrize(
    "fault",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB.\nGPU 0 has"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 10 bytes"),
        MemoryError(),
    ],
)
def test_a_full_memory_names_what_to_change(fault):
    told = told_memory(fault, 64, 16, 32)
    assert isinstance(told, InputError)
    assert "out of memory, network, patch 64, batch 16, width 32: " in str(told)
    assert "`gradient_checkpointing: true`" in str(told)
    assert "\n" not in str(told)


def test_cuda_raises_the_type_that_is_told():
    assert torch.cuda.OutOfMemoryError is torch.OutOfMemoryError


def test_other_faults_stay_what_they_are():
    fault = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert told_memory(fault, 64, 16, 32) is fault
