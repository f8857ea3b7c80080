"""SAC that weighs its actions by what they do to the reward."""

import json
from pathlib import Path

import gymnasium
import numpy as np
import pandas as pd
import pytest
import torch

from rewardlab.config.composition import compose
from rewardlab.errors import UserError
from rewardlab.maths.causal import action_weights, sparse_effects
from rewardlab.maths.squashed import squashed_sample
from rewardlab.parts.buffers.causal_effects import CausalActions
from rewardlab.parts.buffers.replay import Replay
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.replay import Learning
from rewardlab.types import ActionSpec, EnvSpec, ObsSpec, Transitions

SPEC = EnvSpec(
    "made-up", {"vector": ObsSpec((4,), "float32")}, ActionSpec(shape=(3,), low=(-1.0,) * 3, high=(1.0,) * 3), 9
)
OPTIONS = [
    "env=gym", "env.id=Levers-v0", "agent=sac", "agent.causal_actions=true", "agent.causal_every=100",
    "agent.learning_starts=64", "agent.batch_size=32", "agent.hidden=[16]", "agent.samples_per_step=2", "num_envs=4",
    "frames=320", "eval.every=320", "eval.episodes=2", "checkpoint.every=80",
]  # fmt: skip


class Levers(gymnasium.Env):
    """Of three levers the first is paid, the second costs 1.5 times as much, the third does nothing."""

    observation_space = gymnasium.spaces.Box(-9, 9, (4,))
    action_space = gymnasium.spaces.Box(-1, 1, (3,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._shown(), {}

    def step(self, action):
        self.steps += 1
        return self._shown(), float(2 * action[0] - 3 * action[1]), False, self.steps == 10, {}

    def _shown(self):
        return self.np_random.standard_normal(4).clip(-9, 9).astype(np.float32)


@pytest.fixture
def levers(monkeypatch):
    monkeypatch.setattr("rewardlab.envs.external.replayed._KNOWN", (__name__,))  # its episodes can be played again
    gymnasium.register(id="Levers-v0", entry_point=Levers)
    yield
    del gymnasium.registry["Levers-v0"]


def steps(count: int, rng: torch.Generator, paid_share: float = 1.0) -> Transitions:
    """Action 1 moves with action 0, and number 1 with number 0; the rest, action 2 too, does nothing."""
    state, action = torch.randn(count, 4, generator=rng), 2 * torch.rand(count, 3, generator=rng) - 1
    state[:, 1] = 0.7 * state[:, 0] + 0.7 * state[:, 1]
    action[:, 1] = 0.7 * action[:, 0] + 0.3 * action[:, 1]
    reward = 0.5 * state[:, 0] + 2 * action[:, 0] - 3 * action[:, 1] + 0.3 * torch.randn(count, generator=rng)
    reward = reward * (torch.arange(count) < round(paid_share * count))
    return Transitions({"vector": state}, action, {"reward": reward}, {"vector": state})


@pytest.mark.parametrize("count", [1000, 10_000])
def test_what_counts_is_found_and_the_rest_is_nothing(count: int) -> None:
    """Standardised coefficients of the equation above; a negative cause counts as a positive one."""
    drawn = steps(count, torch.Generator().manual_seed(count))
    inputs = torch.cat([drawn.obs["vector"], drawn.action], dim=1)
    reward, wanted = drawn.extra["reward"], torch.tensor([0.5, 0, 0, 0, 2, 3, 0])
    # Standard error of the coefficient of two actions of correlation 0.93.
    error = 0.3 / float(reward.std()) / (count * (1 - 0.93**2)) ** 0.5
    found = sparse_effects(inputs, reward)
    assert torch.allclose(found, wanted * inputs.std(dim=0) / reward.std(), atol=4 * error)
    assert torch.equal(found == 0, wanted == 0)
    assert sparse_effects(inputs, torch.ones(count)) is None
    square = sparse_effects(inputs, drawn.action[:, 2].square())
    assert int(square.argmax()) == 6 and float(square[6]) == pytest.approx(1.0, abs=0.02)


def test_weights_are_of_mean_one_and_wait_for_paid_steps() -> None:
    rng, draws = torch.Generator().manual_seed(0), np.random.default_rng(0)
    found, replay = CausalActions(100, "reward", SPEC), Replay(4000)
    replay.add(steps(1000, rng, paid_share=0.03))
    found.played(1, replay, draws)
    assert found.weights.tolist() == [1, 1, 1], "30 paid steps are too few"
    replay.add(steps(3000, rng))
    found.played(50, replay, draws)
    assert found.weights.tolist() == [1, 1, 1], "not due yet"
    found.played(50, replay, draws)
    assert found.weights.argsort().tolist() == [2, 0, 1] and float(found.weights.mean()) == pytest.approx(1.0)
    again = CausalActions(100, "reward", SPEC)
    again.load_state_dict(found.state_dict())
    assert torch.equal(again.weights, found.weights) and again.state_dict()["due"] == 100
    assert action_weights(torch.tensor([0.0, np.log(3.0)])).tolist() == pytest.approx([0.5, 1.5])


def test_the_log_density_is_the_weighted_sum() -> None:
    rng = torch.Generator().manual_seed(0)
    mean, log_std, noise = torch.randn(3, 8, 2, generator=rng)
    parts = [squashed_sample(mean[:, [k]], log_std[:, [k]], noise[:, [k]])[1] for k in range(2)]
    weighted = squashed_sample(mean, log_std, noise, torch.tensor([0.5, 1.5]).expand(8, 2))[1]
    assert torch.allclose(weighted, 0.5 * parts[0] + 1.5 * parts[1])


def test_an_interrupted_run_goes_on_exactly_and_finds_the_lever(tmp_path: Path, levers, fault) -> None:
    whole, broken = (compose([*OPTIONS, f"results_dir={tmp_path / name}"]) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(Learning, "iterate", 17):
        assert run(broken) == 1
    assert run(broken) == 0
    assert json.loads((broken.folder / "manifest.json").read_text())["resume"] == "exact"
    one, other = (pd.read_csv(each.folder / "train.csv") for each in (whole, broken))
    timeless = [name for name in one if not name.endswith("_seconds") and name != "fps"]
    pd.testing.assert_frame_equal(one[timeless], other[timeless])
    effects = torch.tensor([2.0, 3.0, 0.0]) / 13**0.5  # of the first, uniform policy
    assert one["explore/action_weight_max"].dropna().iloc[0] == pytest.approx(
        float(action_weights(effects).max()), abs=0.2
    )


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["env=gym", "env.id=Pendulum-v1"], "agent.causal_actions=true: weighs one continuous action against others"),
        (["env=empty_5x5"], "agent=sac: needs continuous actions"),
        (["env=gym", "env.id=Levers-v0", "agent.causal_actions=false"], "agent.causal_every=5: only with causal_swap"),
    ],
)
def test_what_does_not_fit_is_refused(levers, overrides: list[str], said: str) -> None:
    options = ["agent=sac", "agent.causal_actions=true", "agent.causal_every=5", *overrides]
    with pytest.raises(UserError) as refusal:
        build(compose(options).config)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)
