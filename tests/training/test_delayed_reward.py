"""The option delayed_reward of every environment: what it leaves alone, that runs go on exactly, what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.config.composition import compose
from rewardlab.config.identity import setting_id
from rewardlab.datasets.writing import About, Recorded, write_dataset
from rewardlab.errors import UserError
from rewardlab.records import checkpoint
from rewardlab.records.table import read_columns
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning
from rewardlab.training.learning.on_policy import Learning

POLE = ["env=gym", "env.id=CartPole-v1", "num_envs=4", "frames=1024", "eval.every=512", "eval.episodes=4"]
DELAYED = "env.delayed_reward=true"


def test_returns_and_facts_are_those_of_the_task(tmp_path: Path) -> None:
    told = []
    for overrides in ([], [DELAYED]):
        prepared = compose([*POLE, "agent=random", *overrides, f"results_dir={tmp_path}"])
        assert run(prepared) == 0
        manifest = json.loads((prepared.folder / "manifest.json").read_text())
        returns = [read_columns(prepared.folder / f"{table}.csv")["return_mean"] for table in ("eval", "train")]
        told.append((manifest["task"], returns))
    assert np.isfinite(told[0][1][1][-1])
    np.testing.assert_equal(told[0], told[1])


def test_settings_without_it_keep_their_id() -> None:
    ids = [setting_id(compose([*POLE, *more]).config) for more in ([], ["env.delayed_reward=false"], [DELAYED])]
    assert ids[0] == ids[1] != ids[2]


REWARDS = {
    "none": [],
    "rudder": ["reward=rudder", "reward.start_episodes=9", "reward.fit_every=6", "reward.fit_steps=3"],
}


@pytest.mark.parametrize("reward", REWARDS)
def test_an_interrupted_run_goes_on_exactly(reward: str, tmp_path: Path, fault) -> None:
    options = ["env=deepsea", "env.n=7", DELAYED, "num_envs=4", "frames=1280", "agent.rollout_steps=16",
               "eval.every=640", "eval.episodes=4", "checkpoint.every=64", "agent.hidden=[8]"]  # fmt: skip
    options += REWARDS[reward]
    whole, broken = (compose([*options, f"results_dir={tmp_path / name}"]) for name in ("whole", "broken"))
    assert run(whole) == 0
    with fault(Learning, "iterate", 6):
        assert run(broken) == 1
    assert run(broken) == 0
    assert json.loads((broken.folder / "manifest.json").read_text())["resume"] == "exact"
    ends = [checkpoint.load(each.folder / "checkpoint.pt")[0] for each in (whole, broken)]
    assert ends[0]["collector"]["owed"].abs().sum() > 0
    assert torch.equal(ends[0]["collector"]["owed"], ends[1]["collector"]["owed"])
    assert reward == "none" or ends[0]["scheme"]["method"]["fits"] > 5
    for piece in ("agent", "scheme") if reward == "rudder" else ("agent",):
        left, right = (end[piece] if piece == "agent" else end[piece]["method"] for end in ends)
        for name, weights in left["network"].items():
            assert torch.equal(weights, right["network"][name])


def test_demonstrations_are_delayed_too(tmp_path: Path) -> None:
    config = compose([*POLE, "agent=dqn"]).config
    spec, rng = build(config).env.spec, np.random.default_rng(0)
    walks = [(rng.normal(size=(steps + 1, 4)).astype(np.float32), rng.normal(size=steps)) for steps in (3, 5)]
    episodes = [
        Recorded(0, {"vector": walk}, np.zeros(len(pay), int), pay.astype(np.float32), True, False, True)
        for walk, pay in walks
    ]
    write_dataset(tmp_path / "demos", iter(episodes), spec, About("", "nobody", {}))
    pays = []
    for overrides in ([], [DELAYED]):
        config = compose([*POLE, "agent=dqn", "agent.n_step=1", f"agent.demos={tmp_path / 'demos'}", *overrides]).config
        steps = make_learning(config, build(config))._demonstrated._steps
        pays.append(steps.at(np.arange(len(steps))).extra["reward"].tolist())
    sums = [pay.sum() for _, pay in walks]
    assert pays[0] == pytest.approx(np.concatenate([pay for _, pay in walks]))
    assert pays[1] == pytest.approx([0, 0, sums[0], 0, 0, 0, 0, sums[1]], abs=1e-6)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["env=bitflip", "agent=dqn", "reward=her", "agent.n_step=1"], "reward=her relabels each step"),
        (["env=doorkey_5x5", "curriculum=amigo"], "curriculum=amigo reads what each step pays"),
        (["env=doorkey_5x5", "agent=go_explore", "env.levels=1"], "agent=go_explore reads what each step pays"),
    ],
)
def test_what_would_be_told_single_rewards_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as refusal:
        build(compose([*overrides, DELAYED]).config)
    assert str(refusal.value).startswith(f"env.delayed_reward: {said}") and "\n" not in str(refusal.value)
