"""How much numbers vary over all steps so far; those that only ever take two values count as yes and no."""

from __future__ import annotations

import torch

from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.types import State


class FactorScale:
    """Of F numbers: the standard deviation over all steps, and 0 where there are two values only, whatever they are.

    Multiplying a number by a constant multiplies its scale, and nothing else.
    """

    def __init__(self, factors: int) -> None:
        self._moments = RunningMoments((factors,))
        self._low, self._high = torch.full((factors,), torch.inf), torch.full((factors,), -torch.inf)
        self._two = torch.ones(factors, dtype=torch.bool)

    def add(self, factors: torch.Tensor) -> None:
        """Take steps in, [B, F]."""
        factors = factors.cpu()
        self._moments.add(factors)
        low, high = torch.minimum(self._low, factors.amin(dim=0)), torch.maximum(self._high, factors.amax(dim=0))
        ends = torch.stack([low, high])
        known = torch.stack([self._low, self._high])
        kept = ((known == low) | (known == high) | known.isinf()).all(dim=0)
        self._two &= kept & (factors.unsqueeze(1) == ends).any(dim=1).all(dim=0)
        self._low, self._high = low, high

    @property
    def scale(self) -> torch.Tensor:
        """float32 [F]."""
        return torch.where(self._two, 0.0, self._moments.std)

    def state_dict(self) -> State:
        return {"moments": self._moments.state_dict(), "low": self._low, "high": self._high, "two": self._two}

    def load_state_dict(self, state: State) -> None:
        self._moments.load_state_dict(state["moments"])
        self._low, self._high, self._two = (state[name].clone() for name in ("low", "high", "two"))
