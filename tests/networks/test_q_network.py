"""Layers of several networks at once, noise on weights, dueling and random priors."""

import math

import pytest
import torch

from rewardlab.networks.q_network import QNetwork
from rewardlab.networks.stacked import NoisyLinear, StackedLinear
from rewardlab.types import ObsSpec

SPEC = {"vector": ObsSpec((5,), "float32")}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(**options) -> QNetwork:
    return QNetwork(SPEC, 3, rng(), network="mlp", encoding="raw", hidden=[8, 8], **options)


def test_members_are_networks_of_their_own() -> None:
    layer = StackedLinear(3, 4, 2, rng())
    inputs = torch.randn(3, 6, 4, generator=rng(1))
    for member in range(3):
        expected = inputs[member] @ layer.weight[member] + layer.bias[member]
        assert torch.allclose(layer(inputs)[member], expected, atol=1e-6)


def test_noise_is_factorised_and_each_samples_own() -> None:
    layer = NoisyLinear(1, 4, 3, rng(), 0.5)
    inputs = torch.randn(1, 1, 4, generator=rng(1)).expand(1, 50_000, 4)
    drawn = layer(inputs, rng(2))[0]
    # f(e)^2 has the mean E|e| = sqrt(2 / pi), so that the variance has a closed form.
    size = math.sqrt(2 / math.pi)
    variance = size * (size * (inputs[0, :1] ** 2 @ layer.weight_noise[0] ** 2) + layer.bias_noise[0] ** 2)
    assert torch.allclose(drawn.var(dim=0), variance[0], rtol=0.05)
    assert torch.allclose(drawn.mean(dim=0), layer(inputs[:, :1])[0, 0], atol=0.02)
    assert torch.equal(layer(inputs[:, :1]), layer(inputs[:, :1]))
    assert layer.weight_noise[0, 0, 0].item() == pytest.approx(0.5 / 2)


def test_advantages_of_a_dueling_network_are_centred() -> None:
    made = network(dueling=True)
    assert made.value is not None
    obs = {"vector": torch.randn(7, 5, generator=rng(1))}
    values = made(made.prepare(obs))
    assert values.shape == (1, 7, 3)
    with torch.no_grad():
        made.advantage[-1].bias += 5.0  # the same for all actions: no advantage of any
    assert torch.allclose(made(made.prepare(obs)), values, atol=1e-5)


def test_a_prior_is_added_and_never_learns() -> None:
    made = network(members=4, prior_scale=2.0)
    obs = made.prepare({"vector": torch.randn(7, 5, generator=rng(1))})
    assert made.prior is not None
    values = made(obs)
    made.prior_scale = 0.0
    assert torch.allclose(values, made(obs) + 2.0 * made.prior(obs), atol=1e-6)
    assert not any(parameter.requires_grad for parameter in made.prior.parameters())
    assert made.prior(obs).std(dim=0).min() > 0.05  # members disagree before they have learned
    assert {name for name in made.state_dict() if name.startswith("prior.")}
