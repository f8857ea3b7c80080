"""Action makers for lock-step runs: random ones, and ones that get things done (and undone).

A player looks at Farama's environment and names the next action. What it wants is drawn anew now and then: go to a
thing and pick it up, drop what it carries, open or shut a door, break a box, walk into lava, reach the goal, say done.
"""

from collections import deque
from typing import Any

import numpy as np

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


class RandomPlayer:
    """Uniform over all actions."""

    def __init__(self, num_actions: int, rng: np.random.Generator) -> None:
        self.num_actions, self.rng = num_actions, rng

    def action(self, env: Any) -> int:
        return int(self.rng.integers(self.num_actions))


class BusyPlayer:
    """Walks to a random thing along a shortest way, does what can be done with it, and now and then something else.

    Args:
        num_actions: of the environment.
        rng: its own stream.
        slips: share of uniformly random actions.
    """

    def __init__(self, num_actions: int, rng: np.random.Generator, slips: float = 0.08) -> None:
        self.num_actions, self.rng, self.slips = num_actions, rng, slips
        self.target: tuple[int, int] | None = None
        self.patience = 0

    def action(self, env: Any) -> int:
        if self.rng.random() < self.slips:
            return int(self.rng.integers(self.num_actions))
        x, y = (int(v) for v in env.agent_pos)
        if self.target is None or self.patience <= 0 or self.target == (x, y):
            self.target, self.patience = self._choose(env), 60
        self.patience -= 1
        turn = self._way(env, (x, y), self.target)
        if turn is None:
            self.target = None
            return int(self.rng.integers(self.num_actions))
        if turn != env.agent_dir:
            return RIGHT if (turn - env.agent_dir) % 4 == 1 else LEFT
        ahead = (x + STEPS[turn][0], y + STEPS[turn][1])
        if ahead == self.target:
            self.target = None
            return min(self._deed(env, env.grid.get(*ahead)), self.num_actions - 1)
        thing = env.grid.get(*ahead)
        shut = thing is not None and thing.type == "door" and not thing.is_open
        return TOGGLE if shut else FORWARD

    def _choose(self, env: Any) -> tuple[int, int]:
        width = env.grid.width
        things = [k for k, thing in enumerate(env.grid.grid) if thing is not None and thing.type != "wall"]
        # Sometimes the goal or something to carry, mostly; sometimes any free cell, to drop things at.
        if not things or self.rng.random() < 0.2:
            things = [k for k, thing in enumerate(env.grid.grid) if thing is None]
        k = int(self.rng.choice(things))
        return k % width, k // width

    def _deed(self, env: Any, thing: Any) -> int:
        if thing is None:
            return DROP if env.carrying is not None else int(self.rng.choice([FORWARD, DONE]))
        if thing.type in ("goal", "lava", "floor"):
            return FORWARD
        if thing.type == "door":
            return int(self.rng.choice([TOGGLE, TOGGLE, FORWARD, DONE]))
        if thing.type == "box":
            return int(self.rng.choice([TOGGLE, PICKUP]))
        return int(self.rng.choice([PICKUP, PICKUP, PICKUP, DONE]))

    def _way(self, env: Any, start: tuple[int, int], target: tuple[int, int]) -> int | None:
        """Direction of the first step of a shortest way; things in the way, save the target, block it."""
        first: dict[tuple[int, int], int] = {start: -1}
        queue = deque([start])
        while queue:
            at = queue.popleft()
            for direction, (dx, dy) in enumerate(STEPS):
                to = (at[0] + dx, at[1] + dy)
                if to in first or not (0 <= to[0] < env.grid.width and 0 <= to[1] < env.grid.height):
                    continue
                turn = direction if at == start else first[at]
                if to == target:
                    return turn
                thing = env.grid.get(*to)
                first[to] = turn
                locked = thing is not None and thing.type == "door" and thing.is_locked
                carried = env.carrying
                fits = carried is not None and carried.type == "key" and locked and carried.color == thing.color
                if thing is None or (thing.type == "door" and (not locked or fits)):
                    queue.append(to)
        return None


def make_player(kind: str, num_actions: int, rng: np.random.Generator) -> RandomPlayer | BusyPlayer:
    """`random` or `busy`."""
    return RandomPlayer(num_actions, rng) if kind == "random" else BusyPlayer(num_actions, rng)
