"""Real-time bidding: N second-price auctions with a budget; a click pays 1, and every bid has an exact price

Paper: Cai et al. 2017, Real-time bidding by reinforcement learning in display advertising (arXiv:1701.02490)

An action is a bid, 0 to `env.prices`. An auction whose price is not above it, nor above what is left of the budget, is
won: the price is paid, and a click pays 1 with the auction's rate. Prices fall off as exp(-d / `env.decay`), rates are
drawn from `env.rates` with probabilities `env.chances`; all auctions are independent. The budget is `env.share` of
what all auctions would cost at their mean price.

What is seen: the auctions that are left, as a share, the budget that is left, in units of the largest price, the rate
of this auction by the largest one, and the price of the last one, won or not, by the largest. `gap` is what a bid costs
in clicks that can be expected: the law is known, and the best way to bid is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, fact_of_gap, pictured
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.facts import BEST, GAP, PICTURE, STATE_HASH
from rewardlab.maths import bidding
from rewardlab.maths.bidding import Market
from rewardlab.maths.counting import hash_rows
from rewardlab.maths.tables import TIE
from rewardlab.schemas import RootConfig, option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts

VERSION = 1
_MOST = 50_000_000  # auctions times budgets times prices: a second of work
_BAR = 16  # squares of a bar in a picture, each so many pixels


@dataclass
class Config(OwnConfig):
    TELLS_GAP = True

    auctions: int = option(100, "auctions of an episode", above=0, maximum=5000)
    share: float = option(0.03125, "the budget, by what all auctions cost at their mean price", above=0, maximum=1)
    prices: int = option(100, "the largest price, and bid", minimum=2, maximum=500)
    decay: float = option(20.0, "prices d from 1 on have probabilities like exp(-d / decay)", above=0)
    rates: list[float] = option([0.001, 0.005, 0.02, 0.1], "click rates of auctions")
    chances: list[float] = option([0.4, 0.4, 0.15, 0.05], "their probabilities")
    frames: int = option(100_000, "default training budget of a run on it", above=0, in_setting=False)

    def validate(self) -> None:
        super().validate()
        if not self.rates or len(self.rates) != len(self.chances):
            raise ValueError(
                f"chances has {len(self.chances)} numbers: one for each of {len(self.rates)} rates is needed"
            )
        if not all(0 <= rate <= 1 for rate in self.rates) or max(self.rates) == 0:
            raise ValueError("rates: probabilities of a click lie within 0 and 1, and one is above 0")
        if min(self.chances) < 0 or abs(sum(self.chances) - 1.0) > 1e-6:
            raise ValueError(f"chances: must be at least 0 and sum up to 1, not {sum(self.chances):g}")
        market = self.market()
        if market.budget < 1:
            raise ValueError(f"share={self.share:g}: leaves a budget of less than 1; raise it, or auctions")
        if market.auctions * market.budget * self.prices > _MOST:
            raise ValueError(f"auctions={self.auctions}: with a budget of {market.budget} too many for a table")

    def market(self) -> Market:
        prices = np.arange(self.prices + 1)
        law = np.where(prices > 0, np.exp(-prices / self.decay), 0.0)
        market = Market(law / law.sum(), np.array(self.rates), np.array(self.chances), self.auctions, 0)
        return market._replace(budget=int(self.share * market.mean_price * self.auctions))

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """What can be expected, whatever happens on a few levels."""
        return task

    def revision(self, setting: RootConfig) -> int:
        return 0


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "Rtb":
    """N campaigns at a time; a level is the seed of its auctions.

    Args:
        privileged: full-state facts to compute: gap, best, state_hash, picture.
    """
    market = config.market()
    values = bidding.best_values(market)
    random = float(bidding.random_worth(market)[-1, -1])
    low, high = (0.0, 0.0, 0.0, 0.0), (1.0, market.budget / config.prices, 1.0, 1.0)
    spec = EnvSpec(
        id=f"Rtb-{config.auctions}-{market.budget}",
        obs={"vector": ObsSpec((4,), "float32", bounds=(low, high))},
        action=ActionSpec(n=config.prices + 1),
        max_steps=config.auctions,
        task=TaskFacts(random, float(values[-1, -1]), "exact"),
        backend="fast",
        privileged=(GAP, BEST, STATE_HASH, PICTURE),
        restorable=True,
    )
    return Rtb(market, values, spec, levels, privileged)


class Rtb(ArrayEnv):
    """budget, rate, price: int64 [N], what is left, the number of this auction's rate, and the last price. gap: float64
    [N], of the last bid.
    """

    def __init__(self, market: Market, values: Array, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self.market, self._values = market, values
        self._prices, self._rates = np.cumsum(market.price)[:-1], np.cumsum(market.chance)[:-1]
        self.arrays = {name: np.zeros(levels.num_envs, dtype=np.int64) for name in ("budget", "rate", "price")}
        self.arrays["gap"] = np.zeros(levels.num_envs)

    def begin(self, i: int, stream: np.random.Generator) -> None:
        self.arrays["budget"][i], self.arrays["price"][i], self.arrays["gap"][i] = self.market.budget, 0, 0.0
        self.arrays["rate"][i] = np.searchsorted(self._rates, stream.random(), side="right")

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        market, (budget, rate, price, gap) = self.market, self.arrays.values()
        gap[:] = self._costs(action)
        chance = np.array([stream.random(3) for stream in self.streams])
        price[:] = np.searchsorted(self._prices, chance[:, 0], side="right")
        won = price <= np.minimum(action, budget)
        reward = won & (chance[:, 1] < market.rate[rate])
        budget -= np.where(won, price, 0)
        rate[:] = np.searchsorted(self._rates, chance[:, 2], side="right")
        ended: Array = self.steps + 1 >= market.auctions
        return reward.astype(np.float64), ended, np.zeros(self.num_envs, dtype=bool)

    def observe(self) -> Obs:
        market, largest = self.market, len(self.market.price) - 1
        shown = [
            1.0 - self.steps / market.auctions,
            self.arrays["budget"] / largest,
            market.rate[self.arrays["rate"]] / market.rate.max(),
            self.arrays["price"] / largest,
        ]
        return {"vector": np.stack(shown, axis=1).astype(np.float32)}

    def fact(self, name: str) -> Array:
        budget, rate, price, gap = self.arrays.values()
        if name in (GAP, BEST):
            return fact_of_gap(name, gap)
        if name == STATE_HASH:
            return hash_rows(np.stack([budget, rate, price, self.steps], axis=1))
        pixels = np.zeros((self.num_envs, 2, _BAR, 3), dtype=np.uint8)  # what is left of budget and time
        left = (budget / self.market.budget, 1.0 - self.steps / self.market.auctions)
        for row, (share, colour) in enumerate(zip(left, ((70, 160, 90), (90, 120, 200)), strict=True)):
            pixels[:, row] = np.where((np.arange(_BAR) < np.ceil(share * _BAR)[:, None])[..., None], colour, 30)
        return pictured(pixels, 24)

    def _costs(self, action: Array) -> Array:
        """What bids cost in expected clicks, float64 [N]; exactly 0 where they are best."""
        market, (budget, rate, *_) = self.market, self.arrays.values()
        after = self._values[market.auctions - self.steps - 1, :]  # [N, B + 1]
        prices = np.arange(len(market.price))
        left = budget[:, None] - prices
        loss = after[np.arange(self.num_envs), budget][:, None] - np.take_along_axis(after, np.maximum(left, 0), axis=1)
        gains = np.where(left >= 0, market.price * (market.rate[rate][:, None] - loss), 0.0).cumsum(axis=1)
        gaps: Array = gains.max(axis=1) - gains[np.arange(self.num_envs), action]
        return np.where(gaps < TIE, 0.0, gaps)
