"""The fast tangent against torch's."""

import torch

from rewardlab.networks.tanh import fast_tanh


def test_equals_tanh_in_value_and_gradient():
    values = torch.cat([torch.linspace(-12, 12, 4001), torch.tensor([0.0, 1e-6, -1e-6, 90.0, -90.0])])
    inputs = [values.clone().requires_grad_() for _ in range(2)]
    results = [fast_tanh(inputs[0]), torch.tanh(inputs[1])]
    torch.testing.assert_close(results[0], results[1], atol=3e-7, rtol=0)
    for result in results:
        result.square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-6, rtol=0)
    with torch.no_grad():
        assert torch.equal(fast_tanh(values), results[0])
