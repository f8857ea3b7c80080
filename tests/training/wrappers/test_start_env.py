"""Episodes that begin along demonstrations: the very states, the time that went by, and runs that go on exactly."""

import json
from pathlib import Path

import numpy as np
import pytest

from rewardlab.cli import main
from rewardlab.commands.demos import record
from rewardlab.config.composition import Prepared, compose
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.environments import make_evaluation_env, make_training_env
from rewardlab.training.recorder import Recording
from rewardlab.training.wrappers.start_env import StartEnv, walk
from rewardlab.types import Trail

TINY = [
    "env=doorkey_5x5", "num_envs=4", "frames=1024", "agent.rollout_steps=32", "eval.every=512", "eval.episodes=4",
    "curriculum=backplay",
]  # fmt: skip


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("demos") / "doorkey"
    assert record(["env=doorkey_5x5"], str(folder), Recording(episodes=8, noise=0.3)) == 0
    return str(folder)


def prepare(demos: str, folder: Path, *overrides: str) -> Prepared:
    usual = [option for option in TINY if not any(given.startswith(option.split("=")[0] + "=") for given in overrides)]
    return compose([*usual, f"curriculum.demos={demos}", *overrides, f"results_dir={folder}"])


def by_hand(trail: Trail, steps: int):
    """Farama's own code, after so many steps of a trail: what it shows, and its world."""
    config = minigrid.Config(id="MiniGrid-DoorKey-5x5-v0", backend="reference")
    env = minigrid.make(config, Levels(1, lists=[[trail.level]]))
    shown = env.reset([0])["image"]
    for action in trail.action[:steps]:
        shown = env.step(np.array([action])).obs["image"]
    return shown[0], env


def test_an_episode_begins_in_the_state_of_the_demonstration(demos: str, tmp_path: Path) -> None:
    parts = build(
        prepare(
            demos, tmp_path, "curriculum.stride=1000", "curriculum.ordinary=0", "curriculum.ordinary_after=0"
        ).config
    )
    obs = parts.env.reset(list(range(4)))
    assert isinstance(parts.env, StartEnv)
    for i, (trail, step) in enumerate(zip(*parts.env.begun, strict=True)):
        shown, env = by_hand(parts.curriculum.trails()[trail], int(step))
        assert np.array_equal(obs["image"][i], shown)
        for action in parts.curriculum.trails()[trail].action[step:]:
            batch = env.step(np.array([action]))
            stepped = parts.env.step(np.full(4, action))
            assert np.array_equal(stepped.next_obs["image"][i], batch.next_obs["image"][0])
            assert stepped.task_reward[i] == batch.task_reward[0]
            assert stepped.terminated[i] == batch.terminated[0]
        assert stepped.task_reward[i] > 0, "the time that the demonstration took counts"
        obs = parts.env.reset(list(range(4)))


def test_the_time_limit_is_that_of_the_whole_way(demos: str, tmp_path: Path) -> None:
    parts = build(
        prepare(
            demos, tmp_path, "curriculum.stride=1000", "curriculum.ordinary=0", "curriculum.ordinary_after=0"
        ).config
    )
    parts.env.reset(list(range(4)))
    before, left = parts.env.begun[1].copy(), np.zeros(4)
    for t in range(1, 251):
        batch = parts.env.step(np.full(4, 6))  # "done" does nothing
        left = np.where((left == 0) & batch.truncated, t, left)
    assert np.array_equal(left, 250 - before)


def test_facts_are_those_of_the_place(demos: str, tmp_path: Path) -> None:
    parts = build(prepare(demos, tmp_path, "reward=count", "reward.key=state", "curriculum.ordinary=0").config)
    parts.env.reset(list(range(4)))
    told = parts.env.privileged()["state_hash"]
    for i, (trail, step) in enumerate(zip(*parts.env.begun, strict=True)):
        way = parts.curriculum.trails()[trail]
        env = minigrid.make(
            minigrid.Config(id="MiniGrid-DoorKey-5x5-v0"), Levels(1, lists=[[way.level]]), ("state_hash",)
        )
        env.reset([0])
        for action in way.action[:step]:
            env.step(np.array([action]))
        assert env.privileged()["state_hash"][0] == told[i]


def test_levels_that_come_later_are_not_those_of_the_demonstrations(demos: str, tmp_path: Path) -> None:
    """Placing an episode must not hand the environment the random stream of the demonstration's level."""
    plain = build(compose([*TINY[:-1], f"results_dir={tmp_path}"]).config).env
    placed = build(prepare(demos, tmp_path, "curriculum.ordinary=0").config).env
    seeds = [5, 6, 7, 8]
    first = plain.reset(seeds)
    placed.reset(seeds)
    streams = [env.get_state()["worlds"]["streams"] for env in (plain, placed._env)]
    assert np.array_equal(*streams) and first["image"].any()


def test_hints_are_given_to_groups_that_fail(demos: str, tmp_path: Path) -> None:
    """A policy that does three steps of the way and then waits, in the real world: each level is rescued as counted."""
    options = ["curriculum=hint_prefix", "num_envs=8", "curriculum.group=2"]
    parts = build(prepare(demos, tmp_path, *options).config)
    env, trails = parts.env, parts.curriculum.trails()
    env.reset(list(range(8)))
    begun, done = [], np.zeros(8, dtype=int)
    trail, step = (entry.copy() for entry in env.begun)
    for _ in range(3000):
        action = [
            int(trails[i].action[t + k]) if k < 3 and t + k < len(trails[i].action) else 6
            for i, t, k in zip(trail.tolist(), step.tolist(), done.tolist(), strict=True)
        ]
        batch = env.step(np.array(action))
        ended = batch.terminated | batch.truncated
        begun += [(int(trail[i]), int(step[i]), bool(batch.success[i])) for i in np.flatnonzero(ended)]
        done = np.where(ended, 0, done + 1)
        trail, step = np.where(ended, env.begun[0], trail), np.where(ended, env.begun[1], step)
    for i, way in enumerate(trails):
        length = len(way.action)
        found = [(at, solved) for where, at, solved in begun if where == i]
        assert all(solved == (length - at <= 3) for at, solved in found)
        stages = list(dict.fromkeys([0, *(int(ratio * length) for ratio in (0.25, 0.5, 0.75))]))
        last = next((k for k, at in enumerate(stages) if length - at <= 3), len(stages) - 1)
        each = [at for at in stages[: last + 1] for _ in range(2)]
        assert [at for at, _ in found] == (each * len(found))[: len(found)]
    assert any(at and solved for _, at, solved in begun)


def test_evaluation_begins_as_the_task_has_it(demos: str, tmp_path: Path) -> None:
    config = prepare(demos, tmp_path, "curriculum.ordinary=0").config
    ordinary = compose([*TINY[:-1], f"results_dir={tmp_path}"]).config
    spec = make_training_env(ordinary).spec
    env, plain = (make_evaluation_env(each, spec, None)[0] for each in (config, ordinary))
    assert np.array_equal(env.reset([0] * 4)["image"], plain.reset([0] * 4)["image"])


@pytest.mark.parametrize("curriculum", ["backplay", "hint_prefix"])
def test_an_interrupted_run_goes_on_exactly(curriculum: str, demos: str, tmp_path: Path, fault) -> None:
    from rewardlab.training.learning.on_policy import Learning

    whole, broken = (
        prepare(demos, tmp_path / name, "checkpoint.every=128", f"curriculum={curriculum}")
        for name in ("whole", "broken")
    )
    assert run(whole) == 0
    with fault(Learning, "iterate", 4):
        assert run(broken) == 1
    assert run(broken) == 0
    assert json.loads((broken.folder / "manifest.json").read_text())["resume"] == "exact"
    lines = [without_times(one.folder / "train.csv") for one in (whole, broken)]
    assert lines[0] == lines[1]
    assert {"demos", "state_restore"} <= set(json.loads((whole.folder / "manifest.json").read_text())["assumes"])


def without_times(table: Path) -> list[list[str]]:
    names, *rows = [line.split(",") for line in table.read_text().splitlines()]
    kept = [i for i, name in enumerate(names) if name not in ("wall_seconds", "cpu_seconds", "fps")]
    return [[row[i] for i in kept] for row in rows]


def test_a_trail_that_does_not_happen_again_is_refused() -> None:
    def make(lists):
        return minigrid.make(minigrid.Config(id="MiniGrid-DoorKey-5x5-v0"), Levels(len(lists), lists=lists))

    with pytest.raises(UserError, match="level 3 does not happen again"):
        walk(make, [Trail(3, np.array([0, 1]), np.array([0.0, 1.0]))])


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ([], "curriculum.demos=null: name demonstrations"),
        (["curriculum.demos=nowhere"], "curriculum.demos=nowhere: no dataset there"),
        (["curriculum.demos={demos}", "env.backend=reference"], "can't be restored one by one"),
        (["curriculum.demos={demos}", "env.noise=colours"], "can't be restored one by one"),
        (["curriculum.demos={demos}", "curriculum.threshold=0"], "must be greater than 0"),
        (["curriculum=hint_prefix"], "curriculum.demos=null: name demonstrations"),
        (["curriculum=hint_prefix", "curriculum.demos={demos}", "curriculum.ratios=[0.5,0.5]"], "must grow"),
    ],
)
def test_bad_input_is_one_line(demos: str, overrides, line, tmp_path, capsys) -> None:
    given = [text.format(demos=demos) for text in overrides]
    usual = TINY[:-1] if any(text.startswith("curriculum=") for text in given) else TINY
    assert main(["run", *usual, *given, f"results_dir={tmp_path}"]) == 2
    told = capsys.readouterr().err
    assert line in told and told.count("\n") == 1
