"""Recorded actions: noise fills the box, what stands in the file is what was executed, and it is named as the world
names it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, Space

from rewardlab.commands.demos import record
from rewardlab.config.composition import compose
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.envs.external import gym
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.run import run
from rewardlab.training.recorder import Recording
from rewardlab.types import EnvSpec

STEPS = 40


class Diary(gymnasium.Env[Any, Any]):
    """Writes down every action that it is given, for all of its kind."""

    given: ClassVar[list[Any]] = []

    def __init__(self, action_space: Space[Any]) -> None:
        self.observation_space, self.action_space = Box(-1, 1, (2,)), action_space
        self._steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        Diary.given.append(np.array(action))
        self._steps += 1
        return np.zeros(2, np.float32), 1.0, self._steps == STEPS, False, {}


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Callable[[Space[Any], float], tuple[Path, EnvSpec]]]:
    """Records three episodes of a new policy in a world with these actions."""

    def build(action_space: Space[Any], noise: float) -> tuple[Path, EnvSpec]:
        gymnasium.register(id="Diary-v0", entry_point=lambda: Diary(action_space))
        told = ["env=gym", "env.id=Diary-v0", "num_envs=2", "frames=64", "agent.rollout_steps=32", "eval.episodes=1"]
        prepared = compose([*told, f"results_dir={tmp_path / 'results'}"])
        assert run(prepared) == 0
        Diary.given.clear()
        what = Recording(str(prepared.folder), episodes=3, noise=noise, keep="all")
        assert record([], str(tmp_path / "demos"), what) == 0
        return tmp_path / "demos", gym.make(gym.Config(id="Diary-v0"), Levels(1)).spec

    yield build
    gymnasium.registry.pop("Diary-v0", None)


def test_each_run_acts_by_its_own_eval_policy(tmp_path: Path) -> None:
    """A box's mean of a view that never changes is one action; what is drawn around it differs each time."""
    gymnasium.register(id="Diary-v0", entry_point=lambda: Diary(Box(-1, 1, (2,))))
    tiny = ["env=gym", "env.id=Diary-v0", "num_envs=2", "frames=64", "agent.rollout_steps=32", "eval.episodes=1"]
    runs = [
        compose([*tiny, f"eval.policy={how}", f"results_dir={tmp_path / 'results'}"]) for how in ("sample", "greedy")
    ]
    assert [run(prepared) for prepared in runs] == [0, 0]
    parts = [Recording(str(prepared.folder), 1, keep="all", part=part) for part, prepared in enumerate(runs)]
    assert record([], str(tmp_path / "demos"), *parts) == 0
    gymnasium.registry.pop("Diary-v0")
    drawn, mean = np.split(stored(tmp_path / "demos", 2)[1], 2)
    assert len(np.unique(drawn, axis=0)) > STEPS / 2 and len(np.unique(mean, axis=0)) == 1  # cut at the bounds


def stored(folder: Path, episodes: int = 3) -> tuple[Any, np.ndarray]:
    """The action space of a dataset and all of its actions, as Minari itself reads them."""
    from minari.dataset.minari_storage import MinariStorage

    storage = MinariStorage.read(folder / "data")
    return storage.action_space, np.concatenate(
        [episode["actions"] for episode in storage.get_episodes(range(episodes))]
    )


def given() -> np.ndarray:
    """What the three worlds, stepped side by side, were given: episode after episode."""
    return np.concatenate([np.stack(Diary.given[i::3]) for i in range(3)])


@pytest.mark.parametrize(
    ("low", "high", "width"), [(-2.0, 2.0, 3.5), (2.0, 5.0, 2.6), (3.0, np.inf, 1.5), (-np.inf, np.inf, 2.0)]
)
def test_noise_fills_the_box(low: float, high: float, width: float, recorded: Callable[..., Any]) -> None:
    folder, _ = recorded(Box(low, high, (2,)), 1.0)
    space, actions = stored(folder)
    assert (space.low == np.float32(low)).all() and (space.high == np.float32(high)).all()
    assert (actions >= low).all() and (actions <= high).all()
    assert np.ptp(actions) > width
    assert np.array_equal(actions, given())


def test_noise_in_whole_numbers(recorded: Callable[..., Any]) -> None:
    _, actions = stored(recorded(Box(0, 3, (1,), np.int64), 1.0)[0])
    assert np.unique(actions).tolist() == [0, 1, 2, 3]


def test_the_executed_action_is_recorded(recorded: Callable[..., Any]) -> None:
    """A new policy's standard deviation is the box's reach: a third of what it asks for lies beyond these bounds."""
    folder, spec = recorded(Box(-0.5, 0.5, (2,)), 0.0)
    _, actions = stored(folder)
    assert np.array_equal(actions, given()) and (np.abs(actions) == 0.5).mean() > 0.2
    read = DemonstrationFile("agent.demos", str(folder), spec).read()
    assert np.array_equal(np.concatenate([episode.action for episode in read.episodes]), actions)


def test_discrete_actions_keep_the_worlds_names_in_the_file(recorded: Callable[..., Any]) -> None:
    folder, spec = recorded(Discrete(3, start=5), 0.5)
    space, actions = stored(folder)
    assert space == Discrete(3, start=5) and np.unique(actions).tolist() == [5, 6, 7]
    assert np.array_equal(actions, given())
    read = DemonstrationFile("agent.demos", str(folder), spec).read()
    assert np.array_equal(np.concatenate([episode.action for episode in read.episodes]), actions - 5)


def test_what_was_recorded_is_held_against_the_bounds_of_observations(recorded: Callable[..., Any]) -> None:
    folder, spec = recorded(Discrete(2), 0.5)
    other = replace(spec, native=None, obs={"vector": replace(spec.obs["vector"], bounds=((-2.0,) * 2, (2.0,) * 2))})
    assert DemonstrationFile("agent.demos", str(folder), replace(spec, native=None)).read().frames
    with pytest.raises(UserError, match=r"its vector is Box\(-1.0, 1.0, .* that of Diary-v0 is Box\(-2.0, 2.0, "):
        DemonstrationFile("agent.demos", str(folder), other)
