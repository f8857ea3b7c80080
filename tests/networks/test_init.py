"""Seeded layers: weights from the generator alone."""

import pytest
import torch
from torch import nn

from rewardlab.networks.init import mlp, seeded_conv2d, seeded_gru, seeded_linear
from rewardlab.networks.tanh import Tanh

BUILDERS = {
    "linear": lambda generator: seeded_linear(6, 4, generator),
    "conv2d": lambda generator: seeded_conv2d(3, 8, 2, generator),
    "gru": lambda generator: seeded_gru(5, 4, generator),
    "mlp": lambda generator: mlp([6, 5, 4], generator),
}


def weights(name, seed):
    return [p.detach().clone() for p in BUILDERS[name](torch.Generator().manual_seed(seed)).parameters()]


@pytest.mark.parametrize("name", BUILDERS)
def test_the_generator_alone_decides(name):
    before = torch.get_rng_state()
    first, again, other = weights(name, 0), weights(name, 0), weights(name, 1)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_linear_is_orthogonal_with_its_gain():
    layer = seeded_linear(8, 3, torch.Generator().manual_seed(0), gain=2.0)
    torch.testing.assert_close(layer.weight @ layer.weight.t(), 4.0 * torch.eye(3))
    assert not layer.bias.any()


def test_each_gate_of_a_gru_is_orthogonal():
    cell = seeded_gru(4, 4, torch.Generator().manual_seed(0))
    for gate in cell.weight_hh.detach().chunk(3):
        torch.testing.assert_close(gate @ gate.t(), torch.eye(4))


def test_mlp_shapes():
    generator = torch.Generator().manual_seed(0)
    network = mlp([6, 5, 4, 2], generator, activation="tanh")
    assert network(torch.zeros(2, 3, 6)).shape == (2, 3, 2)
    assert [type(layer) for layer in network] == [nn.Linear, Tanh, nn.Linear, Tanh, nn.Linear]
    assert isinstance(mlp([6, 5], generator, activation="elu", activate_last=True)[-1], nn.ELU)
    x = torch.randn(3, 6)
    assert torch.equal(mlp([6], generator)(x), x)
