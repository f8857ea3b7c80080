"""One vector of weights, stepped by an optimiser, against separate parameters."""

import torch

from rewardlab.networks.flatten import flatten
from rewardlab.networks.init import mlp


def test_a_step_on_the_vector_is_a_step_on_every_parameter():
    networks = [mlp((3, 4, 2), torch.Generator().manual_seed(0)) for _ in range(2)]
    parameters = [list(network.parameters()) for network in networks]
    vector = flatten(parameters[0])
    optimisers = [torch.optim.Adam([vector], 0.1), torch.optim.Adam(parameters[1], 0.1)]
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        losses = [network(inputs).square().sum() for network in networks]
        gradients = torch.autograd.grad(losses[0], parameters[0])
        vector.grad = torch.cat([gradient.flatten() for gradient in gradients])
        optimisers[1].zero_grad()
        losses[1].backward()
        for optimiser in optimisers:
            optimiser.step()
    for ours, theirs in zip(*parameters, strict=True):
        torch.testing.assert_close(ours, theirs)
        assert not torch.allclose(ours, torch.zeros_like(ours))


def test_loading_weights_changes_the_vector():
    network, other = (mlp((3, 4, 2), torch.Generator().manual_seed(seed)) for seed in (0, 1))
    vector = flatten(list(network.parameters()))
    network.load_state_dict(other.state_dict())
    assert torch.equal(vector.detach(), torch.cat([p.detach().flatten() for p in other.parameters()]))
