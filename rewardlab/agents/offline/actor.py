"""The policy of offline agents: categorical where actions are discrete, else tanh of a network, with a spread or not.

Boxes are in units in which their bounds are -1 and 1. The spread is a parameter that no observation changes, and counts
in training alone: evaluation does the mean, as in CORL (Tarasov et al. 2023, arXiv:2210.07105).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.errors import UserError
from rewardlab.maths.distributions import sample
from rewardlab.maths.offline import gaussian_imitation, imitation
from rewardlab.networks.encoder import Encoder
from rewardlab.networks.layers import Inputs, Layers, Learned
from rewardlab.networks.standardised import Standardised
from rewardlab.types import ActionSpec, ActOutput, BuildContext, TensorObs

_LOG_STD = (-20.0, 2.0)


class PolicyLayers(Layers):
    """The network, and where it has a spread its logarithm for each action, [A], 0 at first."""

    log_std: nn.Parameter | None

    def __init__(
        self,
        encoder: Encoder,
        outputs: int,
        generator: torch.Generator,
        hidden: list[int],
        standardised: Standardised | None,
        spread: bool,
    ) -> None:
        super().__init__(encoder, outputs, generator, hidden, standardised=standardised)
        self.log_std = nn.Parameter(torch.zeros(outputs)) if spread else None


class Actor:
    """A policy and its optimiser.

    Args:
        spread: whether a box has one; without, actions are imitated by their squared error.

    Attributes:
        network: what is saved, and acts.
        learned: see there; `learned.optimiser` is saved too.
        stochastic: whether evaluation draws actions.

    Raises:
        UserError: a box lacks bounds.
    """

    def __init__(
        self,
        config: NetworkConfig,
        context: BuildContext,
        standardised: Standardised | None,
        *,
        spread: bool,
    ) -> None:
        action = context.spec.action
        self.stochastic = self.discrete = action.discrete
        self.box = None if action.discrete else Box(config.plugin, context.spec.id, action, context.device)
        outputs = action.n or math.prod(action.shape)
        spreads = spread and not action.discrete
        network = PolicyLayers(
            config.encoder(context), outputs, context.generator, config.hidden, standardised, spreads
        )
        self.network = network.to(context.device)
        self.learned = Learned([self.network], config.learning_rate)
        self.passes = self.learned.passes(self.network)
        self._of_spread = None if self.network.log_std is None else self.learned.place(self.network.log_std)

    @torch.no_grad()
    def act(self, obs: TensorObs, state: torch.Tensor | None, mode: str, rng: torch.Generator) -> ActOutput:
        """See `Agent.act`."""
        outputs = self.passes.predict(self.passes.inputs(obs))
        if self.box is not None:
            return ActOutput(self.box.done(outputs.tanh()), state)
        return ActOutput(outputs.argmax(dim=-1) if mode == "greedy" else sample({"logits": outputs}, rng), state)

    @torch.no_grad()
    def imitate(self, inputs: Inputs, action: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """A gradient step towards actions [B] or [B, A], in the environment's units; returns the mean loss.

        Args:
            weight: float32 [B]; None: all count alike.
        """
        outputs, size = self.passes.forward(inputs), len(action)
        weight = torch.ones(size, device=outputs.device) if weight is None else weight
        if self.box is None:
            loss, slope = imitation(outputs, action, weight)
        elif self.network.log_std is None:
            mean = outputs.tanh()
            error = mean - self.box.units(action)
            loss = weight * error.square().mean(dim=-1)
            slope = weight.unsqueeze(-1) * 2.0 * error * (1.0 - mean.square()) / error.shape[-1]
        else:
            log_std = self.network.log_std.detach().clamp(*_LOG_STD)
            loss, slope, of_spread = gaussian_imitation(outputs, log_std, self.box.units(action), weight)
            assert self._of_spread is not None
            within = log_std == self.network.log_std.detach()  # clamped, it has no slope
            torch.mul(of_spread.mean(dim=0), within, out=self._of_spread)
        self.passes.backward(slope.div_(size))
        self.learned.step()
        return loss.mean()


class Box:
    """Actions of a box in the environment's units, [B, *shape], and in units of the box, [B, A]."""

    def __init__(self, name: str, env_id: str, action: ActionSpec, device: torch.device) -> None:
        low, high = torch.tensor(action.low), torch.tensor(action.high)
        if not bool(torch.isfinite(high - low).all()):
            raise UserError(f"agent={name}: needs bounds of all actions, which {env_id} has not")
        self._middle, self._reach = ((high + low) / 2).to(device), ((high - low) / 2).to(device)
        self._shape = action.shape

    def units(self, action: torch.Tensor) -> torch.Tensor:
        return (action.flatten(1) - self._middle) / self._reach

    def done(self, units: torch.Tensor) -> torch.Tensor:
        return (self._middle + self._reach * units).view(len(units), *self._shape)
