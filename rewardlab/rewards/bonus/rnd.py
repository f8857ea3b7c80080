"""RND: pays the error of predicting a fixed random network on what was reached.

Paper: Burda et al. 2018, Exploration by random network distillation

The defaults follow the paper and its reference code (openai/random-network-distillation), with networks and a
warm-up of MiniGrid's size:

- error=mse on the true successor, from an observation whitened by its running mean and standard deviation and
  clipped to +-5. A random agent's warm-up sets the moments; a rollout is scored with those from before it and then
  taken in, as in the reference code, which takes in the frames shown rather than the successors scored.
- The error is divided by the running standard deviation of its discounted sum so far, the rollout included.
- The bonus has a value head of its own that runs through the ends of episodes (episodic=false), gamma 0.99.
- The predictor makes four passes of four minibatches over each rollout, as published. One pass is cheaper, but leaves
  an error that never wears off where views are hard to fit, and the policy stays there: DoorKey-8x8 was then solved on
  3 of 5 seeds within a million frames. Its rate is twice PPO's default (there both have 1e-4): at 1e-4 a view stays new
  for so long that our faster policy settles in front of it. Equal views share a minibatch, where one stands for all: a
  third of the work, and as there is but one answer to a view, it tells as much.
- The published weights are task_coef=2 and coef=1; under our PPO deep tasks chose 0.3 among 0.01 to 1, and small
  ones 0.1 among 0.003 to 0.3 (results/reference/tuning).

Pictures as published: network=published, channels=1 (the latest of several grey frames, whitened pixel by pixel),
hidden and features 512, learning_rate=1e-4, coef=1, warmup=6400 (50 x 128), update_proportion=0.25 beside 128
environments.

Other code under this name, each with one value head on the sum of all rewards (agent.streams=joint):

- RIDE's repository (torchbeast): error=l2 (the norm, not squared), normalise_observation=false,
  normalise_reward=false, extra_layers=0, episodic=true, coef=0.1, task_coef=1; recipe rnd_torchbeast_multiroom_n7_s4.
- Andres et al. 2022: the same with error=mse, coef=0.05; recipe rnd_andres_multiroom_n7_s4.
"""

from dataclasses import dataclass

import torch

from rewardlab.parts.models.random_distillation import NETWORKS, RandomDistillation
from rewardlab.parts.moments.return_filter import ReturnFilter
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout, Transitions

VERSION = 6


@dataclass
class Config(BonusConfig):
    coef: float = option(0.3, "weight of the bonus", minimum=0)
    task_coef: float = option(2.0, "weight of the task's reward beside it", minimum=0)
    gamma: float | None = option(0.99, "discount of the bonus; null: the task's", minimum=0, maximum=1)
    episodic: bool = option(False, "whether the bonus's return ends with the episode")
    error: str = option("mse", "prediction error that is paid", choices=("mse", "l2"))
    normalise_observation: bool = option(True, "whiten what the networks see")
    normalise_reward: bool = option(True, "divide by the running std of the bonus's discounted sum")
    warmup: int = option(128, "vector steps of a random agent that set the whitening; 0: the first rollout", minimum=0)
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(64, "size of what is predicted", above=0)
    extra_layers: int = option(2, "layers of the predictor beyond the target's", minimum=0, maximum=16, neutral=2)
    learning_rate: float = option(4e-3, "Adam's step size of the predictor", above=0)
    epochs: int = option(4, "passes of the predictor over a rollout", above=0)
    batch_size: int = option(512, "size of its minibatches", above=0)
    update_proportion: float = option(1.0, "share of each minibatch it learns from", above=0, maximum=1)
    network: str = option(
        "auto", "published: Burda et al.'s convolutions and layers for pictures", choices=NETWORKS, neutral="auto"
    )
    channels: int | None = option(
        None,
        "channels of a picture that are read, from the last on: 1 is the latest grey frame; null: all",
        above=0,
        neutral=None,
    )


class Scheme(BonusScheme):
    """The target never learns; the bonus is the error before the predictor learns from the rollout."""

    metrics = ("loss/rnd_predictor",)
    pays_anew = True
    stateful = ("distillation", "returns")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.warmup_steps = config.warmup if config.normalise_observation else 0
        self.distillation = RandomDistillation(
            context,
            hidden=config.hidden,
            features=config.features,
            learning_rate=config.learning_rate,
            error=config.error,
            extra_layers=config.extra_layers,
            whiten=config.normalise_observation,
            network=config.network,
            channels=config.channels,
        )
        self.returns = ReturnFilter(context.num_envs, self.streams[1].gamma, context.device)

    def warm_up(self, rollout: Rollout) -> None:
        self.distillation.take_in(rollout)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        error = self.distillation.score_and_take_in(rollout)
        return self.returns.normalise(error) if self.config.normalise_reward else error

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        error = self.distillation.score(steps.next_obs)
        return {"intrinsic": self.returns.scale(error) if self.config.normalise_reward else error}

    def update(self, rollout: Rollout) -> Metrics:
        config = self.config
        loss = self.distillation.learn(
            rollout,
            epochs=config.epochs,
            batch_size=config.batch_size,
            share=config.update_proportion,
            together=True,
        )
        return {"loss/rnd_predictor": loss}
