"""All states of a small level, and where every action leads: the level as an exact table.

MiniGrid's reward counts steps, so that no table of states has it: here success pays 1, and discounts or a limit of
steps say that sooner is better. The task's own limit is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from rewardlab.errors import UserError
from rewardlab.gridworld.state import State
from rewardlab.gridworld.vector import GridVectorEnv, make_vec
from rewardlab.types import Array, Mdp

MOST = 20_000  # states
_TOGETHER = 512  # environments stepped at once
_PLACE = ("cells", "agent", "carried", "steps", "mission", "registers", "level_of", "streams")
_KEY = ("cells", "agent", "carried", "mission", "registers")  # what tells states apart


@dataclass(frozen=True)
class LevelTable:
    """S states in which an episode goes on, in the order in which a breadth-first search meets them, and E at its end.

    Attributes:
        following: int64 [S, A], the state after; from S on those at the end.
        solved: bool [E], which of them are successes.
        places: all S + E states, each entry [S + E, ...]: those that `GridVectorEnv.set_state` takes.
        steps: int64 [S], fewest steps from the first state.
    """

    following: Array
    solved: Array
    places: State
    steps: Array

    @property
    def shortest(self) -> int | None:
        """Fewest steps to success; None: there is no way."""
        paying = self.reward().any(axis=1)
        return int(self.steps[paying].min()) + 1 if paying.any() else None

    def reward(self) -> Array:
        """float64 [S, A]: 1 where success is next."""
        count = len(self.following)
        solved = np.concatenate([np.zeros(count), self.solved])
        found: Array = solved[self.following]
        return found

    def mdp(self) -> Mdp:
        """The task of the S states; its chances are a sparse array."""
        states, actions = self.following.shape
        goes_on = np.flatnonzero(self.following.ravel() < states)
        led = self.following.ravel()[goes_on]
        chance = sparse.csr_array((np.ones(len(led)), (goes_on, led)), shape=(states * actions, states))
        return Mdp(chance, self.reward(), np.eye(1, states)[0])


def table_of_level(env_id: str, level: int, most: int = MOST) -> LevelTable:
    """The table of one level of a task that the engine covers, by the level's seed; see `table_of`."""
    env = make_vec(env_id, _TOGETHER, levels=[level], autoreset=False)
    env.reset(seed=0)
    return table_of(env, env.get_state([0]), most)


def table_of(env: GridVectorEnv, start: State, most: int = MOST) -> LevelTable:
    """The table of what can be reached from one state, by breadth-first search.

    Args:
        env: without automatic resets and noise; has been reset, and is used up.
        start: of one environment, as from `get_state`.
        most: states at most.

    Raises:
        UserError: there are more, or chance has a part in them.
    """
    name, actions = env.task.env_id, env.task.num_actions
    first = {entry: start[entry] for entry in _PLACE} | {"steps": np.zeros(1, dtype=np.int32)}
    numbers: dict[bytes, int] = {_keys(first, np.zeros(1, dtype=np.int8))[0]: 0}
    kept, depths, ends = [first], [0], [False]
    solved: list[bool] = [False]
    following: dict[int, Array] = {}
    edge, frontier = first, [0]
    while frontier:
        after, over, success = _stepped(env, edge, actions)
        if (after["streams"] != first["streams"]).any():
            raise UserError(f"{name}: chance has a part in its episodes, so that a search does not know its states")
        met, fresh = np.empty(len(over), dtype=np.int64), []
        for i, key in enumerate(_keys(after, over.astype(np.int8) + success)):
            met[i] = numbers.setdefault(key, len(numbers))
            if met[i] == len(depths):
                fresh.append(i)
                depths.append(depths[frontier[i // actions]] + 1)
                ends.append(bool(over[i]))
                solved.append(bool(success[i]))
        if len(numbers) > most:
            raise UserError(f"{name}: this level has more than {most} states, too many for a table; use a smaller one")
        following.update(zip(frontier, met.reshape(-1, actions), strict=True))
        kept.append(_rows([after], np.array(fresh, dtype=np.int64)))
        goes_on = [i for i in fresh if not over[i]]
        edge, frontier = _rows([after], np.array(goes_on, dtype=np.int64)), met[goes_on].tolist()
    ended = np.array(ends)
    order = np.concatenate([np.flatnonzero(~ended), np.flatnonzero(ended)])
    renamed = np.empty(len(order), dtype=np.int64)
    renamed[order] = np.arange(len(order))
    alive = order[: int((~ended).sum())]
    return LevelTable(
        renamed[np.array([following[number] for number in alive.tolist()])],
        np.array(solved)[order[len(alive) :]],
        _rows(kept, order),
        np.array(depths)[alive],
    )


def _stepped(env: GridVectorEnv, edge: State, actions: int) -> tuple[State, Array, Array]:
    """The states after every action in every state of an edge, those of a state together; which ended, which solved."""
    count = len(edge["steps"]) * actions
    parts, over, success = [], np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    for begin in range(0, count, env.num_envs):
        pairs = np.arange(begin, min(begin + env.num_envs, count))
        where = np.arange(len(pairs))
        env.set_state(_rows([edge], pairs // actions), where)
        if len(where) < env.num_envs:  # the others may be over
            rest = np.arange(len(where), env.num_envs)
            env.set_state(_rows([edge], np.zeros(len(rest), dtype=np.int64)), rest)
        action = np.zeros(env.num_envs, dtype=np.int64)
        action[where] = pairs % actions
        _, reward, terminated, _, _ = env.step(action)
        over[pairs], success[pairs] = terminated[where], (terminated & (reward > 0))[where]
        state = env.get_state(where)
        parts.append({name: state[name] for name in _PLACE})
    after = {name: np.concatenate([part[name] for part in parts]) for name in _PLACE}
    after["steps"] = np.zeros_like(after["steps"])
    return after, over, success


def _rows(states: list[State], rows: Array) -> State:
    return {name: np.concatenate([state[name] for state in states])[rows] for name in _PLACE}


def _keys(states: State, kind: Array) -> list[bytes]:
    """What tells states apart; of the same cells one may be at an episode's end, int8 [n], and another not."""
    count = len(kind)
    parts = [np.ascontiguousarray(states[name]).reshape(count, -1).view(np.uint8) for name in _KEY]
    return [row.tobytes() for row in np.concatenate([*parts, kind.view(np.uint8)[:, None]], axis=1)]
