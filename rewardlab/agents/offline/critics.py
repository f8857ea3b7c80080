"""Critics of offline agents, mostly twins, and their slow copies."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from rewardlab.agents.offline.actor import Box
from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.networks.layers import Inputs, Layers, Learned, Passes
from rewardlab.networks.standardised import Standardised
from rewardlab.parts.models.ema_target import EmaTarget
from rewardlab.types import BuildContext, TensorObs


class Critics:
    """Each has an output for every discrete action, or one of an action in units of its box, which joins the features.

    Args:
        box: where actions are one.
        rate: how far the slow copies move.
        halved: whether the loss is the mean of the two errors, as CORL's IQL has it, instead of their sum.
        number: how many there are.

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
        number: int = 2,
    ) -> None:
        action = context.spec.action
        self._box, self._share = box, 1.0 if halved else 2.0
        outputs, beside = action.n or 1, 0 if box is None else math.prod(action.shape)
        made = [
            Layers(
                config.encoder(context), outputs, context.generator, config.hidden, beside=beside,
                standardised=standardised,
            )
            for _ in range(number)
        ]  # fmt: skip
        self.networks = nn.ModuleList(made).to(context.device)
        self.learned = Learned([self.networks], config.learning_rate)
        self.target = EmaTarget(self.networks, 1.0 - rate)
        self.passes = [self.learned.passes(network) for network in made]
        self._slow = [Passes(network) for network in self.target.average]  # type: ignore[attr-defined]

    def inputs(self, obs: TensorObs) -> Inputs:
        """What all of this takes, of observations [B, *shape]."""
        return self.passes[0].inputs(obs)

    def slow(self, inputs: Inputs, action: torch.Tensor) -> torch.Tensor:
        """What the slow copies think of actions [B] or [B, *shape] in the environment's units: [2, B]."""
        if self._box is not None:
            return self.slow_of(inputs, self._box.units(action))
        return torch.stack([self._of(passes.predict(inputs), action) for passes in self._slow])

    def slow_outputs(self, inputs: Inputs) -> torch.Tensor:
        """What the slow copies think of all discrete actions: [2, B, A]."""
        return torch.stack([passes.predict(inputs) for passes in self._slow])

    def outputs(self, inputs: Inputs) -> torch.Tensor:
        """The same of those that learn."""
        return torch.stack([passes.predict(inputs) for passes in self.passes])

    def slow_of(self, inputs: Inputs, units: torch.Tensor) -> torch.Tensor:
        """The same of actions in units of the box, [B, A]."""
        return torch.stack([passes.predict(inputs, units).squeeze(-1) for passes in self._slow])

    def slope(self, inputs: Inputs, units: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the first one thinks of actions in units of the box: [B], and its slope in them, [B, A]."""
        return _slope(self.passes[0], inputs, units)

    def slope_of_least(self, inputs: Inputs, units: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The same of the one that thinks less of each."""
        (first, of_first), (second, of_second) = (_slope(passes, inputs, units) for passes in self.passes)
        return torch.minimum(first, second), torch.where((first <= second).unsqueeze(-1), of_first, of_second)

    def learn(self, inputs: Inputs, action: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A gradient step down the mean squared error of both: that error, and their values, [2, B]."""
        losses, values = [], []

        def slope(found: torch.Tensor) -> torch.Tensor:
            values.append(found.clone())
            error = found - targets
            losses.append(error.square().mean())
            return self._share * error / len(error)

        self.learn_by(inputs, action, slope)
        return torch.stack(losses).mean(), torch.stack(values)

    def learn_by(self, inputs: Inputs, action: torch.Tensor, slope: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """A gradient step of each; `slope` says how a loss changes with its values of those actions, both [B]."""
        if self._box is not None:
            self.descend(inputs, self._box.units(action), lambda found: slope(found.squeeze(-1)).unsqueeze(-1))
            return

        def of_outputs(outputs: torch.Tensor) -> torch.Tensor:
            return self.spread(outputs, action, slope(self._of(outputs, action)))

        self.descend(inputs, None, of_outputs)

    def descend(
        self, inputs: Inputs, units: torch.Tensor | None, slope: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        """A gradient step of each; `slope` says how a loss changes with its outputs, both [B, O].

        Args:
            units: actions in units of the box, [B, A]; None: they are discrete.
        """
        for passes in self.passes:
            passes.backward(slope(passes.forward(inputs, units)))
        self.learned.step()

    def spread(self, outputs: torch.Tensor, action: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        """The slope of outputs [B, A], from that of the values of discrete actions, [B]."""
        return torch.zeros_like(outputs).scatter_(-1, action.unsqueeze(-1), slope.unsqueeze(-1))

    def follow(self) -> None:
        """Move the slow copies."""
        self.target.follow(self.networks)

    def _of(self, outputs: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """The values of actions, [B]."""
        return (outputs if self._box is not None else outputs.gather(-1, action.unsqueeze(-1))).squeeze(-1)


def _slope(passes: Passes, inputs: Inputs, units: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    values = passes.forward(inputs, units).squeeze(-1).clone()
    of_units = passes.backward(torch.ones_like(values).unsqueeze(-1), of_beside=True)
    assert of_units is not None
    return values, of_units.clone()
