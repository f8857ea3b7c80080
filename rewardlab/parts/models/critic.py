"""A critic that tells by contrast how much what was foreknown says of a hindsight vector.

Source: Jarrett et al. 2023, Curiosity in hindsight: intrinsic exploration in stochastic environments.
"""

from __future__ import annotations

import torch
from torch import nn

from rewardlab.maths import compiled
from rewardlab.maths.information import contrastive_information
from rewardlab.networks.fused import FusedMLP
from rewardlab.networks.init import mlp


class Critic(nn.Module):
    """Scores pairs of what is known before an outcome and a hindsight vector, by the product of their embeddings."""

    _kept: torch.Tensor
    _count: torch.Tensor

    def __init__(self, known: int, hindsight: int, hidden: int, negatives: int, generator: torch.Generator) -> None:
        super().__init__()
        self.of_known: nn.Sequential = mlp((known, hidden, hidden), generator)
        self.of_hindsight: nn.Sequential = mlp((hindsight, hidden, hidden), generator)
        self.scale = hidden**-0.5
        self.register_buffer("_kept", torch.zeros(negatives, hindsight))
        self.register_buffer("_count", torch.zeros((), dtype=torch.int64))

    def information(
        self, known: torch.Tensor, hindsight: torch.Tensor, others: torch.Tensor, *, among: bool = False
    ) -> torch.Tensor:
        """Each pair's share of the estimate, [B].

        Args:
            known, hindsight: [B, ...], drawn together.
            others: [M, Z], hindsight vectors to compare with. among: whether they are the first M of those B.
        """
        of_known = self.of_known(known) * self.scale
        positive = (of_known * self.of_hindsight(hindsight)).sum(dim=-1)
        negatives = of_known @ self.of_hindsight(others).t()
        if among:  # no pair is compared with itself
            negatives = negatives.clone()
            negatives.fill_diagonal_(-torch.inf)
        return contrastive_information(positive, negatives)

    @property
    def kept(self) -> torch.Tensor:
        """[M, Z], hindsight vectors of the last update; M is 0 before it."""
        return self._kept[: int(self._count)]

    def remember(self, hindsight: torch.Tensor) -> None:
        """Keep hindsight vectors [M, Z] to compare later ones with."""
        self._kept[: len(hindsight)] = hindsight
        self._count.fill_(len(hindsight))


class FusedCritic:
    """`Critic.information` and its gradient without autograd; see `networks.fused`. `gradients` as in `FusedMLP`."""

    def __init__(self, critic: Critic, gradients: dict[torch.Tensor, torch.Tensor]) -> None:
        self._of_known = FusedMLP(critic.of_known, gradients)
        self._of_hindsight = FusedMLP(critic.of_hindsight, gradients)
        self._scale = critic.scale

    def information(self, known: torch.Tensor, hindsight: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Of pairs [B, ...] among `others` [M, Z]: [B]."""
        first, second = self._of_known.predict(known), self._of_hindsight.predict(hindsight)
        negatives = first @ self._of_hindsight.predict(others).t()
        pull, found = torch.empty(len(known)), torch.empty(len(known))
        given = (tensor.numpy() for tensor in (first, second, negatives))
        compiled.contrast(*given, self._scale, False, 0.0, pull.numpy(), found.numpy())
        return found

    def estimate(self, known: torch.Tensor, hindsight: torch.Tensor, count: int, coef: float) -> float:
        """The mean over pairs [B, ...], each compared with the first `count`; `coef` times it is differentiated."""
        self._first, self._second = self._of_known.forward(known), self._of_hindsight.forward(hindsight)
        self._others = self._second[:count]
        self._negatives = self._first @ self._others.t()
        self._pull, found = torch.empty(len(known)), torch.empty(len(known))
        given = (tensor.numpy() for tensor in (self._first, self._second, self._negatives))
        compiled.contrast(*given, self._scale, True, coef / len(known), self._pull.numpy(), found.numpy())
        return float(found.mean())

    def backward(self) -> None:
        """The gradients of all weights, from that of the latest estimate."""
        of_first = torch.addmm(self._second * self._pull.unsqueeze(1), self._negatives, self._others)
        self._of_hindsight.backward(self._of_second())
        self._of_known.backward(of_first)

    def of_hindsight(self) -> torch.Tensor:
        """The gradient of the pairs' hindsight vectors, [B, Z]."""
        found = self._of_hindsight.backward(self._of_second(), of_inputs=True)
        assert found is not None
        return found

    def _of_second(self) -> torch.Tensor:
        gradient: torch.Tensor = self._first * self._pull.unsqueeze(1)
        gradient[: len(self._others)].addmm_(self._negatives.t(), self._first)
        return gradient
