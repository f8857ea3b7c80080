"""Guided retries in the real world: which attempts follow one another, what they are given, and what is cloned."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.config.composition import Prepared, compose
from rewardlab.facts import BEGUN
from rewardlab.gridworld.solver import solve
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.environments import make_evaluation_env
from rewardlab.training.learning.base import make_learning
from rewardlab.training.learning.on_policy import Learning

ID, WAIT = "MiniGrid-DoorKey-5x5-v0", 6
TINY = [
    "env=doorkey_5x5", "reward=none", "num_envs=4", "frames=1000", "agent.rollout_steps=32", "eval.every=256",
    "eval.episodes=4", "curriculum=guided_retry",
]  # fmt: skip


def prepare(folder: Path, *overrides: str) -> Prepared:
    usual = [option for option in TINY if option.split("=")[0] not in {each.split("=")[0] for each in overrides}]
    return compose([*usual, *overrides, f"results_dir={folder}"])


def state_of(env: Any) -> dict[str, np.ndarray]:
    """Of the engine: within goals, within starts."""
    return {name: entry.numpy() for name, entry in env.get_state()["env"]["env"]["worlds"].items()}


def wait(env: Any, steps: int) -> Any:
    """So many steps in which nothing is done: the last one's batch."""
    for _ in range(steps):
        batch = env.step(np.full(env.num_envs, WAIT))
    return batch


def ways(env: Any) -> list[tuple[int, ...]]:
    states = state_of(env)
    return [solve(ID, states, i).actions for i in range(env.num_envs)]


def test_a_failed_attempt_is_followed_by_guided_ones_at_its_level(tmp_path: Path) -> None:
    """All fail three times, once more than there are shares."""
    parts = build(prepare(tmp_path, "curriculum.shares=[0,0.5]").config)
    env, begun = parts.env, []
    shown = env.reset(list(range(4)))
    first, lengths = state_of(env), [len(way) for way in ways(env)]
    assert (shown["goal"] == 0).all(), "a first attempt is shown no subgoal"
    for attempt in range(4):
        now = state_of(env)
        begun.append(int(env.privileged()[BEGUN][0, 1]))
        given = int(0.5 * lengths[0]) if attempt == 2 else 0
        if attempt < 3:
            same = [np.array_equal(first[name][0], now[name][0]) for name in ("cells", "agent", "carried")]
            assert all(same) == (attempt < 2)
            assert now["steps"][0] == given
        batch = wait(env, 250 - int(now["steps"][0]) - 1)
        assert not (batch.truncated[0])
        batch = wait(env, 1)
        assert batch.truncated[0] and batch.privileged[BEGUN][0, 1] == begun[-1], "a fact of the step's own episode"
        assert (batch.obs["goal"][0] != 0).any() == (attempt != 2), "guided attempts are shown their subgoal"
    assert begun == [0, 1, 2, 0]
    told = parts.curriculum.update(0.0)
    assert told["retries/solved_first"] == told["retries/solved_guided"] == 0.0
    assert 0 < told["retries/guided"] < 1


def test_a_part_of_the_solution_counts_as_steps_and_the_rest_solves(tmp_path: Path) -> None:
    parts = build(prepare(tmp_path, "curriculum.shares=[0.5]", "num_envs=2").config)
    env = parts.env
    env.reset([0, 1])
    solutions = ways(env)
    wait(env, 250)
    given = [int(0.5 * len(way)) for way in solutions]
    assert state_of(env)["steps"].tolist() == given
    for t in range(max(map(len, solutions))):
        actions = [way[g + t] if g + t < len(way) else WAIT for way, g in zip(solutions, given, strict=True)]
        batch = env.step(np.array(actions))
        for i, (way, g) in enumerate(zip(solutions, given, strict=True)):
            if g + t + 1 == len(way):
                assert batch.success[i] and batch.task_reward[i] == pytest.approx(1 - 0.9 * len(way) / 250)
                assert env.privileged()[BEGUN][i, 1] == 0, "what was solved is not tried again"
    assert parts.curriculum.update(0.0)["retries/solved_guided"] == 1.0


@pytest.mark.parametrize("drop", [True, False])
def test_guided_attempts_that_succeed_are_cloned(drop: bool, tmp_path: Path) -> None:
    """A policy that waits through first attempts and solves guided ones: its steps there are kept, and no others."""
    config = prepare(
        tmp_path, f"curriculum.drop_guidance={str(drop).lower()}", "agent.rollout_steps=50", "frames=2000"
    ).config
    parts = build(config)
    learning, env = make_learning(config, parts), parts.env
    solved: list[int] = []
    left: list[list[int]] = [[] for _ in range(4)]

    def act(obs: Any, state: Any, first: torch.Tensor, mode: str, rng: Any) -> Any:
        found, stage = ways(env) if first.any() else [], env.privileged()[BEGUN][:, 1]
        for i in np.flatnonzero(first.numpy()):
            left[i] = list(found[i]) if stage[i] else []
            solved.extend(left[i])
        action = torch.tensor([way.pop(0) if way else WAIT for way in left])
        return type("Output", (), {"action": action, "state": None, "judged": None})

    parts.agent.act = act
    for spent in range(0, 300 * 4, 200):
        learning.iterate(spent)
    kept = parts.conditioner._solved
    assert len(kept) == 4
    steps = kept.whole(np.arange(4)).steps
    assert steps.action.tolist().count(WAIT) == 0 and len(steps.action) == len(solved)
    assert sorted(steps.action.tolist()) == sorted(solved)
    assert bool((steps.obs["goal"] == 0).all()) == drop
    (loss,) = parts.conditioner.aux_losses()
    assert [len(batch.action) for batch in loss.batches()] == [256, 256]


def test_evaluations_are_not_guided(tmp_path: Path) -> None:
    config = prepare(tmp_path).config
    parts = build(config)
    guided, plain = (make_evaluation_env(config, parts.env.spec, each)[0] for each in (parts.conditioner, None))
    shown, seen = (env.reset([0] * 4) for env in (guided, plain))
    for action in np.random.default_rng(0).integers(7, size=(300, 4)):
        assert (shown["goal"] == 0).all() and np.array_equal(shown["image"], seen["image"])
        shown, seen = guided.step(action).obs, plain.step(action).obs


@pytest.mark.parametrize("options", [[], ["curriculum.shares=[0.8]", "curriculum.encoding=object"]])
def test_an_interrupted_run_goes_on_exactly(options: list[str], tmp_path: Path, fault) -> None:
    more = [*options, "frames=3000", "eval.every=1500", "checkpoint.every=256"]
    whole, broken = (prepare(tmp_path / name, *more) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(Learning, "iterate", 14):
        assert run(broken) == 1
    assert run(broken) == 0
    manifest = json.loads((broken.folder / "manifest.json").read_text())
    assert manifest["resume"] == "exact" and manifest["assumes"] == ["privileged", "state_restore"]
    tables = [(each.folder / "train.csv").read_text().splitlines() for each in (whole, broken)]
    times = [i for i, name in enumerate(tables[0][0].split(",")) if name in ("wall_seconds", "cpu_seconds", "fps")]
    rows = [[[c for i, c in enumerate(line.split(",")) if i not in times] for line in table] for table in tables]
    assert rows[0] == rows[1]
    found = dict(zip(rows[0][0], rows[0][-1], strict=True))
    assert int(found["frames"]) == 3000, "guided attempts are frames"
    assert not options or found["loss/guided_cloning"] != ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["env=fetch_5x5_n2"], "no exact lists are known.*; use curriculum.shown=false"),
        (["env=dynamic_obstacles_5x5", "curriculum.shares=[0.5]"], "MiniGrid-Dynamic"),
        (["env=gym", "env.id=CartPole-v1"], "cannot give grid"),
        (["env.backend=reference"], "env.backend=fast"),
        (["curriculum.shares=[]"], "one share or more"),
        (["curriculum.shares=[1]"], "to below 1"),
        (["curriculum.shown=false", "curriculum.paid=false"], "every share must be above 0"),
        (["curriculum.file=x.json"], "leave it out"),
        (["agent=dqn"], "can't learn from the loss that curriculum=guided_retry hands to it; use agent=ppo"),
        (["agent.memory=gru"], "can't take the loss guided_cloning"),
        (["agent=ga"], "curriculum=none"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {option.split("=")[0] for option in options}
    given |= {"agent.rollout_steps"} if given & {"agent"} else set()
    usual = [option for option in TINY if option.split("=")[0] not in given]
    assert main(["run", *usual, *options, f"results_dir={tmp_path}"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("rewardlab: compiling")]
    assert len(lines) == 1 and re.search(said, lines[0]), lines
