"""RE3: pays the distance to the nearest of the states met lately, in the features of a fixed random network.

Paper: Seo et al. 2021, State entropy maximization with random encoders for efficient exploration

With y the features of the true successor and d its distance to the k-th nearest of those in memory, the rollout at
hand among them (itself is the nearest and does not count), the bonus estimates what the state adds to an entropy:

- entropy=shannon: log(d + 1). The default; k = 3 is the paper's.
- entropy=renyi: d^(1 - order), order in (0, 1): RISE (Yuan et al. 2022), order 0.5 in its code.

average=true takes the mean distance to the k nearest in place of the k-th. scale_distance=true divides distances by the
running standard deviation of all so far, the rollout included. The paper's code for MiniGrid (A2C) does both, averages
over 4 of them and itself, remembers 10000 states, and adds the bonus, undiscounted and with coef=0.005, to advantages
and returns; here it is a reward. RLeXplore: 1000 states of each environment and k = 5. The default memory is small
because the search costs time in proportion.
"""

from dataclasses import dataclass

import torch

from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.maths.neighbours import nearest_distances, renyi_bonus, shannon_bonus
from rewardlab.networks.picture import flat_network, flat_rows
from rewardlab.parts.memories.recent_steps import RecentSteps
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout

VERSION = 3


@dataclass
class Config(BonusConfig):
    coef: float = option(0.0015, "weight of the bonus", minimum=0)
    entropy: str = option("shannon", "which entropy: RE3's, or RISE's", choices=("shannon", "renyi"))
    order: float = option(0.5, "of entropy=renyi", above=0, maximum=1)
    neighbours: int = option(3, "k: the distance to which neighbour counts", above=0, maximum=1000)
    average: bool = option(False, "the mean distance to the k nearest in place of the k-th")
    scale_distance: bool = option(True, "divide distances by their running standard deviation")
    memory: int = option(2048, "states remembered, of all environments together, beside the rollout", minimum=0)
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(64, "size of the features", above=0)

    def validate(self) -> None:
        if self.order >= 1:
            raise ValueError(f"order={self.order}: must be less than 1")


class Scheme(BonusScheme):
    """Nothing is learned: a random encoder, and a memory of its features."""

    metrics = ("explore/neighbour_distance",)
    stateful = ("encoder", "recent", "distances")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        encoder = flat_network(context.spec.obs, (config.hidden, config.features), context.generator)
        self.encoder = encoder.to(context.device).requires_grad_(False)
        self.recent = RecentSteps(config.memory // context.num_envs, context.num_envs, config.features, context.device)
        self.distances = RunningMoments((), context.device)
        self._mean = 0.0

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        config = self.config
        distinct = distinct_of(rollout)
        encoded = self.encoder(flat_rows(distinct.rows, self.context.spec.obs))
        features = spread(encoded, distinct.there)
        points = torch.cat([self.recent.all, features.flatten(0, 1)])
        nearest = spread(nearest_distances(encoded, points, config.neighbours + 1), distinct.there.flatten())
        self.recent.add(features)
        distance = nearest[:, 1:].mean(dim=1) if config.average else nearest[:, -1]  # the nearest is itself
        self._mean = float(distance.mean())
        if config.scale_distance:
            self.distances.add(distance)
            distance = distance / self.distances.std
        distance = distance.reshape(rollout.task_reward.shape)
        return shannon_bonus(distance) if config.entropy == "shannon" else renyi_bonus(distance, config.order)

    def update(self, rollout: Rollout) -> Metrics:
        return {"explore/neighbour_distance": self._mean}
