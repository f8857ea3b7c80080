"""An ensemble of Gaussian models of what a step of continuous numbers leads to and is paid.

Sources: Chua et al. 2018, Deep reinforcement learning in a handful of trials using probabilistic dynamics models
(arXiv:1805.12114), appendix A.1, for the loss and the soft bounds of variances; Yu et al. 2020, MOPO
(arXiv:2005.13239), for the size, the elites and the reward beside the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from rewardlab.networks.adam import Adam
from rewardlab.networks.ensemble import Ensemble

_LEAST, _MOST = -10.0, 0.5  # bounds of logarithms of variances, at first
_BOUNDS_COEF = 0.01
_HELD_OUT, _MOST_HELD_OUT = 0.2, 1000  # share of the steps, and how many at most
_TINY = 1e-6


@dataclass(frozen=True)
class Steps:
    """B of them: state, change [B, D]. action [B, A]. reward: [B]. ends: bool [B], where the task terminated."""

    state: torch.Tensor
    action: torch.Tensor
    change: torch.Tensor
    reward: torch.Tensor
    ends: torch.Tensor

    def __len__(self) -> int:
        return len(self.reward)

    def at(self, index: torch.Tensor) -> Steps:
        """Those at some places, int64 [...]."""
        return Steps(*(column[index] for column in (self.state, self.action, self.change, self.reward, self.ends)))


class DynamicsEnsemble(nn.Module):
    """M networks. Inputs are brought to mean 0 and std 1 of the data, and what is predicted is in units of their std.

    Args:
        size: D numbers of a state. actions: A of an action.
        members: M of them. elites: how many count after `fit`, those of the least held-out error.
        hidden: widths of the layers, with x sigmoid(x) between.

    Attributes:
        elites: int64 [K], which ones.
    """

    elites: torch.Tensor

    def __init__(
        self, size: int, actions: int, members: int, elites: int, hidden: Sequence[int], generator: torch.Generator
    ) -> None:
        super().__init__()
        self._told = size + 1
        sizes = (size + actions, *hidden, 2 * self._told + 1)
        self.network = Ensemble(members, sizes, generator, swish=True, last_gain=0.1)
        self.least, self.most = (nn.Parameter(torch.full((self._told,), bound)) for bound in (_LEAST, _MOST))
        self.register_buffer("elites", torch.arange(elites))
        for name, count in (("inputs", size + actions), ("outputs", self._told)):
            self.register_buffer(f"{name}_mean", torch.zeros(count))
            self.register_buffer(f"{name}_std", torch.ones(count))

    def forward(self, state: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean and std of [s' - s, r], [M, ..., D + 1], and logits of an end, [M, ...].

        Args:
            state: [B, D], or [M, B, D] for each its own. action: likewise.
        """
        mean, log_var, ends = self._predict(state, action)
        scale, middle = self._scale("outputs"), self.get_buffer("outputs_mean")
        return middle + scale * mean, scale * (0.5 * log_var).exp(), ends

    def settle(self, steps: Steps) -> None:
        """Take the scales from these."""
        for name, told in (("inputs", _inputs(steps)), ("outputs", _outputs(steps))):
            self.get_buffer(f"{name}_mean").copy_(told.mean(dim=0))
            self.get_buffer(f"{name}_std").copy_(told.std(dim=0, unbiased=False))

    def loss(self, steps: Steps) -> torch.Tensor:
        """Minus the log-likelihood, of steps [M, B], for each member its own: a scalar."""
        mean, log_var, ends = self._predict(steps.state, steps.action)
        wanted = (_outputs(steps) - self.get_buffer("outputs_mean")) / self._scale("outputs")
        likely = ((mean - wanted).square() * (-log_var).exp() + log_var).mean(dim=(1, 2)).sum()
        end = functional.binary_cross_entropy_with_logits(ends, steps.ends.float(), reduction="none")
        return likely + end.mean(dim=1).sum() + _BOUNDS_COEF * (self.most - self.least).sum()

    def fit(self, steps: Steps, optimiser: Adam, updates: int, batch: int, generator: torch.Generator) -> torch.Tensor:
        """Learn from steps, each member from draws of its own, and find the elites; held-out errors, [M]."""
        self.settle(steps)
        held = min(int(_HELD_OUT * len(steps)), _MOST_HELD_OUT)
        order = torch.randperm(len(steps), generator=generator, device=generator.device).to(steps.reward.device)
        members = len(self.network.weights[0])
        for _ in range(updates):
            drawn = torch.randint(held, len(steps), (members, batch), generator=generator, device=generator.device)
            optimiser.descend(self.loss(steps.at(order[drawn.to(order.device)])))
        with torch.no_grad():
            beside = steps.at(order[:held] if held else order)
            wanted = (_outputs(beside) - self.get_buffer("outputs_mean")) / self._scale("outputs")
            errors = (self._predict(beside.state, beside.action)[0] - wanted).square().mean(dim=(1, 2))
        self.elites.copy_(errors.argsort()[: len(self.elites)])
        return errors

    def _predict(self, state: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean and log-variance in units of the data, and logits of an end."""
        given = torch.cat([state, action], dim=-1)
        outputs = self.network((given - self.get_buffer("inputs_mean")) / self._scale("inputs"))
        mean, raw, ends = outputs.split((self._told, self._told, 1), dim=-1)
        below = self.most - functional.softplus(self.most - raw)
        return mean, self.least + functional.softplus(below - self.least), ends.squeeze(-1)

    def _scale(self, name: str) -> torch.Tensor:
        std = self.get_buffer(f"{name}_std")
        return torch.where(std > _TINY, std, torch.ones_like(std))


def _inputs(steps: Steps) -> torch.Tensor:
    return torch.cat([steps.state, steps.action], dim=-1)


def _outputs(steps: Steps) -> torch.Tensor:
    return torch.cat([steps.change, steps.reward.unsqueeze(-1)], dim=-1)
