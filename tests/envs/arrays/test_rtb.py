"""Auctions: what bids cost, what the best bids return, and what RLB learns of prices."""

import csv

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.envs.arrays import rtb
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.facts import BEST, GAP
from rewardlab.maths.bidding import best_values, bids_by
from rewardlab.run import run

SMALL = {"auctions": 20, "prices": 20, "decay": 5.0, "rates": [0.05, 0.5], "chances": [0.8, 0.2]}


def test_best_bids_cost_nothing_and_regret_is_what_is_lost():
    """Returns of the best bids come to V, and the mean regret of others to what they return less."""
    config, count = rtb.Config(share=0.1, **SMALL), 4000
    env = rtb.make(config, Levels(count), (GAP, BEST))
    market = env.market
    bids = bids_by(market, best_values(market), market.rate)
    for best in (True, False):
        env.reset(range(count))
        returns, regret = np.zeros(count), np.zeros(count)
        for t in range(market.auctions):
            bid = bids[market.auctions - t, env.arrays["budget"], env.arrays["rate"]]
            batch = env.step(bid if best else np.full(count, 4))
            returns += batch.task_reward
            regret += batch.privileged[GAP]
            assert (batch.privileged[GAP] >= 0).all()
        assert not best or (regret.max() == 0.0 and batch.privileged[BEST].all())
        error = returns.std() / count**0.5
        assert returns.mean() + regret.mean() == pytest.approx(env.spec.task.optimal_return, abs=4 * error)
        assert env.arrays["budget"].min() >= 0


@pytest.mark.parametrize("rule", ["rlb", "lin"])
def test_rlb_learns_the_law_of_prices(rule, tmp_path):
    options = [f"env.{name}={value}".replace(" ", "") for name, value in SMALL.items()]
    given = [*options, "env.share=0.1", "frames=8000", "num_envs=8", "eval.episodes=64", f"results_dir={tmp_path}"]
    theta = ["agent.theta=full"] if rule == "rlb" else []
    prepared = compose(["env=rtb", "agent=rlb", f"agent.rule={rule}", *theta, *given])
    assert run(prepared) == 0
    *_, last = csv.DictReader((prepared.folder / "eval.csv").open())
    regret = float(last["regret_mean"])
    assert regret < (0.02 if rule == "rlb" else 0.3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["env=rtb", "env.chances=[1]"], "one for each of 4 rates is needed"),
        (["env=rtb", "env.share=1e-4"], "leaves a budget of less than 1"),
        (["env=deepsea", "agent=rlb"], "use env=rtb"),
        (["env=rtb", "agent=rlb", "agent.rule=lin", "agent.theta=full"], "only rule=rlb and ss_mdp have values"),
    ],
)
def test_refusals(given, message, tmp_path):
    with pytest.raises(UserError, match=message):
        run(compose([*given, f"results_dir={tmp_path}"]))
