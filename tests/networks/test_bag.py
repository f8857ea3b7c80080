"""The bag against the linear layer on one-hot vectors that it stands for."""

import torch
from torch.nn import functional

from rewardlab.networks.bag import PositionBag


def test_equals_a_linear_layer_on_one_hot_vectors():
    generator = torch.Generator().manual_seed(0)
    bag = PositionBag(6, 5, 8, generator, gain=1.0)
    with torch.no_grad():
        bag.bias.normal_(generator=generator)
    integers = torch.randint(0, 5, (9, 6), generator=generator).to(torch.uint8)
    onehot = functional.one_hot(integers.long(), 5).flatten(1).float()
    direction = torch.randn(9, 8, generator=generator)

    weight, bias = (p.detach().clone().requires_grad_() for p in (bag.weight, bag.bias))
    expected = onehot @ weight + bias
    (expected * direction).sum().backward()
    found = bag(bag.rows(integers))
    (found * direction).sum().backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(bag.weight.grad, weight.grad)
    torch.testing.assert_close(bag.bias.grad, bias.grad)


def test_first_outputs_have_unit_size_whatever_the_number_of_values():
    generator = torch.Generator().manual_seed(0)
    bag = PositionBag(147, 11, 64, generator, gain=1.0)
    integers = torch.randint(0, 11, (1000, 147), generator=generator)
    assert 0.8 < bag(bag.rows(integers)).std().item() < 1.2
