"""Observations of floats by their running mean and standard deviation.

Positions, speeds and forces come in units of their own: a speed of at most 0.07 beside a position moves a tanh layer
too little to be noticed. Andrychowicz et al. 2021, What matters for on-policy deep actor-critic methods
(arXiv:2006.05990), recommend it always for continuous control. The bound of 10 is CleanRL's (ppo_continuous_action).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from rewardlab.maths.moments import combine, moments
from rewardlab.networks.flat import UNREAD
from rewardlab.types import ObsSpec, TensorObs

_FARTHEST = 10.0  # standard deviations
_OF_DATA = 1e-3  # added to a standard deviation of data
_EPSILON = 1e-8  # added to a variance: what never changed would divide by zero


class Standardised(nn.Module):
    """Observations [..., *shape] -> the same, floats but pictures standardised; before any data they are only clipped.

    The statistics are buffers: they are saved with the weights that read what they scale.
    """

    count: torch.Tensor

    def __init__(self, obs_spec: Mapping[str, ObsSpec]) -> None:
        super().__init__()
        left = (*UNREAD, "image")  # pixels are on one scale already
        self._names = tuple(name for name, spec in obs_spec.items() if spec.dtype == "float32" and name not in left)
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        for name in self._names:
            for kind in ("mean", "squares"):
                self.register_buffer(f"{name}_{kind}", torch.zeros(obs_spec[name].shape, dtype=torch.float64))

    def forward(self, obs: TensorObs) -> TensorObs:
        return {name: self._scaled(name, entry) if name in self._names else entry for name, entry in obs.items()}

    @torch.no_grad()
    def add(self, obs: TensorObs) -> None:
        """Take observations in, each entry [B, *shape]."""
        count = float(self.count)
        for name in self._names:
            mean, squares = self._moments(name)
            found = moments(obs[name].cpu())
            total, new_mean, new_squares = combine((count, mean.cpu(), squares.cpu()), found)
            mean.copy_(new_mean)
            squares.copy_(new_squares)
            self.count.fill_(total)

    def _scaled(self, name: str, entry: torch.Tensor) -> torch.Tensor:
        mean, squares = self._moments(name)
        std = (squares / self.count + _EPSILON).sqrt() if self.count else torch.ones_like(squares)
        return ((entry - mean.float()) / std.float()).clamp(-_FARTHEST, _FARTHEST)

    def _moments(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return getattr(self, f"{name}_mean"), getattr(self, f"{name}_squares")


class StandardisedOnce(Standardised):
    """The same by the mean and standard deviation of a data set that is there at once: (x - mean) / (std + 1e-3).

    Fujimoto and Gu 2021, A minimalist approach to offline reinforcement learning (arXiv:2106.06860), section 4.
    """

    def _scaled(self, name: str, entry: torch.Tensor) -> torch.Tensor:
        mean, squares = self._moments(name)
        std = (squares / self.count).sqrt() if self.count else torch.ones_like(squares)
        return (entry - mean.float()) / (std.float() + _OF_DATA)
