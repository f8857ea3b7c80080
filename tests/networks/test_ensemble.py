"""Several networks run as one."""

import torch

from rewardlab.networks.ensemble import Ensemble


def test_each_member_is_a_network_of_its_own() -> None:
    ensemble = Ensemble(3, (4, 8, 2), torch.Generator().manual_seed(0))
    inputs = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    found = ensemble(inputs)
    for member in range(3):
        hidden = (inputs @ ensemble.weights[0][member] + ensemble.biases[0][member]).clamp(min=0)
        expected = hidden @ ensemble.weights[1][member] + ensemble.biases[1][member]
        torch.testing.assert_close(found[member], expected)
    torch.testing.assert_close(ensemble(inputs.expand(3, -1, -1)), found)
    assert not torch.equal(found[0], found[1])


def test_a_loss_of_one_member_trains_that_one_alone() -> None:
    ensemble = Ensemble(2, (3, 4, 1), torch.Generator().manual_seed(0))
    ensemble(torch.ones(2, 3))[0].sum().backward()
    gradient = ensemble.weights[1].grad
    assert gradient is not None and gradient[0].any() and not gradient[1].any()
