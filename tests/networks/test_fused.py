"""Networks without autograd against autograd on the same weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.networks.actor_critic import ActorCritic
from rewardlab.networks.adam import Adam
from rewardlab.networks.fused import FusedActorCritic, FusedMLP, can_fuse
from rewardlab.networks.init import mlp
from rewardlab.types import ActionSpec, ObsSpec

WIDTHS = st.lists(st.integers(1, 70), min_size=2, max_size=5)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def made(widths, activation, activate_last, seed=0):
    generator = torch.Generator().manual_seed(seed)
    network = mlp(widths, generator, activation=activation, activate_last=activate_last)
    with torch.no_grad():
        for parameter in network.parameters():  # biases too
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    optimiser = Adam(network.parameters(), 1e-3)
    vector, places = optimiser.gradients()
    return network, optimiser, vector, FusedMLP(network, places), generator


@settings(max_examples=40, deadline=None)
@given(WIDTHS, st.integers(1, 65), st.sampled_from(["tanh", "relu", "elu"]), st.booleans(), st.integers(0, 99))
def test_outputs_and_gradients_are_autograd_s(widths, rows, activation, activate_last, seed):
    network, optimiser, vector, fused, generator = made(widths, activation, activate_last, seed)
    inputs = torch.randn(rows, widths[0], generator=generator, requires_grad=True)
    pull = torch.randn(rows, widths[-1], generator=generator) / rows
    expected = network(inputs)
    (of_inputs,) = torch.autograd.grad((expected * pull).sum(), inputs, retain_graph=True)
    gradient = optimiser.gradient((expected * pull).sum())
    outputs = fused.forward(inputs.detach())
    torch.testing.assert_close(outputs, expected.detach(), **CLOSE)
    found = fused.backward(pull.clone(), of_inputs=True)
    torch.testing.assert_close(found, of_inputs, **CLOSE)
    torch.testing.assert_close(vector, gradient, **CLOSE)


@pytest.mark.parametrize("lead", [(1,), (7,), (3, 5), (1300,), (40, 33)])
def test_prediction_of_any_shape_is_kept(lead):
    network, _, _, fused, generator = made([6, 5, 3], "tanh", False)
    first, second = torch.randn(*lead, 6, generator=generator), torch.randn(*lead, 6, generator=generator)
    found = fused.predict(first)
    fused.predict(second)  # may use the same buffers
    torch.testing.assert_close(found, network(first).detach(), **CLOSE)


def test_buffers_of_many_batch_sizes_do_not_pile_up():
    network, _, _, fused, generator = made([6, 5, 3], "relu", False)
    for rows in [*range(1, 30), 1]:
        inputs = torch.randn(rows, 6, generator=generator)
        torch.testing.assert_close(fused.forward(inputs), network(inputs).detach(), **CLOSE)
    assert len(fused._buffers) <= 8


def test_it_follows_steps_and_loaded_weights():
    network, optimiser, vector, fused, generator = made([6, 5, 3], "tanh", False)
    other = made([6, 5, 3], "tanh", False, seed=1)[0]
    inputs = torch.randn(4, 6, generator=generator)
    network.load_state_dict(other.state_dict())
    torch.testing.assert_close(fused.forward(inputs), other(inputs).detach(), **CLOSE)
    before = fused.forward(inputs).clone()
    fused.backward(torch.ones(4, 3))
    optimiser.step(vector)
    after = fused.forward(inputs)
    assert (after < before).all()
    torch.testing.assert_close(after, network(inputs).detach(), **CLOSE)


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
def test_what_is_not_finite_is_seen(activation):
    _, _, vector, fused, _ = made([3, 4, 2], activation, False)
    assert fused.forward(torch.tensor([[float("nan"), 0.0, 0.0]])).isnan().all()
    fused.backward(torch.full((1, 2), float("nan")))
    assert not vector.isfinite().all()


def test_tanh_everywhere():
    network, _, _, fused, _ = made([1, 1], "tanh", True)
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[0].bias.zero_()
    inputs = torch.cat([torch.linspace(-20, 20, 100_001), torch.logspace(-30, 0, 1000)]).unsqueeze(1)
    torch.testing.assert_close(fused.predict(inputs).double(), inputs.double().tanh(), rtol=5e-7, atol=1e-7)


@pytest.mark.parametrize("shared", [[], [9], [9, 8]])
@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize(
    ("names", "encoding"),
    [(["image", "vector"], "raw"), (["image", "mission", "vector"], "raw"), (["image"], "onehot"), (["cell"], "raw")],
)
def test_policy_and_critic(names, encoding, shared, streams):
    generator = torch.Generator().manual_seed(0)
    every = {
        "image": ObsSpec((2, 2, 3), "uint8", 10), "vector": ObsSpec((4,), "float32"),
        "mission": ObsSpec((3,), "int64", 6), "cell": ObsSpec((1,), "int64", 30),
    }  # fmt: skip
    obs = {name: every[name] for name in names}
    network = ActorCritic(
        obs, ActionSpec(n=5), streams, generator, network="mlp", encoding=encoding, shared=shared, hidden=[7, 6]
    )
    with torch.no_grad():
        for parameter in network.encoder.parameters():  # biases too
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    optimiser = Adam(network.parameters(), 1e-3)
    assert FusedActorCritic.fits(network)
    fused = FusedActorCritic(network, optimiser)
    shown = {
        "image": torch.randint(11, (20, 2, 2, 3), generator=generator, dtype=torch.uint8),
        "vector": torch.randn(20, 4, generator=generator),
        "mission": torch.randint(7, (20, 3), generator=generator),
        "cell": torch.randint(31, (20, 1), generator=generator),
    }
    dist, values = network(network.prepare(shown))
    inputs = fused.inputs(shown)
    for logits, found in ((fused.policy(inputs), fused.values(inputs)), fused.forward(inputs)):
        torch.testing.assert_close(logits, dist["logits"].detach(), **CLOSE)
        torch.testing.assert_close(found, values.detach(), **CLOSE)
    torch.testing.assert_close(fused.logits(inputs), dist["logits"].detach(), **CLOSE)
    torch.testing.assert_close(fused.values(inputs), values.detach(), **CLOSE)
    fused.forward(inputs)
    of_logits, of_values = torch.randn(20, 5, generator=generator), torch.randn(20, streams, generator=generator)
    expected = optimiser.gradient((dist["logits"] * of_logits).sum() + (values * of_values).sum())
    torch.testing.assert_close(fused.backward(of_logits, of_values), expected, rtol=1e-5, atol=1e-4)
    for of_policy, of_critic in ((1.0, 0.0), (0.0, 1.0), (1.0, 2.0)):  # terms of schemes, which need not read both
        found = []
        for head, gradients in (
            (network(network.prepare(shown)), optimiser.gradient_and_unread),
            (fused.followed(shown), fused.gradient_and_unread),
        ):
            policy, critic = head[0]["logits"].log_softmax(dim=-1)[:, 0].mean(), head[1].square().mean()
            terms = [weight * term for weight, term in ((of_policy, policy), (of_critic, critic)) if weight]
            gradient, unread = gradients(torch.stack(terms).sum())
            found.append((gradient.clone(), unread))
        torch.testing.assert_close(found[1][0], found[0][0], **CLOSE)
        assert found[1][1] == found[0][1] and len(found[0][1]) == (not (of_policy and of_critic))


@pytest.mark.parametrize(
    "options",
    [
        {"network": "cnn"},
        {"memory_size": 4},
        {"action": ActionSpec(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0))},
    ],
)
def test_other_networks_are_left_to_autograd(options):
    settings = {"network": "mlp", "encoding": "raw", "shared": [], "hidden": [4]} | options
    obs = settings.pop("obs", {"image": ObsSpec((7, 7, 3), "uint8", 10)})
    action = settings.pop("action", ActionSpec(n=3))
    assert not FusedActorCritic.fits(ActorCritic(obs, action, 1, torch.Generator(), **settings))


def test_weights_elsewhere_or_of_other_types_are_refused():
    network = mlp([3, 2], torch.Generator())
    assert can_fuse(network)
    assert not can_fuse(network.double())
    assert not can_fuse(mlp([3, 2], torch.Generator()).to("meta"))
