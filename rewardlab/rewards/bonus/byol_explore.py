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
from typing import Protocol, cast

import torch
from torch.nn import functional

from rewardlab.maths import compiled
from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.maths.intrinsic import distance_from_unit
from rewardlab.networks.adam import Adam
from rewardlab.networks.fused import FusedMLP, can_fuse
from rewardlab.networks.init import mlp
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.models.ema_target import EmaTarget
from rewardlab.parts.models.fused_world_model import FusedWorldModel
from rewardlab.parts.models.inverse_model import ObservationEncoder
from rewardlab.parts.models.latent_world_model import Batch, BeliefState, History, LatentWorldModel, Sequences
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
        self._seen: _Seen  # of the rollout that was paid last, for the update that follows
        self._error = 0.0
        self._build()

    def _build(self) -> None:
        """Networks and optimisers on top of the world model, and how they learn without autograd, where they can."""
        config, context = self.config, self.context
        sizes = (config.memory, config.hidden, config.features)
        self.predictor = mlp(sizes, context.generator).to(context.device)
        parameters = [*self.model.parameters(), *self.predictor.parameters()]
        self.optimiser = Adam(parameters, config.learning_rate)
        self._fused: Fused | None = _Fused(self) if can_fuse(self.model, self.predictor) else None

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
        config, seen, losses = self.config, self._seen, []
        sequences = Sequences(seen.inputs, rollout, seen.history, seen.targets, config.chunk, config.horizon)
        size = max(1, config.batch_size // config.chunk)
        learn = self._learn if self._fused is None else self._fused.learn
        for index in minibatches(sequences.count, size, config.epochs, self.context.generator):
            losses.append(learn(sequences.batch(index)))
            self.target.follow(self.model.encoder)
        means = torch.stack(losses).mean(dim=0).tolist()
        return dict(zip(self.metrics, [*means, self._error], strict=True))

    def _learn(self, batch: Batch) -> torch.Tensor:
        """One gradient step; the losses, as many as `metrics` names before the last."""
        imagined = batch.imagined(self.model)[1:]
        errors = distance_from_unit(self.predictor(imagined), spread(batch.targets, batch.aim))
        loss = (errors * batch.weights()).sum()
        self.optimiser.descend(loss)
        return loss.detach().unsqueeze(0)

    def _summed_errors(self, rollout: Rollout) -> torch.Tensor:
        """The errors of all predictions of what each step led to, float32 [T, N]."""
        distinct = distinct_of(rollout)
        inputs = self.model.encoder.flat(distinct.rows)
        model = self.model if self._fused is None else self._fused.model
        history = self.beliefs.take_in(model, inputs, rollout)
        look = (
            cast(ObservationEncoder, self.target.average).layers if self._fused is None else self._fused.target.predict
        )
        targets = functional.normalize(look(inputs), dim=-1)
        self._seen = _Seen(inputs, history, targets)
        count, ending = rollout.task_reward.numel(), spread(targets, distinct.there.flatten())
        errors = torch.zeros_like(rollout.task_reward)
        worth_of = self._errors if self._fused is None else self._fused.errors
        action, last = history.action.flatten(0, 1), rollout.action.flatten(0, 1)
        imagined = history.belief.flatten(0, 1)
        for ahead in range(self.config.horizon):
            begun = ahead * rollout.num_envs  # so many have no step that far ahead
            before = imagined[: len(action) - begun]
            imagined = model.step(before, action[begun:])
            worth = worth_of(before[-count:], imagined[-count:], last, ending)
            errors += worth.view_as(errors) * history.unbroken(ahead + 1)
        return errors

    def _errors(
        self, before: torch.Tensor, after: torch.Tensor, action: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        """What predictions are paid, [B]: of states before and after actions, [B, M], the actions and their targets."""
        return distance_from_unit(self.predictor(after), target)

    def _no_beliefs(self) -> BeliefState:
        config, context = self.config, self.context
        return BeliefState(context.num_envs, config.memory, context.spec, config.horizon, context.device)


@dataclass
class _Seen:
    """Of a rollout: the encoder's inputs [U, D], what the world model made of it, and the unit vectors [U, F] that
    are predicted of the frames.
    """

    inputs: torch.Tensor
    history: History
    targets: torch.Tensor


class Fused(Protocol):
    """`Scheme._errors`, `Scheme._learn` and what they use, without autograd."""

    model: FusedWorldModel
    target: FusedMLP

    def errors(
        self, before: torch.Tensor, after: torch.Tensor, action: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor: ...

    def learn(self, batch: Batch) -> torch.Tensor: ...


def fused_target(target: EmaTarget) -> FusedMLP:
    """The target encoder's layers; it moves in place."""
    return FusedMLP(cast(ObservationEncoder, target.average).layers)


class _Fused:
    """With a predictor."""

    def __init__(self, scheme: Scheme) -> None:
        self._optimiser = scheme.optimiser
        self._gradient, places = scheme.optimiser.gradients()
        self.model = FusedWorldModel(scheme.model, scheme.context.spec.action, places)
        self.target = fused_target(scheme.target)
        self._predictor = FusedMLP(scheme.predictor, places)

    def errors(
        self, before: torch.Tensor, after: torch.Tensor, action: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        return distance_from_unit(self._predictor.predict(after), target)

    def learn(self, batch: Batch) -> torch.Tensor:
        imagined = self.model.imagined(batch)[1:]
        prediction = self._predictor.forward(imagined.flatten(0, 1))
        loss = compiled.unit_distance_loss(
            prediction.numpy(), batch.targets.numpy(), batch.aim.flatten().numpy(), batch.weights().flatten().numpy()
        )
        of_imagined = self._predictor.backward(prediction, of_inputs=True)
        assert of_imagined is not None
        self.model.backward(of_imagined.view_as(imagined))
        self._optimiser.step(self._gradient)
        return torch.tensor([loss])
