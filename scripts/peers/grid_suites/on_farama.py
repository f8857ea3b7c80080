"""Farama's MiniGrid: rules in its own code; random play and shortest ways by rewardlab's engine, bit-exact with it."""

import contextlib
import io
import warnings
from typing import Any

import numpy as np
from names import TASKS
from playing import AROUND, Cell, Step, Thing, go_to_door, lava, rules

KINDS = ("unseen", "empty", "wall", "floor", "door", "key", "ball", "box", "goal", "lava")
DOORS = ("open", "closed", "locked")


class World:
    actions = ("left", "right", "forward", "pickup", "drop", "toggle", "done")

    def __init__(self, task: str, limit: int | None) -> None:
        import gymnasium
        import minigrid  # noqa: F401

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = {} if limit is None else {"max_steps": limit}
            self.env: Any = gymnasium.make(TASKS[task].farama, disable_env_checker=True, **given).unwrapped
        self.limit = self.env.max_steps

    def reset(self, seed: int) -> None:
        self.shown, _ = self.env.reset(seed=seed)

    def step(self, action: str) -> Step:
        self.shown, reward, terminated, truncated, _ = self.env.step(self.actions.index(action))
        return Step(float(reward), " and ".join(["terminated"] * terminated + ["truncated"] * truncated))

    @property
    def place(self) -> Cell:
        x, y = self.env.agent_pos
        return int(x), int(y)

    @property
    def heading(self) -> Cell:
        return AROUND[self.env.agent_dir]

    @property
    def count(self) -> int:
        return int(self.env.step_count)

    def layout(self) -> dict[Cell, Thing]:
        grid, found = self.env.grid, {}
        for x in range(grid.width):
            for y in range(grid.height):
                if (thing := grid.get(x, y)) is not None:
                    kind, colour, state = thing.encode()
                    found[x, y] = (KINDS[kind], str(colour), DOORS[state] if KINDS[kind] == "door" else "")
        return found

    def sees(self) -> set[str]:
        return {KINDS[kind] for kind in np.unique(self.shown["image"][..., 0])}

    def own(self) -> str:
        return named(self.shown["image"][3, 6])

    def target(self) -> Cell:
        x, y = self.env.target_pos
        return int(x), int(y)


def named(triple: np.ndarray) -> str:
    return f"{KINDS[triple[0]]} ({', '.join(str(int(number)) for number in triple)})"


def play(task: str, episodes: int) -> dict[str, float]:
    from rewardlab.gridworld.catalogue import find_task
    from rewardlab.gridworld.task_facts import random_floor

    returns, successes = random_floor(TASKS[task].farama, episodes, seed=1)
    return {
        "limit": find_task(TASKS[task].farama).max_steps,
        "episodes": len(successes),
        "successes": int(successes.sum()),
        "lowest": float(returns.min()),
    }


def levels(task: str, number: int, budget: int) -> dict[str, Any]:
    """Shortest ways of some levels (None where there is none), how many of 2,000 draws differ, the steps' spread."""
    from rewardlab.gridworld.distinct_levels import level_keys
    from rewardlab.gridworld.solver import solve
    from rewardlab.gridworld.vector import make_vec

    env_id = TASKS[task].farama
    envs = make_vec(env_id, number)
    envs.reset(seed=1_000_000)
    states, steps = envs.get_state(), []
    for i in range(number):
        solution = solve(env_id, states, i, budget)
        if solution.kind != "exact":
            return {"why": solution.why, "distinct": distinct(level_keys, env_id)}
        steps.append(solution.steps)
    return {"steps": steps, "distinct": distinct(level_keys, env_id)}


def distinct(level_keys: Any, env_id: str) -> int | None:
    keys = level_keys(env_id, list(range(2_000_000, 2_002_000)))
    return None if keys is None else len(set(keys))


def babyai(env_id: str, episodes: int) -> dict[str, float]:
    """Random play of Farama's own BabyAI."""
    import gymnasium
    import minigrid  # noqa: F401

    rng, successes, limits = np.random.default_rng(0), 0, set()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        env: Any = gymnasium.make(env_id, disable_env_checker=True).unwrapped
        for seed in range(episodes):
            env.reset(seed=seed)
            limits.add(env.max_steps)
            over, reward = False, 0.0
            while not over:
                _, reward, terminated, truncated, _ = env.step(int(rng.integers(7)))
                over = terminated or truncated
            successes += reward > 0
    return {"episodes": episodes, "successes": successes, "limit": min(limits), "highest_limit": max(limits)}


def level_facts() -> dict[str, str]:
    """Starts and doors over 3,000 levels of DoorKey-8x8."""
    from rewardlab.gridworld.vector import make_vec

    envs = make_vec(TASKS["DoorKey-8x8"].farama, 3000)
    envs.reset(seed=0)
    state = envs.get_state()
    rows = np.nonzero(state["cells"][..., 0] == KINDS.index("door"))[1]
    starts = {tuple(pose) for pose in state["agent"][:, :3].tolist()}
    levels = {state["cells"][i].tobytes() + state["agent"][i].tobytes() for i in range(3000)}
    same = [World("DoorKey-8x8", None) for _ in range(2)]
    for world in same:
        world.reset(7)
    again = same[0].layout()
    same[0].reset(7)
    equal = again == same[0].layout() == same[1].layout()
    return {
        "rows of the door": f"{rows.min()} to {rows.max()}",
        "where the agent begins": f"{len(starts)} poses in 3,000 levels",
        "levels met": f"{len(levels)} in 3,000",
        "reset(seed=s)": "the same level again" if equal else "another level",
    }


def limits() -> dict[str, int]:
    from rewardlab.gridworld.catalogue import find_task

    return {name: find_task(task.farama).max_steps for name, task in TASKS.items()}


def kept(task: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Random play and shortest ways as the engine's table keeps them, for tasks that are not measured anew."""
    from rewardlab.gridworld.task_facts import lowest_return, task_facts

    facts = task_facts(TASKS[task].farama)
    play = {"episodes": facts.random_episodes, "successes": round(facts.random_success * facts.random_episodes)}
    play["lowest"] = lowest_return(TASKS[task].farama)
    if facts.optimum_kind != "exact":
        return play, {"why": "not known"}
    return play, {"mean": facts.optimal_steps, "levels": facts.levels, "no way": facts.unsolvable}


def all_rules() -> dict[str, str]:
    return (
        rules(World)
        | level_facts()
        | {"lava in DistShift1": lava(World, "DistShift1"), "GoToDoor-8x8": go_to_door(World, "GoToDoor-8x8")}
    )
