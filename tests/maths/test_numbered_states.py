"""Tasks of numbered states against value iteration and rolled-out distributions."""

import time

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from rewardlab.envs.arrays import deepsea
from rewardlab.envs.external import gym
from rewardlab.envs.levels import Levels
from rewardlab.maths.tables import action_values, best_actions, best_within, occupancy, reachable, restricted
from rewardlab.types import Mdp

GAMMA = 0.9


def random_task(seed: int, states: int = 8, actions: int = 3) -> Mdp:
    """Every step ends the episode with one chance in ten."""
    rng = np.random.default_rng(seed)
    chance = 0.9 * rng.dirichlet(np.full(states, 0.3), size=(states, actions))
    return Mdp(chance, rng.normal(size=(states, actions)), rng.dirichlet(np.ones(states)))


def iterated(mdp: Mdp, reward, gamma: float):
    """Q* by value iteration."""
    values = np.zeros(reward.shape)
    for _ in range(2000):
        values = reward + gamma * mdp.chance @ values.max(axis=1)
    return values


def test_best_actions_are_those_of_value_iteration():
    mdp = random_task(0)
    values, best = best_actions(mdp, mdp.reward, GAMMA)
    expected = iterated(mdp, mdp.reward, GAMMA)
    np.testing.assert_allclose(values, expected, atol=1e-10)
    assert (best == (expected > expected.max(axis=1, keepdims=True) - 1e-8)).all()
    _, alike = best_actions(mdp, np.zeros_like(mdp.reward), GAMMA)
    assert alike.all()


def test_where_a_policy_is():
    mdp = random_task(1)
    policy = np.random.default_rng(2).dirichlet(np.ones(3), size=8)
    here, expected = mdp.start, np.zeros(8)
    for t in range(400):
        expected += 0.1 * GAMMA**t * here
        here = np.einsum("s,sa,sat->t", here, policy, mdp.chance)
    np.testing.assert_allclose(occupancy(mdp, policy, GAMMA), expected, atol=1e-12)
    values = (policy * action_values(mdp, mdp.reward, policy, GAMMA)).sum(axis=1)
    paid = (policy * mdp.reward).sum(axis=1)
    assert mdp.start @ values == pytest.approx(expected @ paid / 0.1)


@pytest.mark.parametrize("deterministic", [True, False])
def test_deepsea_tells_its_whole_task(deterministic):
    config = deepsea.Config(n=4, deterministic=deterministic)
    env = deepsea.make(config, Levels(1))
    assert env.spec.mdp is not None
    mdp = env.spec.mdp()
    kept = reachable(mdp)
    assert kept.sum() == 10 and not kept[-1]  # a triangle
    small = restricted(mdp, kept)
    values, _ = best_actions(small, small.reward, 1.0)
    random, best = deepsea.returns(4, deterministic)
    assert values[0].max() == pytest.approx(best)
    assert action_values(mdp, mdp.reward, np.full((17, 2), 0.5), 1.0)[0].mean() == pytest.approx(random)
    cell, counts = env.reset([3])["cell"][0, 0], np.zeros((17, 2, 17))
    rng = np.random.default_rng(0)
    for _ in range(400):
        action = int(rng.integers(2))
        batch = env.step(np.array([action]))
        after = batch.next_obs["cell"][0, 0]
        assert batch.terminated[0] or mdp.chance[cell, action, after] > 0
        counts[cell, action, after] += not batch.terminated[0]
        cell = batch.obs["cell"][0, 0]
    assert (counts[0] > 0).sum() == (mdp.chance[0] > 0).sum()


def test_gymnasiums_tables_are_read_where_states_are_shown_by_their_number():
    env = gym.make(gym.Config(id="FrozenLake-v1"), Levels(1))
    assert env.spec.mdp is not None
    mdp = env.spec.mdp()
    values, _ = best_actions(restricted(mdp, reachable(mdp)), mdp.reward[reachable(mdp)], 1.0)
    assert values[0].max() == pytest.approx(14 / 17)  # the known best chance on the slippery 4 x 4 lake
    assert gym.make(gym.Config(id="FrozenLake-v1", frame_stack=2), Levels(1)).spec.mdp is None
    assert gym.make(gym.Config(id="CartPole-v1"), Levels(1)).spec.mdp is None


def test_policy_iteration_is_the_linear_programme():
    """The least values that no action can better, of 20 tasks of which some end their episodes, dense and sparse."""
    for seed in range(20):
        mdp = random_task(seed, states=6)
        rows = mdp.chance.reshape(-1, 6)
        bounds = GAMMA * rows - np.repeat(np.eye(6), 3, axis=0)
        found = linprog(mdp.start + 1e-3, A_ub=bounds, b_ub=-mdp.reward.ravel(), bounds=(None, None))
        thin = Mdp(sparse.csr_array(rows), mdp.reward, mdp.start)
        for task in (mdp, thin):
            values, best = best_actions(task, mdp.reward, GAMMA)
            np.testing.assert_allclose(values.max(axis=1), found.x, atol=1e-7)
            policy = best / best.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(occupancy(task, policy, GAMMA), occupancy(mdp, policy, GAMMA), atol=1e-10)


def test_large_tables_are_evaluated_in_no_time():
    """5,000 states that lead anywhere: the equations hold."""
    states, rng = 5000, np.random.default_rng(0)
    after = rng.integers(states, size=2 * states * 4)
    chance = sparse.csr_array((np.full(len(after), 0.25), after, np.arange(0, len(after) + 1, 4)), (2 * states, states))
    mdp = Mdp(chance, rng.normal(size=(states, 2)), np.full(states, 1 / states))
    began = time.process_time()
    policy = np.full((states, 2), 0.5)
    values = action_values(mdp, mdp.reward, policy, 0.99)
    assert time.process_time() - began < 2
    again = mdp.reward + 0.99 * (chance @ values.mean(axis=1)).reshape(states, 2)
    np.testing.assert_allclose(values, again, atol=1e-9)
    np.testing.assert_allclose(best_within(mdp, mdp.reward, 3)[1], mdp.reward + _onward(mdp, mdp.reward.max(axis=1)))


def _onward(mdp: Mdp, worth):
    return (mdp.chance @ worth).reshape(mdp.reward.shape)
