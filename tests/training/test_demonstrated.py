"""Demonstrations beside a replay buffer: what is drawn of them and what they pay, and that runs go on exactly."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.commands.demos import record
from rewardlab.config.composition import compose
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.records.table import read_columns
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning
from rewardlab.training.recorder import Recording
from rewardlab.types import Transitions

TINY = [
    "env=doorkey_5x5", "agent=dqn", "num_envs=4", "frames=1024", "eval.every=1024", "eval.episodes=4",
    "agent.rollout_steps=8", "agent.learning_starts=64", "agent.batch_size=32", "agent.hidden=[16]",
]  # fmt: skip


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("demos") / "doorkey"
    assert record(["env=doorkey_5x5"], str(folder), Recording(episodes=5)) == 0
    return str(folder)


def batches(demos: str, *overrides: str) -> tuple[list[Transitions], object]:
    """The minibatches of some iterations, and the parts of the run."""
    config = compose([*TINY, f"agent.demos={demos}", *overrides]).config
    parts = build(config)
    learning, seen = make_learning(config, parts), []
    learn = parts.agent.update_batch

    def watched(batch: Transitions):
        seen.append(batch)
        return learn(batch)

    parts.agent.update_batch = watched
    learning.pretrain()
    for _ in range(4):
        learning.iterate(config.frames // 2)
    return seen, parts


@pytest.mark.parametrize("prioritised", ["false", "true"])
@pytest.mark.parametrize("n", [1, 3])
def test_a_share_of_each_minibatch_is_demonstrated(n: int, prioritised: str, demos: str) -> None:
    seen, parts = batches(demos, f"agent.n_step={n}", f"agent.prioritised={prioritised}", "agent.demos_share=0.25")
    assert len(seen) > 10
    known: dict[tuple[bytes, int], set[tuple[float, float]]] = {}  # equal views may be followed by different returns
    for episode in DemonstrationFile("agent.demos", demos, parts.env.spec).read().episodes:
        for t in range(len(episode)):
            ahead = min(n, len(episode) - t)
            paid = sum(0.99**k * float(episode.task_reward[t + k]) for k in range(ahead))
            bootstrap = 0.99**n if t + n < len(episode) else 0.0
            key = episode.obs["image"][t].numpy().tobytes(), int(episode.action[t])
            known.setdefault(key, set()).add((round(paid, 5), round(bootstrap, 5)))
    for batch in seen:
        assert batch.extra["demonstrated"].tolist() == [False] * 24 + [True] * 8
        for i in range(24, 32):
            found = round(float(batch.extra["reward"][i]), 5), round(float(batch.extra["discount"][i]), 5)
            assert found in known[batch.obs["image"][i].numpy().tobytes(), int(batch.action[i])]


def test_before_training_there_is_nothing_else(demos: str) -> None:
    seen, parts = batches(demos, "agent.demos_pretrain=5", "agent.margin_coef=1")
    assert all(batch.extra["demonstrated"].all() for batch in seen[:5])
    assert not any(batch.extra["demonstrated"].all() for batch in seen[5:])
    assert "demos" in parts.assumes
    assert parts.agent.updates == len(seen)


def test_a_margin_alone_clones_the_demonstrations(demos: str) -> None:
    """DQfD before training: the demonstrated action is the best one nearly everywhere."""
    config = compose([*TINY, f"agent.demos={demos}", "agent.demos_pretrain=1500", "agent.margin_coef=1"]).config
    parts = build(config)
    make_learning(config, parts).pretrain()
    steps = DemonstrationFile("agent.demos", demos, parts.env.spec).read().transitions(0.99)
    nothing = torch.zeros(len(steps.action), dtype=torch.bool)
    chosen = parts.agent.act(steps.obs, None, nothing, "greedy", torch.Generator()).action
    assert float((chosen == steps.action).float().mean()) > 0.9


def test_an_interrupted_run_goes_on_exactly(
    demos: str, tmp_path: Path, fault: Callable[[type, str, int], AbstractContextManager[None]]
) -> None:
    from rewardlab.agents.replay.dqn import Agent

    told = [*TINY, f"agent.demos={demos}", "agent.demos_pretrain=3", "agent.heads=2", "agent.mask_probability=0.5"]
    found = []
    for name, broken_at in (("whole", None), ("broken", 90)):
        prepared = compose([*told, "checkpoint.every=128", f"results_dir={tmp_path / name}"])
        if broken_at is not None:
            with fault(Agent, "update_batch", broken_at):
                assert run(prepared) == 1
        assert run(prepared) == 0
        (folder,) = (tmp_path / name).glob("runs/*/*/*/*")
        assert json.loads((folder / "status.json").read_text())["frames"] == 1024
        columns = read_columns(folder / "train.csv")
        found.append({k: v for k, v in columns.items() if "seconds" not in k and k != "fps"})
    for name, column in found[0].items():
        assert np.array_equal(column, found[1][name], equal_nan=True), name
