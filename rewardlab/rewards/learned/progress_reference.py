"""Failed episodes, paid by how near their states came to those of successes: the form of SRPO.

Paper: Fei et al. 2025, SRPO: self-referential policy optimization for vision-language-action models (arXiv:2511.15605;
abstract only)

An episode is the mean of what a network of random weights makes of its states. With its last step a success is paid 1,
a failure sigmoid(-z): z is the distance to the nearest success, less the mean of earlier failures' and divided by their
spread. Before the first success nothing is paid.

There, a world model encodes states, and successes of the batch are clustered; here each of the latest ones stands for
itself, and what a rollout pays is by those before it, so that environments do not depend on one another.
"""

from __future__ import annotations

import torch

from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.networks.flat import can_onehot, encode_flat
from rewardlab.networks.picture import flat_network
from rewardlab.parts.state import load_state, state_of
from rewardlab.types import BuildContext, Rollout, State

_SUCCESSES, _FAILURES = 16, 256  # the latest that are kept


class SuccessReference:
    """Keeps the sums of running episodes, the latest successes, and how far the latest failures were from them."""

    def __init__(self, hidden: int, context: BuildContext) -> None:
        self._obs, self._onehot = context.spec.obs, can_onehot(context.spec.obs)
        encoder = flat_network(self._obs, (hidden, hidden), context.generator, onehot=self._onehot)
        self.encoder = encoder.to(context.device).requires_grad_(False)
        self._sum = torch.zeros(context.num_envs, hidden, device=context.device)
        self._count = torch.zeros(context.num_envs, device=context.device)
        self._successes, self._distances = self._sum[:0].clone(), self._count[:0].clone()
        self._fresh: tuple[torch.Tensor, torch.Tensor] = self._successes, self._distances

    @torch.no_grad()
    def pay(self, rollout: Rollout) -> torch.Tensor:
        """float32 [T, N]."""
        embedded = self._embedded(rollout)
        done, success = rollout.done, rollout.success
        distance = self._distance(embedded[done])
        found = torch.zeros_like(rollout.task_reward)
        if len(self._successes):
            failed = ~success[done]
            found[done] = torch.where(failed, torch.sigmoid(-self._scaled(distance)), 1.0)
            self._fresh = embedded[success & done], distance[failed]
        else:
            self._fresh = embedded[success & done], self._distances[:0]
        return found

    def learn(self) -> None:
        """Take in the episodes that were paid last."""
        successes, distances = self._fresh
        self._successes = torch.cat([self._successes, successes])[-_SUCCESSES:]
        self._distances = torch.cat([self._distances, distances])[-_FAILURES:]
        self._fresh = successes[:0], distances[:0]

    def state_dict(self) -> State:
        kept = {"sum": self._sum, "count": self._count, "successes": self._successes, "distances": self._distances}
        return state_of({"encoder": self.encoder}) | {name: entry.clone() for name, entry in kept.items()}

    def load_state_dict(self, state: State) -> None:
        load_state({"encoder": self.encoder}, {"encoder": state["encoder"]})
        self._sum, self._count = state["sum"].clone(), state["count"].clone()
        self._successes, self._distances = state["successes"].clone(), state["distances"].clone()

    def _embedded(self, rollout: Rollout) -> torch.Tensor:
        """The mean over the running episode's states that were reached so far, [T, N, F]."""
        distinct = distinct_of(rollout)
        features = spread(self.encoder(encode_flat(distinct.rows, self._obs, onehot=self._onehot)), distinct.there)
        means = torch.empty_like(features)
        for step, first in enumerate(rollout.first):
            going = (~first).float()
            self._sum = self._sum * going[:, None] + features[step]
            self._count = self._count * going + 1.0
            means[step] = self._sum / self._count[:, None]
        return means

    def _distance(self, embedded: torch.Tensor) -> torch.Tensor:
        """To the nearest success, [E, F] -> [E]; 0 where there is none."""
        if not len(self._successes) or not len(embedded):
            return embedded.new_zeros(len(embedded))
        far: torch.Tensor = torch.linalg.vector_norm(embedded[:, None] - self._successes[None], dim=-1)
        return far.amin(dim=1)

    def _scaled(self, distance: torch.Tensor) -> torch.Tensor:
        if len(self._distances) < 2:
            return torch.zeros_like(distance)
        mean, std = self._distances.mean(), self._distances.std(correction=0)
        return (distance - mean) / std.clamp(min=1e-6)
