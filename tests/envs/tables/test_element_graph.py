"""The element graph: exact values, and that paying a sample of the terms is the same task with more noise."""

import numpy as np
import pytest

from rewardlab.envs.levels import Levels
from rewardlab.envs.tables import element_graph
from rewardlab.envs.tables.element_graph import ADD, STOP, Config, graph_of
from rewardlab.facts import GAP


@pytest.mark.parametrize("pays", ["single", "multi"])
def test_regret_is_what_is_lost(pays):
    """Over many episodes of one way to walk: return and regret come to the best return."""
    count = 4000
    env = element_graph.make(Config(pays=pays, elements=6, steps=6), Levels(count), (GAP,))
    obs, running = env.reset(range(count)), np.ones(count, dtype=bool)
    returns, regret = np.zeros(count), np.zeros(count)
    for _ in range(6):
        batch = env.step(np.where(obs["vector"].sum(axis=1) < 2, ADD, STOP))
        returns += batch.task_reward * running
        regret += batch.privileged[GAP] * running
        running &= ~batch.terminated
        obs = batch.obs
    assert not running.any()
    error = (returns + regret).std() / count**0.5
    assert (returns + regret).mean() == pytest.approx(env.spec.task.optimal_return, abs=4 * error)


def test_known_sets_alone_are_reached():
    graph = graph_of("single", 6, 0.5, 3)
    np.testing.assert_allclose(graph.chance.sum(axis=2), 1.0)
    sizes = graph.holds.sum(axis=1)
    for s, action, to in zip(*np.nonzero(graph.chance), strict=True):
        assert to == s or sizes[to] == sizes[s] + (1 if action == 0 else -1)
        assert (graph.holds[s] & graph.holds[to]).sum() == min(sizes[s], sizes[to])


@pytest.mark.parametrize("k", [1, 2, 6])
def test_a_sample_of_the_terms_scales_the_task_and_adds_variance(k):
    """k / n of the whole sum on average, k (1 - k / n) S^2 more variance, and nothing else is best."""
    whole, part = (element_graph.make(Config(pays="multi", sampled=n), Levels(1)) for n in (6, k))
    assert part.spec.task.optimal_return == pytest.approx(k / 6 * whole.spec.task.optimal_return)
    np.testing.assert_array_equal(part._gaps == 0, whole._gaps == 0)
    count = 6000
    env = element_graph.make(Config(pays="multi", sampled=k), Levels(count))
    env.reset(range(count))
    paid = env.step(np.full(count, STOP)).task_reward
    cells = element_graph.make(Config(pays="multi"), Levels(count)).reset(range(count))["cell"][:, 0]
    terms = graph_of("multi", 12, 0.5, 0).terms
    for cell in range(3):
        here, own = paid[cells == cell], terms[cell]
        variance = k * (1 - k / 6) * own.var(ddof=1)
        assert here.mean() == pytest.approx(k / 6 * own.sum(), abs=5 * (variance / len(here)) ** 0.5 + 1e-6)
        assert here.var() == pytest.approx(variance, rel=0.25, abs=1e-6)
