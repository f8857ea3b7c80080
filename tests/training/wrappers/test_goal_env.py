"""Goals in real environments: what is seen and paid, that runs go on exactly, and that the task stays as it is."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.config.composition import Prepared, compose
from rewardlab.records import checkpoint
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning
from rewardlab.training.learning.on_policy import Learning

TINY = [
    "env=doorkey_5x5", "num_envs=4", "frames=1000", "agent.rollout_steps=32", "eval.every=256", "eval.episodes=4",
    "curriculum=amigo", "curriculum.batch_size=8",
]  # fmt: skip


def prepare(folder: Path, *overrides: str) -> Prepared:
    return compose([*TINY, *overrides, f"results_dir={folder}"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    prepared = prepare(tmp_path_factory.mktemp("results"))
    assert run(prepared) == 0
    return prepared


def test_a_run_tells_of_its_curriculum(finished: Prepared) -> None:
    assert finished.folder.parent.name == "ppo+amigo-batch_size=8"
    manifest = json.loads((finished.folder / "manifest.json").read_text())
    assert manifest["curriculum"] == manifest["labels"]["curriculum"] == "amigo-batch_size=8"
    assert "privileged" in manifest["assumes"]
    header = (finished.folder / "train.csv").read_text().splitlines()[0].split(",")
    assert {"reward/goal_mean", "advantage/goal_std", "goals/target", "loss/teacher"} <= set(header)


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_an_interrupted_run_goes_on_exactly(backend: str, tmp_path: Path, fault) -> None:
    options = ["reward=count", f"env.backend={backend}", "frames=512", "eval.every=512", "checkpoint.every=128"]
    whole, broken = (prepare(tmp_path / name, *options) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(Learning, "iterate", 3):
        assert run(broken) == 1
    assert run(broken) == 0
    assert json.loads((broken.folder / "manifest.json").read_text())["resume"] == "exact"
    states = [checkpoint.load(each.folder / "checkpoint.pt")[0] for each in (whole, broken)]
    for piece in ("agent", "conditioner", "collector", "streams", "scheme"):
        assert flat(states[0][piece]).keys() == flat(states[1][piece]).keys()
        for name, value in flat(states[0][piece]).items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(flat(states[1][piece])[name])), name


def flat(tree, prefix: str = "") -> dict:
    """The numbers of a checkpoint by dotted name."""
    if isinstance(tree, (dict, list, tuple)):
        entries = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {key: value for name, item in entries for key, value in flat(item, f"{prefix}.{name}").items()}
    return {} if tree is None or isinstance(tree, str) else {prefix: tree}


def test_each_step_shows_and_pays_the_goal_that_it_pursued(tmp_path: Path) -> None:
    """Recomputed step by step, with plain loops, from the grids of the same world without goals."""
    config = prepare(tmp_path, "num_envs=16").config
    parts = build(config)
    env, world = parts.env, parts.env._env
    env.reset(list(range(16)))
    rng = np.random.default_rng(0)
    grids, goals = world.privileged()["grid"].copy(), env.get_state()["goal"]["cell"].numpy()
    starts, steps, paid = grids.copy(), np.zeros(16, dtype=int), 0
    shown = []
    plain_step = world.step
    world.step = lambda action: shown.append(plain_step(action)) or shown[-1]
    for _ in range(300):
        batch = env.step(rng.integers(7, size=16))
        truth, current = shown[-1].privileged["grid"], world.privileged()["grid"]
        steps += 1
        after = env.get_state()["goal"]["cell"].numpy()
        for i in range(16):
            cell = divmod(int(goals[i]), 5)
            reached = truth[i][cell].tolist() != starts[i][cell].tolist()
            assert batch.privileged["goal_reached"][i] == reached
            assert batch.privileged["goal_steps"][i] == steps[i]
            assert batch.next_obs["goal"][i].tolist() == by_hand(truth[i], cell)
            assert batch.obs["goal"][i].tolist() == by_hand(current[i], divmod(int(after[i]), 5))
            if reached or batch.terminated[i] or batch.truncated[i]:
                starts[i], steps[i] = current[i], 0
            else:
                assert after[i] == goals[i]
            paid += reached
        goals = after
    assert paid > 4
    assert "grid" not in batch.privileged  # not asked for by the scheme


def by_hand(grid: np.ndarray, cell: tuple[int, int]) -> list[int]:
    """How far ahead and to the right a cell lies, as the tokens that the agent reads."""
    ((x, y),) = np.argwhere(grid[..., 0] == 10).tolist()
    away = complex(cell[0] - x, cell[1] - y) * (1j) ** -int(grid[x, y, 2])  # turned so that ahead is to the right
    return [24 + round(away.real), 24 + round(away.imag)]


@pytest.mark.parametrize(
    "choices",
    [
        ["reward=rnd", "reward.warmup=16"],
        ["reward=sil"],
        ["reward=rapid"],
        ["reward=count", "reward.key=state"],
        ["reward=icm", "env.observation=full", "agent.network=cnn"],
        ["reward=none", "agent.memory=gru"],
        ["reward=none", "agent.streams=joint", "agent.reward_clip=1"],
        ["reward=mix", "reward.schemes.rnd.warmup=0", "env=fetch_5x5_n2"],
    ],
)
def test_it_goes_with_schemes_and_agents(choices: list[str], tmp_path: Path) -> None:
    assert run(prepare(tmp_path, *choices, "frames=300", "eval.every=300")) == 0


def test_the_agent_reads_its_goal_and_schemes_do_not(tmp_path: Path) -> None:
    """The policy depends on the goal; what a bonus makes of an observation does not."""
    parts = build(prepare(tmp_path, "reward=rnd", "reward.warmup=0").config)
    learning = make_learning(prepare(tmp_path).config, parts)
    rollout = learning.collector.collect(8, parts.generators.torch_rngs["act"])
    assert "goal" in rollout.obs and "goal" not in parts.scheme.context.spec.obs
    moved = {**rollout.obs, "goal": (rollout.obs["goal"] + 3).clamp(max=48)}
    values = [parts.agent.assess(replace(rollout, obs=obs)).values for obs in (rollout.obs, moved)]
    assert not torch.equal(*values)


def test_play_uses_the_teacher_of_the_run(
    finished: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rewardlab.cli import main

    assert main(["play", str(finished.folder), "--episodes", "1", "--out", str(tmp_path / "play.gif")]) == 0
    assert "episode 1: return" in capsys.readouterr().out
    hidden = finished.folder / "checkpoint.pt"
    hidden.rename(tmp_path / "hidden.pt")
    try:
        assert main(["play", str(finished.folder), "--out", str(tmp_path / "play.gif")]) == 2
    finally:
        (tmp_path / "hidden.pt").rename(hidden)
    assert capsys.readouterr().err.count("\n") == 1


def test_its_config_repeats_the_run(finished: Prepared) -> None:
    from rewardlab.config import saved

    overrides = saved.repeat(str(finished.folder / "config.yaml"), [])
    assert compose(overrides).setting_id == finished.setting_id
