"""Empowerment: pays where the agent's actions decide, recognisably, what happens next.

Paper: Mohamed and Rezende 2015, Variational information maximisation for intrinsically motivated reinforcement learning

Empowerment is the mutual information of action and successor, I(a; s' | s), with actions from a source w(a|s). It is
bounded from below by the mean of log q(a|s, s') - log w(a|s) for any decoder q, and q learns by maximum
likelihood. This is the form of one action (horizon 1); the paper also has sequences of several. Variants:

- paid=transition, source=policy: a step gets log q(a|s, s') - log w(a|s), w the policy itself, so that its mean is
  the information under the actions taken. The default.
- paid=transition, source=uniform or best: the same for another source; q then learns from samples weighed by
  w(a|s) / policy(a|s), at most 10.
- paid=state, source=best: a step gets the empowerment of the state that it leads to, as the paper's agent does: with
  u(s, a) fitted to log q(a|s, s') by squares, the best source is softmax u(s, .) and its information the log of the
  sum of exp u(s, .) over actions (the paper's beta being 1). With source=uniform it is the mean of u(s, .) plus log n.

Features are those that help to tell the action. With latents=prioritised they are InfoPower's (Bharadhwaj et al. 2022,
arXiv:2204.08585): latents that are told from others of the minibatch by their observations, that follow from the one
before and the action (weight forward_coef), and from which the action is told, with a weight that rises until it is by
`told` nats (rate multiplier_rate; 0 keeps multiplier). The paper pays alike, r + log q(a|z, z') - log pi(a|z); there a
world model of pictures has these latents, and the agent learns in what it imagines.

Discrete actions are decoded by a softmax, continuous ones by a diagonal Gaussian; for them there is no sum over
actions, so only paid=transition with source=policy.
"""

import math
from dataclasses import dataclass

import torch

from rewardlab.errors import UserError
from rewardlab.maths import distributions
from rewardlab.maths.boxes import units
from rewardlab.maths.distinct import distinct_of, pick, spread
from rewardlab.networks.adam import Adam
from rewardlab.networks.init import mlp
from rewardlab.parts.both_ends import at_both_ends
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.models.inverse_model import ObservationEncoder, action_size
from rewardlab.parts.models.prioritised_latents import PrioritisedLatents
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout

VERSION = 2

_MOST_WEIGHT = 10.0  # of a sample: an action that the policy hardly ever takes would decide a minibatch alone
_LOG_STD = (-5.0, 2.0)  # bounds of the Gaussian decoder's, in units of the box


@dataclass
class Config(BonusConfig):
    coef: float = option(0.01, "weight of the bonus", minimum=0)
    paid: str = option(
        "transition",
        "what a step is paid for: its own share of the information, or the empowerment of the state it leads to",
        choices=("transition", "state"),
    )
    source: str = option(
        "policy", "where actions come from: the policy, all alike, or best for the information",
        choices=("policy", "uniform", "best"),
    )  # fmt: skip
    latents: str = option(
        "inverse", "features that tell the action, or InfoPower's", choices=("inverse", "prioritised"),
        neutral="inverse",
    )  # fmt: skip
    told: float = option(1.0, "of latents=prioritised: nats by which actions are to be told", minimum=0, neutral=1.0)
    multiplier: float = option(
        1.0,
        "of latents=prioritised: at first, weight of telling the action in the encoder's loss",
        minimum=0,
        neutral=1.0,
    )
    multiplier_rate: float = option(
        0.01, "of latents=prioritised: its step at each update for each nat too few", minimum=0, neutral=0.01
    )
    forward_coef: float = option(
        1.0, "of latents=prioritised: weight of the divergence from what was foreseen", minimum=0, neutral=1.0
    )
    hidden: int = option(64, "width of hidden layers", above=0)
    features: int = option(64, "size of the features", above=0)
    learning_rate: float = option(1e-3, "Adam's step size", above=0)
    epochs: int = option(1, "passes over a rollout", above=0)
    batch_size: int = option(256, "size of minibatches", above=0)

    def validate(self) -> None:
        if self.paid == "state" and self.source == "policy":
            raise ValueError("source=policy: not with paid=state, which sums over actions; use source=best or uniform")
        for name in ("told", "multiplier", "multiplier_rate", "forward_coef"):
            default = type(self).__dataclass_fields__[name].default
            if getattr(self, name) != default and self.latents != "prioritised":
                raise ValueError(f"{name}={getattr(self, name)}: only latents=prioritised has it")


class Scheme(BonusScheme):
    """The decoder q guesses the action between two observations; `worth` guesses how well it will."""

    metrics: tuple[str, ...] = ("loss/empowerment_decoder", "explore/empowerment")
    reads_policy = True
    stateful: tuple[str, ...] = ("encoder", "decoder", "worth", "optimiser")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        spec, generator, hidden, features = context.spec, context.generator, config.hidden, config.features
        if not spec.action.discrete and config.source != "policy":
            raise UserError(
                f"reward=empowerment: source={config.source} needs discrete actions, which {spec.id} has not; "
                "use source=policy"
            )
        actions = action_size(spec.action)
        outputs = actions if spec.action.discrete else 2 * actions
        self.encoder = ObservationEncoder(spec.obs, hidden, features, generator).to(context.device)
        self.decoder = mlp((2 * features, hidden, outputs), generator, last_gain=0.01).to(context.device)
        self.worth = mlp((features, hidden, actions), generator, last_gain=0.01).to(context.device)
        self.latents = None
        if config.latents == "prioritised":
            self.latents = PrioritisedLatents(spec, hidden, features, config.multiplier, generator).to(context.device)
            self.stateful = (*Scheme.stateful, "latents")
            self.metrics = (*Scheme.metrics, "loss/contrast", "loss/forward", "explore/multiplier")
        parameters = [*self.encoder.parameters(), *self.decoder.parameters(), *self.worth.parameters()]
        parameters += [] if self.latents is None else self.latents.parameters()
        self.optimiser = Adam(parameters, config.learning_rate)
        low, high = spec.action.low, spec.action.high
        self._middle, self._reach = (torch.from_numpy(x).float().to(context.device) for x in units(low, high))
        self._mean = 0.0

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        features, next_features = at_both_ends(self.encoder, rollout)
        if self.config.paid == "state":
            paid = self._state_empowerment(self.worth(next_features))
        else:
            paid = self._log_decoder(features, next_features, rollout.action)
            paid = paid - self._log_source(features, rollout.action, rollout.log_prob)
        self._mean = float(paid.mean())
        return paid

    def update(self, rollout: Rollout) -> Metrics:
        config, found = self.config, []
        distinct = distinct_of(rollout)
        inputs, ends = self.encoder.flat(distinct.rows), torch.stack([distinct.here[:-1], distinct.there]).flatten(1)
        action, log_prob = rollout.action.flatten(0, 1), rollout.log_prob.flatten()
        for index in minibatches(len(action), config.batch_size, config.epochs, self.context.generator):
            picked = pick(ends[:, index].flatten(), len(inputs))
            features, next_features = spread(self.encoder.layers(inputs[picked.rows]), picked.place).chunk(2)
            loss, losses = torch.zeros((), device=features.device), {}
            if self.latents is not None:
                latent, next_latent = self.latents.sample(features), self.latents.sample(next_features)
                both = torch.cat([latent, next_latent])
                losses["loss/contrast"] = -self.latents.information(both, inputs[picked.rows], picked.place)
                losses["loss/forward"] = self.latents.surprise(latent, action[index], next_features)
                loss = losses["loss/contrast"] + config.forward_coef * losses["loss/forward"]
                features, next_features = self.latents.weighed(latent), self.latents.weighed(next_latent)
            log_decoder = self._log_decoder(features, next_features, action[index])
            decoder_loss = -(self._weights(features, action[index], log_prob[index]) * log_decoder).mean()
            loss = loss + decoder_loss
            if config.source == "best" or config.paid == "state":
                worth = self.worth(features.detach()).gather(-1, action[index].unsqueeze(-1)).squeeze(-1)
                loss = loss + 0.5 * (worth - log_decoder.detach()).square().mean()
            self.optimiser.descend(loss)
            losses["loss/empowerment_decoder"] = decoder_loss
            if self.latents is not None:
                told = -float(decoder_loss.detach()) - float(
                    self._log_source(features, action[index], log_prob[index]).mean()
                )
                self.latents.ascend(told, config.told, config.multiplier_rate)
            found.append(torch.stack([each.detach() for each in losses.values()]))
        means = dict(zip(losses, torch.stack(found).mean(dim=0).tolist(), strict=True))
        if self.latents is not None:
            means["explore/multiplier"] = float(self.latents.multiplier)
        return means | {"explore/empowerment": self._mean}

    def _log_decoder(self, features: torch.Tensor, next_features: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """log q(a | s, s'), [...]."""
        outputs = self.decoder(torch.cat([features, next_features], dim=-1))
        if self.context.spec.action.discrete:
            return distributions.log_prob({"logits": outputs}, action)
        mean, log_std = outputs.chunk(2, dim=-1)
        mean, log_std = self._middle + self._reach * mean, self._reach.log() + log_std.clamp(*_LOG_STD)
        return distributions.log_prob({"mean": mean, "log_std": log_std}, action)

    def _log_source(self, features: torch.Tensor, action: torch.Tensor, log_prob: torch.Tensor) -> torch.Tensor:
        """log w(a | s), [...]."""
        if self.config.source == "policy":
            return log_prob
        if self.config.source == "uniform":
            return torch.full_like(log_prob, -math.log(action_size(self.context.spec.action)))
        return distributions.log_prob({"logits": self.worth(features)}, action)

    @torch.no_grad()
    def _weights(self, features: torch.Tensor, action: torch.Tensor, log_prob: torch.Tensor) -> torch.Tensor:
        """What makes samples of the policy's actions stand for samples of the source's, [B]."""
        return (self._log_source(features, action, log_prob) - log_prob).exp().clamp(max=_MOST_WEIGHT)

    def _state_empowerment(self, worth: torch.Tensor) -> torch.Tensor:
        """The information that the source gets out of a state, [..., n] -> [...]."""
        if self.config.source == "best":
            return worth.logsumexp(dim=-1)
        return worth.mean(dim=-1) + math.log(worth.shape[-1])
