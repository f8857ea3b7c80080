"""Observations from before, to draw from."""

import torch

from rewardlab.types import EnvSpec, State, TensorObs


class ObservationQueue:
    """The latest observations that were put in, up to a number; the oldest go first. Kept as they are, on the CPU."""

    def __init__(self, spec: EnvSpec, size: int) -> None:
        self._size, self._names = size, tuple(spec.obs)
        self._entries: TensorObs = {}

    def __len__(self) -> int:
        return len(self._entries[self._names[0]]) if self._entries else 0

    def add(self, obs: TensorObs) -> None:
        """Put observations in, the oldest first, each entry [B, *shape]."""
        for name in self._names:
            newer = obs[name][-self._size :].cpu()
            older = self._entries.get(name, newer[:0])
            self._entries[name] = torch.cat([older[max(0, len(older) + len(newer) - self._size) :], newer])

    def draw(self, count: int, generator: torch.Generator) -> TensorObs:
        """Observations drawn with replacement, each entry [count, *shape]."""
        index = torch.randint(len(self), (count,), generator=generator)
        return {name: entry.index_select(0, index) for name, entry in self._entries.items()}

    def state_dict(self) -> State:
        return {"entries": {name: entry.clone() for name, entry in self._entries.items()}}

    def load_state_dict(self, state: State) -> None:
        self._entries = {name: entry.to("cpu", copy=True) for name, entry in state["entries"].items()}
