"""ICM: pays the error of predicting the features of what an action leads to.

Paper: Pathak et al. 2017, Curiosity-driven exploration by self-supervised prediction

The bonus is coef * 1/2 * ||predicted - true features of the successor||^2 (eq. 6; coef is the paper's eta). The
encoder and both models learn (1 - beta) * inverse loss + beta * forward loss (eq. 7), the forward loss being the
same half square, through the encoder too. Published values: coef 0.01, beta 0.2, learning rate 1e-3 (the reference
code's 1e-4 times its predictor scale 10); DEIR's study takes the same form with coef 0.01. Every transition counts,
the last of an episode too, because its true successor is known.
"""

from dataclasses import dataclass

import torch

from rewardlab.maths.intrinsic import prediction_error
from rewardlab.networks.adam import Adam
from rewardlab.parts.both_ends import at_both_ends
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.models.dynamics import Dynamics
from rewardlab.parts.models.inverse_model import ForwardModel, InverseModel
from rewardlab.parts.moments.return_filter import ReturnFilter
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout, Transitions

VERSION = 3


@dataclass
class Config(BonusConfig):
    coef: float = option(0.0003, "weight of the bonus, the paper's eta", minimum=0)
    beta: float = option(0.2, "share of the forward loss beside the inverse loss", minimum=0, maximum=1)
    normalise_reward: bool = option(False, "divide by the running std of the bonus's discounted sum")
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(64, "size of the features", above=0)
    learning_rate: float = option(1e-3, "Adam's step size", above=0)
    epochs: int = option(1, "passes over a rollout", above=0)
    batch_size: int = option(256, "size of minibatches", above=0)


class Scheme(BonusScheme):
    """Encoder, inverse and forward model learn together; the policy has a network of its own."""

    metrics = ("loss/icm_inverse", "loss/icm_forward")
    pays_anew = True
    stateful = ("inverse", "forward", "optimiser", "returns")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        spec, generator = context.spec, context.generator
        self.inverse = InverseModel(spec, config.hidden, config.features, generator).to(context.device)
        self.forward = ForwardModel(spec.action, config.features, config.hidden, generator).to(context.device)
        parameters = [*self.inverse.parameters(), *self.forward.parameters()]
        self.optimiser = Adam(parameters, config.learning_rate)
        self.dynamics = Dynamics(self.inverse, self.forward, self.optimiser)
        self.returns = ReturnFilter(context.num_envs, self.streams[1].gamma, context.device)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        features, next_features = at_both_ends(self.dynamics.encode, rollout)
        error = self._error(features, rollout.action, next_features)
        return self.returns.normalise(error) if self.config.normalise_reward else error

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        error = self._error(self.dynamics.encode(steps.obs), steps.action, self.dynamics.encode(steps.next_obs))
        return {"intrinsic": self.returns.scale(error) if self.config.normalise_reward else error}

    def update(self, rollout: Rollout) -> Metrics:
        config = self.config
        inverse_loss, forward_loss = self.dynamics.learn(
            rollout,
            minibatches(rollout.task_reward.numel(), config.batch_size, config.epochs, self.context.generator),
            inverse_coef=1 - config.beta,
            forward_coef=config.beta,
            error="half_square",
        )
        return {"loss/icm_inverse": inverse_loss, "loss/icm_forward": forward_loss}

    def _error(self, features: torch.Tensor, action: torch.Tensor, next_features: torch.Tensor) -> torch.Tensor:
        """Of the forward model, [T, N] or [B]."""
        return prediction_error(self.forward(features, action), next_features, "half_square")
