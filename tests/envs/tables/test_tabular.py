"""Worlds that are tables: their exact values, what a step costs, and a run's regret."""

import numpy as np
import pytest

from rewardlab.envs.arrays import deepsea
from rewardlab.envs.levels import Levels
from rewardlab.envs.tables import tabular, worlds
from rewardlab.facts import BEST, GAP
from rewardlab.maths.tables import best_within, occupancies, values_within
from rewardlab.training.collect import EpisodeStatistics


@pytest.mark.parametrize("deterministic", [True, False])
def test_deepsea_tells_what_a_move_costs(deterministic):
    """As backward induction over all of its table has it, whatever actions mean."""
    env = deepsea.make(deepsea.Config(n=5, deterministic=deterministic), Levels(50), (GAP,))
    mdp = env.spec.mdp()
    values = best_within(mdp, mdp.reward, 5)
    rng, cell = np.random.default_rng(1), env.reset(range(50))["cell"][:, 0]
    for t in range(15):
        action = rng.integers(2, size=50)
        batch = env.step(action)
        here = values[t % 5, cell]
        np.testing.assert_allclose(batch.privileged[GAP], here.max(axis=1) - here[np.arange(50), action], atol=1e-12)
        cell = batch.obs["cell"][:, 0]


def test_known_values():
    """RiverSwim's were computed independently; the chain's is a closed form."""
    task = tabular.make(tabular.Config(), Levels(1)).spec.task
    assert (task.optimal_return, task.random_return) == pytest.approx((3.397264, 0.043789), abs=5e-7)
    for n in (4, 8):
        config = tabular.Config(kind="chain", n=n)
        assert tabular.make(config, Levels(1)).spec.task.optimal_return == pytest.approx((1 - 1 / n) ** (n - 1))
    for world in (worlds.riverswim(), worlds.chain(5, 7), worlds.drawn(6, 3, 4, seed=1)):
        np.testing.assert_allclose(world.mdp.chance.sum(axis=2), 1.0)


def test_a_policys_return_is_its_occupancy_times_the_reward():
    world = worlds.drawn(7, 3, 9, seed=2)
    policy = np.random.default_rng(0).dirichlet(np.ones(3), size=(9, 7))
    found = occupancies(world.mdp, policy, 9)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), 1.0)
    values = values_within(world.mdp, world.mdp.reward, policy, 9)
    assert (found * world.mdp.reward).sum() == pytest.approx(world.mdp.start @ (policy[0] * values[0]).sum(axis=1))


def test_gaps_sum_to_what_is_lost_on_average():
    """The performance-difference lemma, and the successors' frequencies."""
    env = tabular.make(tabular.Config(), Levels(400), (GAP, BEST))
    rng, cell = np.random.default_rng(3), env.reset(range(400))["cell"][:, 0]
    lost, paid, counts = np.zeros((5, 400)), np.zeros((5, 400)), np.zeros((6, 2, 6))
    for t in range(100):
        action = rng.integers(2, size=400)
        batch = env.step(action)
        after = batch.next_obs["cell"][:, 0]
        np.add.at(counts, (cell, action, after), 1)
        lost[t // 20] += batch.privileged[GAP]
        paid[t // 20] += batch.task_reward
        assert ((batch.privileged[GAP] == 0) == batch.privileged[BEST]).all()
        assert (batch.terminated == ((t + 1) % 20 == 0)).all()
        cell = batch.obs["cell"][:, 0]
    for found, expected in ((lost, 3.397264 - 0.043789), (paid, 0.043789)):
        assert found.mean() == pytest.approx(expected, abs=4 * found.std() / 2000**0.5)
    shares = counts / counts.sum(axis=2, keepdims=True).clip(min=1)
    assert np.abs(shares - worlds.riverswim().mdp.chance)[:3].max() < 0.03


def test_regret_of_training_is_counted_on_after_a_break():
    env = tabular.make(tabular.Config(), Levels(3), (GAP,))
    env.reset([1, 2, 3])
    statistics, again = EpisodeStatistics(3), EpisodeStatistics(3)
    assert statistics.regret is None
    batches = [env.step(np.zeros(3, dtype=np.int64)) for _ in range(4)]
    for batch in batches:
        statistics.add(batch)
    assert (
        statistics.regret == pytest.approx(sum(batch.privileged[GAP].sum() for batch in batches))
        and statistics.regret > 0
    )
    again.load_state_dict(statistics.state_dict())
    assert again.regret == statistics.regret


def test_a_level_is_a_world_whose_regret_is_what_its_episodes_miss():
    """Nothing is left to chance: in each episode, gaps sum to the best return less its own."""
    config = tabular.Config(kind="level", task="MiniGrid-Empty-5x5-v0", horizon=12)
    config.validate()
    env = tabular.make(config, Levels(300), (GAP,))
    assert env.spec.task.optimal_return == 1 and 0 < env.spec.task.random_return < 1
    rng = np.random.default_rng(0)
    env.reset(range(300))
    over, lost, paid = np.zeros(300, dtype=bool), np.zeros(300), np.zeros(300)
    for _ in range(12):
        batch = env.step(rng.integers(7, size=300))
        lost += ~over * batch.privileged[GAP]
        paid += ~over * batch.task_reward
        assert (batch.success == (batch.task_reward > 0)).all() and (batch.terminated >= batch.success).all()
        over |= batch.terminated
    assert over.all()
    np.testing.assert_allclose(lost, 1 - paid, atol=1e-9)
    assert paid.mean() == pytest.approx(env.spec.task.random_return, abs=4 * (0.25 / 300) ** 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "level"}, "name a task"),
        ({"kind": "level", "task": "MiniGrid-DoorKey-5x5"}, "did you mean MiniGrid-DoorKey-5x5-v0"),
        ({"kind": "level", "task": "MiniGrid-Empty-5x5-v0", "n": 3}, "leave it out"),
        ({"task": "MiniGrid-Empty-5x5-v0"}, "set kind=level"),
    ],
)
def test_levels_that_cannot_be_worlds_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        tabular.Config(**options).validate()
