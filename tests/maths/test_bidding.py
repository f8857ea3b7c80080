"""Values of bids against a recursion that is written out, and the paper's rules against one another."""

from functools import lru_cache

import numpy as np
import pytest

from rewardlab.maths.bidding import Market, best_values, bids_by, random_worth, rule_bids, worth

SMALL = Market(np.array([0.1, 0.4, 0.3, 0.2]), np.array([0.1, 0.6]), np.array([0.7, 0.3]), 4, 5)


def expected(market: Market, settle, bids=lambda n, b, k: range(4)) -> float:
    """By the meaning of an auction; `settle` makes one number of what the possible bids are worth."""

    @lru_cache(None)
    def value(n: int, b: int) -> float:
        def of(a: int, k: int) -> float:
            """What a bid is worth where the rate is the k-th one."""
            won = [(p, market.rate[k] + value(n - 1, b - d)) for d, p in enumerate(market.price) if d <= min(a, b)]
            return sum(p * gain for p, gain in won) + (1 - sum(p for p, _ in won)) * value(n - 1, b)

        return n and sum(c * settle([of(a, k) for a in bids(n, b, k)]) for k, c in enumerate(market.chance))

    return value(market.auctions, market.budget)


def test_values_are_what_a_recursion_says():
    best = best_values(SMALL)
    assert best[-1, -1] == pytest.approx(expected(SMALL, max))
    assert random_worth(SMALL)[-1, -1] == pytest.approx(expected(SMALL, np.mean))
    bids = bids_by(SMALL, best, SMALL.rate)
    np.testing.assert_allclose(worth(SMALL, bids), best)
    drawn = np.random.default_rng(0).integers(4, size=bids.shape)
    assert worth(SMALL, drawn)[-1, -1] == pytest.approx(expected(SMALL, max, lambda n, b, k: [drawn[n, b, k]]))


def test_the_rules_of_the_paper():
    """Exact; the ceiling and the blind rule's were computed independently. Values are concave in the budget."""
    prices = np.arange(101)
    law = np.where(prices > 0, np.exp(-prices / 20), 0.0)
    market = Market(law / law.sum(), np.array([0.001, 0.005, 0.02, 0.1]), np.array([0.4, 0.4, 0.15, 0.05]), 100, 61)
    values = best_values(market)
    assert np.diff(values, 2, axis=1).max() < 1e-12
    assert values[-1, -1] == pytest.approx(0.414, abs=5e-4)
    found = {rule: worth(market, rule_bids(market, rule, market.rate))[-1, -1] for rule in ("rlb", "mcpc", "ss_mdp")}
    assert found == pytest.approx({"rlb": 0.395, "ss_mdp": 0.220, "mcpc": 0.189}, abs=0.008)
    assert found["ss_mdp"] == pytest.approx(best_values(market.averaged())[-1, -1])
    assert worth(market, rule_bids(market, "rlb", market.rate, full=True))[-1, -1] == pytest.approx(values[-1, -1])
