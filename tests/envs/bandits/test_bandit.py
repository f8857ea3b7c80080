"""Bandits and their rules: compiled passes against pulls one by one, known regrets, what is told of problems."""

import numpy as np
import pytest
import torch

from rewardlab.config.composition import compose
from rewardlab.envs.bandits import bandit
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.maths import bandits
from rewardlab.maths.bayes_bandits import bayes_value
from rewardlab.maths.regret_bounds import lai_robbins
from rewardlab.training import bandit_play
from rewardlab.training.build import build
from rewardlab.training.evaluate import Evaluator

FIXED = "env.means=[0.6,0.4,0.4,0.4,0.4]"


def evaluated(monkeypatch, compiled: bool, *overrides: str):
    monkeypatch.setattr(bandit_play, "fits", bandit_play.fits if compiled else lambda env, agent: False)
    config = compose(["env=bandit", "agent=bandit", "num_envs=2", *overrides]).config
    parts = build(config)
    found = Evaluator(config, parts.env.spec).evaluate(parts.agent, 0, lambda: False)
    monkeypatch.undo()
    return found


@pytest.mark.parametrize("kind", bandits.KINDS)
def test_compiled_problems_are_those_pulled_one_by_one(monkeypatch, kind):
    for rule in bandits.RULES:
        if (rule, kind) == ("exp3", "gaussian"):
            continue
        asked = (f"env.kind={kind}", f"agent.rule={rule}", "env.steps=40", "env.k=3", "eval.episodes=103")
        one, other = (evaluated(monkeypatch, compiled, *asked) for compiled in (True, False))
        assert one.row() == other.row()
        assert one.within.replicates() == other.within.replicates()
        np.testing.assert_allclose(
            [list(row.values()) for row in one.within.steps()], [list(row.values()) for row in other.within.steps()]
        )


# 1,000 replicates each, computed independently, so that their own error is about as large as ours.
KNOWN = {"ucb1": 13.8, "thompson": 11.0, "greedy": 10.5, "c": 9.8}


@pytest.mark.parametrize("rule", KNOWN)
def test_known_regrets(monkeypatch, rule):
    asked = ["agent.rule=ucb1", "agent.c=0.5"] if rule == "c" else [f"agent.rule={rule}"]
    found = evaluated(monkeypatch, True, FIXED, "eval.episodes=2000", *asked)
    regret, error = found.told["regret"], found.told["regret"].std() * (1 / 1000 + 1 / 2000) ** 0.5
    assert regret.mean() == pytest.approx(KNOWN[rule], abs=3.5 * error + 0.05)
    rows = found.within.replicates()
    failed = np.mean([row["last_best"] <= 50 for row in rows])
    assert failed > 0.4 * (1 - 0.6**4) if rule == "greedy" else failed < 0.03
    assert found.within.steps()[-1]["regret_mean"] == pytest.approx(regret.mean())


def test_uniform_play_loses_what_the_arms_are_worse_on_average():
    config = compose(["env=bandit", "agent=random", FIXED, "num_envs=2", "eval.episodes=400"]).config
    parts = build(config)
    found = Evaluator(config, parts.env.spec).evaluate(parts.agent, 0, lambda: False)
    assert found.told["regret"].mean() == pytest.approx(16.0, abs=4 * 0.8 / 400**0.5)
    assert found.within is not None and max(row["last_best"] for row in found.within.replicates()) == 100


def test_exp3_keeps_its_bound_and_elimination_its_turns(monkeypatch):
    adversarial = ("env.kind=adversarial", "env.k=4", "env.steps=1000", "eval.episodes=100")
    found = evaluated(monkeypatch, True, "agent.rule=exp3", *adversarial)
    assert found.told["regret"].mean() < (2 * 1000 * 4 * np.log(4)) ** 0.5
    turns = evaluated(monkeypatch, True, "agent.rule=elimination", FIXED, "eval.episodes=20")
    assert {row["k_min_share"] for row in turns.within.replicates()} == {1.0}  # too few pulls to drop any


@pytest.mark.parametrize("kind", bandits.KINDS)
def test_facts_and_what_is_shown(kind):
    config = bandit.Config(kind=kind, k=3, steps=20, show="statistics")
    env = bandit.make(config, Levels(50), ("gap", "best", "greedy"))
    env.reset(range(50))
    counts, sums, rng = np.zeros((50, 3)), np.zeros((50, 3)), np.random.default_rng(0)
    for _ in range(19):
        action = rng.integers(3, size=50)
        tried = np.where(counts > 0, sums / counts.clip(1), -np.inf)
        best = (tried.max(axis=1) == tried[np.arange(50), action]) & (counts.sum(axis=1) > 0)
        batch = env.step(action)
        assert (batch.privileged["greedy"] == best).all()
        np.add.at(counts, (np.arange(50), action), 1)
        np.add.at(sums, (np.arange(50), action), batch.task_reward)
        np.testing.assert_allclose(
            batch.obs["vector"], np.concatenate([counts / 20, sums / counts.clip(1)], axis=1), rtol=1e-6
        )
        if kind != "adversarial":
            means = env.arrays["means"]
            np.testing.assert_allclose(batch.privileged["gap"], means.max(axis=1) - means[np.arange(50), action])


def test_what_the_best_of_gaussian_arms_pay():
    for arms, largest in ((2, np.pi**-0.5), (3, 1.5 * np.pi**-0.5)):  # known in closed form
        task = bandit.make(bandit.Config(kind="gaussian", k=arms, steps=10, variance=4.0), Levels(1)).spec.task
        assert (task.random_return, task.optimal_return) == pytest.approx((0.0, 20.0 * largest), rel=1e-6)


def test_refusals():
    for overrides, reason in (
        (["env.kind=gaussian", "agent.rule=exp3"], "rewards within 0 and 1"),
        (["env.show=statistics"], "use env=bandit env.show=last"),
        (["agent.c=1", "agent.rule=greedy"], "only rule=ucb1"),
        (["agent.rule=ofs"], "use env=lending"),
        (["env.means=[0.5,2]"], "within 0 and 1"),
        (["env.kind=gaussian", "env.means=[0.5,inf]"], "must be finite"),
        (["reward=rnd"], "learns nothing"),
    ):
        with pytest.raises(UserError, match=reason):
            build(compose(["env=bandit", "agent=bandit", *overrides]).config)


def test_memory_is_as_precise_as_it_must_be():
    config = compose(["env=bandit", "agent=bandit", "num_envs=2"]).config
    agent = build(config).agent
    assert agent.initial_state(2).dtype == torch.float64


def test_the_bound_of_lai_and_robbins():
    """Known values: 9 arms of .4 beside one of .5; normal arms; and problems as they are played."""
    assert lai_robbins(np.array([0.5] + [0.4] * 9), 10_000) == pytest.approx(412, abs=0.5)
    assert lai_robbins(np.array([1.0, 0.5, 1.0]), 10_000) == 0  # half the time its first pull tells
    assert lai_robbins(np.array([1.0, 0.5]), 100, variance=2.0) == pytest.approx(np.log(100) * 2 * 2 / 0.5)
    fixed = bandit.Config(means=[0.5] + [0.4] * 9, steps=10_000)
    assert fixed.regret_bound(7) == pytest.approx(fixed.regret_bound(8)) == pytest.approx(412, abs=0.5)
    assert bandit.Config().regret_bound(7) != bandit.Config().regret_bound(8)
    assert bandit.Config(kind="adversarial").regret_bound(7) is None


def test_the_best_policy_of_two_unknown_arms():
    """T = 2 by hand: 1/2, and then 2/3 where the first pull paid, else 1/2."""
    assert bayes_value(2) == pytest.approx(0.5 + 0.5 * 2 / 3 + 0.5 * 0.5)
    assert bayes_value(10) == pytest.approx(6.02179, abs=5e-6)
    assert bayes_value(10, myopic=True) == pytest.approx(6.00581, abs=5e-6)
    assert 0.992 < bayes_value(30, myopic=True) / bayes_value(30) < 0.993
    task = bandit.make(bandit.Config(k=2, steps=10), Levels(1)).spec.task
    assert (task.random_return, task.optimal_return, task.optimum_kind) == (5.0, bayes_value(10), "exact")
    with pytest.raises(ValueError, match="from 1 to 50"):
        bayes_value(51)


def test_a_risky_arm_is_worth_a_try(monkeypatch):
    asked = ("env.prior=risky", "env.steps=10", "eval.episodes=2000")
    found = evaluated(monkeypatch, True, *asked, "agent.rule=greedy")
    assert found.row()["return_mean"] == pytest.approx(0.5 + 0.3 * 9 + 0.7 * 0.5 * 8, abs=4 * 2.3 / 2000**0.5)
    other = evaluated(monkeypatch, False, *asked[:2], "eval.episodes=40", "agent.rule=greedy")
    again = evaluated(monkeypatch, True, *asked[:2], "eval.episodes=40", "agent.rule=greedy")
    assert other.row() == again.row()
    env = bandit.make(bandit.Config(prior="risky", steps=10), Levels(1))
    assert env.spec.task.optimal_return == pytest.approx(0.3 * 10 + 0.7 * 9 / 2) == pytest.approx(6.15)


def test_there_is_nothing_to_learn_where_means_are_drawn_at_each_step(monkeypatch):
    found = evaluated(monkeypatch, True, "env.redraw=step", "env.k=2", "env.steps=50", "eval.episodes=200")
    assert found.row()["return_mean"] == pytest.approx(25.0, abs=4 * 0.5 * 50**0.5 / 200**0.5)
