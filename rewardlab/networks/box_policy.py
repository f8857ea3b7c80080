"""A policy over a box: a diagonal Gaussian in units of the box, of a spread that is learned and bounded.

A network's output u asks for middle + reach * u in the environment's units, so that the same weights explore
[-1000, 1000] as they explore [-1, 1]. Mean, spread and densities are in the environment's units: whoever reads an
action, a distribution or a log-probability needs to know nothing of it. Dimensions without two bounds have middle 0 and
reach 1.

The logarithm of the spread is a parameter that no observation changes, 0 at first, as in Schulman et al. 2017, section
6.1, and in CleanRL's ppo_continuous_action. Without a reward the bonus on the entropy is all that moves it: without
bounds it grows for ever. The bounds, in units of the box:

- 1 at most. A third of such a Gaussian lies beyond the bounds already, where all actions are executed alike. More of it
  there is entropy of the samples, but not of what is done.
- 0.05 at least. A policy that narrows before it has found a reward stops looking, and the slopes of its log-probability
  grow like 1 / spread.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from rewardlab.maths.boxes import units
from rewardlab.types import ActionSpec, TensorObs

NARROWEST, WIDEST = 0.05, 1.0  # standard deviations


class BoxPolicy(nn.Module):
    """Outputs of a network [..., A] -> `mean` and `log_std`, each [..., A], in the environment's units."""

    middle: torch.Tensor
    log_reach: torch.Tensor
    reach: torch.Tensor

    def __init__(self, action: ActionSpec) -> None:
        super().__init__()
        middle, reach = (torch.from_numpy(numbers).float() for numbers in units(action.low, action.high))
        for name, numbers in (("middle", middle), ("reach", reach), ("log_reach", reach.log())):
            self.register_buffer(name, numbers, persistent=False)
        self.log_std = nn.Parameter(torch.zeros(math.prod(action.shape)))

    def forward(self, outputs: torch.Tensor) -> TensorObs:
        log_std = self.log_reach + self.log_std
        return {"mean": self.middle + self.reach * outputs, "log_std": log_std.expand_as(outputs)}

    @torch.no_grad()
    def project(self) -> None:
        """Put the spread back within its bounds; after each gradient step.

        One that is clamped in the forward pass instead gets no gradient outside, and stays there.
        """
        self.log_std.clamp_(math.log(NARROWEST), math.log(WIDEST))
