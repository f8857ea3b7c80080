"""Running episodes written down, so that they can be played again: exact wherever an episode is made by its beginning.

That holds for environments whose every random number comes from gymnasium's own generator and that carry nothing
from one episode to the next: MiniGrid's, gymnasium's small ones, and NetHack as it is seeded here. Of others nobody
knows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import SyncVectorEnv

from rewardlab.errors import CannotRestore
from rewardlab.seeding import generator_state, set_generator_state
from rewardlab.types import Array, State

_KNOWN = ("minigrid.", "gymnasium.envs.classic_control.", "gymnasium.envs.toy_text.", "rewardlab.envs.external.nethack")


def can_be_replayed(world: gymnasium.Env[Any, Any]) -> bool:
    """Whether playing an episode again, from the same generator and with the same actions, gives the same episode."""
    registered = world.unwrapped.spec
    wrapped = registered is not None and bool(registered.additional_wrappers)  # they may keep running moments, say
    return type(world.unwrapped).__module__.startswith(_KNOWN) and not wrapped


class Replayed:
    """A vector environment that notes how each running episode began and what was done in it."""

    def __init__(self, vector: SyncVectorEnv) -> None:
        self._vector = vector
        self.num_envs, self.envs = vector.num_envs, vector.envs
        self.close = vector.close
        self._begun: list[State] = [{} for _ in range(vector.num_envs)]
        self._actions: list[list[Any]] = [[] for _ in range(vector.num_envs)]
        self._frames: Mapping[str, Array] = {}

    def step(self, actions: Sequence[Any]) -> tuple[Any, ...]:
        for taken, action in zip(self._actions, actions, strict=True):
            taken.append(action)
        stepped: tuple[Any, ...] = self._vector.step(actions)
        self._frames = stepped[0]
        return stepped

    def reset(self, *, seed: Sequence[int | None], options: dict[str, Any] | None = None) -> tuple[Any, ...]:
        fresh = np.ones(self.num_envs, dtype=bool) if options is None else options["reset_mask"]
        for i in np.flatnonzero(fresh).tolist():
            given = seed[i]
            rng = self.envs[i].unwrapped.np_random
            self._begun[i] = {"rng": generator_state(rng)} if given is None else {"seed": given}
            self._actions[i] = []
        found = self._vector.reset(seed=list(seed), options=options)
        self._frames = found[0]
        return found

    def get_state(self) -> State:
        return {
            "begun": [dict(begun) for begun in self._begun],
            "actions": [torch.from_numpy(np.array(taken)) for taken in self._actions],
            "frames": {name: torch.from_numpy(array.copy()) for name, array in self._frames.items()},
        }

    def set_state(self, state: State) -> None:
        for i, (begun, taken) in enumerate(zip(state["begun"], state["actions"], strict=True)):
            actions = list(taken.numpy()) if taken.ndim > 1 else taken.tolist()
            shown = _play(self.envs[i], begun, actions)
            if not all(np.array_equal(array[i].numpy(), shown[name]) for name, array in state["frames"].items()):
                raise CannotRestore(f"environment {i}: its episode, played again, shows something else")
            self._begun[i], self._actions[i] = dict(begun), actions


def _play(world: gymnasium.Env[Any, Any], begun: State, actions: Sequence[Any]) -> Mapping[str, Array]:
    """The last observation of an episode that is played again.

    Raises:
        CannotRestore: it ends on the way.
    """
    if "rng" in begun:
        set_generator_state(world.unwrapped.np_random, begun["rng"])
    shown, _ = world.reset(seed=begun.get("seed"))
    for action in actions:
        shown, _, terminated, truncated, _ = world.step(action)
        if terminated or truncated:
            raise CannotRestore("an episode, played again, ends before its time")
    found: Mapping[str, Array] = shown
    return found
