"""BYOL-Explore: pays the error of predicting, some actions ahead, what a slowly moving copy of the encoder sees.

Paper: Guo et al. 2022, BYOL-Explore: exploration by bootstrapped prediction

A closed-loop GRU sums up the episode so far; from each step an open-loop GRU runs over the next k = 1 to `horizon`
actions, and a predictor says from each of its states what the target encoder makes of the observation reached. The
target encoder is the exponential moving average of the encoder. Error and loss of a prediction are the squared distance
of prediction and target on the unit sphere. The bonus of a step is the sum of the errors of all
predictions of what it led to; no prediction crosses the end of an episode, and rollouts cut none of them.

The bonus is divided by an exponential moving standard deviation, and what is below the moving mean is not paid
(clip_below_mean=false pays all). A random agent's warm-up sets both first, and a rollout is scored with those from
before it. Loss: the mean over start steps of the mean over their predictions; sequences of `chunk` steps start from the
beliefs of the rollout. Published: horizon 8, decay 0.99 of target and moments, networks 256 to 512 wide; the defaults
are smaller. The moments move ten times as fast here: a run has hundreds of rollouts, where there are tens of thousands
of updates there. At 0.99 the mean stayed above the falling error for the first 300k frames of MultiRoom-N7-S4, so that
nothing was paid. The weight must be small: what is paid is relative to the moving mean and never wears off, and from
0.01 on the policy settles where predictions are bad and forgets the task (results/reference/tuning).
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from rewardlab.maths.distinct import distinct_of
from rewardlab.maths.intrinsic import distance_from_unit
from rewardlab.networks.adam import Adam
from rewardlab.networks.init import mlp
from rewardlab.parts.both_ends import at_successors
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.models.ema_target import EmaTarget
from rewardlab.parts.models.latent_world_model import BeliefState, History, LatentWorldModel, Sequences, Windows
from rewardlab.parts.moments.ema_moments import EmaMoments
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout

VERSION = 4


@dataclass
class Config(BonusConfig):
    coef: float = option(0.003, "weight of the bonus", minimum=0)
    horizon: int = option(4, "actions ahead that are predicted", above=0, maximum=100)
    target_decay: float = option(0.99, "share of the target encoder that stays at each step", minimum=0, maximum=1)
    moments_decay: float = option(0.9, "share of the bonus's moments that stays at each rollout", minimum=0, maximum=1)
    normalise_reward: bool = option(True, "divide by the moving std of the bonus")
    clip_below_mean: bool = option(True, "pay only what is above the bonus's moving mean")
    warmup: int = option(128, "vector steps of a random agent that set these moments", minimum=0)
    hidden: int = option(32, "width of hidden layers", above=0)
    features: int = option(32, "size of the features", above=0)
    memory: int = option(32, "width of the recurrent states", above=0)
    learning_rate: float = option(1e-3, "Adam's step size", above=0)
    epochs: int = option(1, "passes over a rollout", above=0)
    chunk: int = option(16, "steps of a training sequence", above=0)
    batch_size: int = option(1024, "steps of a minibatch, about; whole sequences", above=0)


class Scheme(BonusScheme):
    """World model and predictor learn together; what the world model has seen outlasts rollouts."""

    metrics: tuple[str, ...] = ("loss/byol_prediction", "explore/byol_error")
    stateful: tuple[str, ...] = ("model", "predictor", "target", "optimiser", "beliefs", "moments")
    episodic_memory = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.warmup_steps = config.warmup if config.normalise_reward or config.clip_below_mean else 0
        spec, generator, memory = context.spec, context.generator, config.memory
        self.model = LatentWorldModel(spec, config.hidden, config.features, memory, generator).to(context.device)
        self.target = EmaTarget(self.model.encoder, config.target_decay)
        self.beliefs = self._no_beliefs()
        self.moments = EmaMoments(config.moments_decay)
        self._history: History  # of the rollout that was paid last, for the update that follows
        self._error = 0.0
        self._build()

    def _build(self) -> None:
        """Networks and optimisers on top of the world model."""
        config, context = self.config, self.context
        sizes = (config.memory, config.hidden, config.features)
        self.predictor = mlp(sizes, context.generator).to(context.device)
        parameters = [*self.model.parameters(), *self.predictor.parameters()]
        self.optimiser = Adam(parameters, config.learning_rate)

    @torch.no_grad()
    def warm_up(self, rollout: Rollout) -> None:
        self.moments.add(self._summed_errors(rollout))
        self.beliefs = self._no_beliefs()  # what follows are other episodes

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        errors = self._summed_errors(rollout)
        self._error = float(errors.mean())
        paid = (errors - self.moments.mean).clamp(min=0.0) if self.config.clip_below_mean else errors
        paid = paid / self.moments.std if self.config.normalise_reward else paid
        self.moments.add(errors)
        return paid

    def update(self, rollout: Rollout) -> Metrics:
        config, losses = self.config, []
        inputs, targets = self.model.encoder.flat(distinct_of(rollout).rows), self._targets(rollout)
        sequences = Sequences(inputs, rollout, self._history, targets, config.chunk)
        size = max(1, config.batch_size // config.chunk)
        for index in minibatches(sequences.count, size, config.epochs, self.context.generator):
            losses.append(self._learn(sequences.windows(self.model, config.horizon, index)))
            self.target.follow(self.model.encoder)
        means = torch.stack(losses).mean(dim=0).tolist()
        return dict(zip(self.metrics, [*means, self._error], strict=True))

    def _learn(self, windows: Windows) -> torch.Tensor:
        """One gradient step; the losses, as many as `metrics` names before the last."""
        loss = windows.mean(distance_from_unit(self.predictor(windows.imagined), windows.target))
        self.optimiser.descend(loss)
        return loss.detach().unsqueeze(0)

    def _summed_errors(self, rollout: Rollout) -> torch.Tensor:
        """The errors of all predictions of what each step led to, float32 [T, N]."""
        self._history = history = self.beliefs.take_in(self.model, rollout)
        targets, steps, total = self._targets(rollout), rollout.steps, len(history.belief)
        errors = torch.zeros_like(rollout.task_reward)
        imagined = history.belief
        for ahead in range(1, self.config.horizon + 1):
            before = imagined[: total - ahead + 1]
            imagined = self.model.imagine(before, history.action[None, ahead - 1 :])[0]
            worth = self._errors(before[-steps:], imagined[-steps:], rollout.action, targets)
            errors += worth * history.unbroken(ahead)
        return errors

    def _errors(
        self, before: torch.Tensor, after: torch.Tensor, action: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        """What a prediction is paid, [T, N]; the arguments as in `Windows`, [T, N, ...]."""
        return distance_from_unit(self.predictor(after), target)

    @torch.no_grad()
    def _targets(self, rollout: Rollout) -> torch.Tensor:
        """What is predicted of the true successors: unit vectors, [T, N, F]."""
        return functional.normalize(at_successors(self.target.average, rollout), dim=-1)

    def _no_beliefs(self) -> BeliefState:
        config, context = self.config, self.context
        return BeliefState(context.num_envs, config.memory, context.spec, config.horizon, context.device)
