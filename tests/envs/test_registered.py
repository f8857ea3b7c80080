"""What was registered is what runs: time limits, arguments and wrappers are honoured, or refused with a line."""

from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import WrapperSpec
from gymnasium.wrappers import TransformReward

from rewardlab.cli import main
from rewardlab.envs.external import gym
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels

DOUBLED = WrapperSpec("TransformReward", "gymnasium.wrappers:TransformReward", {"func": lambda reward: 2 * reward})


class Steps(gymnasium.Env):
    """Pays `pay` for every step and never ends by itself."""

    observation_space = gymnasium.spaces.Discrete(2)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, pay: float = 1.0) -> None:
        self.pay = pay

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.int64(0), {}

    def step(self, action):
        return np.int64(1), self.pay, False, False, {}


@pytest.fixture
def register() -> Iterator:
    """Registers under a name for the time of a test."""
    names = []

    def add(name: str, *arguments, **options) -> str:
        gymnasium.register(name, *arguments, **options)
        names.append(name)
        return name

    yield add
    for name in names:
        del gymnasium.registry[name]


def test_limits_arguments_and_wrappers_of_any_environment(register) -> None:
    assert TransformReward.__name__ == DOUBLED.name
    register("Steps-v0", Steps, max_episode_steps=7, kwargs={"pay": 0.5}, additional_wrappers=(DOUBLED,))
    env = gym.make(gym.Config(id="Steps-v0"), Levels(1))
    assert env.spec.max_steps == 7
    env.reset([0])
    batches = [env.step(np.zeros(1, dtype=np.int64)) for _ in range(7)]
    assert [float(batch.task_reward[0]) for batch in batches] == [1.0] * 7
    assert [bool(batch.truncated[0]) for batch in batches] == [False] * 6 + [True]


def test_arguments_of_a_minigrid_task(register) -> None:
    register("MiniGrid-Long-v0", "minigrid.envs:EmptyEnv", kwargs={"size": 7, "max_steps": 33})
    env = minigrid.make(minigrid.Config(id="MiniGrid-Long-v0"), Levels(1))
    assert env.spec.max_steps == 33


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_episode_steps": 9}, "registered with max_episode_steps=9"),
        ({"additional_wrappers": (DOUBLED,)}, "registered with wrappers (TransformReward)"),
    ],
)
def test_what_a_minigrid_task_cannot_honour_is_refused(
    options, message, register, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    register("MiniGrid-Limited-v0", "minigrid.envs:EmptyEnv", **options)
    assert main(["run", "env=minigrid", "env.id=MiniGrid-Limited-v0", "frames=100"]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
