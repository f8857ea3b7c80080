"""Training of inverse and forward models without autograd against the same steps by autograd."""

import numpy as np
import pytest
import torch

from rewardlab.contracts.state_laws import NUM_ENVS, new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.networks.adam import Adam
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.models.dynamics import Dynamics
from rewardlab.parts.models.inverse_model import ForwardModel, InverseModel
from rewardlab.parts.models.random_distillation import RandomDistillation
from rewardlab.types import Rollout


def rollout(world: str) -> Rollout:
    spec = worlds()[world]
    return Renderer(spec, seed=11).rollout(write_script(np.random.default_rng(3), spec, 24, NUM_ENVS))


def trained(by_autograd: bool, with_forward: bool, world: str = "grid", **options: object) -> tuple[object, ...]:
    spec, generator, made = worlds()[world], torch.Generator().manual_seed(0), rollout(world)
    inverse = InverseModel(spec, 16, 8, generator)
    forward = ForwardModel(spec.action, 8, 16, generator) if with_forward else None
    modules = [inverse] if forward is None else [inverse, forward]
    optimiser = Adam([weight for module in modules for weight in module.parameters()], 1e-2, 1e-2)
    dynamics = Dynamics(inverse, forward, optimiser)
    assert (dynamics._fused is None) == (world == "continuous")
    if by_autograd:
        dynamics._fused = None
    parts = list(minibatches(made.task_reward.numel(), 20, 2, generator))
    losses = dynamics.learn(made, parts, **options)  # type: ignore[arg-type]
    weights = torch.cat([weight.detach().flatten() for module in modules for weight in module.parameters()])
    return weights, torch.tensor(losses), dynamics.encode(made.obs)


@pytest.mark.parametrize(
    ("with_forward", "options"),
    [
        (False, {}),
        (True, {"inverse_coef": 0.8, "forward_coef": 0.2, "error": "half_square"}),
        (True, {"inverse_coef": 0.1, "forward_coef": 10.0, "error": "l2"}),
        (True, {"inverse_coef": 1.0, "forward_coef": 1.0, "error": "mse"}),
    ],
)
def test_steps_are_autograd_s(with_forward: bool, options: dict[str, object]) -> None:
    ours, theirs = (trained(by_autograd, with_forward, **options) for by_autograd in (False, True))
    for found, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5)


def test_continuous_actions_are_left_to_autograd() -> None:
    weights, losses, _ = trained(False, True, "continuous", forward_coef=1.0)
    assert isinstance(weights, torch.Tensor) and weights.isfinite().all()
    assert isinstance(losses, torch.Tensor) and (losses > 0).all()


@pytest.mark.parametrize("error", ["mse", "l2"])
@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(("whiten", "together"), [(False, False), (True, True)])
def test_distillation_is_autograd_s(error: str, share: float, whiten: bool, together: bool) -> None:
    found = []
    for by_autograd in (False, True):
        spec, made = worlds()["grid"], rollout("grid")
        networks = RandomDistillation(
            new_context(spec), hidden=16, features=8, learning_rate=1e-2, error=error, whiten=whiten
        )
        assert networks._fused is not None
        if by_autograd:
            networks._fused = None
        networks.optimiser.eps = 1e-2
        before = {name: entry.clone() for name, entry in made.next_obs.items()}
        scores = [networks.score_and_take_in(made).detach()]
        loss = networks.learn(made, epochs=2, batch_size=20, share=share, together=together)
        scores.append(networks.score_and_take_in(made).detach())
        assert all(torch.equal(before[name], made.next_obs[name]) for name in before)
        found.append((*scores, torch.tensor(loss)))
    assert scores[1].mean() < scores[0].mean()
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
