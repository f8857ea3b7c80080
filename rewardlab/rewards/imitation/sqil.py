"""SQIL: demonstrated steps pay 1, the agent's own pay nothing, and both are replayed.

Paper: Reddy et al. 2020, SQIL: imitation learning via reinforcement learning with sparse rewards
Assumes: demos

For agents on replay, with agent.demos=DIR agent.demos_share=0.5 agent.bonus=replayed (the paper's balance). A
demonstration that terminates is paid 1 for ever, as if in an absorbing state (Kostrikov et al. 2019, arXiv:1809.02925):
else its end would be worth less than going on. The task's reward counts nothing by default. The paper learns soft
Q-values, as agent=sac does and agent=dqn with agent.temperature.
"""

from dataclasses import dataclass

import torch

from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Rollout, Transitions

VERSION = 1


@dataclass
class Config(BonusConfig):
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)


class Scheme(BonusScheme):
    """What is played pays nothing; `rewards_of` knows demonstrated steps by their mark."""

    pays_anew = True
    pays_demonstrated = True
    pays_prediction = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.assumes |= {"demos"}

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return torch.zeros_like(rollout.task_reward)

    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        mark = steps.extra.get("demonstrated")
        if mark is None:
            return {"intrinsic": torch.zeros(len(steps.action), device=steps.action.device)}
        forever = 1.0 / (1.0 - self.context.gamma) if self.context.gamma < 1 else 1.0
        return {"intrinsic": mark * torch.where(steps.extra["discount"] == 0, forever, 1.0)}
