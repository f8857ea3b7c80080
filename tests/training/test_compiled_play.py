"""Compiled passes against their plain form, `agent.act` and `env.step` step by step, on the same random numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab import seeding
from rewardlab.config.composition import compose
from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.networks.actor_critic import ActorCritic
from rewardlab.networks.row_policy import RowPolicy, logits_of
from rewardlab.schemas import RootConfig
from rewardlab.training.build import build
from rewardlab.training.collect import Collector
from rewardlab.training.evaluate import Evaluator
from rewardlab.types import ActionSpec, ObsSpec

TASKS = {
    "a key and a door": ["env=doorkey_5x5"],
    "missions that vary": ["env=minigrid", "env.id=MiniGrid-Fetch-5x5-N2-v0"],
    "missions, one-hot views, shared layers": ["env=keycorridor_s3r1", "agent.encoding=onehot", "agent.shared=[32]"],
    "things that move": ["env=minigrid", "env.id=MiniGrid-Dynamic-Obstacles-5x5-v0"],
    "the whole grid, one layer": ["env=empty_5x5", "env.observation=full", "agent.hidden=[]"],
    "a pool of levels": ["env=doorkey_5x5", "env.levels=3"],
    "headings": ["env=maze", "env.size=4", "env.walls=3", "env.max_steps=40"],
    "headings of perfect mazes, one-hot views": ["env=maze_perfect", "env.size=3", "agent.encoding=onehot"],
    "facts of the full state": ["env=empty_random_5x5", "reward=terms", "reward.terms.more='lava_beside+agent_pos[0]'"],
    "facts, missions, hashes": [
        "env=fetch_5x5_n2",
        "reward=mix",
        "+reward@reward.schemes.a=count",
        "reward.schemes.a.key=state",
        "+reward@reward.schemes.b=terms",
    ],
}


def config(*overrides: str) -> RootConfig:
    return compose(["num_envs=20", "frames=10_000", *overrides]).config


def collected(setting: RootConfig, compiled: bool, counts: tuple[int, ...]):
    """Copies of what was collected, and where things stand then."""
    parts = build(setting)
    with torch.no_grad():  # a first policy is nearly uniform
        for parameter in parts.agent.network.policy.parameters():
            parameter.mul_(8.0)
    if not compiled:
        parts.agent.row_policy = None
    collector = Collector(parts.env, parts.agent, seeding.env_seeds(0, "x", 20), max(counts), torch.device("cpu"))
    rng, found = seeding.torch_rng(0, "act"), []
    for steps in counts:
        rollout = collector.collect(steps, rng)
        distinct = distinct_of(rollout)
        shown = {name: torch.cat([entry, rollout.last_obs[name][None]]) for name, entry in rollout.obs.items()}
        for name, entry in shown.items():
            assert torch.equal(spread(distinct.rows[name], distinct.here), entry)
            assert torch.equal(spread(distinct.rows[name], distinct.there), rollout.next_obs[name])
        flags = (rollout.terminated, rollout.truncated, rollout.success, rollout.first, rollout.last_first)
        if "distance" in rollout.privileged:
            assert (rollout.privileged["distance"][rollout.success] == 0).all()
        facts = (*rollout.privileged.values(), *rollout.current_privileged.values())
        assert bool(facts) == bool(setting.reward.privileged())
        entries = (*facts, *shown.values(), *rollout.next_obs.values(), rollout.action, rollout.task_reward, *flags)
        found.append([entry.clone() for entry in entries])
    return found, collector.state_dict(), rng.get_state()


@pytest.mark.parametrize("task", TASKS)
def test_rollouts_are_those_of_single_steps(task: str) -> None:
    counts = (5, *[32] * 9)  # episodes reach their limits, too
    plain, stands, rng = collected(config(*TASKS[task]), False, counts)
    compiled, stands_too, rng_too = collected(config(*TASKS[task]), True, counts)
    for before, after in zip(plain, compiled, strict=True):
        for entry, other in zip(before, after, strict=True):
            assert entry.dtype == other.dtype
            assert torch.equal(entry, other)
    assert torch.equal(rng, rng_too)
    assert stands["statistics"]["episodes"] > 0
    for piece in ("obs", "first", "statistics"):
        _equal(stands[piece], stands_too[piece])
    # With a pool the compiled pass knows the level's seed; step by step the engine is handed a seed as any other.
    for state in (stands["env"]["worlds"], stands_too["env"]["worlds"]):
        for name in ("level_of", "choosers", "noise"):
            del state[name]
    _equal(stands["env"], stands_too["env"])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("policy", ["sample", "greedy"])
def test_evaluations_are_those_of_single_steps(task: str, policy: str) -> None:
    setting = config(*TASKS[task], "eval.episodes=130", f"eval.policy={policy}")  # 100 environments: some play two
    parts = build(setting)
    evaluator = Evaluator(setting, parts.env.spec)
    compiled = evaluator.evaluate(parts.agent, 7, lambda: False)
    again = evaluator.evaluate(parts.agent, 7, lambda: False)
    parts.agent.row_policy = None
    plain = Evaluator(setting, parts.env.spec).evaluate(parts.agent, 7, lambda: False)
    for name in ("returns", "lengths", "successes", "cells"):
        for other in (plain, again):
            np.testing.assert_array_equal(getattr(compiled, name), getattr(other, name))
    assert compiled.row() == plain.row()


def test_a_signal_ends_an_evaluation_between_passes() -> None:
    setting = config("env=doorkey_5x5")
    parts = build(setting)
    evaluator, asked = Evaluator(setting, parts.env.spec), []
    assert evaluator.evaluate(parts.agent, 0, lambda: bool(asked.append(0)) or len(asked) > 2) is None
    assert evaluator.evaluate(parts.agent, 0, lambda: False) is not None


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 40), max_size=2),
    st.lists(st.integers(1, 40), max_size=3),
    st.sampled_from(["raw", "onehot"]),
    st.sampled_from(["", "mission", "vector"]),
    st.booleans(),
    st.integers(0, 99),
)
def test_logits_of_single_rows_are_the_network_s(shared, hidden, encoding, mission, first, seed) -> None:
    generator = torch.Generator().manual_seed(seed)
    entries = {"image": ObsSpec((4, 5, 3), "uint8", 10)}
    every = {"": {}, "mission": {"mission": ObsSpec((4,), "int64", 27)}, "vector": {"vector": ObsSpec((4,), "float32")}}
    beside = every[mission]
    specs = beside | entries if first else entries | beside
    network = ActorCritic(
        specs, ActionSpec(n=5), 1, generator, network="mlp", encoding=encoding, shared=shared, hidden=hidden
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    obs = {"image": torch.randint(0, 11, (9, 4, 5, 3), generator=generator, dtype=torch.uint8)}
    if mission == "mission":
        obs["mission"] = torch.randint(0, 28, (9, 4), generator=generator)
    if mission == "vector":
        obs["vector"] = torch.rand(9, 4, generator=generator)
    with torch.no_grad():
        expected = network(network.prepare({name: obs[name] for name in specs}))[0]["logits"]
    assert RowPolicy.fits(network)
    policy = RowPolicy(network)
    weights = policy.weights(obs[mission] if mission else torch.zeros(0, 0, dtype=torch.int64))
    layers = np.empty((policy.depth + 1, policy.widest + 1), dtype=np.float32)
    there, logits = np.empty(policy.widest + 4, dtype=np.int64), np.empty((9, 5), dtype=np.float32)
    for row in range(9):
        logits_of(obs["image"].reshape(9, -1).numpy(), row, row if mission else 0, weights, layers, there, logits)
    torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=1e-4, atol=1e-4)


def _equal(one, other) -> None:
    if isinstance(one, dict):
        assert set(one) == set(other)
        for name in one:
            _equal(one[name], other[name])
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other
