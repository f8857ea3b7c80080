"""Several episodes of a level as one task: what is the same in them, what is not, what is told, exact continuation."""

import numpy as np
import pytest
import torch

from rewardlab.config.composition import compose
from rewardlab.contracts import env_laws
from rewardlab.envs.bandits import bandit
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.maths.bandits import HEAD
from rewardlab.training.build import build
from rewardlab.training.evaluate import Evaluator
from rewardlab.training.wrappers.repeat_env import make_env


def made(*overrides: str, lists=None, facts=(), num_envs=2):
    config = compose([*overrides, f"num_envs={num_envs}"]).config
    return make_env(config.env, Levels(num_envs, lists=lists), facts)


def test_a_bandit_keeps_its_arms_and_not_its_chance():
    env = made("env=bandit", "env.steps=5", "env.k=3", "env.repeats=3", lists=[[7, 8], [9]])
    env.reset([0, 1])
    assert env.spec.max_steps == 15 and env.spec.obs["vector"].shape == (5,)
    means, paid, flags, ends = [], [], [], []
    for _ in range(30):
        batch = env.step(np.array([1, 1]))
        means.append(env._env.arrays["means"].copy())
        paid.append(batch.task_reward)
        flags.append(batch.obs["vector"][:, -1])
        ends.append(batch.terminated | batch.truncated)
        if not ends[-1].any():
            for name in batch.obs:
                np.testing.assert_array_equal(batch.obs[name], batch.next_obs[name])
    ended = [t for t in range(30) if ends[t].all()]
    assert ended == [14, 29] and sum(map(bool, map(np.any, ends))) == 2
    assert [t for t in range(30) if flags[t].any()] == [4, 9, 19, 24]  # after a task the next begins without
    assert (np.array(means[:14]) == means[0]).all() and (means[15] != means[0])[0].all()  # level 7, then 8
    assert (means[15][1] == means[0][1]).all()  # level 9 once more
    expected = bandit.make(bandit.Config(k=3, steps=5), Levels(1, lists=[[7]]))
    expected.reset([0])
    np.testing.assert_array_equal(expected.arrays["means"][0], means[0][0])
    many = made("env=bandit", "env.steps=20", "env.repeats=2", num_envs=20)
    many.reset(range(20))
    first, second = (np.array([many.step(np.zeros(20, dtype=np.int64)).task_reward for _ in range(20)]) for _ in "ab")
    assert (first != second).any()


def test_a_grid_begins_as_it_began():
    env = made("env=empty_random_6x6", "env.repeats=3", lists=[[5], [6]], facts=("agent_pos", "last_length"))
    obs = env.reset([0, 1])
    begun, place = obs["image"].copy(), env.privileged()["agent_pos"].copy()
    rng, seen, lengths = np.random.default_rng(0), 0, np.zeros(2, dtype=np.int64)
    for _ in range(600):
        batch = env.step(rng.integers(3, size=2))
        lengths += 1
        again = batch.obs["vector"][:, 0] == 1.0
        for i in np.flatnonzero(again):
            seen += 1
            np.testing.assert_array_equal(batch.obs["image"][i], begun[i])
            np.testing.assert_array_equal(batch.next_obs["image"][i], begun[i])
            assert (env.privileged()["agent_pos"][i] == place[i]).all() and not batch.success[i]
            assert batch.privileged["last_length"][i] == lengths[i]
        lengths[again | batch.terminated | batch.truncated] = 0
    assert seen >= 4


@pytest.mark.parametrize(
    "world", [("env=bandit", "env.steps=7"), ("env=empty_random_6x6",), ("env=deepsea", "env.n=4")]
)
def test_laws_hold(world):
    config = compose([*world, "env.repeats=3"]).config.env
    case = env_laws.EnvCase(lambda config, levels, facts: make_env(config, levels, facts), config)
    for law in env_laws.LAWS:
        law(case)


def test_memory_lives_on():
    """UCB1 knows in the second half what it learned in the first."""
    config = compose(
        ["env=bandit", "env.steps=50", "env.repeats=4", "agent=bandit", "num_envs=2", "eval.episodes=60"]
    ).config
    parts = build(config)
    found = Evaluator(config, parts.env.spec).evaluate(parts.agent, 0, lambda: False)
    assert set(found.lengths) == {200} and found.told["last_length"].tolist() == [50.0] * 60
    once = compose(["env=bandit", "env.steps=200", "agent=bandit", "num_envs=2", "eval.episodes=60"]).config
    other = Evaluator(once, build(once).env.spec).evaluate(parts.agent, 0, lambda: False)
    regret, usual = found.told["regret"], other.told["regret"]
    assert regret.mean() == pytest.approx(usual.mean(), abs=4 * (regret - usual).std() / 60**0.5 + 1.0)


def test_rules_learn_of_every_pull():
    """Those at the end of an episode, too."""
    config = compose(["env=bandit_knapsack", "env.steps=4", "env.k=3", "env.repeats=4", "agent=bandit"]).config
    parts = build(config)
    count = config.num_envs
    obs, state = parts.env.reset(range(count)), parts.agent.initial_state(count)
    first, pulled, paid = torch.ones(count, dtype=torch.bool), np.zeros((count, 3)), np.zeros((count, 3))
    for t in range(11):
        shown = {name: torch.from_numpy(entry) for name, entry in obs.items()}
        output = parts.agent.act(shown, state, first, "explore", torch.Generator())
        action, state, every = output.action.numpy(), output.state, np.arange(count)
        if t == 10:
            break
        batch = parts.env.step(action)
        pulled[every, action] += 1
        paid[every, action] += batch.task_reward
        obs, first = batch.obs, torch.from_numpy(batch.terminated | batch.truncated)
        pulled[first], paid[first] = 0, 0
    np.testing.assert_array_equal(state[:, HEAD : HEAD + 3], pulled)
    np.testing.assert_array_equal(state[:, HEAD + 3 : HEAD + 6], paid)
    assert parts.env.spec.arms.budget == 4


def test_refusals():
    with pytest.raises(UserError, match=r"env.repeats=2: CartPole-v1 can't be put back"):
        build(compose(["env=gym", "env.id=CartPole-v1", "env.repeats=2", "agent=ppo"]).config)
    with pytest.raises(UserError, match="shows goals, which change"):
        build(compose(["env=bitflip", "env.repeats=2", "agent=dqn"]).config)
