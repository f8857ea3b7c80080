"""What it is worth to go for a node of a graph, or for the task's own goal, from where one is: a table.

Learned once from each attempt, by the target of semi-Markov decision processes (Sutton, Precup and Singh 1999; Kulkarni
et al. 2016, h-DQN, arXiv:1604.06057). In the table a node where the task's goal was looked for in vain during the
episode is another one, and so is an option that leads where one has been: what is best there depends on it.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.maths.topology import smdp_target
from rewardlab.types import Array, State


class OptionValues:
    """Q [M, 2, M + 1, 2]: node, whether it was searched, option, whether one has been there; M is the task's own goal.

    Args:
        most: M. rate: how far a value moves. gamma: of a step.
    """

    def __init__(self, most: int, rate: float, gamma: float) -> None:
        self._rate, self._gamma = rate, gamma
        self._values = np.zeros((most, 2, most + 1, 2))

    def of(self, node: int, options: Array, searched: bool, been: Array) -> Array:
        """The values [K] of options, int64 [K], from a node; been: bool [M + 1], False for M."""
        found: Array = self._values[node, int(searched), options, been[options].astype(np.int64)]
        return found

    def learn(
        self, node: int, option: int, searched: bool, been: bool, reward: float, steps: int, following: float
    ) -> float:
        """Take in an attempt of so many steps, its discounted reward, and the value that follows: the error before."""
        at = node, int(searched), option, int(been)
        error = smdp_target(reward, steps, self._gamma, following) - float(self._values[at])
        self._values[at] += self._rate * error
        return error

    def state_dict(self) -> State:
        return {"values": torch.from_numpy(self._values.copy())}

    def load_state_dict(self, state: State) -> None:
        self._values = state["values"].cpu().numpy().copy()
