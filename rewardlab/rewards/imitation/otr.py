"""OTR: pays an episode's steps by how well each is matched, in optimal transport, with a demonstration.

Paper: Luo et al. 2023, Optimal transport for offline imitation learning
Assumes: demos

An episode and a demonstration have the mass 1 each, spread evenly over their steps. The plan moves one onto the other
where the cosine of what steps led to is highest, blurred by `epsilon`. A step costs c, the mean over what it is matched
with, and is paid

    scale exp(-slope c) + offset,

with per_dimension c / D in the place of c, where an observation has D numbers.

Of the `top` demonstrations with the highest returns an episode is paid by the one whose match costs least in all.

The published settings are scale 5, slope 5 and per_dimension for locomotion, and scale 5, slope 1, offset -2 for
AntMaze. There data are relabelled and learned from offline; here episodes are paid as they are played, and the offset
-5 is ours: no step pays more than 0, so that to end well is never a loss. Steps are compared by what they led to, there
by what was acted on; the reward per step is free of the length by 1 / L, there by 1 / 1000. An episode that is still
open when the rollout ends is matched as far as it goes, and again with what comes later: only the later steps are paid
by that. With at_ends, for agents on replay, an episode is matched once, when it has ended, as the authors' data are:
its steps reach the buffer then, and while it is played the sum is paid with its last step. The task's reward counts
nothing by default.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.datasets.options import DemosOptions
from rewardlab.errors import UserError
from rewardlab.maths.optimal_transport import cosine_costs, match_rewards, transport_plan
from rewardlab.networks.flat import can_onehot, encode_flat, flat_size
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Episode, Metrics, Rollout, TensorObs, Transitions

VERSION = 2

_PAID = "otr"  # in `Transitions.extra`


@dataclass
class Config(DemosOptions, BonusConfig):
    coef: float = option(0.01, "weight of what is paid: every step is, so that returns are large", minimum=0)
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    top: int = option(1, "demonstrations that are compared with, those with the highest returns", above=0)
    epsilon: float = option(0.01, "how blurred the matching is", above=0)
    iterations: int = option(100, "at most so many of Sinkhorn's algorithm", above=0)
    tolerance: float = option(1e-9, "it stops when masses are so near", minimum=0)
    scale: float = option(5.0, "what a perfect match is paid, offset left out", above=0)
    slope: float = option(5.0, "how fast the pay falls with the cost of the match", minimum=0)
    per_dimension: bool = option(False, "whether the slope is divided by the numbers in an observation")
    offset: float = option(-5.0, "added to what every step is paid")
    at_ends: bool = option(
        False, "for agents on replay: episodes are paid, and learned from, when they have ended", neutral=False
    )


class Scheme(BonusScheme):
    """Learns nothing; keeps the episodes that are open."""

    metrics: tuple[str, ...] = ("explore/otr_cost", "explore/otr_cut_steps")
    models_task = True
    pays_single_steps = False
    looks_ahead = True
    labels_data = True
    whole_episodes = True
    episodic_memory = True
    stateful = ("episodes",)

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: no demonstrations, or some that do not fit the environment.
        """
        super().__init__(config, context)
        if config.demos is None:
            raise UserError("reward=otr: needs demonstrations, such as rewardlab demos records: reward.demos=DIR")
        self.config, self.assumes = config, self.assumes | {"demos"}
        self._file = config.demonstrations("reward", context.spec)
        self._onehot = can_onehot(context.spec.obs)
        self._dimension = flat_size(context.spec.obs, onehot=self._onehot)
        self._shown: list[torch.Tensor] | None = None
        self.episodes = EpisodeAssembler(context.num_envs, successors=True)
        self._told: Metrics = {}
        if config.at_ends:
            self.waits_for_ends = self.pays_anew = True
            self.looks_ahead, self.metrics = False, ("explore/otr_cost",)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        ended, costs = self.episodes.add(rollout), []
        paid = torch.zeros_like(rollout.task_reward)
        begin = [0] * rollout.num_envs  # the step of the rollout from which on each environment's steps are to be paid
        for episode, (end, env) in zip(ended, rollout.done.nonzero().tolist(), strict=True):
            cost = self._costs(episode.next_obs)
            costs.append(float(cost.mean()))
            if self.config.at_ends:
                paid[end, env] = float(self._squashed(cost).sum())
            else:
                self._pay(paid, cost, begin[env], end + 1, env)
            begin[env] = end + 1
        self._told = {"explore/otr_cost": float(np.mean(costs))} if costs else {}
        if self.config.at_ends:
            return paid
        open_steps = 0
        for env, next_obs in self.episodes.begun().items():
            self._pay(paid, self._costs(next_obs), begin[env], rollout.steps, env)
            open_steps += rollout.steps - begin[env]
        self._told["explore/otr_cut_steps"] = open_steps / paid.numel()
        return paid

    def of_episode(self, episode: Episode) -> dict[str, torch.Tensor]:
        return {_PAID: torch.from_numpy(self._squashed(self._costs(episode.next_obs))).to(episode.task_reward)}

    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        return {"intrinsic": steps.extra[_PAID]}

    def update(self, rollout: Rollout) -> Metrics:
        return self._told

    def _pay(self, paid: torch.Tensor, costs: Array, begin: int, end: int, env: int) -> None:
        """Pay the last steps of an episode, which stand at `begin` to `end` of the rollout."""
        paid[begin:end, env] = torch.from_numpy(self._squashed(costs[len(costs) - (end - begin) :])).to(paid)

    def _squashed(self, costs: Array) -> Array:
        """What steps of these costs are paid."""
        config = self.config
        slope = config.slope / (self._dimension if config.per_dimension else 1)
        found: Array = config.scale * np.exp(-slope * costs) + config.offset
        return found

    def _costs(self, next_obs: TensorObs) -> Array:
        """What each step of an episode costs by the demonstration that fits best, float64 [L]."""
        config, own = self.config, self._flat(next_obs)
        found = []
        for shown in self._demonstrated():
            costs = cosine_costs(own, shown)
            plan = transport_plan(costs, config.epsilon, config.iterations, config.tolerance)
            found.append(-match_rewards(costs, plan))
        return min(found, key=lambda costs: float(costs.sum()))

    def _demonstrated(self) -> list[torch.Tensor]:
        """What the best demonstrations led to, [M, D] each; of equals, the first."""
        if self._shown is None:
            read = self._file.read()
            returns = [float(episode.task_reward.sum()) for episode in read.episodes]
            best = np.argsort(-np.array(returns), kind="stable")[: self.config.top]
            reached = ({name: entry[1:] for name, entry in read.shown[i].items()} for i in best)
            self._shown = [self._flat(obs).to(self.context.device) for obs in reached]
        return self._shown

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs, self.context.spec.obs, onehot=self._onehot)
