"""How far a state lies from those that were met: what an agent may be paid before anybody says what is good.

Source: Lee et al. 2021, PEBBLE (arXiv:2106.05091), section 4.1, by Beirlant et al. 1997, Nonparametric entropy
estimation. The paper pays the logarithm of the distance, its code the distance divided by its running standard
deviation, as here.
"""

from __future__ import annotations

import torch

from rewardlab.maths.neighbours import nearest_distances
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.types import State


class StateEntropy:
    """The latest states, as flat numbers of one size, and the scale of the distances between them.

    Args:
        neighbours: the distance to which nearest neighbour counts, the state itself left out.
        size: states that are kept, the latest.
    """

    def __init__(self, neighbours: int, size: int, device: torch.device) -> None:
        self._neighbours, self._size, self._device = neighbours, size, device
        self._states = torch.zeros(0, 0, device=device)
        self._distances = RunningMoments((), device)

    def take_in(self, states: torch.Tensor) -> torch.Tensor:
        """Keep states [B, D], which move the scale; what they are paid, float32 [B]."""
        older = self._states if self._states.numel() else states[:0]
        known = torch.cat([older, states])
        distance = self._distance(states, known)
        self._distances.add(distance)
        self._states = known[-self._size :].clone()
        return distance / self._distances.std

    def of(self, states: torch.Tensor) -> torch.Tensor:
        """What states [B, D] are paid that are among those that are kept, float32 [B]; nothing moves."""
        if not self._states.numel():
            return torch.zeros(len(states), device=states.device)
        return self._distance(states, self._states) / self._distances.std

    def _distance(self, states: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        return nearest_distances(states, known, self._neighbours + 1)[:, -1]  # the nearest is the state itself

    def state_dict(self) -> State:
        return {"states": self._states.clone(), "distances": self._distances.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self._states = state["states"].to(self._device, copy=True)
        self._distances.load_state_dict(state["distances"])
