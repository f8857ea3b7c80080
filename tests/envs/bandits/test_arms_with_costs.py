"""Bandits with budgets, with a memory of pulls, under constraints: closed forms, known regrets, rules by their
formulas.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.config.composition import compose
from rewardlab.envs.bandits import bandit_knapsack, bandit_tallying, lending
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.maths import bandits
from rewardlab.maths.costly_bandits import fluid
from rewardlab.training.build import build
from rewardlab.training.evaluate import Evaluator


def evaluated(*overrides: str):
    config = compose(["num_envs=2", *overrides]).config
    parts = build(config)
    return Evaluator(config, parts.env.spec).evaluate(parts.agent, 0, lambda: False)


def played(env, choose, pulls: int):
    """Returns and regrets of one problem in each environment, [N] each."""
    env.reset(range(env.num_envs))
    paid, regret, over = np.zeros(env.num_envs), np.zeros(env.num_envs), np.zeros(env.num_envs, dtype=bool)
    for t in range(pulls):
        batch = env.step(choose(t))
        paid += batch.task_reward * ~over
        regret += batch.privileged["gap"] * ~over
        over |= batch.terminated | batch.truncated
    return paid, regret


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_fluid_optimum_is_worth_its_prices_and_no_mixture_beats_it(seed):
    rng = np.random.default_rng(seed)
    reward, cost = rng.random(4), rng.random((3, 4))
    value, prices, time = fluid(reward, cost, 20.0, 100)
    assert value == pytest.approx(20.0 * prices.sum() + 100 * time) and min(*prices, time) >= -1e-12
    assert (prices @ cost + time >= reward - 1e-9).all()  # a feasible dual of equal value proves the optimum
    mixture = rng.random((500, 4))
    pulls = 1.0 / np.maximum(mixture @ cost.T / 20.0, mixture.sum(axis=1)[:, None] / 100.0).max(axis=1)
    assert (pulls * (mixture @ reward)).max() <= value + 1e-9


def test_one_budget_for_each_arm():
    """The best arm alone pays T / 2, all in turn pay T."""
    env = bandit_knapsack.make(bandit_knapsack.Config(kind="one_each", steps=100), Levels(2), ("gap",))
    alone, lost = played(env, lambda t: np.zeros(2, dtype=np.int64), 50)
    turns, none = played(env, lambda t: np.full(2, t % 2), 100)
    assert alone.tolist() == [50.0, 50.0] and lost.tolist() == [50.0, 50.0]
    assert (turns >= 99.0).all() and (turns + none == 100.0).all() and env.spec.task.optimal_return == 100.0
    found = evaluated("env=bandit_knapsack", "env.kind=one_each", "agent=knapsack_bandit", "eval.episodes=4")
    assert (found.returns >= 990.0).all()


def test_what_is_paid_and_what_is_missing_are_the_programmes_value():
    """On average over chance: of each problem by itself."""
    env = bandit_knapsack.make(bandit_knapsack.Config(steps=60, budget=12.0), Levels(1500), ("gap",))
    env.reset(range(1500))
    for name in ("means", "rates", "prices"):
        env.arrays[name][:] = env.arrays[name][0]
    means, rates = env.arrays["means"][0].copy(), env.arrays["rates"][0].copy()
    env.write = lambda i, stream: None  # the same problem for all
    rng, paid, regret, over = np.random.default_rng(0), np.zeros(1500), np.zeros(1500), np.zeros(1500, dtype=bool)
    for _ in range(60):
        batch = env.step(rng.integers(5, size=1500))
        paid, regret = paid + batch.task_reward * ~over, regret + batch.privileged["gap"] * ~over
        over |= batch.terminated | batch.truncated
    value = fluid(means, rates, 12.0, 60)[0]
    total = paid + regret
    assert over.all() and total.mean() == pytest.approx(value, abs=4 * total.std() / 1500**0.5)


def test_rules_on_budgets_come_near_to_the_programme():
    asked = ("env=bandit_knapsack", "eval.episodes=40")
    regret = {
        name: evaluated(*asked, *agent).told["regret"].mean()
        for name, agent in (
            ("primal_dual", ("agent=knapsack_bandit",)),
            ("lagrange", ("agent=knapsack_bandit", "agent.rule=lagrange")),
            ("ucb1", ("agent=bandit",)),
            ("random", ("agent=random",)),
        )
    }
    assert regret["primal_dual"] < regret["lagrange"] < regret["random"]
    assert regret["primal_dual"] < 0.4 * regret["ucb1"] < regret["random"]


TALLYING = ("env=bandit_tallying", "agent=bandit", "agent.rule=elimination", "agent.c=0.1414", "eval.episodes=50")


def test_an_arm_is_judged_when_it_was_pulled_for_a_while():
    regret = {
        name: evaluated(*TALLYING, *options)
        for name, options in (("plain", ()), ("burn_in", ("agent.burn_in=20", "agent.block=2")))
    }
    assert regret["plain"].told["regret"].mean() == pytest.approx(440.0, rel=0.1)
    assert 80.0 < regret["burn_in"].told["regret"].mean() < 115.0
    best = {name: np.mean([row["last_best"] for row in each.within.replicates()]) for name, each in regret.items()}
    assert best["plain"] < 1000 < best["burn_in"] == 2000.0  # who judges at once drops the best arm


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_elimination_pulls_what_its_definition_says(arms, seed):
    """Burn-in 0 and block 1 are the plain rule: each active arm once in turn, bounds compared after a whole one."""
    rng, horizon, c = np.random.default_rng(seed), 400.0, 0.5
    rows, first, keys = np.zeros((1, bandits.row_size(arms))), np.ones(1, dtype=bool), np.zeros(1)
    arm, paid = np.zeros(1, dtype=np.int64), np.zeros(1)
    active, sums, turns, expected = list(range(arms)), np.zeros(arms), 0, []
    for _ in range(200):
        if not expected:
            if turns:
                radius = c * np.sqrt(np.log(horizon) / turns)
                lower = max(sums[a] / turns - radius for a in active)
                active = [a for a in active if sums[a] / turns + radius >= lower]
            expected, turns = list(active), turns + 1
        pulled = bandits.act(rows, first, keys, arm, paid, bandits.ELIMINATION, c, horizon, True, 0.0, 1.0)
        assert pulled[0] == expected.pop(0)
        first, arm, paid = np.zeros(1, dtype=bool), pulled, rng.random(1) * (0.3 + 0.7 * pulled / arms)
        sums[pulled[0]] += paid[0]


def test_blocks_double_after_their_burn_in():
    rows, first, pulls = np.zeros((1, bandits.row_size(2))), np.ones(1, dtype=bool), []
    for _ in range(30):
        arm = np.array(pulls[-1:] or [0])
        pulled = bandits.act(
            rows, first, np.zeros(1), arm, np.zeros(1), bandits.ELIMINATION, 1.0, 100.0, True, 3.0, 2.0
        )
        first, pulls = np.zeros(1, dtype=bool), [*pulls, int(pulled[0])]
    assert pulls == [0] * 5 + [1] * 5 + [0] * 7 + [1] * 7 + [0] * 6


def test_exposure_counts_the_last_pulls():
    config = bandit_tallying.Config(noise=0.0, m=3, steps=50)
    env = bandit_tallying.make(config, Levels(1), ("gap", "best"))
    env.reset([5])
    start, full = env.arrays["start"][0].copy(), env.arrays["full"][0].copy()
    rng, past = np.random.default_rng(0), []
    for _ in range(40):
        arm = int(rng.integers(2))
        past.append(arm)
        exposure = past[-3:].count(arm) / 3
        loss = start[arm] + (full[arm] - start[arm]) * exposure
        batch = env.step(np.array([arm]))
        assert batch.task_reward[0] == pytest.approx(1.0 - loss)
        assert batch.privileged["gap"][0] == pytest.approx(loss - 0.2)
        assert batch.privileged["best"][0] == (full[arm] == 0.2)


def test_random_play_on_tallies_is_paid_what_the_spec_says():
    env = bandit_tallying.make(bandit_tallying.Config(steps=60), Levels(2000), ("gap",))
    rng = np.random.default_rng(0)
    paid, regret = played(env, lambda t: rng.integers(5, size=2000), 60)
    task = env.spec.task
    assert paid.mean() == pytest.approx(task.random_return, abs=4 * paid.std() / 2000**0.5)
    assert task.optimal_return - regret.mean() == pytest.approx(task.random_return, abs=4 * regret.std() / 2000**0.5)


def test_lending_comes_to_rest_where_it_says():
    rest = lending.Rest(lending.Config())
    tau = rest.thresholds
    np.testing.assert_allclose(rest.accepted[0], 1 - 4 * tau**3 + 3 * tau**4, atol=1e-12)
    np.testing.assert_allclose(rest.accepted[1], 1 - 6 * tau**2 + 8 * tau**3 - 3 * tau**4, atol=1e-12)
    assert rest.paid[0, 10] == pytest.approx(12 * ((1 - 1 / 16) / 4 - (1 - 1 / 32) / 5) - 0.34375)
    env = lending.make(lending.Config(steps=600), Levels(40), ("gap", "violation"))
    arm = env.leader
    paid, regret = played(env, lambda t: np.full(40, arm), 600)
    assert env.arrays["x"].shape == (40,) and tau[arm] == pytest.approx(0.85)
    assert (paid + regret).mean() / 600 == pytest.approx(rest.reward[arm], abs=4 * paid.std() / 600 / 40**0.5)
    assert (np.abs(regret) / 600 < 0.003).all()  # only until it has come to rest


def test_ofs_violates_a_tenth_of_what_ucb_does():
    asked = ("env=lending", "agent=bandit", "env.steps=1500", "eval.episodes=2")
    ofs, ucb, dual = (
        evaluated(*asked, *rule).told["violation"].mean()
        for rule in (("agent.rule=ofs",), ("agent.c=0.21",), ("agent.rule=primal_dual",))
    )
    assert ofs < dual < ucb and ofs < 0.2 * ucb


def test_refusals():
    for overrides, reason in (
        (["env=bandit", "agent=knapsack_bandit"], "has no budgets; use env=bandit_knapsack"),
        (["env=lending", "agent=knapsack_bandit"], "has no budgets"),
        (["env=bandit_knapsack", "agent=bandit", "agent.rule=ofs"], "use env=lending"),
        (["env=bandit_knapsack", "env.kind=one_each", "env.resources=3"], "one for each of 2 arms"),
        (["env=bandit_knapsack", "env.steps=3"], "set budget"),
        (["env=bandit_tallying", "env.full=[0.1]"], "one for each"),
        (["env=bandit_knapsack", "agent=knapsack_bandit", "agent.rule=lagrange", "agent.c=2"], "only rule=primal_dual"),
    ):
        with pytest.raises(UserError, match=reason):
            build(compose(["num_envs=2", *overrides]).config)


def test_memory_is_in_float64():
    agent = build(compose(["env=bandit_knapsack", "agent=knapsack_bandit", "num_envs=2"]).config).agent
    assert agent.initial_state(2).dtype == torch.float64
