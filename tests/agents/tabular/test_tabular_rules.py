"""Planners on counts: known regrets, ceilings of failing episodes, closed forms, a run's own regret."""

import csv

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.tables.worlds import riverswim
from rewardlab.errors import UserError
from rewardlab.maths import tabular_exploration as exploration
from rewardlab.maths.tables import best_within
from rewardlab.run import run
from rewardlab.training.build import build


def regret(plan, episodes: int, seed: int) -> float:
    """Of RiverSwim, planned anew for every episode."""
    world, rng = riverswim(), np.random.default_rng(seed)
    best = best_within(world.mdp, world.mdp.reward, 20)
    gaps, until = best.max(axis=2, keepdims=True) - best, world.mdp.chance.cumsum(axis=2)
    most, total = 20.0 - np.arange(20), 0.0
    counts = exploration.Counts(np.zeros((6, 2)), np.zeros((6, 2)), np.zeros((6, 2, 6)), np.eye(6)[0])
    for _ in range(episodes):
        chosen, cell = plan(counts, most, rng).argmax(axis=2), 0
        for h in range(20):
            action = chosen[h, cell]
            after = min(5, int((until[cell, action] <= rng.random()).sum()))
            total += gaps[h, cell, action]
            counts.tried[cell, action] += 1
            counts.paid[cell, action] += world.mdp.reward[cell, action]
            counts.led[cell, action, after] += 1
            cell = after
    return total


# Over 1,000 episodes, computed independently: uniform 3,353, psrl 173..235, rlsvi 77..109, ucbvi 75..80, mex 20.
BOUNDS = {
    "psrl": (lambda c, most, rng: exploration.psrl(c, 20, 1.0, rng), 130, 260),
    "rlsvi": (lambda c, most, rng: exploration.rlsvi(c, most, 1.0, rng), 55, 120),
    "ucbvi": (lambda c, most, rng: exploration.ucbvi(c, most, 1.0), 65, 105),
    "mex": (lambda c, most, rng: exploration.mex(c, most, 1.0), 10, 40),
    "greedy": (lambda c, most, rng: exploration.greedy(c, most), 3100, 3398),
}


@pytest.mark.parametrize("rule", BOUNDS)
def test_regret_on_riverswim(rule):
    plan, low, high = BOUNDS[rule]
    assert low < regret(plan, 1000, seed=4) < high


def test_maximise_to_explore_is_an_index_where_there_is_one_step():
    """Mean + 1 / (4 eta n)."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        tried, means, eta = rng.integers(1, 20, size=(1, 5)).astype(float), rng.random((1, 5)), rng.uniform(0.05, 5)
        counts = exploration.Counts(tried, means * tried, np.zeros((1, 5, 1)), np.ones(1))
        chosen = exploration.mex(counts, np.array([100.0]), eta)[0, 0].argmax()
        assert chosen == (means + 1 / (4 * eta * tried)).argmax()


@pytest.mark.parametrize("rule", [["agent.rule=rmax"], ["agent.rule=mex", "agent.eta=10"]])
def test_deepsea_fails_as_often_as_there_are_pairs_to_try_and_never_again(tmp_path, rule):
    """2 n - 1 episodes, whatever actions mean: 18.9 of regret with n = 10."""
    budget = ["num_envs=1", "frames=600", "eval.every=600", "eval.episodes=2"]
    prepared = compose(["env=deepsea", "agent=tabular", *rule, *budget, f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    with open(prepared.folder / "train.csv") as file:
        rows = list(csv.DictReader(file))
    lost = {int(row["frames"]): float(row["regret"]) for row in rows}
    late = max(frames for frames in lost if frames <= 500)
    assert lost[600] == lost[late] == pytest.approx(18.9, abs=0.1) and lost[100] < 10.1
    with open(prepared.folder / "eval.csv") as file:
        assert float(list(csv.DictReader(file))[-1]["regret_mean"]) == 0.0


def test_what_it_refuses():
    for overrides, reason in (
        (["env=bandit"], "needs a table of states"),
        (["env=tabular", "agent.m=3"], "only rule=rmax has it"),
    ):
        with pytest.raises(UserError, match=reason):
            build(compose(["agent=tabular", *overrides]).config)
