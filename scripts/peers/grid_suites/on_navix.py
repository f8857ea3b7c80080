"""NAVIX."""

import warnings
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax_search import Search
from jax_search import play as random_play
from names import TASKS
from playing import AROUND, Cell, Step, Thing, go_to_door, lava, rules

warnings.filterwarnings("ignore")
import navix  # noqa: E402
from navix.components import DISCARD_PILE_COORDS  # noqa: E402

KINDS = ("unseen", "floor", "wall", "", "door", "key", "ball", "box", "goal", "lava", "player")
ENDED = ("", "TRUNCATION", "TERMINATION")


@lru_cache
def compiled(task: str, limit: int | None) -> tuple[int, Any, Any]:
    given = {} if limit is None else {"max_steps": limit}
    env = navix.make(str(TASKS[task].navix), observation_fn=navix.observations.symbolic_first_person, **given)
    return int(env.max_steps), jax.jit(env.reset), jax.jit(env.step)


class World:
    actions = ("left", "right", "forward", "pickup", "drop", "toggle", "done")

    def __init__(self, task: str, limit: int | None) -> None:
        self.limit, self._reset, self._step = compiled(task, limit)

    def reset(self, seed: int) -> None:
        self.now = self._reset(jax.random.PRNGKey(seed))

    def step(self, action: str) -> Step:
        self.now = self._step(self.now, self.actions.index(action))
        return Step(float(self.now.reward), ENDED[int(self.now.step_type)])

    @property
    def place(self) -> Cell:
        row, column = np.asarray(self.now.state.entities["player"].position)[0]
        return int(column), int(row)

    @property
    def heading(self) -> Cell:
        return AROUND[int(self.now.state.entities["player"].direction[0])]

    @property
    def count(self) -> int:
        return int(self.now.t)

    def layout(self) -> dict[Cell, Thing]:
        state, found = self.now.state, {}
        for (row, column), tile in np.ndenumerate(np.asarray(state.grid)):
            if tile != 0:
                found[column, row] = ("wall", "", "")
        for kind, entity in state.entities.items():
            if kind == "player":
                continue
            for k, position in enumerate(np.asarray(entity.position)):
                if tuple(position) == tuple(np.asarray(DISCARD_PILE_COORDS)):
                    continue
                door = ""
                if kind == "door":
                    door = "open" if entity.open[k] else "closed" if entity.requires[k] == -1 else "locked"
                found[int(position[1]), int(position[0])] = (
                    kind,
                    str(int(entity.colour[k])) if kind == "door" else "",
                    door,
                )
        return found

    def sees(self) -> set[str]:
        return {KINDS[tile] for tile in np.unique(np.asarray(self.now.observation)[..., 0])}

    def own(self) -> str:
        triple = [int(number) for number in np.asarray(self.now.observation)[6, 3]]
        return f"{KINDS[triple[0]]} ({', '.join(str(number) for number in triple)})"

    def target(self) -> Cell:
        row, column = np.asarray(self.now.state.mission.position)
        return int(column), int(row)


def play(task: str, episodes: int) -> dict[str, Any]:
    """As `make` has it, and on DoorKey with the limit of MiniGrid too."""
    found = _play(task, None, episodes)
    if TASKS[task].family == "doorkey":
        size = int(task.split("x")[-1])
        longer = _play(task, 10 * size * size, min(episodes, 2_000))
        found["at the other limit"] = {name: longer[name] for name in ("limit", "episodes", "successes")}
    return found


def _play(task: str, limit: int | None, episodes: int) -> dict[str, Any]:
    given = {} if limit is None else {"max_steps": limit}
    env = navix.make(str(TASKS[task].navix), observation_fn=navix.observations.none, **given)

    def step(timestep: Any, action: Any) -> tuple[Any, Any, Any]:
        timestep = env.step(timestep, action)
        return timestep, timestep.reward, timestep.is_done()

    return random_play(env.reset, step, len(env.action_set), int(env.max_steps), episodes)


def levels(task: str, number: int, budget: int) -> dict[str, Any]:
    """Shortest ways by its own step (None: no way), and how many of 2,000 levels differ."""
    env = navix.make(str(TASKS[task].navix), observation_fn=navix.observations.none, max_steps=1_000_000)
    timesteps = jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.PRNGKey(0), 2000))
    one = jax.tree.map(lambda leaf: leaf[0], timesteps)

    def dynamic(state: Any) -> Any:
        return (dict(state.entities), state.grid, state.mission)

    def step(changing: Any, action: Any) -> tuple[Any, Any, Any]:
        entities, grid, mission = changing
        state = one.state.replace(entities=dict(entities), grid=grid, mission=mission)
        after = env.step(one.replace(state=state), action)
        return dynamic(after.state), after.reward > 0, after.is_done()

    every = dynamic(timesteps.state)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(every)]
    distinct = len({b"".join(leaf[i].tobytes() for leaf in leaves) for i in range(2000)})
    found: dict[str, Any] = {"distinct": distinct}
    if "goal" in timesteps.state.entities:
        entities = timesteps.state.entities
        there = (np.asarray(entities["player"].position) == np.asarray(entities["goal"].position)).all((1, 2))
        found["begins on the goal"] = round(float(there.mean()), 4)
    if TASKS[task].family == "dynamicobstacles":
        return found | {"why": "obstacles move at random"}
    search, steps, looked_at = Search(step, len(env.action_set)), [], []
    for i in range(number):
        outcome, way, states = search.steps(jax.tree.map(lambda leaf, i=i: leaf[i], every), budget)
        if outcome == "over budget":
            return found | {"why": f"not found among {budget:,} states"}
        steps.append(way)
        looked_at.append(states)
    return found | {"steps": steps, "most states": max(looked_at)}


def level_facts() -> dict[str, str]:
    env = navix.make("Navix-DoorKey-8x8-v0", observation_fn=navix.observations.none)
    keys = jax.random.split(jax.random.PRNGKey(0), 3000)
    entities = jax.jit(jax.vmap(env.reset))(keys).state.entities
    door, key = (np.asarray(entities[name].position)[:, 0] for name in ("door", "key"))
    player = entities["player"]
    poses = {
        (*place, int(turned))
        for place, turned in zip(
            np.asarray(player.position)[:, 0].tolist(), np.asarray(player.direction)[:, 0], strict=True
        )
    }
    met = {(*door[i].tolist(), *key[i].tolist()) for i in range(3000)}
    worlds = World("DoorKey-8x8", None), World("DoorKey-8x8", None)
    for world in worlds:
        world.reset(7)
    return {
        "rows of the door": f"{door[:, 0].min()} to {door[:, 0].max()}",
        "where the agent begins": f"{len(poses)} pose{'s' * (len(poses) > 1)} in 3,000 levels",
        "levels met": f"{len(met)} in 3,000",
        "reset(seed=s)": "a key: the same level again" if worlds[0].layout() == worlds[1].layout() else "another level",
    }


def limits() -> dict[str, int]:
    return {name: int(navix.make(task.navix).max_steps) for name, task in TASKS.items() if task.navix}


def all_rules() -> dict[str, str]:
    return (
        rules(World)
        | level_facts()
        | {"lava in DistShift1": lava(World, "DistShift1"), "GoToDoor-8x8": go_to_door(World, "GoToDoor-8x8")}
    )
