"""XLand-MiniGrid's tasks of MiniGrid."""

from functools import lru_cache
from typing import Any

import jax
import numpy as np
import xminigrid
from jax_search import Search
from jax_search import play as random_play
from names import TASKS
from playing import Cell, Step, Thing, after_the_end, rules
from xminigrid.wrappers import GymAutoResetWrapper

KINDS = (
    "empty", "floor", "wall", "ball", "square", "pyramid", "goal", "key", "door", "door", "door", "hex", "star",
)  # fmt: skip
DOORS = {8: "locked", 9: "closed", 10: "open"}
HEADINGS = ((0, -1), (1, 0), (0, 1), (-1, 0))  # its directions: up, right, down, left


@lru_cache
def compiled(task: str, limit: int | None, wrapper: Any) -> tuple[int, Any, Any]:
    env, params = xminigrid.make(str(TASKS[task].xland))
    if limit is not None:
        params = params.replace(max_steps=limit)
    if wrapper is not None:
        env = wrapper(env)
    step = jax.jit(lambda timestep, action: env.step(params, timestep, action))
    return int(params.max_steps), jax.jit(lambda key: env.reset(params, key)), step


class World:
    actions = ("forward", "right", "left", "pickup", "drop", "toggle")
    wrapper: Any = None

    def __init__(self, task: str, limit: int | None) -> None:
        self.limit, self._reset, self._step = compiled(task, limit, self.wrapper)

    def reset(self, seed: int) -> None:
        self.now = self._reset(jax.random.PRNGKey(seed))

    def step(self, action: str) -> Step:
        self.now = self._step(self.now, self.actions.index(action))
        ended = f"LAST, discount {float(self.now.discount):.0f}" if self.now.last() else ""
        return Step(float(self.now.reward), ended)

    @property
    def place(self) -> Cell:
        row, column = self.now.state.agent.position
        return int(column), int(row)

    @property
    def heading(self) -> Cell:
        return HEADINGS[int(self.now.state.agent.direction)]

    @property
    def count(self) -> int:
        return int(self.now.state.step_num)

    def layout(self) -> dict[Cell, Thing]:
        grid, found = np.asarray(self.now.state.grid), {}
        for (row, column), tile in np.ndenumerate(grid[..., 0]):
            if KINDS[tile] != "floor":
                found[column, row] = (KINDS[tile], str(grid[row, column, 1]), DOORS.get(int(tile), ""))
        return found

    def sees(self) -> set[str]:
        return {KINDS[tile] for tile in np.unique(np.asarray(self.now.observation)[..., 0])}

    def own(self) -> str:
        tile, colour = (int(number) for number in np.asarray(self.now.observation)[6, 3])
        return f"{KINDS[tile]} ({tile}, {colour})"


class AutoReset(World):
    wrapper = GymAutoResetWrapper


def play(task: str, episodes: int) -> dict[str, Any]:
    env, params = xminigrid.make(str(TASKS[task].xland))

    def step(timestep: Any, action: Any) -> tuple[Any, Any, Any]:
        timestep = env.step(params, timestep, action)
        return timestep, timestep.reward, timestep.last()

    limit = int(params.max_steps)
    return random_play(lambda key: env.reset(params, key), step, env.num_actions(params), limit, episodes)


def levels(task: str, number: int, budget: int) -> dict[str, Any]:
    """Shortest ways by its own step (None: no way), and how many of 2,000 levels differ."""
    env, params = xminigrid.make(str(TASKS[task].xland))
    reset = jax.jit(jax.vmap(lambda key: env.reset(params, key)))
    timesteps = reset(jax.random.split(jax.random.PRNGKey(0), 2000))
    one = jax.tree.map(lambda leaf: leaf[0], timesteps)
    found, states = [], timesteps.state

    def dynamic(state: Any) -> Any:
        return (state.grid, state.agent, state.goal_encoding)

    def step(changing: Any, action: Any) -> tuple[Any, Any, Any]:
        grid, agent, goal = changing
        state = one.state.replace(
            grid=grid, agent=agent, goal_encoding=goal, step_num=jax.numpy.zeros_like(one.state.step_num)
        )
        after = env.step(params, one.replace(state=state), action)
        return dynamic(after.state), after.reward > 0, after.last()

    search = Search(step, env.num_actions(params))
    distinct = len(
        {b"".join(np.asarray(leaf)[i].tobytes() for leaf in jax.tree.leaves(dynamic(states))) for i in range(2000)}
    )
    for i in range(number):
        outcome, steps, _ = search.steps(jax.tree.map(lambda leaf, i=i: leaf[i], dynamic(states)), budget)
        if outcome == "over budget":
            return {"why": f"not found among {budget:,} states", "distinct": distinct}
        found.append(steps)
    return {"steps": found, "distinct": distinct}


def level_facts() -> dict[str, str]:
    env, params = xminigrid.make("MiniGrid-DoorKey-8x8")
    state = jax.jit(jax.vmap(lambda key: env.reset(params, key)))(jax.random.split(jax.random.PRNGKey(0), 3000)).state
    grids, places, headings = (np.asarray(leaf) for leaf in (state.grid, state.agent.position, state.agent.direction))
    rows = np.nonzero(grids[..., 0] == 8)[1]
    poses = {(*place, heading) for place, heading in zip(places.tolist(), headings.tolist(), strict=True)}
    worlds = World("DoorKey-8x8", None), World("DoorKey-8x8", None)
    for world in worlds:
        world.reset(7)
    levels = {grids[i].tobytes() + places[i].tobytes() + headings[i].tobytes() for i in range(3000)}
    return {
        "rows of the door": f"{rows.min()} to {rows.max()}",
        "where the agent begins": f"{len(poses)} poses in 3,000 levels",
        "levels met": f"{len(levels)} in 3,000",
        "reset(seed=s)": "a key: the same level again" if worlds[0].layout() == worlds[1].layout() else "another level",
    }


def without_key(number: int = 5000) -> str:
    """BlockedUnlockPickUp: levels that have no key, and those whose blocker is what is to be picked up."""
    env, params = xminigrid.make("MiniGrid-BlockedUnlockPickUp")
    state = jax.jit(jax.vmap(lambda key: env.reset(params, key)))(jax.random.split(jax.random.PRNGKey(0), number)).state
    grids, goals = np.asarray(state.grid), np.asarray(state.goal_encoding)
    lacking = ~(grids[..., 0] == 7).any((1, 2))
    left = grids[:, :, : params.width // 2]
    same = ((left == goals[:, None, None, 1:3]).all(-1)).any((1, 2))
    return (
        f"no key in {lacking.mean():.1%}, the target lies on the agent's side in {same.mean():.1%} of {number:,} levels"
    )


def limits() -> dict[str, int]:
    return {name: int(xminigrid.make(task.xland)[1].max_steps) for name, task in TASKS.items() if task.xland}


def all_rules() -> dict[str, str]:
    _, after = after_the_end(AutoReset)
    found = rules(World)
    found["after the end"] += f"; with GymAutoResetWrapper {after}"
    return (
        found
        | level_facts()
        | {
            "lava in DistShift1": "no such task",
            "GoToDoor-8x8": "no such task",
            "BlockedUnlockPickup": without_key(),
        }
    )
