"""The policy of offline agents that climb a critic with entropy: a Gaussian that is squashed into its box.

Its temperature moves so that the entropy becomes minus the number of actions. Source: Haarnoja et al. 2018, Soft
actor-critic algorithms and applications (arXiv:1812.05905).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from rewardlab.agents.offline.actor import Box
from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.maths.distributions import normal
from rewardlab.maths.squashed import squashed_sample
from rewardlab.networks.layers import Inputs, Layers, Learned
from rewardlab.networks.standardised import Standardised
from rewardlab.types import ActOutput, BuildContext, TensorObs

_LOG_STD = (-20.0, 2.0)
_LAST_GAIN = 0.01
Slope = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]  # units [B, A] -> values [B], their slopes [B, A]


class Temperature(nn.Module):
    """Its logarithm, 0 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.zeros(1))


class SquashedActor:
    """The policy, its temperature, and the optimisers of both.

    Args:
        rate: Adam's step size, of both.

    Attributes:
        network, temperature, learned, warmed: what is saved.

    Raises:
        UserError: the box lacks bounds.
    """

    def __init__(
        self,
        config: NetworkConfig,
        context: BuildContext,
        standardised: Standardised | None,
        *,
        rate: float,
    ) -> None:
        action = context.spec.action
        self.box = Box(config.plugin, context.spec.id, action, context.device)
        self.size = math.prod(action.shape)
        made = Layers(
            config.encoder(context), 2 * self.size, context.generator, config.hidden, standardised=standardised,
            last_gain=_LAST_GAIN,
        )  # fmt: skip
        self.network, self.temperature = made.to(context.device), Temperature().to(context.device)
        self.learned, self.warmed = Learned([self.network], rate), Learned([self.temperature], rate)
        self.passes = self.learned.passes(self.network)
        self._generator = context.generator

    @torch.no_grad()
    def act(self, obs: TensorObs, state: torch.Tensor | None, mode: str, rng: torch.Generator) -> ActOutput:
        """What the mean of the Gaussian becomes, in all modes: see `Agent.act`."""
        mean, _ = self._gaussian(self.passes.predict(self.passes.inputs(obs)))
        return ActOutput(self.box.done(mean.tanh()), state)

    @torch.no_grad()
    def draw(self, inputs: Inputs, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions in units of the box, [B, count, A], and their log-densities [B, count]."""
        mean, log_std = self._gaussian(self.passes.predict(inputs).unsqueeze(1).expand(-1, count, -1))
        return squashed_sample(mean, log_std, normal(mean, self._generator))

    def climb(self, inputs: Inputs, slope: Slope) -> tuple[torch.Tensor, torch.Tensor]:
        """A gradient step up the values of drawn actions with their entropy; the loss, and the entropy: scalars.

        Args:
            slope: what actions are worth.
        """
        outputs = self.passes.forward(inputs).clone().requires_grad_()
        warmth = self.temperature.log.detach().exp()
        with torch.enable_grad():
            mean, log_std = self._gaussian(outputs)
            units, log_prob = squashed_sample(mean, log_std, normal(mean, self._generator))
        values, of_units = slope(units.detach())
        with torch.enable_grad():
            loss = (warmth * log_prob - (of_units * units).sum(dim=-1)).mean()
            (of_outputs,) = torch.autograd.grad(loss, outputs)
        self.passes.backward(of_outputs.contiguous())
        self.learned.step()
        entropy = -log_prob.detach().mean()
        self.warmed.place(self.temperature.log).copy_((entropy + self.size).expand(1))
        self.warmed.step()
        return -warmth.squeeze(0) * entropy - values.mean(), entropy

    def _gaussian(self, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_std = outputs.chunk(2, dim=-1)
        return mean, log_std.clamp(*_LOG_STD)
