"""Bidding by dynamic programming on the prices that were seen (RLB), and the rules that it is compared with

Paper: Cai et al. 2017, Real-time bidding by reinforcement learning in display advertising (arXiv:1701.02490)

It plays `env=rtb`. The law of prices is counted, each price once before any, and so are click rates, which are shown;
clicks are never learned from. It plans anew whenever it has seen twice as many auctions.

| agent.rule | bids |
|---|---|
| rlb | the largest price that is worth its click: rate + V(n-1, b-d) - V(n-1, b) >= 0 |
| ss_mdp | likewise, as if the rate at hand were the mean one |
| lin | k * rate / mean rate, k the best of whole numbers, or `agent.k` |
| mcpc | likewise, k the mean price |

`agent.theta=mean` has the values V of a market in which all rates are the mean one, as the paper's code; `full` those
of all rates, which is the best that there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from rewardlab.agents import random
from rewardlab.errors import UserError
from rewardlab.maths import bidding, distributions
from rewardlab.maths.bidding import Market
from rewardlab.schemas import option
from rewardlab.types import ActOutput, Array, Assessment, BuildContext, Metrics, Rollout, Signals, StreamSpec, TensorObs

VERSION = 1
_SURE = 100.0  # the logit of what it bids
_MOST_RATES = 1000
_SEEN = 4
_LEFT, _BUDGET, _RATE, _PRICE = range(_SEEN)  # of what is seen


@dataclass
class Config(random.Config):
    rule: str = option("rlb", "how it bids", choices=bidding.RULES)
    theta: str = option("mean", "of rule=rlb and ss_mdp: which rates values take in", choices=("mean", "full"))
    k: float | None = option(None, "of rule=lin: the bid for the mean rate; null: the best one", above=0)

    def validate(self) -> None:
        if self.k is not None and self.rule != "lin":
            raise ValueError(f"k={self.k:g}: only rule=lin has it")
        if self.theta != "mean" and self.rule not in ("rlb", "ss_mdp"):
            raise ValueError(f"theta={self.theta}: only rule=rlb and ss_mdp have values")


class Agent(random.Agent):
    stateful = ("counts", "plan")
    acts_by = "plan"
    reads_rewards = False
    metrics = ("explore/auctions",)

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: it is no auction, or a scheme pays beside the task.
        """
        if len(streams) > 1:
            raise UserError("agent=rlb: learns from prices alone; use reward=none and curriculum=none")
        super().__init__(config, context, streams)
        spec, shown = context.spec, context.spec.obs.get("vector")
        fits = shown is not None and list(spec.obs) == ["vector"] and shown.shape == (_SEEN,)
        if not fits or spec.max_steps is None or spec.action.n is None:
            raise UserError(f"agent=rlb: bids in auctions, which {spec.id} has not; use env=rtb")
        low, high = (None, (1.0, spec.max_steps)) if shown is None or shown.bounds is None else shown.bounds
        if low is not None and any(low):
            raise UserError(f"agent=rlb: bids in auctions, where nothing is below 0 as in {spec.id}; use env=rtb")
        self.config, self._prices, self._auctions = config, spec.action.n - 1, spec.max_steps
        self._budget = round(high[_BUDGET] * self._prices)  # without a bound, of what all auctions can cost
        self.rollout_steps = config.rollout_steps
        self.counts = _Table(
            price=np.concatenate([[0.0], np.ones(self._prices)]), rate=np.zeros(_MOST_RATES), seen=np.zeros(_MOST_RATES)
        )
        self.plan = _Table(values=np.zeros((self._auctions + 1, self._budget + 1)), slope=np.zeros(1), of=np.zeros(1))
        self._plan_anew(np.ones(1), np.ones(1))

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        """The same in all modes; nothing is drawn."""
        shown = obs["vector"].cpu().double().numpy()
        rate, plan = shown[:, _RATE].clip(min=0.0), self.plan
        if self.config.rule in ("lin", "mcpc"):
            bid = np.minimum(np.floor(plan["slope"][0] * rate + 1e-6), self._prices).astype(np.int64)
        else:
            rate = np.full(len(rate), plan["of"][0]) if self.config.rule == "ss_mdp" else rate
            after = plan["values"][_whole(shown[:, _LEFT] * self._auctions - 1, self._auctions)]  # [N, B + 1]
            budget = _whole(shown[:, _BUDGET] * self._prices, self._budget)[:, None]
            left = budget - np.arange(self._prices + 1)
            lost = np.take_along_axis(after, budget, axis=1) - np.take_along_axis(after, left.clip(min=0), axis=1)
            bid = ((left >= 0) & (lost <= rate[:, None])).sum(axis=1) - 1
        return ActOutput(torch.from_numpy(bid).to(self._device), None)

    def assess(self, rollout: Rollout) -> Assessment:
        """As if it had been sure of what it bid."""
        values = torch.zeros(rollout.steps + 1, rollout.num_envs, 1, device=self._device)
        logits = _SURE * torch.nn.functional.one_hot(rollout.action, self._prices + 1).float()
        return Assessment(distributions.log_prob({"logits": logits}, rollout.action), {"logits": logits}, values)

    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        """Count prices and rates; plan, where they are twice as many as those of the plan.

        Raises:
            UserError: there are more than 1000 different rates.
        """
        price = _whole(rollout.next_obs["vector"][..., _PRICE].cpu().numpy() * self._prices, self._prices)
        rate = rollout.obs["vector"][..., _RATE].cpu().double().numpy().clip(min=0.0)
        counts, before = self.counts, float(self.counts["seen"].sum())
        np.add.at(counts["price"], price.ravel(), 1.0)
        known = int((counts["seen"] > 0).sum())
        every, where = np.unique(np.concatenate([counts["rate"][:known], rate.ravel()]), return_inverse=True)
        if len(every) > _MOST_RATES:
            raise UserError(f"agent=rlb: {len(every)} click rates are too many to be told apart (at most 1000)")
        seen = np.zeros(_MOST_RATES)
        np.add.at(seen, where, np.concatenate([counts["seen"][:known], np.ones(rate.size)]))
        counts["rate"][: len(every)], counts["seen"][:] = every, seen
        total = float(seen.sum())
        if before == 0 or np.floor(np.log2(total)) > np.floor(np.log2(before)):
            self._plan_anew(every, seen[: len(every)])
            self._updates += 1
        return {"explore/auctions": total}

    def _plan_anew(self, rate: Array, seen: Array) -> None:
        law = self.counts["price"] / self.counts["price"].sum()
        market = Market(law, rate, seen / seen.sum(), self._auctions, self._budget)
        config, plan = self.config, self.plan
        plan["of"][0] = market.mean_rate
        if config.rule in ("rlb", "ss_mdp"):
            plan["values"][:] = bidding.best_values(market if config.theta == "full" else market.averaged())
        elif config.rule == "mcpc":
            plan["slope"][0] = market.mean_price / market.mean_rate
        else:
            plan["slope"][0] = (bidding.best_slope(market) if config.k is None else config.k) / market.mean_rate


def _whole(numbers: Array, most: int) -> Array:
    """The nearest whole numbers from 0 to `most`."""
    found: Array = np.rint(numbers).clip(0, most).astype(np.int64)
    return found


class _Table(nn.Module):
    """float64 arrays by name, saved and restored."""

    def __init__(self, **arrays: Array) -> None:
        super().__init__()
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(array.copy()))

    def __getitem__(self, name: str) -> Array:
        found: Array = getattr(self, name).numpy()
        return found
