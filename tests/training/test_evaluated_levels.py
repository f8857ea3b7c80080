"""Which levels an evaluation plays, whether training meets them too, and the own scale of `eval.levels=train`."""

import copy
import csv
import json
from pathlib import Path

import numpy as np
import pytest

from rewardlab import seeding
from rewardlab.config.composition import compose
from rewardlab.config.identity import setting_id
from rewardlab.envs.arrays import bitflip
from rewardlab.envs.levels import Levels
from rewardlab.gridworld import level_facts
from rewardlab.gridworld.reference import make_reference
from rewardlab.gridworld.task_facts import random_floor
from rewardlab.report.build import build_report
from rewardlab.report.gather import labelled
from rewardlab.report.options import Options
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.environments import evaluation_levels
from rewardlab.training.levels import evaluated_task, evaluation_list, training_levels
from rewardlab.types import TaskFacts

DOORKEY = "MiniGrid-DoorKey-5x5-v0"
FOLLOWER = '''"""Follows a plan: the n-th action in the n-th step of every episode"""

from dataclasses import dataclass

import torch

from rewardlab.agents import random
from rewardlab.schemas import option
from rewardlab.types import ActOutput


@dataclass
class Config(random.Config):
    plan: str = option("", "digits", in_setting=False)


class Agent(random.Agent):
    def __init__(self, config, context, streams):
        super().__init__(config, context, streams)
        self._plan = torch.tensor([int(digit) for digit in config.plan])

    def initial_state(self, num_envs):
        return torch.zeros(num_envs, 1)

    def act(self, obs, state, first, mode, rng):
        step = torch.where(first, torch.zeros(len(first)), state[:, 0]).long()
        return ActOutput(self._plan[step.clamp(max=len(self._plan) - 1)], (step + 1.0)[:, None])
'''


@pytest.fixture
def _follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine" / "agents"
    folder.mkdir(parents=True)
    (folder / "follower.py").write_text(FOLLOWER)
    (folder / "follower.yaml").write_text("# Follows a plan\ndefaults: [follower_schema, _self_]\n")
    monkeypatch.setenv("REWARDLAB_PATH", str(tmp_path / "mine"))


@pytest.fixture
def _without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rewardlab.report.writing.draw_figures", lambda *_: [])


def facts(*overrides: str) -> TaskFacts:
    config = compose([*overrides, "eval.levels=train", "frames=1000", "num_envs=2"]).config
    return evaluated_task(config, build(config).env.spec)


def shortest_way(env_id: str, level: int) -> tuple[list[int], float]:
    """Actions and the return, by breadth-first search in Farama's own environment."""
    env = make_reference(env_id).unwrapped
    env.reset(seed=level)

    def seen(world) -> tuple:
        held = None if world.carrying is None else world.carrying.encode()
        return world.grid.encode().tobytes(), tuple(world.agent_pos), int(world.agent_dir), held

    edge, met = [(env, [])], {seen(env)}
    while edge:
        world, way = edge.pop(0)
        for action in range(6):
            after = copy.deepcopy(world)
            _, reward, terminated, _, _ = after.step(action)
            if terminated and reward > 0:
                return [*way, action], float(reward)
            if not terminated and seen(after) not in met:
                met.add(seen(after))
                edge.append((after, [*way, action]))
    raise AssertionError("no way")


@pytest.mark.usefixtures("_follower", "_without_figures")
def test_the_best_policy_on_a_runs_own_level_reaches_1_whatever_its_seed(tmp_path: Path) -> None:
    optima = []
    for seed in (0, 1):
        choice = ["env=doorkey_5x5", "env.levels=1", "eval.levels=train", f"seed={seed}", "agent=follower"]
        level = training_levels(compose(choice).config)[0]
        way, paid = shortest_way(DOORKEY, level)
        rest = ["num_envs=2", "frames=64", "agent.rollout_steps=32", "eval.every=64", "eval.episodes=3"]
        plan = "".join(map(str, way))
        prepared = compose([*choice, *rest, f"agent.plan='{plan}'", f"results_dir={tmp_path / 'results'}"])
        assert run(prepared) == 0
        task = json.loads((prepared.folder / "manifest.json").read_text())["task"]
        assert (task["optimal_return"], task["optimum_kind"]) == (pytest.approx(paid, abs=1e-12), "exact")
        summary = json.loads((prepared.folder / "summary.json").read_text())
        assert summary["final_normalised"] == pytest.approx(1, abs=1e-6)  # rewards are float32
        optima.append(paid)
    assert optima[0] != optima[1]  # so that one scale for both would be wrong
    build_report(labelled([str(tmp_path / "results")]), Options(out=tmp_path / "report"))
    with (tmp_path / "report" / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["setting_id"] for row in rows}) == 1
    assert sorted(float(row["optimal_return"]) for row in rows) == pytest.approx(sorted(optima))
    assert [float(row["final_normalised"]) for row in rows] == pytest.approx([1, 1], abs=1e-6)
    assert "optimum of the training levels that it plays" in (tmp_path / "report" / "report.html").read_text()


def test_several_levels_count_as_often_as_they_are_played() -> None:
    choice = ["env=doorkey_5x5", "env.levels=2", "eval.episodes=3"]
    pool = training_levels(compose(choice).config)
    best = [shortest_way(DOORKEY, level)[1] for level in pool]
    assert facts(*choice).optimal_return == pytest.approx((2 * best[0] + best[1]) / 3)


def test_random_play_is_that_of_the_levels() -> None:
    """Empty-5x5 has one level only, so that its own floor is the task's."""
    found = level_facts.random_return_on("MiniGrid-Empty-5x5-v0", [11, 12, 11])
    everywhere, _ = random_floor("MiniGrid-Empty-5x5-v0", 4000, seed=3)
    assert found == pytest.approx(everywhere.mean(), abs=6 * everywhere.std() / 4000**0.5)
    assert found == level_facts.random_return_on("MiniGrid-Empty-5x5-v0", [11, 12, 11])


def test_the_backend_does_not_change_the_scale() -> None:
    fast, slow = (facts("env=doorkey_5x5", "env.levels=2", f"env.backend={name}") for name in ("fast", "reference"))
    assert fast == slow and fast.optimal_return is not None


def test_what_is_stated_wins() -> None:
    stated = facts("env=doorkey_5x5", "env.levels=1", "env.optimal_return=0.5", "env.optimum_kind=bound")
    assert (stated.optimal_return, stated.optimum_kind) == (0.5, "bound") and stated.random_return is not None
    assert facts("env=doorkey_5x5", "env.levels=1", "env.random_return=0.1").random_return == 0.1
    stated = facts("env=gym", "env.id=CartPole-v1", "env.levels=1", "env.optimal_return=500", "env.random_return=20")
    assert (stated.optimal_return, stated.random_return) == (500, 20)


@pytest.mark.parametrize(
    "choice",
    [
        ["env=gym", "env.id=CartPole-v1"],
        ["env=deepsea", "env.deterministic=false"],
        ["env=dynamic_obstacles_5x5"],
    ],
    ids=lambda choice: choice[-1],
)
def test_where_nothing_tells_the_optimum_it_is_unavailable(choice: list[str]) -> None:
    found = facts(*choice, "env.levels=2", "eval.episodes=4")
    assert (found.optimal_return, found.optimum_kind) == (None, "unavailable")


def test_too_many_levels_are_unavailable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(level_facts, "_MOST", 2)
    level_facts._optimum_on.cache_clear()
    assert level_facts.optimum_on(DOORKEY, [1, 2, 3]) == ("unavailable", None)
    assert level_facts.random_return_on(DOORKEY, [1, 2, 3]) is None


def test_goals_to_reach_are_worth_1_and_chance_differs() -> None:
    found = [facts("env=goalgrid_empty_8x8", "env.levels=1", f"seed={seed}") for seed in (0, 1)]
    assert [each.optimal_return for each in found] == [1, 1]
    assert found[0].random_return != found[1].random_return


def test_bits_to_flip_decide_exactly() -> None:
    choice = ["env=bitflip", "env.n=4", "env.levels=3", "eval.episodes=5"]
    config = compose([*choice, "eval.levels=train", "frames=1000"]).config
    lists = evaluation_levels(config)
    obs = bitflip.make(config.env, Levels(len(lists), lists=lists)).reset(range(len(lists)))
    flips = (obs["vector"] != obs["goal"]).sum(axis=1)
    found = facts(*choice)
    assert found.optimal_return == pytest.approx(-(flips.mean() - 1))
    rng, returns = np.random.default_rng(0), []
    for first in np.repeat(flips, 4000):
        left, paid = int(first), 0
        for _ in range(4):
            left += -1 if rng.random() < left / 4 else 1
            paid -= left > 0
            if left == 0:
                break
        returns.append(paid)
    assert found.random_return == pytest.approx(np.mean(returns), abs=0.05)


IDS = {  # choice -> whether its scale changed
    "env=doorkey_5x5": True,
    "env=bitflip": True,
    "env=goalgrid": True,
    "env=deepsea env.deterministic=false": True,
    "env=deepsea": False,
    "env=gym env.id=CartPole-v1": False,
}


@pytest.mark.parametrize("choice", IDS)
def test_only_settings_whose_scale_changed_have_new_ids(choice: str) -> None:
    for levels in ("train", "heldout"):
        config = compose([*choice.split(), "env.levels=3", f"eval.levels={levels}"]).config
        assert config.env.revision(config) == (IDS[choice] and levels == "train")


# By default 100 episodes. True: its list repeats a level, and there are enough distinct ones.
DISTINCT = {
    "env=doorkey_6x6": True,
    "env=keycorridor_s3r1": True,
    "env=lavacrossing_s9n2": True,
    "env=redbluedoors": True,
    "env=minigrid env.id=MiniGrid-MemoryS13Random-v0": True,
    "env=doorkey_8x8 eval.episodes=200": True,
    "env=doorkey_5x5 eval.episodes=48": True,
    "env=doorkey_5x5 eval.episodes=10": False,
    "env=doorkey_5x5": False,
    "env=doorkey_6x6 eval.episodes=15": False,
    "env=doorkey_8x8": False,
    "env=keycorridor_s3r3": False,
    "env=multiroom_n7_s4": False,
    "env=multiroom_n7_s8": False,
    "env=empty_5x5": False,
    "env=dynamic_obstacles_5x5": False,
    "env=goalgrid": False,
    "env=gym env.id=FrozenLake-v1": False,
}


@pytest.mark.parametrize("choice", DISTINCT)
def test_levels_do_not_repeat_where_there_are_enough_and_only_then_ids_change(choice: str) -> None:
    config = compose([*choice.split(), "seed=0"]).config
    levels, first = evaluation_list(config), seeding.evaluation_seeds(config.eval.episodes)
    assert config.env.revision(config) == DISTINCT[choice]
    assert (levels != first) == DISTINCT[choice] and len(levels) == len(first)
    if DISTINCT[choice]:
        assert len(set(config.env.level_keys(levels))) == len(levels)
    for other in ("seed=5", "reward=rnd", "env.backend=reference"):
        if other.startswith("env.") and not choice.startswith(("env=d", "env=k")):
            continue
        assert evaluation_list(compose([*choice.split(), other]).config) == levels


def test_ids_of_the_great_benchmarks_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are without any revision."""
    for env in ("doorkey_8x8", "keycorridor_s3r3", "multiroom_n7_s4", "doorkey_5x5", "doorkey_6x6"):
        config = compose([f"env={env}"]).config
        before = setting_id(config)
        with monkeypatch.context() as patch:
            patch.setattr(type(config.env), "revision", lambda self, setting: 0)
            assert (setting_id(config) == before) == (env != "doorkey_6x6")


def seen(*overrides: str) -> float | None:
    config = compose([*overrides, "frames=1000", "num_envs=2"]).config
    return evaluated_task(config, build(config).env.spec).seen_in_training


def test_the_share_of_levels_that_training_meets() -> None:
    assert seen("env=doorkey_5x5") == 1
    assert seen("env=multiroom_n7_s4") == seen("env=multiroom_n7_s4", "env.levels=50") == 0
    assert seen("env=doorkey_5x5", "env.levels=3", "eval.levels=train") == 1
    assert seen("env=gym", "env.id=CartPole-v1") is None and seen("env=dynamic_obstacles_5x5") is None
    config = compose(["env=doorkey_5x5", "env.levels=5", "frames=1000"]).config
    there, missing, world = set(), 0, make_reference(DOORKEY).unwrapped

    def drawn(level: int) -> tuple:
        world.reset(seed=level)
        return world.grid.encode().tobytes(), tuple(map(int, world.agent_pos)), int(world.agent_dir)

    there = {drawn(level) for level in training_levels(config)}
    missing = sum(drawn(level) not in there for level in evaluation_list(config))
    assert seen("env=doorkey_5x5", "env.levels=5") == pytest.approx(1 - missing / 100) and 0 < missing < 100


def test_the_manifest_tells_it(tmp_path: Path) -> None:
    tiny = ["num_envs=2", "frames=64", "agent.rollout_steps=32", "eval.every=64", "eval.episodes=2"]
    prepared = compose(["env=doorkey_5x5", *tiny, f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    task = json.loads((prepared.folder / "manifest.json").read_text())["task"]
    assert (task["distinct_levels"], task["seen_in_training"]) == (48, 1.0)
