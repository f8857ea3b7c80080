"""The views of an episode that the second of two players is paid for, counted.

A state is a row of floats for each environment: how many steps the episode has, how many views are counted, and how
often each class occurred at each place of them. It is all that is remembered, so that it can be an agent's own state.
"""

from __future__ import annotations

import math

import torch

from rewardlab.maths.view_density import log_density, shares

_STEPS, _SIZE, _COUNTS = 0, 1, 2  # where a row's numbers stand


class ViewCounts:
    """Of views of P numbers, each one of C classes; states are [N, 2 + P * C].

    Args:
        shape: of a view; P is the product.
        classes: C.
        turn_steps: of a turn; those of the second player's from the middle on are paid, and their views counted.
        floor: no class is less likely.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, turn_steps: int, floor: float) -> None:
        self._places, self._classes, self._turn_steps, self._floor = math.prod(shape), classes, turn_steps, floor
        self.width = self._places * classes

    def initial(self, num_envs: int, device: torch.device) -> torch.Tensor:
        return torch.zeros(num_envs, _COUNTS + self.width, device=device)

    def arrived(self, state: torch.Tensor, view: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """The states in which views [N, *shape] are acted on: forgotten where an episode begins, bool [N] `first`;
        elsewhere with the view counted, if the step that led to it is paid.
        """
        state = state.masked_fill(first[:, None], 0.0)
        counted = (state[:, _STEPS] > 0) & self._is_paid(state[:, _STEPS] - 1)
        if counted.any():
            state[:, _SIZE] += counted
            ones = counted[:, None, None].float().expand(-1, self._places, 1)
            self._counts(state).scatter_add_(-1, self._flat(view)[..., None], ones)
        return state

    def left(self, state: torch.Tensor) -> torch.Tensor:
        """The states after a step."""
        state = state.clone()
        state[:, _STEPS] += 1
        return state

    def log_density(self, state: torch.Tensor, view: torch.Tensor) -> torch.Tensor:
        """log p of the views [N, *shape] that steps led to, by the views counted before; 0 where none is paid, [N]."""
        found = log_density(self._flat(view), self._counts(state), state[:, _SIZE], self._floor)
        return found.masked_fill(~self._is_paid(state[:, _STEPS]), 0.0)

    def shown(self, state: torch.Tensor) -> torch.Tensor:
        """What players see of states, [N, W + 1]: the shares of classes, and how many views, in halves of a turn."""
        size = state[:, _SIZE]
        planes = shares(self._counts(state), size).flatten(1)
        return torch.cat([planes, size[:, None] * (2.0 / self._turn_steps)], dim=1)

    def steps(self, state: torch.Tensor) -> torch.Tensor:
        """How many steps episodes have had, int64 [N]."""
        return state[:, _STEPS].long()

    def is_paid(self, state: torch.Tensor) -> torch.Tensor:
        """Whether the coming step is one of those that are paid, bool [N]."""
        return self._is_paid(state[:, _STEPS])

    def _is_paid(self, step: torch.Tensor) -> torch.Tensor:
        within = step % (2 * self._turn_steps) - self._turn_steps
        return 2 * within >= self._turn_steps

    def _counts(self, state: torch.Tensor) -> torch.Tensor:
        return state[:, _COUNTS:].view(-1, self._places, self._classes)

    def _flat(self, view: torch.Tensor) -> torch.Tensor:
        return view.flatten(1).long()
