"""Planners on counts: known regrets, ceilings of failing episodes, closed forms, a run's own regret."""

import csv

import numpy as np
import pytest
import torch

from rewardlab.config.composition import compose
from rewardlab.envs.arrays import deepsea
from rewardlab.envs.tables.worlds import riverswim
from rewardlab.errors import UserError
from rewardlab.maths import tabular_exploration as exploration
from rewardlab.maths.tables import best_within, values_within
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.types import Mdp


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


def lost(mdp: Mdp, horizon: int, counts: exploration.Counts, reward: np.ndarray) -> float:
    """What the best plan of what was counted falls short of the best return, for any reward."""
    model = counts.model
    chosen = np.eye(reward.shape[1])[best_within(model, reward, horizon).argmax(axis=2)]
    had = (chosen[0] * values_within(mdp, reward, chosen, horizon)[0]).sum(axis=1) @ mdp.start
    return float(best_within(mdp, reward, horizon)[0].max(axis=1) @ mdp.start - had)


@pytest.mark.parametrize("pseudo", ["one_over_n", "value_targeted"])
@pytest.mark.parametrize(
    ("world", "mdp", "pairs"), [("deepsea", deepsea.whole(10, True, 42), 110), ("tabular", riverswim().mdp, 12)]
)
def test_what_was_explored_without_a_reward_serves_any(tmp_path, pseudo, world, mdp, pairs):
    """All pairs that can be reached are seen, within 60 and 50 episodes, and plans for one-pair rewards are best."""
    horizon = {"deepsea": 10, "tabular": 20}[world]
    frames = {"deepsea": 600, "tabular": 1000}[world]
    prepared = compose([f"env={world}", "agent=tabular", "agent.rule=reward_free", f"agent.pseudo={pseudo}",
                        "num_envs=1", f"frames={frames}", f"eval.every={frames}", "eval.episodes=2",
                        f"results_dir={tmp_path}"])  # fmt: skip
    assert run(prepared) == 0
    with open(prepared.folder / "train.csv") as file:
        assert float(list(csv.DictReader(file))[-1]["explore/pairs"]) == pairs
    with open(prepared.folder / "eval.csv") as file:  # plans for what is paid, which training paid no heed to
        assert float(list(csv.DictReader(file))[-1]["regret_mean"]) == 0.0
    saved = torch.load(prepared.folder / "checkpoint.pt", weights_only=False)["state"]["agent"]["counts"]
    counts = exploration.Counts(**{name: array.numpy() for name, array in saved.items()})
    for pair in np.argwhere(counts.tried > 0):
        reward = np.zeros(counts.tried.shape)
        reward[tuple(pair)] = 1.0
        assert lost(mdp, horizon, counts, reward) == pytest.approx(0.0, abs=1e-9)


def test_the_matrix_of_a_pair_is_that_of_ridge_regression():
    rng = np.random.default_rng(0)
    tried, inverse = rng.random((7, 4)), np.broadcast_to(np.eye(4), (1, 1, 4, 4)).copy()
    for value in tried:
        exploration.took(inverse[0, 0], value)
    exact = np.linalg.inv(np.eye(4) + tried.T @ tried)
    assert inverse[0, 0] == pytest.approx(exact, abs=1e-12)
    values = rng.random((3, 4))
    found = exploration.value_targeted(inverse, values, 0.5)[0, 0]
    assert found == pytest.approx(0.5 * max(np.sqrt(value @ exact @ value) for value in values))


def test_what_it_refuses():
    for overrides, reason in (
        (["env=bandit"], "needs a table of states"),
        (["env=tabular", "env.repeats=2"], "leave out env.repeats"),
        (["env=tabular", "agent.m=3"], "only rule=rmax has it"),
        (["env=tabular", "agent.pseudo=value_targeted"], "only rule=reward_free has it"),
        (["env=tabular", "agent.rule=reward_free", "agent.beta=2"], "only pseudo=value_targeted has it"),
        (
            ["env=tabular", "env.kind=random", "env.n=180", "agent.rule=reward_free", "agent.pseudo=value_targeted"],
            "180 states are too many",
        ),
    ):
        with pytest.raises(UserError, match=reason):
            build(compose(["agent=tabular", *overrides]).config)
