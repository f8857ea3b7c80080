"""Data sets that Minari itself records are read as the environment shows them; those of other spaces are refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Space

from rewardlab.config.composition import compose
from rewardlab.datasets.demonstrations import DemonstrationFile, Demonstrations
from rewardlab.envs import registry
from rewardlab.envs.external import gym, robotics
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.run import run
from rewardlab.types import EnvSpec, VecEnv

EPISODES, STEPS = 2, 12


def recorded(env: gymnasium.Env[Any, Any], name: str) -> None:
    """Random play, as Minari's collector stores it: gymnasium's own spaces, an episode after the other."""
    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    folder = Path(os.environ["MINARI_DATASETS_PATH"], name, "data")
    folder.mkdir(parents=True)
    storage = MinariStorage.new(folder, env.observation_space, env.action_space)
    env.action_space.seed(3)
    episodes = []
    for seed in range(EPISODES):
        shown, steps = [env.reset(seed=seed)[0]], []
        while len(steps) < STEPS and not (steps and any(steps[-1][2:4])):
            action = env.action_space.sample()
            frame, *told = env.step(action)
            shown.append(frame)
            steps.append((action, *told))
        actions, rewards, terminations, truncations, _ = map(list, zip(*steps, strict=True))
        stored = EpisodeBuffer(
            id=seed,
            seed=seed,
            observations=stacked(shown),
            actions=np.array(actions),
            rewards=rewards,
            terminations=terminations,
            truncations=truncations,
            infos={},
        )
        episodes.append(stored)
    storage.update_episodes(episodes)
    storage.update_metadata({"dataset_id": name, "algorithm_name": "random"})
    env.close()


def stacked(shown: list[Any]) -> Any:
    if isinstance(shown[0], dict):
        return {key: stacked([item[key] for item in shown]) for key in shown[0]}
    return np.stack(shown)


@pytest.fixture
def minari_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


def read(name: str, spec: EnvSpec) -> Demonstrations:
    return DemonstrationFile("agent.demos", name, spec).read()


def happen_again(found: Demonstrations, make: Callable[[int], VecEnv], start: int = 0) -> None:
    """Whatever the file showed, our environment shows, played again."""
    assert len(found.episodes) == EPISODES
    for level, episode, shown in zip(found.levels.tolist(), found.episodes, found.shown, strict=True):
        env = make(level)
        obs = env.reset([0])
        for name in env.spec.obs:
            np.testing.assert_allclose(shown[name][0], obs[name][0], atol=1e-6)
        for t, action in enumerate(episode.action.numpy()):
            batch = env.step(action[None])
            for name in env.spec.obs:
                np.testing.assert_allclose(shown[name][t + 1], batch.next_obs[name][0], atol=1e-4)
        env.close()


def test_frozen_lake_is_read_as_one_hot(minari_root: Path, tmp_path: Path) -> None:
    recorded(gymnasium.make("FrozenLake-v1"), "toy/frozenlake/test-v0")
    config = gym.Config(id="FrozenLake-v1")
    found = read("toy/frozenlake/test-v0", gym.make(config, Levels(1)).spec)
    assert found.episodes[0].obs["vector"].shape[1] == 16
    happen_again(found, lambda level: gym.make(config, Levels(1, lists=[[level]])))
    told = ["env=gym", "env.id=FrozenLake-v1", "agent.pretrain=bc", "agent.demos=toy/frozenlake/test-v0", "frames=64"]
    few = ["num_envs=2", "agent.rollout_steps=16", "eval.episodes=1", f"results_dir={tmp_path / 'results'}"]
    assert run(compose([*told, *few])) == 0


def test_point_maze_is_read_with_its_goals(minari_root: Path) -> None:
    pytest.importorskip("gymnasium_robotics")
    registry.add_robotics()
    recorded(gymnasium.make("PointMaze_UMaze-v3", continuing_task=True, reset_target=False), "D4RL/pointmaze/test-v0")
    told = json.loads((minari_root / "D4RL/pointmaze/test-v0/data/metadata.json").read_text())
    assert set(json.loads(told["observation_space"])["subspaces"]) == {"observation", "achieved_goal", "desired_goal"}
    config = robotics.Config(id="PointMaze_UMaze-v3")
    found = read("D4RL/pointmaze/test-v0", robotics.make(config, Levels(1)).spec)
    happen_again(found, lambda level: robotics.make(config, Levels(1, lists=[[level]])))
    flat = read("D4RL/pointmaze/test-v0", gym.make(gym.Config(id="PointMaze_UMaze-v3"), Levels(1)).spec)
    shown = found.shown[0]
    for columns, name in ((slice(0, 2), "achieved"), (slice(2, 4), "goal"), (slice(4, 8), "vector")):
        np.testing.assert_array_equal(flat.shown[0]["vector"][:, columns], shown[name])


class Still(gymnasium.Env[Any, Any]):
    """Shows samples of a space."""

    def __init__(self, shown: Space[Any], actions: Space[Any]) -> None:
        self.observation_space, self.action_space = shown, actions

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), 0.0, False, False, {}


@pytest.fixture
def still(minari_root: Path) -> Any:
    """Registers a world that shows and takes what it is told."""

    def register(name: str, shown: Space[Any], actions: Space[Any]) -> gymnasium.Env[Any, Any]:
        gymnasium.register(id=name, entry_point=Still, kwargs={"shown": shown, "actions": actions})
        return Still(shown, actions)

    yield register
    for name in ("Theirs-v0", "Ours-v0"):
        gymnasium.registry.pop(name, None)


def box(bound: float, *shape: int) -> Box:
    return Box(-bound, bound, shape or (2,))


ONE, TWO = "Box(-1.0, 1.0, (2,), float32)", "Box(-2.0, 2.0, (2,), float32)"


@pytest.mark.parametrize(
    ("theirs", "ours", "line"),
    [
        ((box(1), box(1)), (box(1), box(2)), f"its actions are {ONE}, those of Ours-v0 are {TWO}"),
        ((box(1), box(np.inf)), (box(1), box(2)), "its actions are Box(-inf, inf, (2,), float32), those of"),
        ((box(1), Discrete(3)), (box(1), box(2)), f"its actions are Discrete(3), those of Ours-v0 are {TWO}"),
        ((box(1), Discrete(3)), (box(1), Discrete(4)), "its actions are Discrete(3), those of Ours-v0 are Discrete(4)"),
        ((box(1), Discrete(3)), (box(2), Discrete(3)), f"its observations: {ONE}, those of Ours-v0: {TWO}"),
        ((Dict(a=box(1)), Discrete(3)), (Dict(a=box(2)), Discrete(3)), f"its observations.a: {ONE}, those of"),
        ((Discrete(5), Discrete(3)), (Discrete(6), Discrete(3)), "its observations: Discrete(5), those of Ours-v0: Di"),
    ],
    ids=["actions", "unbounded", "kind", "number", "observations", "part", "discrete"],
)
def test_other_bounds_are_refused(theirs: Any, ours: Any, line: str, still: Any) -> None:
    recorded(still("Theirs-v0", *theirs), "still/theirs/test-v0")
    still("Ours-v0", *ours)
    with pytest.raises(UserError) as refused:
        read("still/theirs/test-v0", gym.make(gym.Config(id="Ours-v0"), Levels(1)).spec)
    assert str(refused.value).startswith(f"agent.demos=still/theirs/test-v0: {line}")


def test_the_same_bounds_fit_and_an_unbounded_observation_says_nothing(still: Any) -> None:
    recorded(still("Theirs-v0", box(np.inf), Discrete(3, start=4)), "still/theirs/test-v0")
    still("Ours-v0", box(1), Discrete(3, start=4))
    found = read("still/theirs/test-v0", gym.make(gym.Config(id="Ours-v0"), Levels(1)).spec)
    assert {int(action) for episode in found.episodes for action in episode.action} <= {0, 1, 2}
