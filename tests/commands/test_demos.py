"""`rewardlab demos`: datasets that Minari itself reads, whose episodes happen again when they are played again."""

import json
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.gridworld import make_vec
from rewardlab.gridworld.solver import solve
from rewardlab.run import run

ENV = "MiniGrid-DoorKey-5x5-v0"


def episodes_of(folder: Path) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import minari

        return list(minari.MinariDataset(folder / "data").iterate_episodes())


def played_again(seed: int, actions: np.ndarray) -> tuple[list[np.ndarray], list[float], bool]:
    """By Farama's own code."""
    from rewardlab.envs import registry

    registry.registered_ids()
    env = gymnasium.make(ENV)
    shown, paid, over = [env.reset(seed=seed)[0]["image"]], [], False
    for action in actions:
        frame, reward, terminated, truncated, _ = env.step(int(action))
        shown.append(frame["image"])
        paid.append(float(reward))
        over = terminated or truncated
    return shown, paid, over


def test_the_solvers_episodes_are_optimal_and_happen_again(rewardlab, tmp_path):
    assert rewardlab("demos", "env=doorkey_5x5", "--out", "demos/best", "--episodes", "6", "--levels", "4").code == 0
    found = episodes_of(tmp_path / "demos/best")
    assert len(found) == 6
    data = json.loads((tmp_path / "demos/best/data/metadata.json").read_text())
    seeds = [int(seed) for seed in seeds_of(tmp_path / "demos/best")]
    assert len(set(seeds)) == data["rewardlab"]["levels"] == 4 and seeds[:2] == seeds[4:]
    for seed, episode in zip(seeds, found, strict=True):
        shown, paid, over = played_again(seed, episode.actions)
        assert np.array_equal(np.stack(shown), episode.observations["image"])
        assert np.allclose(paid, episode.rewards) and over and paid[-1] > 0
        engine = make_vec(ENV, 1)
        engine.reset(seed=[seed])
        assert len(episode.actions) == solve(ENV, engine.get_state()).steps


def seeds_of(folder: Path) -> list[int]:
    from minari.dataset.minari_storage import MinariStorage

    storage = MinariStorage.read(folder / "data")
    return [told["seed"] for told in storage.get_episode_metadata(range(storage.total_episodes))]


def test_noise_makes_longer_ways_that_still_succeed(rewardlab, tmp_path):
    for name, noise in (("best", "0"), ("noisy", "0.4")):
        assert rewardlab("demos", "env=doorkey_5x5", "--out", name, "--episodes", "8", "--noise", noise).code == 0
    best, noisy = episodes_of(tmp_path / "best"), episodes_of(tmp_path / "noisy")
    assert seeds_of(tmp_path / "best") == seeds_of(tmp_path / "noisy")
    lengths = [[len(episode.actions) for episode in group] for group in (best, noisy)]
    assert all(long >= short for short, long in zip(*lengths, strict=True)) and sum(lengths[1]) > sum(lengths[0])
    assert all(episode.infos["success"][-1] for episode in noisy)


def test_failures_can_be_kept(rewardlab, tmp_path):
    told = rewardlab("demos", "env=doorkey_5x5", "--out", "all", "--episodes", "3", "--noise", "1", "--keep", "all")
    assert told.code == 0 and "3 episodes on 3 levels" in told.out
    assert [bool(episode.infos["success"][-1]) for episode in episodes_of(tmp_path / "all")].count(True) < 3


def test_the_levels_are_not_those_of_evaluation(rewardlab, tmp_path):
    from rewardlab import seeding

    rewardlab("demos", "env=empty_5x5", "--out", "some", "--episodes", "20")
    assert not set(seeds_of(tmp_path / "some")) & set(seeding.evaluation_seeds(10_000))


def test_a_runs_policy_is_recorded(rewardlab, tmp_path):
    tiny = ["env=empty_5x5", "num_envs=4", "frames=512", "agent.rollout_steps=32", "eval.every=512", "eval.episodes=2"]
    prepared = compose([*tiny, f"results_dir={tmp_path / 'results'}"])
    assert run(prepared) == 0
    asked = ("demos", "--from", str(prepared.folder), "--episodes", "2", "--keep", "all", "--seed", "3")
    assert rewardlab(*asked, "--out", "one").code == 0
    assert rewardlab(*asked, "--out", "two").code == 0
    one, two = episodes_of(tmp_path / "one"), episodes_of(tmp_path / "two")
    assert all(np.array_equal(a.actions, b.actions) for a, b in zip(one, two, strict=True))
    assert minigrid.make(minigrid.Config(id="MiniGrid-Empty-5x5-v0"), Levels(1)).spec.action.n > max(one[0].actions)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["env=dorkey"], "did you mean doorkey?"),
        (["env=dynamic_obstacles"], "it does not know"),
        (["env=gym", "env.id=CartPole-v1"], "it does not know CartPole-v1"),
        (
            ["env=doorkey", "--from", "play"],
            "walks to cells of goalgrid and to places of PointMaze, and MiniGrid-DoorKey",
        ),
        (["env=goalgrid_fetch_8x8_n3", "--from", "play"], "GoalGrid-Fetch-8x8-N3 has neither"),
        (["reward=rnd"], "only env=NAME"),
        (["--from", "nowhere"], "no such run"),
        (["--from", "random=0.1", "--from", "solver=0.9", "--episodes", "2"], "--from random=0.1: no episode falls"),
        (["env=doorkey", "--episodes", "0"], "--episodes 0: must be at least 1"),
        (["env=doorkey", "--levels", "101"], "--levels 101: must be from 1"),
        (["env=doorkey", "--noise", "1.5"], "--noise 1.5: must be from 0 to 1"),
        (["env=multiroom_n7_s8", "--noise", "1", "--episodes", "1"], "lower --noise"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(rewardlab, tmp_path, arguments, line):
    told = rewardlab("demos", *arguments, "--out", "demos")
    assert told.code == 2 and line in told.err.splitlines()[-1]
    assert not list(tmp_path.glob("*demos*"))


def test_a_folder_that_is_there_stays(rewardlab, tmp_path):
    (tmp_path / "demos").mkdir()
    told = rewardlab("demos", "env=doorkey", "--out", "demos")
    assert told.code == 2 and "is there already" in told.err and not list((tmp_path / "demos").iterdir())
