"""NGU: pays what is new in the episode, more where it is new in the lifetime too.

Paper: Badia et al. 2020, Never give up: learning directed exploration strategies

The bonus is r_episode * clip(1 + (e - mean) / std, 1, L), L = 5 (eq. 1). r_episode is that of `pseudocount`, whose
options all are here; e is the error of random distillation on the true successor (`rnd`: mean square, observations
whitened by the moments from before the rollout), its mean and std those over all time, the rollout included. One
policy learns one mixture: the paper's family of them (and its Q-learning) is no part of the bonus.

Published under this name: the above; in DEIR's comparison (Wan et al. 2023) clip(1 + e, 1, L), scale_error=false, by
0.001 of what was standardised by the rollout (see `pseudocount`).
"""

from dataclasses import dataclass

import torch

from rewardlab.parts.models.random_distillation import RandomDistillation
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.rewards.bonus import pseudocount
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout

VERSION = 3


@dataclass
class Config(pseudocount.Config):
    coef: float = option(3e-5, "weight of the bonus", minimum=0)
    most: float = option(5.0, "the most that lifelong novelty multiplies by", minimum=1)
    scope: str = option(
        "both",
        "both: episodic novelty times the lifelong factor; or that factor less 1",
        choices=("both", "lifelong"),
        neutral="both",
    )
    scale_error: bool = option(True, "centre and scale the error of distillation before it multiplies")
    distillation_rate: float = option(1e-4, "Adam's step size of distillation", above=0)


class Scheme(pseudocount.Scheme):
    """A pseudo-count within the episode, times a modulator over the lifetime."""

    metrics = (*pseudocount.Scheme.metrics, "loss/predictor")
    stateful = (*pseudocount.Scheme.stateful, "distillation", "errors")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.most, self.scale_error, self.scope = config.most, config.scale_error, config.scope
        self.episodic_memory = config.scope == "both"
        self.distillation = RandomDistillation(
            context,
            hidden=config.hidden,
            features=config.features,
            learning_rate=config.distillation_rate,
            error="mse",
            whiten=True,
        )
        self.errors = RunningMoments((), context.device)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        error = self.distillation.score_and_take_in(rollout)
        if self.scale_error:
            self.errors.add(error.flatten())
            error = (error - self.errors.mean) / self.errors.std
        factor = (1.0 + error).clamp(1.0, self.most)
        episodic = super().bonus(rollout)  # its memory is of every step, whatever is paid
        if self.scope == "lifelong":  # less 1: what is known pays nothing, and no step pays for being one
            return factor - 1.0
        return episodic * factor

    def update(self, rollout: Rollout) -> Metrics:
        config = self.config
        loss = self.distillation.learn(rollout, epochs=config.epochs, batch_size=config.batch_size)
        return super().update(rollout) | {"loss/predictor": loss}
