"""Privileged actions: what they do in real worlds, how their chance falls, and that evaluations have none of it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.config.composition import Prepared, compose
from rewardlab.contracts.state_laws import new_context
from rewardlab.curricula.privileged_actions import Config, Privileges
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.gridworld.constants import DOOR, FORWARD, GOAL, LOCKED, NOTHING, OPEN, PICKUP, TOGGLE, WALL
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.evaluate import Evaluator
from rewardlab.training.learning.base import make_learning
from rewardlab.training.learning.on_policy import Learning
from rewardlab.training.wrappers.action_env import ActionEnv

STEP_X, STEP_Y = (1, 0, -1, 0), (0, 1, 0, -1)
WALLS, LOCKS, TO_GOAL = 7, 8, 9  # the actions of form=extra, in this order
TINY = [
    "env=doorkey_5x5", "reward=none", "num_envs=4", "frames=1000", "agent.rollout_steps=32", "eval.every=256",
    "eval.episodes=4", "curriculum=privileged_actions",
]  # fmt: skip
EXTRA = ["curriculum.form=extra", "curriculum.privileges=[walls,locks,goal]"]


def world(count: int = 4, env_id: str = "MiniGrid-DoorKey-8x8-v0", chance: float = 1.0, **options) -> ActionEnv:
    env = minigrid.make(minigrid.Config(id=env_id), Levels(count))
    config = Config(name="privileged_actions", start=chance, **{"privileges": ["walls", "locks"], **options})
    made = ActionEnv(env, Privileges(config, new_context(env.spec)))
    made.reset(list(range(count)))
    return made


def stand_before(env: ActionEnv, kind: int, inner: bool = True) -> np.ndarray:
    """Put every agent on a free cell, in front of a thing; where that is, [N, 2] (x, y)."""
    every = np.arange(env.num_envs)
    places, ahead = env.take_places(every), np.zeros((env.num_envs, 2), dtype=int)
    for i, cells in enumerate(places["cells"]):
        height, width = cells.shape[:2]
        for y, x in np.argwhere(cells[..., 0] == NOTHING):
            for heading in range(4):
                to_x, to_y = x + STEP_X[heading], y + STEP_Y[heading]
                within = 0 < to_x < width - 1 and 0 < to_y < height - 1
                if cells[to_y, to_x, 0] == kind and within == inner:
                    places["agent"][i], ahead[i] = (x, y, heading), (to_x, to_y)
    env.put_places(every, places)
    return ahead


def cells_at(env: ActionEnv, at: np.ndarray) -> np.ndarray:
    return env.take_places(np.arange(env.num_envs))["cells"][np.arange(env.num_envs), at[:, 1], at[:, 0]]


def agents(env: ActionEnv) -> np.ndarray:
    return env.take_places(np.arange(env.num_envs))["agent"]


def test_walls_give_way_and_locks_open() -> None:
    env, every = world(), np.ones(4, dtype=np.int64)
    ahead = stand_before(env, WALL)
    env.step(every * FORWARD)
    assert np.array_equal(agents(env)[:, :2], ahead)
    outer = stand_before(env, WALL, inner=False)
    before = agents(env)
    env.step(every * FORWARD)
    assert np.array_equal(agents(env), before) and (cells_at(env, outer)[:, 0] == WALL).all()
    ahead = stand_before(env, DOOR)
    assert (cells_at(env, ahead)[:, 2] == LOCKED).all()
    env.step(every * TOGGLE)
    assert (cells_at(env, ahead)[:, 2] == OPEN).all()
    assert (env.take_places(np.arange(4))["steps"] == 3).all()


def test_locks_are_no_walls() -> None:
    env, every = world(privileges=["locks"]), np.ones(4, dtype=np.int64)
    for kind in (WALL, DOOR):
        ahead = stand_before(env, kind)
        env.step(every * FORWARD)
        assert not (agents(env)[:, :2] == ahead).all(axis=1).any()


def test_without_chance_nothing_gives_way() -> None:
    env, every = world(chance=1e-12), np.ones(4, dtype=np.int64)
    for kind, action in ((WALL, FORWARD), (DOOR, TOGGLE)):
        ahead = stand_before(env, kind)
        before = cells_at(env, ahead), agents(env)
        env.step(every * action)
        assert np.array_equal(before[0], cells_at(env, ahead)) and np.array_equal(before[1], agents(env))


def walk(cells: np.ndarray, start: tuple[int, int], kind: int) -> int:
    """Steps between cells to the nearest of a kind, through anything free and doors, by a plain flood; 0: no way."""
    reached, steps = {start}, 0
    while not any(cells[y, x, 0] == kind for x, y in reached):
        near = {(x + STEP_X[d], y + STEP_Y[d]) for x, y in reached for d in range(4)}
        reached |= {(x, y) for x, y in near if cells[y, x, 0] in (NOTHING, DOOR, GOAL, kind)}
        steps += 1
        if steps > 50:
            return 0
    return steps


def test_going_to_the_goal_takes_the_shortest_walk() -> None:
    env = world(count=8, form="extra", privileges=["walls", "locks", "goal"])
    places = env.take_places(np.arange(8))
    expected = [walk(c, (a[0], a[1]), GOAL) for c, a in zip(places["cells"], places["agent"].tolist(), strict=True)]
    took, paid = np.zeros(8, dtype=int), np.zeros(8)
    for step in range(1, max(expected) + 1):
        batch = env.step(np.full(8, TO_GOAL))
        new = (took == 0) & batch.success
        took[new], paid[new] = step, batch.task_reward[new]
    assert took.tolist() == expected and 0 in expected  # once a key lies in the only way
    assert paid == pytest.approx(np.where(took > 0, 1 - 0.9 * took / 640, 0))


def test_the_ball_of_a_corridor_is_faced_in_the_end() -> None:
    """It is no cell to stand on: it must be picked up, with the task's own action."""
    env = world(env_id="MiniGrid-KeyCorridorS3R3-v0", form="extra", privileges=["goal"])
    for _ in range(40):
        env.step(np.full(4, 7))
    assert env.step(np.full(4, PICKUP)).success.all()


def test_one_that_does_not_hold_only_takes_its_step() -> None:
    env = world(chance=1e-12, form="extra", privileges=["walls", "locks", "goal"])
    before = env.take_places(np.arange(4))
    for action in (WALLS, LOCKS, TO_GOAL):
        env.step(np.full(4, action))
    after = env.take_places(np.arange(4))
    assert (after.pop("steps") - before.pop("steps") == 3).all()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_the_chance_falls_by_success() -> None:
    """By .25 with every 4 episodes of which 3 succeed; the count begins anew either way."""
    made = Privileges(Config(name="p", window=4, threshold=0.75, decay=0.25), new_context(world().spec))
    told = []
    for batch in ("1", "11", "0", "0011", "1101", "1", "0", "1", "1", "0000", "1111", "1111", "0000"):
        made.feedback(np.array([letter == "1" for letter in batch]))
        told.append(made.chance)
    assert told == [1, 1, 0.75, 0.75, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0, 0, 0]


def prepare(folder: Path, *overrides: str) -> Prepared:
    usual = [option for option in TINY if option.split("=")[0] not in {each.split("=")[0] for each in overrides}]
    return compose([*usual, *overrides, f"results_dir={folder}"])


@pytest.mark.parametrize("network", ["agent.network=mlp", "agent.memory=gru"])
def test_a_masked_evaluation_is_the_plain_environments(network: str, tmp_path: Path) -> None:
    """A policy of three more actions, which it likes best, against one that has the same weights but for these."""
    options = ["env=doorkey_6x6", "eval.episodes=20", network]
    parts = build(prepare(tmp_path, *options, *EXTRA).config)
    config = compose([*TINY[1:-1], *options, f"results_dir={tmp_path}"]).config
    plain = build(config)
    with torch.no_grad():
        head, own = parts.agent.network.policy[-1], plain.agent.network.policy[-1]
        head.weight *= 100
        head.bias[7:] += 5
        weights = parts.agent.network.state_dict()
        shape = {name: entry.shape for name, entry in plain.agent.network.state_dict().items()}
        plain.agent.network.load_state_dict({name: entry[: shape[name][0]] for name, entry in weights.items()})
        assert own.bias.shape == (7,) and head.bias.shape == (10,)
    found = [Evaluator(config, each.env.spec).evaluate(each.agent, 0, lambda: False) for each in (parts, plain)]
    for name in ("returns", "lengths", "successes", "cells"):
        assert np.array_equal(getattr(found[0], name), getattr(found[1], name))
    assert len(set(found[0].cells.tolist())) > 1
    rollout = make_learning(prepare(tmp_path, *options, *EXTRA).config, parts).collect(0, 32)
    assert (rollout.action >= 7).float().mean() > 0.5, "training takes them"


@pytest.mark.parametrize("fused", ["agent.fused=true", "agent.fused=false"])
def test_actions_are_dropped_for_good_once_the_chance_is_gone(fused: str, tmp_path: Path) -> None:
    config = prepare(tmp_path, *EXTRA, fused, "agent.epochs=2").config
    parts = build(config)
    learning = make_learning(config, parts)
    learning.iterate(0)
    parts.privileges.chance = 0.0
    learning.iterate(128)
    for spent in range(256, 1000, 128):
        _, told = learning.iterate(spent)
        assert all(np.isfinite(value) for metrics in told for value in metrics.values())
    rollout = learning.collect(0, 32)
    assert (rollout.action < 7).all()
    logits = parts.agent.assess(rollout).dist["logits"]
    assert (logits.softmax(dim=-1)[..., 7:] == 0).all()


@pytest.mark.parametrize(
    "options",
    [EXTRA, ["curriculum.per=step", "curriculum.start=0.5", "curriculum.privileges=[walls]"]],
    ids=["extra", "per_step"],
)
def test_an_interrupted_run_goes_on_exactly(options: list[str], tmp_path: Path, fault) -> None:
    more = [*options, "checkpoint.every=128", "curriculum.window=2", "curriculum.threshold=0.01"]
    whole, broken = (prepare(tmp_path / name, *more) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(Learning, "iterate", 4):
        assert run(broken) == 1
    assert run(broken) == 0
    manifest = json.loads((broken.folder / "manifest.json").read_text())
    assert manifest["resume"] == "exact" and manifest["assumes"] == ["privileged", "state_restore"]
    tables = [(each.folder / "train.csv").read_text().splitlines() for each in (whole, broken)]
    times = [i for i, name in enumerate(tables[0][0].split(",")) if name in ("wall_seconds", "cpu_seconds", "fps")]
    rows = [[[c for i, c in enumerate(line.split(",")) if i not in times] for line in table] for table in tables]
    assert rows[0] == rows[1] and "privileges/chance" in rows[0][0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["env=gym", "env.id=CartPole-v1"], "walls and doors of a grid"),
        (["env.noise=tv"], "without noise"),
        (["env.backend=reference"], "env.backend=fast"),
        (["agent=dqn", *EXTRA], "can't leave actions out .* agent=ppo"),
        (["agent=go_explore", "env.levels=1"], "nobody has privileges"),
        (["agent=ga"], "curriculum=none"),
        (["curriculum.privileges=[goal]"], "goal"),
        (["curriculum.privileges=[lock]"], "did you mean locks"),
        (["curriculum.privileges=[walls,walls]"], "each once"),
        (["curriculum.start=0"], "greater than 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {option.split("=")[0] for option in options} | ({"agent.rollout_steps"} if "agent=ga" in options else set())
    usual = [option for option in TINY if option.split("=")[0] not in given]
    assert main(["run", *usual, *options, f"results_dir={tmp_path}"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("rewardlab: compiling")]
    assert len(lines) == 1 and re.search(said, lines[0]), lines
