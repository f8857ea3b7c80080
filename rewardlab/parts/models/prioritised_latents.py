"""Latents of observations that hold first what actions decide, then what else can be foreseen.

Source: Bharadhwaj et al. 2022, Information prioritization through empowerment in visual model-based reinforcement
learning (InfoPower, arXiv:2204.08585). No reconstruction: I(o; z) is raised by contrast, KL(q(z'|o') || p(z'|z, a)) is
lowered, and log q(a|z, z') is raised with a multiplier that rises while actions are told by fewer nats than asked for
(dual ascent). Theirs is a recurrent model of pictures; here a latent is of one observation.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from rewardlab.networks.init import mlp
from rewardlab.parts.models.inverse_model import ObservationEncoder, action_size, encode_action
from rewardlab.types import EnvSpec


class PrioritisedLatents(nn.Module):
    """q(z|o) is a Gaussian of deviation 1 around the encoder's features, so that what is told takes their spread.

    Attributes:
        multiplier: float32 [1], lambda: what the action's log-likelihood counts in the encoder's loss.
    """

    multiplier: torch.Tensor

    def __init__(
        self, spec: EnvSpec, hidden: int, features: int, multiplier: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self._action, self._generator = spec.action, generator
        self.keys = ObservationEncoder(spec.obs, hidden, features, generator)
        self.query = mlp((features, hidden, features), generator)
        self.forward_model = mlp((features + action_size(spec.action), hidden, 2 * features), generator, last_gain=0.01)
        self.register_buffer("multiplier", torch.full((1,), multiplier))

    def sample(self, mean: torch.Tensor) -> torch.Tensor:
        """Latents z [...], of the encoder's features [...]."""
        return mean + torch.empty_like(mean).normal_(generator=self._generator)

    def weighed(self, latents: torch.Tensor) -> torch.Tensor:
        """The same latents, of which only `multiplier` times the gradient reaches the encoder."""
        return latents.detach() + self.multiplier * (latents - latents.detach())

    def information(self, latents: torch.Tensor, inputs: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """A lower bound of I(o; z) from B latents and their observations, in nats, at most log B.

        Args:
            latents: [B, F]. inputs: of `keys.layers`, distinct ones, [U, D]. place: int64 [B], which each latent is of.
        """
        asked = self.query(latents) * latents.shape[-1] ** -0.5
        scores = asked @ self.keys.layers(inputs).t()  # [B, U]
        times = torch.bincount(place, minlength=len(inputs)).to(scores).log()
        positive = scores.gather(1, place.unsqueeze(1)).squeeze(1)
        found: torch.Tensor = (positive - (scores + times).logsumexp(dim=1)).mean() + math.log(len(place))
        return found

    def surprise(self, latents: torch.Tensor, action: torch.Tensor, next_mean: torch.Tensor) -> torch.Tensor:
        """KL(q(z'|o') || p(z'|z, a)) in nats, mean over B steps.

        Args:
            latents: z, [B, F]. next_mean: the encoder's features of o', [B, F].
        """
        given = torch.cat([latents, encode_action(action, self._action).flatten(1)], dim=-1)
        mean, log_std = self.forward_model(given).chunk(2, dim=-1)
        log_std = log_std.clamp(-5.0, 5.0)
        ratio = (1.0 + (next_mean - mean).square()) * (-2.0 * log_std).exp()
        divergence: torch.Tensor = (log_std + 0.5 * ratio - 0.5).sum(dim=-1).mean()
        return divergence

    @torch.no_grad()
    def ascend(self, told: float, wanted: float, rate: float) -> None:
        """Move the multiplier: up while actions are told by fewer nats than wanted, down to 0 otherwise."""
        self.multiplier.add_(rate * (wanted - told)).clamp_(min=0.0)
