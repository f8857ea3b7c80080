"""RIDE: pays how far an action moves the agent in the features of what it can control, less with every return.

Paper: Raileanu and Rocktaeschel 2020, RIDE: rewarding impact-driven exploration for procedurally-generated environments
Assumes: nothing with key=view, simhash or downscaled, privileged with key=state

The bonus of a step from s to its true successor s' is ||phi(s') - phi(s)||_2 / sqrt(N_ep(s')), N_ep counting visits
within the episode, this one and the state with which it began included (the paper's code clears its table just after
it counted that state). scope=lifelong pays the numerator alone. 1 / sqrt(N_ep) alone is `count` with scope=episodic.
phi reads what the agent sees. It and both models learn, after the rollout was paid,

    forward_coef * ||predicted - phi(s')||_2 + inverse_coef * cross-entropy of the action.

The forward loss alone is least where all features are alike, and its slope stays as steep on the way there. With the
published weights, 100 to 1, they end so under our PPO: within 1M frames the bonus falls to a hundredth or less, and
the inverse model unlearns. The paper's code makes a sixth of the gradient steps for as many frames. The defaults weigh
both losses alike.

Published under this name:

- key=state, coef=0.1, forward_coef=10, inverse_coef=0.1: visits of the full grid (the paper's code, MultiRoom-N7-S4,
  KeyCorridorS3R3; coef=0.5 on MultiRoom-N7-S8 and longer ones, where the entropy's weight is 1e-3 for 5e-4).
- key=view is the default here, so that the scheme knows no more than those beside it.
"""

from dataclasses import dataclass

import torch

from rewardlab.maths.intrinsic import prediction_error
from rewardlab.networks.adam import Adam
from rewardlab.parts.both_ends import at_both_ends
from rewardlab.parts.memories.episodic_visits import EpisodicVisits
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.models.dynamics import Dynamics
from rewardlab.parts.models.inverse_model import ForwardModel, InverseModel
from rewardlab.parts.state_keys import KINDS, CellOptions, revision_of
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import RootConfig, option
from rewardlab.types import BuildContext, Metrics, Rollout

VERSION = 4


@dataclass
class Config(CellOptions, BonusConfig):
    coef: float = option(0.01, "weight of the bonus", minimum=0)
    key: str = option("view", "what visits are told by: view, place, message, full state, or likeness", choices=KINDS)
    bits: int = option(32, "length of the simhash: more bits tell more states apart", above=0, maximum=1024)
    scope: str = option(
        "both",
        "both: how far the features move, less with each visit in the episode; or the first alone",
        choices=("both", "lifelong"),
        neutral="both",
    )
    forward_coef: float = option(1.0, "weight of the forward model's loss", minimum=0)
    inverse_coef: float = option(1.0, "weight of the inverse model's loss", minimum=0)
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(64, "size of the features", above=0)
    learning_rate: float = option(2e-4, "Adam's step size", above=0)
    epochs: int = option(1, "passes over a rollout", above=0)
    batch_size: int = option(512, "size of minibatches", above=0)

    def revision(self, setting: RootConfig) -> int:
        return revision_of(self.key)


class Scheme(BonusScheme):
    """Encoder, inverse and forward model learn together; the policy has a network of its own."""

    metrics = ("loss/ride_inverse", "loss/ride_forward", "explore/first_visits")
    stateful = ("visits", "inverse", "forward", "optimiser")
    episodic_memory = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.episodic_memory = config.scope == "both"
        spec, generator = context.spec, context.generator
        self.visits = EpisodicVisits("ride", config, context)
        self.tell_apart_by(self.visits.keys)
        self.inverse = InverseModel(spec, config.hidden, config.features, generator).to(context.device)
        self.forward = ForwardModel(spec.action, config.features, config.hidden, generator).to(context.device)
        weights = [*self.inverse.parameters(), *self.forward.parameters()]
        self.optimiser = Adam(weights, config.learning_rate)
        self.dynamics = Dynamics(self.inverse, self.forward, self.optimiser)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        visits = self.visits.add(rollout)
        here, there = at_both_ends(self.dynamics.encode, rollout)
        impact = prediction_error(here, there, "l2")
        return impact if self.config.scope == "lifelong" else impact / visits.sqrt()

    def update(self, rollout: Rollout) -> Metrics:
        config = self.config
        inverse_loss, forward_loss = self.dynamics.learn(
            rollout,
            minibatches(rollout.task_reward.numel(), config.batch_size, config.epochs, self.context.generator),
            inverse_coef=config.inverse_coef,
            forward_coef=config.forward_coef,
            error="l2",
        )
        return {
            "loss/ride_inverse": inverse_loss,
            "loss/ride_forward": forward_loss,
            "explore/first_visits": self.visits.share_of_first,
        }
