"""What it is worth to go for a node of a graph, or for the task's own goal, from where one is: a table.

Learned once from each attempt, by the target of semi-Markov decision processes (Sutton, Precup and Singh 1999; Kulkarni
et al. 2016, h-DQN, arXiv:1604.06057). A node counts as another one once the task's goal was looked for there in vain in
the running episode: else a table could not tell a room that was searched from one that was not.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.maths.topology import smdp_target
from rewardlab.types import Array, State


class OptionValues:
    """Q [M, 2, M + 1, 2]: node, whether it was searched, option, whether that was; option M is the task's own goal.

    Args:
        most: M. rate: how far a value moves. gamma: of a step.
    """

    def __init__(self, most: int, rate: float, gamma: float) -> None:
        self._rate, self._gamma = rate, gamma
        self._values = np.zeros((most, 2, most + 1, 2))

    def of(self, node: int, options: Array, searched: Array) -> Array:
        """The values [K] of options, int64 [K], from a node; searched: bool [M + 1], M being False."""
        found: Array = self._values[node, int(searched[node]), options, searched[options].astype(np.int64)]
        return found

    def learn(self, node: int, option: int, searched: Array, reward: float, steps: int, following: float) -> float:
        """Take in an attempt of so many steps, its discounted reward, and the value that follows: the error before."""
        at = node, int(searched[node]), option, int(searched[option])
        error = smdp_target(reward, steps, self._gamma, following) - float(self._values[at])
        self._values[at] += self._rate * error
        return error

    def state_dict(self) -> State:
        return {"values": torch.from_numpy(self._values.copy())}

    def load_state_dict(self, state: State) -> None:
        self._values = state["values"].cpu().numpy().copy()
