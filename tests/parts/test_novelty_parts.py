"""Small parts of the novelty schemes: both ends of a step, running means, recent steps, distillation."""

import numpy as np
import pytest
import torch

from rewardlab.contracts.state_laws import NUM_ENVS, new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.parts.both_ends import at_both_ends, at_successors
from rewardlab.parts.memories.recent_steps import RecentSteps
from rewardlab.parts.models.controllable_features import ControllableFeatures
from rewardlab.parts.models.random_distillation import RandomDistillation
from rewardlab.parts.moments.running_mean import RunningMean
from rewardlab.types import Rollout

GRID = worlds()["grid"]


def rollout(steps: int = 24) -> Rollout:
    return Renderer(GRID, seed=11).rollout(write_script(np.random.default_rng(3), GRID, steps, NUM_ENVS))


def test_both_ends_are_those_of_each_frame_by_itself() -> None:
    made, shapes = rollout(), []

    def network(obs: dict[str, torch.Tensor]) -> torch.Tensor:
        flat = obs["image"].flatten(-3).double()
        shapes.append(flat.shape[:-1])
        return torch.stack([flat.sum(-1), flat[..., 0]], dim=-1)

    here, there = at_both_ends(network, made)
    assert torch.equal(here, network(made.obs)) and torch.equal(there, network(made.next_obs))
    every = torch.cat([made.obs["image"], made.next_obs["image"], made.last_obs["image"][None]]).flatten(0, 1)
    assert shapes[0] == every.unique(dim=0).shape[:1]  # no frame is seen twice
    assert torch.equal(at_successors(network, made), there)


@pytest.mark.parametrize("momentum", [None, 0.75])
def test_running_mean_of_each_environment_over_what_is_finite(momentum: float | None) -> None:
    rng, mean = np.random.default_rng(0), RunningMean(2, momentum)
    assert mean.mean.tolist() == [0.0, 0.0]
    seen: list[list[float]] = [[], []]
    expected = [0.0, 0.0]
    for number in range(4):
        data = rng.random((5, 2)).astype(np.float32)
        data[rng.random((5, 2)) < 0.3] = np.inf
        data[:, 1] = np.inf if number in (0, 2) else data[:, 1]  # nothing new for one of them
        mean.add(torch.from_numpy(data))
        for env in range(2):
            new = data[np.isfinite(data[:, env]), env].tolist()
            if momentum is None:
                seen[env] += new
                expected[env] = float(np.mean(seen[env])) if seen[env] else 0.0
            elif new:
                batch = float(np.mean(new))
                expected[env] = momentum * expected[env] + (1 - momentum) * batch if seen[env] else batch
                seen[env] += new
        np.testing.assert_allclose(mean.mean.numpy(), expected, rtol=1e-5)


def test_recent_steps_are_the_latest_whole_ones() -> None:
    recent, all_ = RecentSteps(5, 2, 3), torch.arange(48.0).reshape(8, 2, 3)
    for part in all_.split([3, 1, 4]):
        recent.add(part)
    assert torch.equal(recent.all, all_[3:].flatten(0, 1))
    nothing = RecentSteps(0, 2, 3)
    nothing.add(all_)
    assert nothing.all.shape == (0, 3)


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_distillation_learns_from_a_share_of_each_minibatch(share: float, monkeypatch) -> None:
    distillation = RandomDistillation(new_context(GRID), hidden=8, features=8, learning_rate=1e-3, error="mse")
    made, seen = rollout(), []
    count = len(made.next_obs["image"].flatten(0, 1).unique(dim=0))
    monkeypatch.setattr(distillation, "_descend", lambda inputs, targets, weights: seen.append(inputs) or 0.0)
    distillation.learn(made, epochs=3, batch_size=made.task_reward.numel() // 4, share=share, together=True)
    sizes = [len(piece) for piece in torch.arange(count).tensor_split(4)]
    assert [len(inputs) for inputs in seen] == [round(share * size) for size in sizes] * 3
    assert any(not torch.equal(inputs, seen[0]) for inputs in seen[4::4]), "drawn anew in each pass"


@pytest.mark.parametrize("together", [False, True])
def test_distillation_counts_what_is_equal_as_often_as_it_is_there(together: bool) -> None:
    """One step on a whole rollout, in which views recur, is the step on each of its frames by autograd."""
    made, found = rollout(), []
    for by_hand in (False, True):
        distillation = RandomDistillation(new_context(GRID), hidden=8, features=8, learning_rate=1e-2, error="mse")
        distillation.optimiser.eps = 1e-2  # so that the step's size shows the gradient's
        if by_hand:
            inputs = made.next_obs["image"].flatten(0, 1).flatten(1) / GRID.obs["image"].high
            gap = distillation.predictor(inputs) - distillation.target(inputs)
            error = gap.square().mean()
            distillation.optimiser.descend(error)
            loss = error.detach()
        else:
            loss = distillation.learn(made, epochs=1, batch_size=made.task_reward.numel(), together=together)
        weights = torch.cat([weight.detach().flatten() for weight in distillation.predictor.parameters()])
        found.append((float(torch.as_tensor(loss)), weights))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)


def test_inverse_features_learn_which_action_was_taken() -> None:
    made = rollout()
    made.next_obs = {"image": made.obs["image"].clone()}
    made.next_obs["image"][..., 0, 0] = made.action.to(torch.uint8).unsqueeze(-1)  # the action shows
    features = ControllableFeatures(new_context(GRID), hidden=64, features=32, learning_rate=3e-3)
    losses = [features.learn(made, epochs=1, batch_size=48) for _ in range(120)]
    assert losses[0] > 1.5 and losses[-1] < 0.3
