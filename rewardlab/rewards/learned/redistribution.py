"""Redistribution: hands an episode's return out among its steps, so that a delayed reward comes when it is earned.

Paper: Ren et al. 2022, Learning long-term reward redistribution via randomized return decomposition
Assumes: privileged where the factors read facts of the full state

The task's own reward counts nothing by default; what is handed out is a stream of its own. An episode's return R is the
undiscounted sum of its task rewards, whenever these are paid (env.delayed_reward pays them all at its end). T is its
length. A time limit is no termination: agents bootstrap there as ever.

uniform: R / T. ircr (Gangwani et al. 2020, arXiv:2010.12718): R on a scale from the lowest to the highest of the
memory, the same for every step; half of each minibatch is from the ten best episodes. Both are known only when an
episode has ended, so they are for agents on replay, with agent.bonus=replayed, which then keep whole episodes.
rd: a network r(s, a, s') whose mean over all steps of an episode is to be R / T. rrd (arXiv:2111.13485): over `steps`
random ones; unbiased=true takes the variance off that this brings.
lare (Qu et al. 2024, arXiv:2412.11120): rd, or rrd with `steps`, of named factors of a step, which a language model
writes there. Here they are expressions of the setting, reward.factors.NAME=EXPRESSION, or code=FILE with
factors(before, action, after), which runs in a sandbox once for each step that is played (`rewardlab write
--writer lare` has one written). Factors and R / T are standardised.
rudder (Arjona-Medina et al. 2019, arXiv:1806.07857): differences of an LSTM's prediction of R, see
`redistribution_rudder.py`.
diaster (Lin et al. 2024, arXiv:2312.10642): a network learns the differences between what a GRU says the pieces of an
episode up to two steps return; the GRU learns that two pieces return together what the whole did.
spa (Wang et al. 2025, SPA-RL, arXiv:2505.20732): a network whose sum over all steps is to be R, and `grounding` for
each valid action: here, one that changed the observation.

Models learn from the latest whole episodes, `memory` steps of them, after each rollout.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.rewards.base import BonusScheme
from rewardlab.rewards.learned.redistribution_ended import Ended
from rewardlab.rewards.learned.redistribution_options import ENDED, Options
from rewardlab.rewards.learned.redistribution_rudder import Rudder
from rewardlab.rewards.learned.redistribution_stepwise import Diaster, Stepwise
from rewardlab.types import BuildContext, Metrics, Rollout, TensorObs, Transitions

VERSION = 1


@dataclass
class Config(Options): ...


class Scheme(BonusScheme):
    """Hands every call on to its method."""

    models_task = True
    whole_episodes = True
    pays_anew = True
    stateful = ("method",)

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: an episode may be longer than the memory, or factors can't be computed.
        """
        super().__init__(config, context)
        self.method: Ended | Rudder | Stepwise
        if config.method in ENDED:
            self.method = Ended(config, context)
            self.waits_for_ends = True
            self.best_share, self.best_episodes = self.method.best_share, config.best_episodes
        elif config.method == "rudder":
            self.method = Rudder(config, context)
        else:
            self.method = (Diaster if config.method == "diaster" else Stepwise)(config, context)
        self.pays_anew = self.method.pays_anew
        self.pays_single_steps = isinstance(self.method, Stepwise)
        self.pays_prediction = not isinstance(self.method, Stepwise)
        self.metrics = self.method.metrics
        self._factors = self.method.factors if isinstance(self.method, Stepwise) else None
        if self._factors is not None:
            self.keeps = self._factors.keeps
            self.code, self.assumes = self._factors.code, self.assumes | self._factors.assumes

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return self.method.pay(rollout)

    def kept_of(self, rollout: Rollout) -> TensorObs:
        return {} if self._factors is None else self._factors.kept_of(rollout)

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        return {"intrinsic": self.method.pay_anew(steps)}

    def update(self, rollout: Rollout) -> Metrics:
        return self.method.learn(rollout)
