"""A reward of several users: r(s, z), and a latent z of a user that is inferred from a set of the user's comparisons.

Source: Poddar et al. 2024 (VPL, arXiv:2408.10075) and its code, whose networks have three layers of 256 units with
leaky ReLU of slope 0.2, and a learned Gaussian prior.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from rewardlab.maths.distributions import Parameters, sample
from rewardlab.networks.ensemble import Ensemble

ENCODERS = ("concat", "mean")
_SLOPE = 0.2  # of leaky ReLU below 0
_LAST_GAIN = 0.1  # of last layers: rewards and latents begin near 0


class UserReward(nn.Module):
    """States [..., K] and latents [..., D] -> rewards [...]; sets of S comparisons -> what is known of their users.

    Args:
        states: K, numbers of a state.
        latent: D, numbers of a user; 0: all users have the same reward, as in Bradley and Terry's model.
        size: S, comparisons of a set.
        encoder: `concat` reads the comparisons of a set one after the other, as the authors' does, so that their order
            counts; `mean` reads each by itself and averages, so that it does not, and sets may have any size.
        hidden: widths of the layers between.
        outputs: numbers that the network says of a state.
    """

    def __init__(
        self,
        states: int,
        latent: int,
        size: int,
        encoder: str,
        hidden: Sequence[int],
        generator: torch.Generator,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        self.members, self.latent, self._by_order = 1, latent, encoder == "concat"
        one = 2 * states + 1
        self.reward = _network((states + latent, *hidden, outputs), generator)
        if latent:
            self.encoder = _network((one * size if self._by_order else one, *hidden, 2 * latent), generator)
        self.prior_mean, self.prior_log_std = nn.Parameter(torch.zeros(latent)), nn.Parameter(torch.zeros(latent))

    @property
    def prior(self) -> Parameters:
        """Of all users, `mean` and `log_std` [D]."""
        return {"mean": self.prior_mean, "log_std": self.prior_log_std}

    def posterior(self, pairs: torch.Tensor, preferred: torch.Tensor) -> Parameters:
        """Of the users of B sets, `mean` and `log_std` [B, D].

        Args:
            pairs: [B, S, 2, K], the first and the second states. preferred: [B, S], 1 where the first is better.
        """
        if not self.latent:
            return {"mean": pairs.new_zeros(len(pairs), 0), "log_std": pairs.new_zeros(len(pairs), 0)}
        told = torch.cat([pairs.flatten(2), preferred.unsqueeze(-1)], dim=-1)
        if self._by_order:
            found = self.encoder(told.flatten(1))[0]
        else:
            found = self.encoder(told.flatten(0, 1))[0].view(*told.shape[:2], -1).mean(dim=1)
        mean, log_std = found.chunk(2, dim=-1)
        return {"mean": mean, "log_std": log_std}

    def drawn(self, posterior: Parameters, generator: torch.Generator) -> torch.Tensor:
        """A latent of each set, [B, D], with gradients of the posterior's parameters."""
        return sample(posterior, generator)

    def forward(self, states: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        return self.outputs(states, latent).squeeze(-1)

    def judged(self, pairs: torch.Tensor, latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log odds that the first of pairs [B, S, 2, K] is the better one, [B, S]; and what the loss of a comparison is
        more, a scalar.
        """
        rewards = self(pairs, latent)
        return rewards[..., 0] - rewards[..., 1], rewards.new_zeros(())

    def outputs(self, states: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        """What the network says of states, [..., K] -> [..., outputs]."""
        latent = latent.expand(*states.shape[:-1], -1)
        found: torch.Tensor = self.reward(torch.cat([states, latent], dim=-1).flatten(0, -2))
        return found.view(*states.shape[:-1], -1)

    @property
    def weights(self) -> int:
        """Their number: a row costs as many multiplications."""
        return sum(parameter.numel() for parameter in self.parameters())


def _network(sizes: Sequence[int], generator: torch.Generator) -> Ensemble:
    return Ensemble(1, sizes, generator, slope=_SLOPE, last_gain=_LAST_GAIN)
