"""Bandits whose arms have features or lie on a line, and their rules: closed forms, pulls by formula, known regrets."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.config.composition import compose
from rewardlab.envs.bandits import bandit_lipschitz
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.maths import linear_bandits
from rewardlab.training.build import build
from rewardlab.training.evaluate import Evaluator


def evaluated(*overrides: str):
    config = compose(["num_envs=2", *overrides]).config
    parts = build(config)
    return Evaluator(config, parts.env.spec).evaluate(parts.agent, 0, lambda: False)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.floats(0.3, 1.0), st.integers(0, 2**32 - 1))
def test_a_vector_of_the_net_is_near_any_sparse_one(sparsity, eps, seed):
    rng = np.random.default_rng(seed)
    theta = np.zeros(4)
    theta[rng.choice(4, sparsity, replace=False)] = rng.standard_normal(sparsity)
    net = linear_bandits.sparse_net(4, sparsity, eps)
    assert np.linalg.norm(net - theta / np.linalg.norm(theta), axis=1).min() <= eps
    assert len(net) <= linear_bandits.net_size(4, sparsity, eps)
    np.testing.assert_allclose(np.linalg.norm(net, axis=1), 1.0)


def test_with_one_entry_the_net_is_the_signed_axes():
    net = linear_bandits.sparse_net(40, 1, 0.5)
    assert sorted(map(tuple, net)) == sorted(map(tuple, np.concatenate([np.eye(40), -np.eye(40)])))


def test_the_net_finds_needles_and_least_squares_do_not():
    rng, found, missed, draws = np.random.default_rng(0), 0, 0, 0
    while draws < 59:
        phi = rng.standard_normal((4000, 40))
        phi /= np.linalg.norm(phi, axis=1, keepdims=True)
        theta = np.zeros(40)
        theta[rng.integers(40)] = rng.choice([-1.0, 1.0])
        worth = np.where(np.abs(phi @ theta) > 0.5, phi @ theta, 0.0)
        if worth.max() == 0.0:
            continue
        draws += 1
        asked = linear_bandits.queries(phi, linear_bandits.sparse_net(40, 1, 0.5))
        found += worth[asked].max() == worth.max() and len(asked) <= 80
        some = rng.choice(4000, 80, replace=False)
        fitted = np.linalg.solve(np.eye(40) + phi[some].T @ phi[some], phi[some].T @ worth[some])
        missed += worth[(phi @ fitted).argmax()] == 0.0
    assert found == 59 and missed >= 45


def test_linucb_pulls_what_its_formula_says():
    rng = np.random.default_rng(0)
    phi = rng.standard_normal((12, 4))
    rows, none = np.zeros((1, linear_bandits.row_size(4))), np.zeros(0, dtype=np.int64)
    arm, reward, gram, b = np.zeros(1, dtype=np.int64), np.zeros(1), np.eye(4), np.zeros(4)
    for t in range(1200):
        pulled = linear_bandits.act(
            rows, np.array([t == 0]), np.zeros(1), arm, reward, phi, none, linear_bandits.LINUCB, 0.7
        )
        inverse = np.linalg.inv(gram)
        index = phi @ inverse @ b + 0.7 * np.sqrt(np.einsum("ai,ij,aj->a", phi, inverse, phi))
        assert index[pulled[0]] == pytest.approx(index.max(), abs=1e-9)
        arm, reward = pulled, phi[pulled] @ np.arange(4.0) + rng.standard_normal(1)
        gram, b = gram + np.outer(phi[arm[0]], phi[arm[0]]), b + reward * phi[arm[0]]


def test_linear_rules_learn_from_all_arms_at_once():
    asked = ("env=bandit_linear", "eval.episodes=100", "env.k=200")
    regret = {
        rule: evaluated(*asked, "agent=linear_bandit", f"agent.rule={rule}", "agent.alpha=0.3").told["regret"].mean()
        for rule in ("linucb", "lints")
    }
    assert max(regret.values()) < 0.25 * evaluated(*asked, "agent=bandit").told["regret"].mean()


def test_the_needle_costs_its_queries_and_nothing_after():
    found = evaluated(
        "env=bandit_linear", "env.kind=needle", "env.noise=0.05", "agent=linear_bandit", "agent.rule=sparse_net",
        "eval.episodes=20",
    )  # fmt: skip
    rows = found.within.replicates()
    assert np.mean([row["best_share"] >= 0.6 for row in rows]) >= 0.9  # 80 queries at most of 200 pulls
    linear = evaluated("env=bandit_linear", "env.kind=needle", "agent=linear_bandit", "eval.episodes=5")
    assert found.told["regret"].mean() < linear.told["regret"].mean()


def test_zooming_comes_near_to_the_peak():
    asked = ("env=bandit_lipschitz", "env.steps=4000", "eval.episodes=60")
    zooming, ucb = (evaluated(*asked, f"agent={agent}").told["regret"].mean() for agent in ("zooming", "bandit"))
    assert zooming < ucb < 4000 * 0.8 / 3
    config = bandit_lipschitz.Config(k=11, steps=50)
    env = bandit_lipschitz.make(config, Levels(400), ("gap",))
    env.reset(range(400))
    means = env.arrays["means"]
    assert np.abs(np.diff(means, axis=1)).max() <= 0.08 + 1e-12  # the slope times the distance between points
    assert 50 * means.mean() == pytest.approx(env.spec.task.random_return, abs=50 * 0.02)
    assert 50 * means.max(axis=1).mean() <= env.spec.task.optimal_return == pytest.approx(45.0)


def test_refusals():
    for overrides, reason in (
        (["env=bandit", "agent=linear_bandit"], "have no features; use env=bandit_linear"),
        (["env=bandit_linear", "agent=zooming"], "lie on no line; use env=bandit_lipschitz"),
        (["env=bandit_linear", "env.s=6"], "there are 5 features"),
        (["env=bandit_linear", "env.eps=0.2"], "only kind=needle"),
        (["env=bandit_linear", "env.show=none", "agent=linear_bandit"], "does not show the last arm"),
        (["env=bandit_linear", "agent=linear_bandit", "agent.eps=0.2"], "only rule=sparse_net"),
        (["env=bandit_linear", "env.kind=needle", "env.steps=40", "agent=linear_bandit", "agent.rule=sparse_net"],
         "ends after 40 pulls"),
        (["env=bandit_linear", "env.kind=needle", "agent=linear_bandit", "agent.rule=sparse_net", "agent.s=5"],
         "20000 are the most"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=reason):
            build(compose(["num_envs=2", *overrides]).config)
    assert math.isclose(linear_bandits.net_size(40, 1, 0.5), 80)
