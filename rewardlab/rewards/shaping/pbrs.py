"""PBRS: pays for progress by a potential of states, in the one way that leaves the best policies as they are.

Paper: Ng et al. 1999, Policy invariance under reward transformations: theory and application to reward shaping
Assumes: privileged where the potential reads facts of the full state

A step from s to s' is paid F = gamma Phi(s') - Phi(s) (theorem 1) with the task's own gamma. Phi is 0 in terminal
states (Grzes 2017, Reward shaping in episodic reinforcement learning); where an episode is only cut off, it is that of
the true successor, whose value the agent bootstraps too (agent.bootstrap_truncation). Over an episode the discounted
sum is gamma^L Phi(s_L) - Phi(s_0), whatever the way. F is a stream of its own beside the task's, which stays as it is.

The potential is an expression over what is known of a state: the observation's `vector`, as in `-abs(vector[0])`, and
facts of the full state, `distance` (the fewest steps to success, exact, by the solver; fast MiniGrid tasks only) and
`agent_pos`, as in `agent_pos[0] + agent_pos[1]`. See rewardlab/maths/expression.py for what it may hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.maths.expression import Expression
from rewardlab.parts.expressions import OBSERVED, check_on_zeros, number
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RewardConfig, option
from rewardlab.types import BuildContext, Rollout, Signals, StreamSpec, TensorObs

VERSION = 1
_WHAT = "reward.potential"


@dataclass
class Config(RewardConfig):
    potential: str = option("-distance", "Phi(s): an expression over vector, distance, agent_pos")
    coef: float = option(0.01, "weight of the shaping reward", minimum=0)
    task_coef: float = option(1.0, "weight of the task's reward beside it", minimum=0)

    def privileged(self) -> tuple[str, ...]:
        return tuple(name for name in Expression(self.potential).names if name not in OBSERVED)

    def validate(self) -> None:
        try:
            names = Expression(self.potential).names
        except ValueError as error:
            raise ValueError(f"potential={self.potential}: {error}") from None
        if not names:
            raise ValueError(f"potential={self.potential}: is the same in every state; name a fact, as in -distance")


class Scheme(BaseScheme):
    """Remembers nothing and learns nothing."""

    pays_by_step = True
    potential_based = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        self.potential = Expression(config.potential)
        self.reads = tuple(name for name in self.potential.names if name in OBSERVED)
        super().__init__(config, context)
        self.streams = (
            StreamSpec("task", context.gamma, config.task_coef),
            StreamSpec("shaping", context.gamma, config.coef),
        )
        check_on_zeros(self.potential, context.spec, _WHAT)

    @torch.no_grad()
    def compute(self, rollout: Rollout) -> Signals:
        before = self._potential(rollout.obs, rollout.current_privileged, rollout.task_reward.shape)
        after = self._potential(rollout.next_obs, rollout.privileged, rollout.task_reward.shape)
        after = after.masked_fill(rollout.terminated, 0.0)
        return Signals({"task": rollout.task_reward, "shaping": self.context.gamma * after - before})

    def _potential(self, obs: TensorObs, facts: TensorObs, shape: tuple[int, ...]) -> torch.Tensor:
        """float32 of the shape [T, N]."""
        return number(self.potential, {**obs, **facts}, shape, _WHAT, self.context.spec)
