"""Pseudo-count: pays 1 / sqrt(how often the episode met states like this one), by the nearest embeddings in memory.

Paper: Badia et al. 2020, Never give up: learning directed exploration strategies (its episodic half)

The embedding of the true successor s' is compared with those of the episode so far, the state in which it began
included. With d_i the squared distance to its i-th of k nearest, divided by a running mean of such distances that the
environment has met (the rollout at hand included), less 0.008 and at least 0:

    bonus = 1 / s,  s = sqrt(sum_i 0.0001 / (d_i + 0.0001)) + 0.001,  and 0 where s > 8      (algorithm 1)

Where the memory holds fewer than k, all count: a bonus is 91 at most where the first of an episode is usual, some 30 on
new ground, 0.3 on ground met k times. Constants are the paper's. The running mean is each actor's own in the
paper and each environment's here; distance_momentum=0.68 is 0.997 at each of 128 steps (0.997 at each step of each
environment in DEIR's code; null: the mean over all time, as in RLeXplore's). A mean that lags behind the embeddings,
whose scale grows as they are learned, takes everything for new. Embeddings come from an inverse model, trained on each
rollout after it was paid; those in memory stay as they came in.

DEIR's comparison (Wan et al. 2023) weighs by 0.001 what was standardised by the rollout, that is by some 20; the
default is of that size.
"""

from dataclasses import dataclass

import torch

from rewardlab.maths.distinct import distinct_of
from rewardlab.maths.neighbours import pseudo_count_bonus
from rewardlab.parts.memories.episodic_memory import EpisodicMemory
from rewardlab.parts.models.controllable_features import ControllableFeatures
from rewardlab.parts.moments.running_mean import RunningMean
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout

VERSION = 4


@dataclass
class Config(BonusConfig):
    coef: float = option(3e-5, "weight of the bonus", minimum=0)
    neighbours: int = option(10, "how many of the nearest in memory count", above=0, maximum=1000)
    epsilon: float = option(1e-4, "of the kernel: how near is as good as the same", above=0)
    cluster: float = option(0.008, "distances up to this share of the mean are none", minimum=0)
    constant: float = option(0.001, "added to the pseudo-count's root", above=0)
    most_similar: float = option(8.0, "a pseudo-count's root above this pays nothing", above=0)
    distance_momentum: float | None = option(
        0.68, "share of the mean distance that stays, per rollout; null: the mean over all time", minimum=0, maximum=1
    )
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(32, "size of the embeddings", above=0)
    learning_rate: float = option(1e-3, "Adam's step size of the inverse model", above=0)
    epochs: int = option(1, "passes over a rollout", above=0)
    batch_size: int = option(256, "size of minibatches", above=0)


class Scheme(BonusScheme):
    """Inverse model, memory of the episode, mean distance."""

    metrics: tuple[str, ...] = ("loss/inverse", "explore/neighbour_distance")
    stateful: tuple[str, ...] = ("embed", "memory", "distance")
    episodic_memory = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.embed = ControllableFeatures(
            context, hidden=config.hidden, features=config.features, learning_rate=config.learning_rate
        )
        self.memory = EpisodicMemory(context.num_envs, config.features, context.spec.max_steps)
        self.distance = RunningMean(context.num_envs, config.distance_momentum)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        config = self.config
        distinct = distinct_of(rollout)
        places = distinct.here[:-1], distinct.there
        squared = self.memory.nearest(self.embed(distinct.rows), *places, rollout.first, config.neighbours)
        self.distance.add(squared.transpose(1, 2).flatten(0, 1))
        return pseudo_count_bonus(
            squared,
            self.distance.mean.to(squared.device).unsqueeze(-1),
            epsilon=config.epsilon,
            cluster=config.cluster,
            constant=config.constant,
            maximum=config.most_similar,
        )

    def update(self, rollout: Rollout) -> Metrics:
        loss = self.embed.learn(rollout, epochs=self.config.epochs, batch_size=self.config.batch_size)
        return {"loss/inverse": loss, "explore/neighbour_distance": float(self.distance.mean.mean())}
