"""Twin critics of offline agents, and their slow copies."""

from __future__ import annotations

import math

import torch
from torch import nn

from rewardlab.agents.offline.actor import Box
from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.networks.layers import Inputs, Layers, Learned, Passes
from rewardlab.networks.standardised import Standardised
from rewardlab.parts.models.ema_target import EmaTarget
from rewardlab.types import BuildContext


class Critics:
    """Each has an output for every discrete action, or one of an action in units of its box, which joins the features.

    Args:
        box: where actions are one.
        rate: how far the slow copies move.
        halved: whether the loss is the mean of the two errors, as CORL's IQL has it, instead of their sum.

    Attributes:
        networks, target: what is saved; beside `learned.optimiser`.
    """

    def __init__(
        self,
        config: NetworkConfig,
        context: BuildContext,
        standardised: Standardised | None,
        box: Box | None,
        rate: float,
        halved: bool,
    ) -> None:
        action = context.spec.action
        self._box, self._share = box, 1.0 if halved else 2.0
        outputs, beside = action.n or 1, 0 if box is None else math.prod(action.shape)
        made = [
            Layers(
                config.encoder(context), outputs, context.generator, config.hidden, beside=beside,
                standardised=standardised,
            )
            for _ in range(2)
        ]  # fmt: skip
        self.networks = nn.ModuleList(made).to(context.device)
        self.learned = Learned([self.networks], config.learning_rate)
        self.target = EmaTarget(self.networks, 1.0 - rate)
        self.passes = [self.learned.passes(network) for network in made]
        self._slow = [Passes(network) for network in self.target.average]  # type: ignore[attr-defined]

    def slow(self, inputs: Inputs, action: torch.Tensor) -> torch.Tensor:
        """What the slow copies think of actions [B] or [B, *shape] in the environment's units: [2, B]."""
        if self._box is not None:
            return self.slow_of(inputs, self._box.units(action))
        return torch.stack([self._of(passes.predict(inputs), action) for passes in self._slow])

    def slow_of(self, inputs: Inputs, units: torch.Tensor) -> torch.Tensor:
        """The same of actions in units of the box, [B, A]."""
        return torch.stack([passes.predict(inputs, units).squeeze(-1) for passes in self._slow])

    def slope(self, inputs: Inputs, units: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the first one thinks of actions in units of the box: [B], and its slope in them, [B, A]."""
        values = self.passes[0].forward(inputs, units).squeeze(-1).clone()
        of_units = self.passes[0].backward(torch.ones_like(values).unsqueeze(-1), of_beside=True)
        assert of_units is not None
        return values, of_units

    def learn(self, inputs: Inputs, action: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A gradient step down the mean squared error of both: that error, and their values, [2, B]."""
        beside = None if self._box is None else self._box.units(action)
        losses, values = [], []
        for passes in self.passes:
            outputs = passes.forward(inputs, beside)
            values.append(self._of(outputs, action).clone())
            error = values[-1] - targets
            losses.append(error.square().mean())
            slope = self._share * error / len(error)
            if self._box is None:
                full = torch.zeros_like(outputs)
                passes.backward(full.scatter_(-1, action.unsqueeze(-1), slope.unsqueeze(-1)))
            else:
                passes.backward(slope.unsqueeze(-1))
        self.learned.step()
        return torch.stack(losses).mean(), torch.stack(values)

    def follow(self) -> None:
        """Move the slow copies."""
        self.target.follow(self.networks)

    def _of(self, outputs: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """The values of actions, [B]."""
        return (outputs if self._box is not None else outputs.gather(-1, action.unsqueeze(-1))).squeeze(-1)
