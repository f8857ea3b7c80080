"""NovelD: pays a step from known to new ground, the first time in an episode that it leads there.

Paper: Zhang et al. 2021, NovelD: a simple yet effective exploration criterion (as BeBold: Zhang et al. 2020)
Assumes: nothing with key=view, simhash or downscaled, privileged with key=state

The bonus of a step from s to its true successor s' is max(nov(s') - alpha * nov(s), 0) * 1[N_ep(s') = 1], nov
being the Euclidean distance of a predictor to a fixed random target (RND) on what the agent sees, both taken before
the rollout is learned from. N_ep counts visits within the episode, this one and the state with which it began included.
scope=lifelong pays the first factor alone. The second alone is `first_visits`.
Published under this name:

- key=state, alpha=0.5, coef=0.05: first visits by the full grid, no normalisation, rewards clipped to +-1
  (github.com/tianjunz/NovelD; there with a predictor of width 1024 on a frozen convolutional encoder, learning at 1e-4:
  the small one here needs larger steps to forget as fast). alpha=0.1 in MiniHack (code of E3B, Henaff et al. 2022).
- key=view, coef=0.03: first visits by the partial view (DEIR's comparison, Wan et al. 2023; scaled by the rollout
  there). The key is the default here, so that the scheme knows no more than those beside it.
"""

from dataclasses import dataclass

import torch

from rewardlab.parts.both_ends import at_both_ends
from rewardlab.parts.memories.episodic_visits import EpisodicVisits
from rewardlab.parts.models.random_distillation import RandomDistillation
from rewardlab.parts.state_keys import KINDS, CellOptions, revision_of
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import RootConfig, option
from rewardlab.types import BuildContext, Metrics, Rollout

VERSION = 4


@dataclass
class Config(CellOptions, BonusConfig):
    coef: float = option(0.005, "weight of the bonus", minimum=0)
    alpha: float = option(0.5, "how much of the novelty left behind is taken off", minimum=0)
    key: str = option("view", "what tells first visits: view, place, message, full state, or likeness", choices=KINDS)
    bits: int = option(32, "length of the simhash: more bits tell more states apart", above=0, maximum=1024)
    scope: str = option(
        "both",
        "both: what is new in the lifetime, where it is new in the episode; or the first alone",
        choices=("both", "lifelong"),
        neutral="both",
    )
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(64, "size of what is predicted", above=0)
    learning_rate: float = option(1e-3, "Adam's step size of the predictor", above=0)
    epochs: int = option(1, "passes of the predictor over a rollout", above=0)
    batch_size: int = option(256, "size of its minibatches", above=0)

    def revision(self, setting: RootConfig) -> int:
        return revision_of(self.key)


class Scheme(BonusScheme):
    """Lifelong novelty by distillation, episodic novelty by counting."""

    metrics = ("loss/noveld_predictor", "explore/first_visits")
    stateful = ("visits", "distillation")
    episodic_memory = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.episodic_memory = config.scope == "both"
        self.visits = EpisodicVisits("noveld", config, context)
        self.tell_apart_by(self.visits.keys)
        self.distillation = RandomDistillation(
            context,
            hidden=config.hidden,
            features=config.features,
            learning_rate=config.learning_rate,
            error="l2",
            whiten=False,
        )

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        first = self.visits.add(rollout) == 1
        here, there = at_both_ends(self.distillation.score, rollout)
        gained = (there - self.config.alpha * here).clamp(min=0.0)
        return gained if self.config.scope == "lifelong" else gained * first

    def update(self, rollout: Rollout) -> Metrics:
        loss = self.distillation.learn(rollout, epochs=self.config.epochs, batch_size=self.config.batch_size)
        return {"loss/noveld_predictor": loss, "explore/first_visits": self.visits.share_of_first}
