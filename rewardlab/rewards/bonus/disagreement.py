"""Disagreement: pays where an ensemble of models disagrees about what an action leads to.

Paper: Pathak et al. 2019, Self-supervised exploration via disagreement

The bonus is the variance over the members' predictions of the successor's features, averaged over the
features. Members that have seen a transition often agree on it, and on the mean of an outcome that is random. Each
member learns the mean square error from its own random share of the samples, weighed up to the whole, as the reference
code does by dropping out losses (share 0.8). Published: 5 members, features of a fixed random network of observations
whitened by a random agent's mean and standard deviation, the bonus divided by the running standard deviation of its
discounted sum.

The bonus follows from observation and action, whatever comes of them.

- features_from=random: a network that never learns. The default, and the reference code's.
- features_from=inverse: an encoder that learns by inverse dynamics, as the paper's experiments on noise use.

Every transition is learned from, the last of an episode too, because its true successor is known.
"""

from dataclasses import dataclass

import torch

from rewardlab.networks.adam import Adam
from rewardlab.networks.ensemble import Ensemble
from rewardlab.networks.flat import encode_flat
from rewardlab.parts.both_ends import at_both_ends
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.models.controllable_features import ControllableFeatures
from rewardlab.parts.models.inverse_model import ObservationEncoder, action_size, encode_action
from rewardlab.parts.moments.return_filter import ReturnFilter
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout, TensorObs, Transitions

VERSION = 3

_CLIP = 5.0  # whitened observations stay within +- this


@dataclass
class Config(BonusConfig):
    coef: float = option(0.1, "weight of the bonus", minimum=0)
    members: int = option(5, "models in the ensemble", minimum=2, maximum=100)
    share: float = option(0.8, "share of the samples that each of them learns from", above=0, maximum=1)
    features_from: str = option(
        "random", "what is predicted: features of a fixed random network, or learned", choices=("random", "inverse")
    )
    normalise_observation: bool = option(True, "features_from=random: whiten what the random network sees")
    normalise_reward: bool = option(True, "divide by the running std of the bonus's discounted sum")
    warmup: int = option(128, "vector steps of a random agent that set the whitening; 0: the first rollout", minimum=0)
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(32, "size of the features", above=0)
    learning_rate: float = option(1e-3, "Adam's step size", above=0)
    epochs: int = option(1, "passes over a rollout", above=0)
    batch_size: int = option(256, "size of minibatches", above=0)


class Scheme(BonusScheme):
    """The members differ in their initial weights and in the samples that they learn from."""

    pays_prediction = True
    pays_anew = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        spec, generator = context.spec, context.generator
        self.controllable: ControllableFeatures | None = None
        if config.features_from == "inverse":
            self.controllable = ControllableFeatures(
                context, hidden=config.hidden, features=config.features, learning_rate=config.learning_rate
            )
            self.encoder = self.controllable.inverse.encoder
        else:
            encoder = ObservationEncoder(spec.obs, config.hidden, config.features, generator)
            self.encoder = encoder.requires_grad_(False).to(context.device)
        self._whitens = config.features_from == "random" and config.normalise_observation
        self.warmup_steps = config.warmup if self._whitens else 0
        sizes = (config.features + action_size(spec.action), config.hidden, config.features)
        self.ensemble = Ensemble(config.members, sizes, generator).to(context.device)
        self.optimiser = Adam(self.ensemble.parameters(), config.learning_rate)
        self.observations = RunningMoments((self.encoder.inputs,), context.device)
        self.returns = ReturnFilter(context.num_envs, self.streams[1].gamma, context.device)
        self.stateful = ("ensemble", "optimiser", "observations", "returns")
        self.stateful += ("encoder",) if self.controllable is None else ("controllable",)
        self.metrics = ("loss/disagreement_forward",) + (("loss/disagreement_inverse",) if self.controllable else ())

    def warm_up(self, rollout: Rollout) -> None:
        self.observations.add_successors(rollout, self._flat)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        if self._whitens and self.observations.count == 0:
            self.warm_up(rollout)
        variance = self._variance(at_both_ends(self._features, rollout)[0], rollout.action)
        return self.returns.normalise(variance) if self.config.normalise_reward else variance

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        variance = self._variance(self._features(steps.obs), steps.action)
        return {"intrinsic": self.returns.scale(variance) if self.config.normalise_reward else variance}

    def update(self, rollout: Rollout) -> Metrics:
        config, generator, losses = self.config, self.context.generator, []
        with torch.no_grad():
            features, next_features = at_both_ends(self._features, rollout)
        inputs, targets = self._inputs(features, rollout.action).flatten(0, 1), next_features.flatten(0, 1)
        for index in minibatches(len(inputs), config.batch_size, config.epochs, generator):
            error = (self.ensemble(inputs[index]) - targets[index]).square().mean(dim=-1)
            drawn = torch.rand(error.shape, generator=generator) < config.share
            loss = (error * drawn.to(error)).sum(dim=0).mean() / config.share  # of each member its own mean
            self.optimiser.descend(loss)
            losses.append(error.detach().mean())
        metrics = {"loss/disagreement_forward": float(torch.stack(losses).mean())}
        if self._whitens:
            self.warm_up(rollout)
        if self.controllable is not None:
            learned = self.controllable.learn(rollout, epochs=config.epochs, batch_size=config.batch_size)
            metrics["loss/disagreement_inverse"] = learned
        return metrics

    def _variance(self, features: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Of the members' predictions, averaged over the features: [..., features] and [...] -> [...]."""
        inputs = self._inputs(features, action)
        predictions: torch.Tensor = self.ensemble(inputs.flatten(0, -2))
        spread = (predictions - predictions.mean(dim=0)).square_().mean(dim=0)  # six times as fast as `var`
        return spread.mean(dim=-1).view(inputs.shape[:-1])

    def _inputs(self, features: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """[..., features + actions]."""
        return torch.cat([features, encode_action(action, self.context.spec.action)], dim=-1)

    def _features(self, obs: TensorObs) -> torch.Tensor:
        """[..., features]."""
        if not self._whitens:
            return self.encoder(obs)  # type: ignore[no-any-return]
        features: torch.Tensor = self.encoder.layers(self.observations.normalise(self._flat(obs), _CLIP))
        return features

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs, self.context.spec.obs)
