"""E3B: pays what is unlike everything else in the episode, in features that the agent can influence.

Paper: Henaff et al. 2022, Exploration via elliptical episodic bonuses

The bonus is f^T C^-1 f with C = ridge * I + sum of f f^T over the earlier frames of the episode: a count of
visits within the episode for features that are never quite the same twice. f comes from an encoder that learns by
inverse dynamics only (cross-entropy of the action), so that what the agent can't influence is left out. The first
frame of an episode is not paid. The bonus is divided by its running standard deviation (the reference code's
reward_norm=int, without which E3B fails there; normalise_reward=false turns it off). A random agent's warm-up sets the
deviation first, and a rollout is scored with that from before it.

Features are divided by their length (normalise_features). Without it they grow while the encoder learns, from a squared
length of 0.5 to some 800 within 1M frames of MultiRoom-N6, and ridge does not: the first frames of an episode are paid
thousands, all that follow next to nothing. With it the first frame of a kind is paid 1 / ridge, the one after n of it
about 1 / (ridge + n).

- paid=successor: a step is paid for the frame that it leads to. The default.
- paid=current: a step is paid for the frame that it was taken in, as in the paper and its code; the same numbers one
  step later, and an episode's final frame is never paid.

Published values: ridge 0.1, coef 1, features and hidden layers 1024 wide, Adam's step 1e-4 (facebookresearch/e3b, on
MiniHack), normalise_features=false, and network=published, the repository's encoder of NetHack's screen; the defaults
are small networks with a step to match and a coef for our PPO, whose advantages are normalised.
"""

from dataclasses import dataclass

import torch

from rewardlab.parts.both_ends import at_both_ends
from rewardlab.parts.memories.elliptical_memory import EllipticalMemory
from rewardlab.parts.models.controllable_features import ControllableFeatures
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout, TensorObs

VERSION = 4


@dataclass
class Config(BonusConfig):
    coef: float = option(0.01, "weight of the bonus", minimum=0)
    ridge: float = option(0.1, "the matrix of an empty episode is this times the identity", above=0)
    paid: str = option(
        "successor", "what a step is paid for: the frame it leads to, or its own", choices=("successor", "current")
    )
    normalise_reward: bool = option(True, "divide by the running std of the bonus")
    normalise_features: bool = option(True, "divide features by their length, so that ridge has a unit")
    warmup: int = option(128, "vector steps of a random agent that set this std", minimum=0)
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(32, "size of the features", above=0)
    learning_rate: float = option(1e-3, "Adam's step size", above=0)
    epochs: int = option(1, "passes over a rollout", above=0)
    batch_size: int = option(256, "size of minibatches", above=0)
    network: str = option(
        "auto",
        "published: the encoder of E3B's code for NetHack's screen, with learned embeddings of glyphs",
        choices=("auto", "published"),
        neutral="auto",
    )


class Scheme(BonusScheme):
    """The encoder sees one observation at a time, the memory outlasts rollouts."""

    metrics = ("loss/e3b_inverse", "explore/e3b_bonus")
    stateful = ("features", "memory", "moments")
    episodic_memory = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.pays_prediction = config.paid == "current"
        self.warmup_steps = config.warmup if config.normalise_reward else 0
        self.features = ControllableFeatures(
            context,
            hidden=config.hidden,
            features=config.features,
            learning_rate=config.learning_rate,
            glyphs=config.network == "published",
        )
        self.memory = EllipticalMemory(context.num_envs, config.features, config.ridge)
        self.moments = RunningMoments((), context.device)
        self._mean = 0.0

    @torch.no_grad()
    def warm_up(self, rollout: Rollout) -> None:
        self.moments.add(self._elliptical(rollout).flatten())
        self.memory.forget()  # what follows are other episodes

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        bonus = self._elliptical(rollout)
        self._mean = float(bonus.mean())
        if not self.config.normalise_reward:
            return bonus
        normalised = bonus / self.moments.std
        self.moments.add(bonus.flatten())
        return normalised

    def update(self, rollout: Rollout) -> Metrics:
        loss = self.features.learn(rollout, epochs=self.config.epochs, batch_size=self.config.batch_size)
        return {"loss/e3b_inverse": loss, "explore/e3b_bonus": self._mean}

    def _features(self, obs: TensorObs) -> torch.Tensor:
        """Observations [B, *shape] -> [B, features]."""
        features = self.features(obs)
        return torch.nn.functional.normalize(features, dim=-1) if self.config.normalise_features else features

    def _elliptical(self, rollout: Rollout) -> torch.Tensor:
        """float32 [T, N], before any scaling."""
        (features, reached), first = at_both_ends(self._features, rollout), rollout.first
        if self.config.paid == "current":
            return self.memory.visits(features, first)
        return self.memory.arrivals(features[first], reached, first)
