"""Small parts of the novelty schemes: both ends of a step, running means, recent steps, distillation."""

import numpy as np
import pytest
import torch

from rewardlab.contracts.state_laws import NUM_ENVS, new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.parts.both_ends import at_both_ends
from rewardlab.parts.controllable_features import ControllableFeatures
from rewardlab.parts.random_distillation import RandomDistillation
from rewardlab.parts.recent_steps import RecentSteps
from rewardlab.parts.running_mean import RunningMean
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
    frames = int(np.prod(shapes[0])) + shapes[1][0]
    assert torch.equal(here, network(made.obs)) and torch.equal(there, network(made.next_obs))
    assert made.first[1:].any() and frames < 1.5 * made.first.numel()  # no frame is seen twice


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
    obs = rollout().next_obs
    count, seen = obs["image"].shape[0] * obs["image"].shape[1], []
    monkeypatch.setattr(distillation, "_descend", lambda inputs, targets: seen.append(inputs) or 0.0)
    distillation.learn(obs, epochs=3, batch_size=count // 4, share=share)
    assert [len(inputs) for inputs in seen] == [round(share * count / 4)] * 12
    assert any(not torch.equal(inputs, seen[0]) for inputs in seen[4::4]), "drawn anew in each pass"


def test_inverse_features_learn_which_action_was_taken() -> None:
    made = rollout()
    made.next_obs = {"image": made.obs["image"].clone()}
    made.next_obs["image"][..., 0, 0] = made.action.to(torch.uint8).unsqueeze(-1)  # the action shows
    features = ControllableFeatures(new_context(GRID), hidden=64, features=32, learning_rate=3e-3)
    losses = [features.learn(made, epochs=1, batch_size=48) for _ in range(120)]
    assert losses[0] > 1.5 and losses[-1] < 0.3
