"""How likely a step is one of the true dynamics: what discriminators learn against a model that tries to deceive them.

Source: Luo et al. 2024, Reward-consistent dynamics models are strongly generalizable for offline reinforcement learning
(arXiv:2310.05422). The authors' code for learning it is not public: here a Gaussian model climbs the discriminator by
its reparametrised samples, from where likelihood has brought it; late discriminators are averaged as the paper says.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from rewardlab.maths.distributions import normal
from rewardlab.networks.adam import Adam
from rewardlab.networks.ensemble import Ensemble
from rewardlab.parts.models.dynamics_ensemble import DynamicsEnsemble, Steps

_EVERY = 10  # rounds between the discriminators that are kept, of the second half
_UPDATES = 20  # of both in a round
_MOST = 0.999


class DynamicsReward(nn.Module):
    """-log(1 - D) of steps, D the mean of the kept discriminators of [s, a, s' - s], all in units of the data's std.

    Args:
        size, actions: as of `DynamicsEnsemble`.
        hidden: widths of the discriminators' layers.
        rounds: of learning; every tenth one of the second half is kept, and the last.
    """

    def __init__(self, size: int, actions: int, hidden: Sequence[int], rounds: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = (2 * size + actions, *hidden, 1)
        self._keeps = [done for done in range(1, rounds + 1) if done == rounds or _late(done, rounds)]
        self._rounds = rounds
        self.kept = Ensemble(len(self._keeps), sizes, generator).requires_grad_(False)
        self.learning = Ensemble(1, sizes, generator)
        self.register_buffer("mean", torch.zeros(sizes[0]))
        self.register_buffer("std", torch.ones(sizes[0]))

    @torch.no_grad()
    def forward(self, state: torch.Tensor, action: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        """Of steps [..., D], [..., A] and [..., D]: [...]."""
        inputs = self._inputs(state, action, change)
        found = self.kept(inputs.flatten(0, -2)).squeeze(-1).sigmoid().mean(dim=0)
        return -torch.log1p(-found.clamp(max=_MOST)).view(inputs.shape[:-1])

    def fit(
        self, steps: Steps, deceiver: DynamicsEnsemble, rate: float, batch: int, generator: torch.Generator
    ) -> None:
        """Learn from steps against a model of one member, which learns too."""
        given = torch.cat([steps.state, steps.action, steps.change], dim=-1)
        self.get_buffer("mean").copy_(given.mean(dim=0))
        self.get_buffer("std").copy_(given.std(dim=0, unbiased=False))
        told, deceiving = Adam(self.learning.parameters(), rate), Adam(deceiver.parameters(), rate)
        place = {done: number for number, done in enumerate(self._keeps)}
        for done in range(1, self._rounds + 1):
            for _ in range(_UPDATES):
                drawn = torch.randint(len(steps), (batch,), generator=generator, device=generator.device)
                some = steps.at(drawn.to(steps.reward.device))
                true = self._logits(some.state, some.action, some.change)
                fake = self._made(some, deceiver, generator)
                of_fake = self._logits(some.state, some.action, fake.detach())
                told.descend(functional.softplus(-true).mean() + functional.softplus(of_fake).mean())
                deceiving.descend(functional.softplus(-self._logits(some.state, some.action, fake)).mean())
            if done in place:
                self._keep(place[done])

    def _made(self, steps: Steps, deceiver: DynamicsEnsemble, generator: torch.Generator) -> torch.Tensor:
        mean, std, _ = deceiver(steps.state, steps.action)
        noise = normal(steps.change, generator)
        return mean[0, :, :-1] + std[0, :, :-1] * noise  # type: ignore[no-any-return]

    def _logits(self, state: torch.Tensor, action: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.learning(self._inputs(state, action, change))
        return found.flatten()

    def _inputs(self, state: torch.Tensor, action: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        std = self.get_buffer("std")
        given = torch.cat([state, action, change], dim=-1) - self.get_buffer("mean")
        return given / torch.where(std > 0, std, torch.ones_like(std))

    @torch.no_grad()
    def _keep(self, number: int) -> None:
        for kept, now in zip(self.kept.parameters(), self.learning.parameters(), strict=True):
            kept[number].copy_(now[0])


def _late(done: int, rounds: int) -> bool:
    return done > rounds // 2 and done % _EVERY == 0
