"""Teacher: pays for what a bandit's pull costs no one, or for pulling as UCB would have done on the learner's own
history

Paper: Chen et al. 2025, When greedy wins: emergent exploitation bias in meta-bandit LLM training (arXiv:2509.24923)
Assumes: privileged

For worlds of arms: `env=bandit` and others. The task's reward is replaced; returns and regret stay the task's.

| reward.variant | a pull is paid |
|---|---|
| strategic | 1 - gap / (largest gap of the problem); 1 where all arms are alike |
| algorithmic | 1 where it is the arm that UCB with c = .5 pulls next after what the learner did and saw, else 0 |
| task | what the arm paid |

UCB is asked before each pull of the learner. A teacher that plays on its own would be elsewhere after the first
difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.errors import UserError
from rewardlab.facts import GAP, MAX_GAP, TEACHER
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RewardConfig, option
from rewardlab.types import BuildContext, Rollout, Signals

VERSION = 1
_READS = {"strategic": (GAP, MAX_GAP), "algorithmic": (TEACHER,), "task": ()}


@dataclass
class Config(RewardConfig):
    variant: str = option("strategic", "what is paid", choices=tuple(_READS))

    def privileged(self) -> tuple[str, ...]:
        return _READS[self.variant]


class Scheme(BaseScheme):
    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        if context.spec.action.n is None:
            raise UserError(f"reward=teacher: {context.spec.id} has no arms; use env=bandit")
        self._variant, self.replaces_task = config.variant, config.variant != "task"

    def compute(self, rollout: Rollout) -> Signals:
        facts = rollout.privileged
        if self._variant == "task":
            return Signals({"task": rollout.task_reward})
        if self._variant == "algorithmic":
            return Signals({"task": (rollout.action == facts[TEACHER]).float()})
        most = facts[MAX_GAP]
        share = torch.where(most > 0, facts[GAP] / torch.where(most > 0, most, 1.0), 0.0)
        return Signals({"task": (1.0 - share).float()})
