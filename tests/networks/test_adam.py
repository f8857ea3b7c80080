"""Adam on one vector against torch's, parameter by parameter."""

import pytest
import torch

from rewardlab.networks.adam import Adam, clip_norm
from rewardlab.networks.init import mlp


def twins(dtype=torch.float32):
    return [mlp((3, 4, 2), torch.Generator().manual_seed(0)).to(dtype) for _ in range(2)]


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # compiled, and as on any other device
def test_its_steps_are_torch_s(dtype):
    ours, theirs = twins(dtype)
    adam, reference = Adam(ours.parameters(), 0.1, 1e-5), torch.optim.Adam(theirs.parameters(), 0.1, eps=1e-5)
    before = weights(ours).clone()
    inputs = torch.randn(20, 5, 3, generator=torch.Generator().manual_seed(1)).to(dtype)
    for batch in inputs:
        adam.descend(ours(batch).square().sum())
        reference.zero_grad()
        theirs(batch).square().sum().backward()
        reference.step()
    torch.testing.assert_close(weights(ours), weights(theirs))
    assert (weights(ours) - before).abs().max() > 0.1


def test_a_parameter_that_takes_no_part_stays():
    used, unused = twins()
    adam = Adam([*used.parameters(), *unused.parameters()], 0.1)
    adam.descend(used(torch.ones(1, 3)).sum() + unused(torch.ones(1, 3)).sum())  # gives both momentum
    before = weights(used).clone(), weights(unused).clone()
    adam.descend(used(torch.ones(1, 3)).sum())
    assert not torch.equal(weights(used), before[0])
    assert torch.equal(weights(unused), before[1])


def test_loaded_weights_are_those_that_are_stepped():
    network, other = twins()
    adam = Adam(network.parameters(), 0.1)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(5.0)
    network.load_state_dict(other.state_dict())
    assert torch.equal(weights(network), weights(other))
    adam.descend(network(torch.ones(1, 3)).sum())
    assert (weights(network) - weights(other)).abs().max() == pytest.approx(0.1, rel=1e-3)  # Adam's first step


def test_a_restored_state_goes_on_as_it_would_have():
    first, second = twins()
    one, other = Adam(first.parameters(), 0.1), Adam(second.parameters(), 0.1)
    batch = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        one.descend(first(batch).square().sum())
    state = one.state_dict()
    other.load_state_dict(state)
    second.load_state_dict(first.state_dict())
    one.descend(first(batch).square().sum())
    other.descend(second(batch).square().sum())
    assert torch.equal(weights(first), weights(second))
    assert state["steps"] == 3  # what was saved does not follow the optimiser


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("length", "kept"), [(3.0, 3.0), (30.0, 5.0)])
def test_long_gradients_are_cut(length, kept, dtype):
    gradient = torch.tensor([length * 0.6, length * 0.8], dtype=dtype)
    assert clip_norm(gradient, 5.0).item() == pytest.approx(length)
    assert gradient.norm().item() == pytest.approx(kept, rel=1e-5)
