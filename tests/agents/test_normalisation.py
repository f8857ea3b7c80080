"""Observations and rewards on one scale, for every agent that is asked to: taken in, saved, and still in evaluation."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewardlab.commands.demos import record
from rewardlab.config.composition import compose
from rewardlab.networks.standardised import Standardised
from rewardlab.records.table import read_columns
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning
from rewardlab.training.learning.on_policy import Learning as OnPolicy
from rewardlab.training.learning.replay import Learning as Replay
from rewardlab.training.recorder import Recording
from rewardlab.types import ObsSpec

TINY = ["num_envs=4", "frames=512", "eval.episodes=2", "eval.every=256", "agent.rollout_steps=16", "eval.max_steps=60"]
KEYS = ("agent.normalise_observation", "agent.normalise_reward")
BOTH = [f"{key}=true" for key in KEYS]
AGENTS = {
    "ppo": ["agent=ppo", "env=gym", "env.id=CartPole-v1", "agent.minibatch_size=32"],
    "dqn": ["agent=dqn", "env=gym", "env.id=CartPole-v1", "agent.learning_starts=64"],
    "sac": ["agent=sac", "env=gym", "env.id=Pendulum-v1", "agent.learning_starts=64", "agent.samples_per_step=8"],
}


def saved(folder: Path, name: str = "checkpoint") -> dict[str, Any]:
    return torch.load(folder / f"{name}.pt", weights_only=True)["state"]


def standardised(state: dict[str, Any], agent: str) -> dict[str, torch.Tensor]:
    network = state["policy" if agent == "sac" else "network"]
    return {name: tensor for name, tensor in network.items() if name.startswith("standardised")}


@pytest.mark.parametrize("agent", AGENTS)
def test_moments_are_saved_and_go_on_where_they_were(agent: str, tmp_path: Path, fault: Callable) -> None:
    line = [*AGENTS[agent], *TINY, *BOTH, "checkpoint.every=128"]
    whole, broken = (compose([*line, f"results_dir={tmp_path / name}"]) for name in "ab")
    assert run(whole) == 0
    with fault(OnPolicy if agent == "ppo" else Replay, "iterate", 6):
        assert run(broken) == 1
    assert run(broken) == 0
    assert json.loads((broken.folder / "manifest.json").read_text())["resume"] == "exact"
    assert str(saved(whole.folder, "policy")) == str(saved(broken.folder, "policy"))
    columns = [read_columns(one.folder / "eval.csv") for one in (whole, broken)]
    assert columns[0]["return_mean"] == columns[1]["return_mean"]

    state = saved(whole.folder)
    moments = standardised(state["agent"], agent)
    assert moments["standardised.count"] == 512  # the frames of training, and none of an evaluation
    assert moments["standardised.vector_squares"].all()
    scale = state["agent"]["_scale"] if agent == "ppo" else state["learning"]["scale"]
    assert scale["moments"]["count"] == 512 and scale["moments"]["squares"] > 0
    assert any("standardised" in name for name in saved(whole.folder, "policy"))


@pytest.mark.parametrize("agent", AGENTS)
def test_what_networks_see_has_mean_0_and_deviation_1(agent: str) -> None:
    parts = build(compose([*AGENTS[agent], *TINY, *BOTH]).config)
    network = parts.agent.policy if agent == "sac" else parts.agent.network
    shown = network.standardised._names
    size = parts.env.spec.obs["vector"].shape[0]
    far = torch.from_numpy(np.random.default_rng(0).normal(50, 7, size=(400, size)).astype(np.float32))
    if agent == "ppo":
        network.observe({"vector": far})
    else:
        parts.agent.observe({"vector": far})
    seen = network.prepare({"vector": far})["vector"]
    assert shown == ("vector",)
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(size), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.std(dim=0, unbiased=False), torch.ones(size), atol=1e-4, rtol=0)
    if agent == "sac":
        torch.testing.assert_close(parts.agent.critics.prepare({"vector": far})["vector"], seen)


def test_pictures_of_floats_stay_as_they_are() -> None:
    scale = Standardised({"image": ObsSpec((2, 2, 1), "float32"), "vector": ObsSpec((1,), "float32")})
    shown = {"image": torch.rand(50, 2, 2, 1), "vector": 9 * torch.rand(50, 1)}
    scale.add(shown)
    assert torch.equal(scale(shown)["image"], shown["image"]) and not torch.equal(
        scale(shown)["vector"], shown["vector"]
    )


@pytest.mark.parametrize("bonus", ["collected", "replayed"])
def test_replayed_rewards_are_divided_by_the_deviation_of_the_return(
    bonus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose([*AGENTS["sac"], *TINY, f"agent.bonus={bonus}", "agent.normalise_reward=true"]).config
    parts = build(config)
    drawn: list[torch.Tensor] = []
    learns = parts.agent.update_batch

    def watching(batch: Any) -> Any:
        drawn.append(batch.extra["reward"])
        return learns(batch)

    monkeypatch.setattr(parts.agent, "update_batch", watching)
    learning = make_learning(config, parts)
    for _ in range(4):
        drawn.clear()
        learning.iterate(0)
    divisor = learning._scale.divisor
    kept = learning._replay._steps["task_reward" if bonus == "replayed" else "reward"][: len(learning._replay)]
    assert divisor > 10  # Pendulum costs some hundreds
    last = drawn[-1] * divisor
    assert last.max() < 0 and torch.isclose(last[:, None], kept[None], rtol=1e-4).any(dim=1).all()


def test_without_the_options_nothing_is_scaled_but_what_a_box_was() -> None:
    for agent in AGENTS:
        parts = build(compose([*AGENTS[agent], *TINY]).config)
        network = parts.agent.policy if agent == "sac" else parts.agent.network
        assert network.standardised is None and "_scale" not in parts.agent.state_dict()
    box = ["agent=ppo", "env=gym", "env.id=Pendulum-v1", *TINY]
    on, off = (build(compose([*box, *more]).config).agent for more in ([], [f"{key}=false" for key in KEYS]))
    assert on.network.standardised is not None and on._scale is not None
    assert off.network.standardised is None and off._scale is None


@pytest.mark.parametrize("agent", AGENTS)
def test_the_options_are_part_of_the_setting_where_they_are_given(agent: str) -> None:
    plain = compose([*AGENTS[agent], *TINY])
    assert "normalise_" not in plain.labels["agent"]
    ids = {plain.setting_id} | {compose([*AGENTS[agent], *TINY, f"{key}=true"]).setting_id for key in KEYS}
    assert len(ids) == 3
    assert "normalise_reward=true" in compose([*AGENTS[agent], *TINY, f"{KEYS[1]}=true"]).labels["agent"]


def test_demonstrations_count_in_the_scales(tmp_path: Path) -> None:
    source = compose(["agent=ppo", "env=gym", "env.id=Pendulum-v1", *TINY, f"results_dir={tmp_path}"])
    assert run(source) == 0
    assert record([], str(tmp_path / "demos"), Recording(str(source.folder), episodes=3, noise=1.0, keep="all")) == 0
    config = compose([*AGENTS["sac"], *TINY, *BOTH, f"agent.demos={tmp_path / 'demos'}"]).config
    parts = build(config)
    learning = make_learning(config, parts)
    learning.pretrain()
    assert parts.agent.policy.standardised.count == learning._demonstrated.returns.numel()
    assert learning._scale.divisor == pytest.approx(float(learning._demonstrated.returns.std(unbiased=False)), rel=1e-4)
