"""Goals in MiniGrid's rooms: reach a cell, or pick up an object, that only the goal in the observation tells.

Rooms, moves and objects are Farama's, on the fast engine. The goal is drawn at random for each episode and is nowhere
in the picture: a cell of an empty room or of FourRooms, which looks like any other, or one of Fetch's objects, where
picking up another one ends nothing (it may be dropped again). Reaching it pays 1, whenever, and ends the episode.

image: the 7x7 view in front of the agent. vector: its column, row and direction, one-hot, because a view alone does not
tell where in a room it was taken. goal and achieved: column and row, one-hot; for Fetch, what is carried, one-hot:
nothing, then keys and balls by colour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rewardlab import gridworld
from rewardlab.envs.batched import BatchedEnv
from rewardlab.envs.config import OwnConfig, check_privileged
from rewardlab.envs.grids.facts import tile_size
from rewardlab.envs.grids.fast import EngineState
from rewardlab.envs.levels import Levels
from rewardlab.envs.spaces import ActionCodec
from rewardlab.errors import unknown
from rewardlab.facts import PICTURE, PLACE, STATE_HASH
from rewardlab.gridworld.catalogue import GOAL_TASKS
from rewardlab.gridworld.constants import CARRIED, DIRECTION, GOAL_CELL, KEY, NO_OBJECT, REGISTER, X, Y
from rewardlab.schemas import option
from rewardlab.types import ActionSpec, Array, EnvSpec, GoalVecEnv, Obs, ObsSpec, TaskFacts

VERSION = 1
FACTS = (STATE_HASH, PLACE, PICTURE)
# Mean returns of uniformly random actions over 20,000 episodes; every goal can be reached in time, so the best is 1.
RANDOM_RETURNS = {
    "GoalGrid-Empty-8x8": 0.288,
    "GoalGrid-Empty-16x16": 0.129,
    "GoalGrid-FourRooms": 0.067,
    "GoalGrid-Fetch-8x8-N3": 0.339,
}
_COLOURS = 6
_THINGS = 1 + 2 * _COLOURS  # nothing, keys, balls
_HIGHEST = 10  # of MiniGrid's object numbers


@dataclass
class Config(OwnConfig):
    HAS_GOALS = True

    id: str = option("GoalGrid-FourRooms", f"the task: {', '.join(GOAL_TASKS)}")

    def validate(self) -> None:
        super().validate()
        if self.id not in GOAL_TASKS:
            raise ValueError(str(unknown("id", self.id, GOAL_TASKS, "task with goals")))

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """The best is 1 on every level; random play is another on each."""
        from rewardlab.gridworld.level_facts import random_return_on

        return replace(task, random_return=random_return_on(self.id, levels))


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> GoalVecEnv:
    """N copies of the task.

    Args:
        privileged: full-state facts to compute: state_hash (without the goal), agent_pos, picture.

    Raises:
        UserError: another fact is asked for.
    """
    check_privileged(config.id, privileged, FACTS)
    engine = gridworld.make_vec(config.id, levels.num_envs, autoreset=False)
    task = engine.task
    reads = _Carried(engine) if task.family == "fetchany" else _Place(engine)
    sides = task.width + task.height
    spec = EnvSpec(
        id=config.id,
        obs={
            "image": ObsSpec(engine.look.shape, "uint8", _HIGHEST),
            "vector": ObsSpec((sides + 4,), "float32"),
            "goal": ObsSpec((reads.size,), "float32"),
            "achieved": ObsSpec((reads.size,), "float32"),
        },
        action=ActionSpec(n=task.num_actions),
        max_steps=task.max_steps,
        task=TaskFacts(RANDOM_RETURNS[config.id], 1.0, "exact", engine.family.SUCCESS),
        backend="fast",
        privileged=FACTS,
        goals=True,
    )

    def view(frames: Mapping[str, Any]) -> Obs:
        facts = engine.world.facts
        here = (_onehot(facts[:, X], task.width), _onehot(facts[:, Y], task.height), _onehot(facts[:, DIRECTION], 4))
        return {
            "image": frames["image"],
            "vector": np.concatenate(here, axis=1),
            "goal": reads.goal(),
            "achieved": reads.achieved(),
        }

    return GoalGrid(
        engine,
        spec,
        ActionCodec(spec.action, lambda chosen: chosen),
        view,
        levels,
        _Facts(engine, privileged, reads) if privileged else None,
        reward_is_success=True,
        keeper=EngineState(engine),
    )


class GoalGrid(BatchedEnv):
    def goal_outcome(self, achieved: Array, desired: Array) -> tuple[Array, Array]:
        """See `GoalVecEnv`."""
        reached = (achieved == desired).all(axis=-1)
        return reached.astype(np.float32), reached


class _Place:
    """Goals are cells: [N, W + H]."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.size = engine.task.width + engine.task.height

    def goal(self) -> Array:
        row, column = np.divmod(self._engine.world.facts[:, REGISTER], self._engine.task.width)
        return self._shown(column, row)

    def achieved(self) -> Array:
        facts = self._engine.world.facts
        return self._shown(facts[:, X], facts[:, Y])

    def mark(self, cells: Array, facts: Array) -> None:
        """Put the goal in a picture: cells uint8 [H, W, 4], facts [NUM_FACTS] of one environment."""
        cells.reshape(-1, 4)[facts[REGISTER]] = np.array([GOAL_CELL], dtype=np.uint32).view(np.uint8)

    def _shown(self, column: Array, row: Array) -> Array:
        task = self._engine.task
        return np.concatenate([_onehot(column, task.width), _onehot(row, task.height)], axis=1)


class _Carried:
    """Goals are objects in the agent's hands: [N, 13]."""

    size = _THINGS

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def goal(self) -> Array:
        return _onehot(_thing(self._engine.world.facts[:, REGISTER]), _THINGS)

    def achieved(self) -> Array:
        return _onehot(_thing(self._engine.world.facts[:, CARRIED]), _THINGS)

    def mark(self, cells: Array, facts: Array) -> None:
        """The object is in the picture already."""


class _Facts:
    """The engine measures all environments at once, so it never pays to measure some of them."""

    def __init__(self, engine: Any, names: Sequence[str], reads: _Place | _Carried) -> None:
        self._engine, self._names, self._reads = engine, names, reads

    def measure(self) -> Obs:
        return {name: self._fact(name) for name in self._names}

    def remeasure(self, before: Obs, changed: Array) -> Obs:
        return self.measure()

    def _fact(self, name: str) -> Array:
        if name == STATE_HASH:
            found: Array = self._engine.privileged(["state_hash"])["state_hash"]
            return found
        if name == PLACE:
            place: Array = self._engine.world.facts[:, [X, Y]].astype(np.int64)
            return place
        from rewardlab.gridworld.reference import picture

        engine, task, states, drawn = self._engine, self._engine.task, self._engine.get_state(), []
        for i in range(engine.num_envs):
            state = {key: array[i] for key, array in states.items()}
            self._reads.mark(state["cells"], engine.world.facts[i])
            drawn.append(picture(task.env_id, state, tile_size(task.width, task.height), True, engine.look))
        return np.stack(drawn)


def _thing(code: Array) -> Array:
    """Cells as numbers from 0 (nothing) to 12."""
    kind, colour = code & 0xFF, (code >> 8) & 0xFF
    number: Array = np.where(code == NO_OBJECT, 0, 1 + (kind - KEY) * _COLOURS + colour)
    return number


def _onehot(numbers: Array, count: int) -> Array:
    """float32 [N, count]."""
    return np.eye(count, dtype=np.float32)[numbers]
