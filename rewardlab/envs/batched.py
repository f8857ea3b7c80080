"""Our vector environment over gymnasium's, whatever is behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from gymnasium.vector import VectorEnv

from rewardlab.envs.levels import Levels
from rewardlab.envs.spaces import ActionCodec
from rewardlab.facts import DISTANCE
from rewardlab.types import Array, EnvSpec, Obs, State, StepBatch

if TYPE_CHECKING:
    from rewardlab.gridworld.vector import GridVectorEnv


SOLVED = "is_success"  # of infos: whether the episode that ends is solved


class Facts(Protocol):
    """Full-state facts of N environments, each [N, ...]."""

    def measure(self) -> Obs: ...

    def remeasure(self, before: Obs, changed: Array) -> Obs:
        """The same after environments `changed` (bool [N]) were reset; `before` is left as it is."""


class Keeper(Protocol):
    """What takes the state of a vector environment out and puts it back; see `VecEnv`."""

    def get_state(self) -> State: ...

    def set_state(self, state: State) -> None: ...


class Placer(Protocol):
    """What takes the states of some environments out and puts them back; see `VecEnv`."""

    def take(self, where: Array) -> Obs: ...

    def put(self, where: Array, places: Obs) -> Mapping[str, Array]:
        """What all environments show then."""

    def hold(self, places: Obs) -> Mapping[str, Array]:
        """Those of all, where coming episodes begin too; what they show then."""


class Engine(Protocol):
    """The grid world's own engine behind a vector environment, and what our view of it adds.

    facts: the full-state facts that are computed beside it. mission_length: L; 0 where the mission never varies.
    headings: float32 [4, 4], what `vector` shows of each heading; [0, 0] where it shows none.
    measurable: the facts that `measure` knows.
    """

    vector: GridVectorEnv
    levels: Levels
    facts: tuple[str, ...]
    mission_length: int
    headings: Array
    measurable: frozenset[str]

    def measure(self, cells: Array, facts: Array) -> Obs:
        """The facts of any M states: the engine's cells, uint32 [M, H * W], and facts, int32 [M, F]."""

    def tokens(self, numbers: tuple[int, ...]) -> Array:
        """A mission by its numbers: int64 [L]."""


def arrived(facts: Obs, success: Array) -> Obs:
    """Facts of true successors, where there are no more steps to success if the episode was solved.

    A state by itself does not tell: an agent on the goal would have to leave it and to come back.

    Args:
        facts: each entry [..., *shape]. success: bool [...].
    """
    if DISTANCE not in facts or not success.any():
        return facts
    return facts | {DISTANCE: np.where(success, 0, facts[DISTANCE])}


class BatchedEnv:
    """N environments stepped by a gymnasium vector environment.

    gymnasium's own automatic reset is off: the batch of true successors is complete, and its full-state facts
    are taken, before the environments that ended are reset.

    Args:
        vector: the environments, with AutoresetMode.DISABLED; observations are dicts of arrays.
        view: turns its observations into ours, in arrays of their own.
        facts: computes the full-state facts that were asked for.
        levels: the seeds of resets.
        reward_is_success: whether an episode that ends with a positive reward is solved.
        tells_success: whether infos say under `SOLVED` which episodes ended solved.
        keeper: of the environments' state, where it can be had.
        placer: of the states of some of them, where episodes can begin anywhere.
        engine: what steps them, where compiled passes may do it themselves (`training.compiled_play`).
    """

    def __init__(
        self,
        vector: VectorEnv[Any, Any, Any],
        spec: EnvSpec,
        codec: ActionCodec,
        view: Callable[[Mapping[str, Any]], Obs],
        levels: Levels,
        facts: Facts | None = None,
        reward_is_success: bool = False,
        tells_success: bool = False,
        keeper: Keeper | None = None,
        placer: Placer | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.spec = replace(spec, restorable=keeper is not None, placeable=placer is not None)
        self.num_envs = vector.num_envs
        self._vector, self._codec, self._view, self._levels = vector, codec, view, levels
        self._facts, self._keeper, self._placer = facts, keeper, placer
        self._reward_is_success, self._tells_success = reward_is_success, tells_success
        self.engine = engine
        self._privileged: Obs = {}

    def reset(self, seeds: Any) -> Obs:
        """Start every environment anew; environment i owns the random stream of seeds[i] from here on.

        Raises:
            ValueError: not one seed for each environment.
        """
        frames, _ = self._vector.reset(seed=self._levels.restart(seeds))  # type: ignore[arg-type]
        self._privileged = self._facts.measure() if self._facts else {}
        return self._view(frames)

    def step(self, action: Array) -> StepBatch:
        """Step every environment, then reset those that ended.

        Where no episode ended, `obs` and `next_obs` are the same arrays.

        Args:
            action: int64 [N], or float32 [N, A], which is clipped to the bounds.
        """
        frames, reward, terminated, truncated, infos = self._vector.step(self._codec.decode(action))
        obs = next_obs = self._view(frames)
        current = successor = self._facts.measure() if self._facts else {}
        done = terminated | truncated
        if done.any():
            seeds: Any = self._levels.following(done)
            frames, _ = self._vector.reset(seed=seeds, options={"reset_mask": done})
            obs = self._view(frames)
            current = self._facts.remeasure(successor, done) if self._facts else {}
        self._privileged = current
        success = np.zeros_like(done)
        if self._reward_is_success:
            success = done & (reward > 0)
        elif self._tells_success and SOLVED in infos:
            success = done & infos[SOLVED]
        successor = arrived(successor, success)
        return StepBatch(obs, next_obs, reward.astype(np.float32), terminated, truncated, success, successor)

    def privileged(self) -> Obs:
        """Full-state facts of the current states (after automatic resets), each [N, ...]."""
        return self._privileged

    def get_state(self) -> State:
        assert self._keeper is not None
        return {"worlds": self._keeper.get_state(), "levels": self._levels.state_dict()}

    def set_state(self, state: State) -> None:
        assert self._keeper is not None
        self._keeper.set_state(state["worlds"])
        self._levels.load_state_dict(state["levels"])
        self._privileged = self._facts.measure() if self._facts else {}

    def take_places(self, where: Array) -> Obs:
        assert self._placer is not None
        return self._placer.take(where)

    def put_places(self, where: Array, places: Obs) -> Obs:
        assert self._placer is not None
        frames = self._placer.put(where, places)
        self._privileged = self._facts.measure() if self._facts else {}
        return self._view(frames)

    def hold_places(self, places: Obs) -> Obs:
        assert self._placer is not None
        frames = self._placer.hold(places)
        self._privileged = self._facts.measure() if self._facts else {}
        return self._view(frames)

    def close(self) -> None:
        self._vector.close()


def copied(frames: Mapping[str, Array]) -> Obs:
    """The view of a vector environment that writes every batch into the same buffers."""
    return {name: array.copy() for name, array in frames.items()}
