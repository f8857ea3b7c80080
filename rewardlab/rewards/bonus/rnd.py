"""RND: pays the error of predicting a fixed random network on what was reached.

Paper: Burda et al. 2018, Exploration by random network distillation

The defaults follow the paper and its reference code (openai/random-network-distillation), with networks and a
warm-up of MiniGrid's size:

- error=mse on the true successor, from an observation whitened by its running mean and standard deviation and
  clipped to +-5. A random agent's warm-up sets the moments; a rollout is scored with those from before it and then
  taken in, as in the reference code, which takes in the frames shown rather than the successors scored.
- The error is divided by the running standard deviation of its discounted sum so far, the rollout included.
- The bonus has a value head of its own that runs through the ends of episodes (episodic=false), gamma 0.99.
- The predictor takes 16 steps of Adam per rollout of 16x128, as many as the reference code (4 passes in 4 parts), in
  2 passes of smaller parts: half the work.
- The published weights are task_coef=2 and coef=1; coef=0.03 learns fastest of 0.01 to 1 under our PPO
  (results/reference/tuning).

Other code under this name: error=l2, normalise_observation=false, normalise_reward=false, episodic=true, coef=0.1
(RIDE's repository); the same with error=mse, coef=0.05 (Andres et al. 2022).
"""

from dataclasses import dataclass

import torch
from torch import nn

from rewardlab.maths.intrinsic import prediction_error
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.networks.init import RELU_GAIN, mlp
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.return_filter import ReturnFilter
from rewardlab.parts.running_moments import RunningMoments
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout, TensorObs

VERSION = 1

_CLIP = 5.0  # whitened observations stay within +- this


@dataclass
class Config(BonusConfig):
    coef: float = option(0.03, "weight of the bonus", minimum=0)
    task_coef: float = option(2.0, "weight of the task's reward beside it", minimum=0)
    gamma: float | None = option(0.99, "discount of the bonus; null: the task's", minimum=0, maximum=1)
    episodic: bool = option(False, "whether the bonus's return ends with the episode")
    error: str = option("mse", "prediction error that is paid", choices=("mse", "l2"))
    normalise_observation: bool = option(True, "whiten what the networks see")
    normalise_reward: bool = option(True, "divide by the running std of the bonus's discounted sum")
    warmup: int = option(128, "vector steps of a random agent that set the whitening; 0: the first rollout", minimum=0)
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(64, "size of what is predicted", above=0)
    learning_rate: float = option(1e-4, "Adam's step size of the predictor", above=0)
    epochs: int = option(2, "passes of the predictor over a rollout", above=0)
    batch_size: int = option(256, "size of its minibatches", above=0)
    update_proportion: float = option(1.0, "share of each minibatch it learns from", above=0, maximum=1)


class Scheme(BonusScheme):
    """The target never learns; the predictor is two layers deeper."""

    metrics = ("loss/rnd_predictor",)
    stateful = ("target", "predictor", "optimiser", "observations", "returns")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.warmup_steps = config.warmup if config.normalise_observation else 0
        size, hidden = flat_size(context.spec.obs), config.hidden
        self.target = self._network(size, hidden, config.features).requires_grad_(False)
        self.predictor = self._network(size, hidden, hidden, hidden, config.features)
        self.optimiser = torch.optim.Adam(self.predictor.parameters(), lr=config.learning_rate, fused=True)
        self.observations = RunningMoments((size,), context.device)
        self.returns = ReturnFilter(context.num_envs, self.streams[1].gamma, context.device)

    def warm_up(self, rollout: Rollout) -> None:
        self.observations.add(self._flat(rollout.next_obs))

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        seen = self._flat(rollout.next_obs)
        if self.observations.count == 0:
            self.observations.add(seen)  # without a warm-up, the first rollout serves as one
            inputs = self._whiten(seen)
        else:
            inputs = self._whiten(seen)
            self.observations.add(seen)
        error = prediction_error(self.predictor(inputs), self.target(inputs), self.config.error)
        error = error.reshape(rollout.task_reward.shape)
        return self.returns.normalise(error) if self.config.normalise_reward else error

    def update(self, rollout: Rollout) -> Metrics:
        inputs = self._whiten(self._flat(rollout.next_obs))
        with torch.no_grad():
            targets = self.target(inputs)
        losses = []
        for index in minibatches(len(inputs), self.config.batch_size, self.config.epochs, self.context.generator):
            error = prediction_error(self.predictor(inputs[index]), targets[index], self.config.error)
            loss = self._mean_of_share(error)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            losses.append(loss.detach())
        return {"loss/rnd_predictor": float(torch.stack(losses).mean())}

    def _mean_of_share(self, error: torch.Tensor) -> torch.Tensor:
        """The mean over a random share of a minibatch [B]: with many environments the predictor learns too fast."""
        if self.config.update_proportion == 1:
            return error.mean()
        drawn = torch.rand(len(error), generator=self.context.generator) < self.config.update_proportion
        mask = drawn.to(error)
        return (mask * error).sum() / mask.sum().clamp(min=1)

    def _network(self, *sizes: int) -> nn.Sequential:
        return mlp(sizes, self.context.generator, last_gain=RELU_GAIN).to(self.context.device)

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        """[T, N, ...] -> [T * N, D]."""
        return encode_flat(obs, self.context.spec.obs).flatten(0, 1)

    def _whiten(self, flat: torch.Tensor) -> torch.Tensor:
        return self.observations.normalise(flat, _CLIP) if self.config.normalise_observation else flat
