"""EnvPool's MiniGrid. It shows no grid: a scout in a pool of the same seed walks about and draws the map of a level."""

from typing import Any

import envpool
import numpy as np
from names import TASKS
from playing import AROUND, Cell, Player, Step, Thing, go_to_door, lava, path, rules

KINDS = ("unseen", "empty", "wall", "floor", "door", "key", "ball", "box", "goal", "lava")
DOORS = ("open", "closed", "locked")
COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
SCOUTED = 100_000  # a limit that no scout meets
GOALS = ("doorkey", "empty", "fourrooms", "simplecrossing", "lava", "multiroom")  # families whose success is a place


class Pool:
    """One environment, and what it has shown of its level."""

    actions = ("left", "right", "forward", "pickup", "drop", "toggle", "done")

    def __init__(self, env_id: str, seed: int, limit: int | None) -> None:
        given: dict[str, Any] = {} if limit is None else {"max_episode_steps": limit}
        self.pool = envpool.make(env_id, env_type="gymnasium", num_envs=1, num_threads=1, seed=seed, **given)
        self.limit = int(self.pool.spec.config.max_episode_steps)
        self.shown, self.info = self.pool.reset()
        self.first: dict[Cell, Thing | None] = {}
        self.now: dict[Cell, Thing | None] = {}
        self.look()

    def step(self, action: str) -> Step:
        number = np.array([self.actions.index(action)], np.int32)
        self.shown, reward, terminated, truncated, self.info = self.pool.step(number)
        self.look()
        words = ["terminated"] * bool(terminated[0]) + ["truncated"] * bool(truncated[0])
        return Step(float(reward[0]), " and ".join(words))

    @property
    def place(self) -> Cell:
        x, y = self.info["agent_pos"][0]
        return int(x), int(y)

    @property
    def heading(self) -> Cell:
        return AROUND[int(self.shown["direction"][0])]

    @property
    def count(self) -> int:
        return int(self.info["elapsed_step"][0])

    def look(self) -> None:
        (x, y), (dx, dy) = self.place, self.heading
        for right in range(7):
            for ahead in range(7):
                kind, colour, state = self.shown["image"][0, right, 6 - ahead]
                if kind == 0 or (right == 3 and ahead == 0):
                    continue
                cell = (x + dx * ahead - dy * (right - 3), y + dy * ahead + dx * (right - 3))
                door = DOORS[state] if KINDS[kind] == "door" else ""
                thing = None if KINDS[kind] == "empty" else (KINDS[kind], str(colour), door)
                self.now[cell] = thing
                self.first.setdefault(cell, thing)
        self.now.setdefault((x, y), None)
        self.first.setdefault((x, y), None)

    def layout(self) -> dict[Cell, Thing]:
        """What is known; around it, cells that nobody has seen, on which the agent does not count."""
        beside = {(x + dx, y + dy) for x, y in self.now for dx, dy in AROUND}
        unseen: dict[Cell, Thing] = dict.fromkeys(beside - set(self.now), ("unseen", "", ""))
        return unseen | {cell: thing for cell, thing in self.now.items() if thing is not None}

    def sees(self) -> set[str]:
        return {KINDS[kind] for kind in np.unique(self.shown["image"][0, ..., 0])}

    def own(self) -> str:
        kind, *rest = (int(number) for number in self.shown["image"][0, 3, 6])
        return f"{KINDS[kind]} ({', '.join(str(number) for number in (kind, *rest))})"

    def target(self) -> Cell:
        colour = bytes(self.shown["mission"][0]).split(b"\0")[0].split()[-2].decode()
        number = str(COLOURS.index(colour))
        return next(cell for cell, thing in self.layout().items() if thing[0] == "door" and thing[1] == number)


def scout(env_id: str, seed: int) -> Pool:
    """Walks until it has seen whatever can be seen without ending the episode; opens doors, with the key if need be."""
    pool = Pool(env_id, seed, SCOUTED)
    player = Player(pool)
    for _ in range(4):
        player.act("right")
    while True:
        layout = pool.layout()
        edges = {
            (x, y)
            for (x, y), thing in pool.now.items()
            if (thing is None or thing[0] == "door") and any((x + dx, y + dy) not in pool.now for dx, dy in AROUND)
        }
        if player.walk(edges):
            for _ in range(4):
                player.act("right")
            continue
        opened = False
        for door in [cell for cell, thing in layout.items() if thing[0] == "door" and thing[2] != "open"]:
            locked = layout[door][2] == "locked"
            if locked and not any(thing[0] == "key" for thing in layout.values()):
                continue
            beside = {(door[0] + x, door[1] + y) for x, y in AROUND}
            if locked:
                player.fetch_key()
            if path(pool.layout(), pool.place, beside, frozenset()) is None:
                continue
            player.stand_before(door)
            player.act("toggle")
            opened = not player.last.ended  # where opening a door ends the episode, all is seen by then
            break
        if not opened:
            return pool


class World(Pool):
    """A level whose map a scout has drawn."""

    def __init__(self, task: str, limit: int | None) -> None:
        self.env_id, self.asked = str(TASKS[task].envpool), limit

    def reset(self, seed: int) -> None:
        drawn = scout(self.env_id, seed).first
        super().__init__(self.env_id, seed, self.asked)
        self.now = {**drawn, **self.now}


def play(task: str, episodes: int) -> dict[str, float]:
    """Uniformly random actions; each environment plays as many episodes as the others."""
    env_id = str(TASKS[task].envpool) if task in TASKS else task
    lanes = min(2_000, episodes)
    each = -(-episodes // lanes)
    pool = envpool.make(env_id, env_type="gymnasium", num_envs=lanes, num_threads=1, seed=1)
    pool.reset()
    rng, played, successes, total = np.random.default_rng(1), np.zeros(lanes, int), 0, np.zeros(lanes)
    lowest, restarts = np.inf, np.zeros(lanes, bool)
    while (played < each).any():
        _, reward, terminated, truncated, _ = pool.step(rng.integers(0, pool.action_space.n, lanes).astype(np.int32))
        over = (terminated | truncated) & ~restarts
        total += reward * ~restarts
        counted = over & (played < each)
        successes += int((counted & (reward > 0)).sum())
        if counted.any():
            lowest = min(lowest, total[counted].min())
        total[over] = 0
        played += over
        restarts = over
    limit = int(pool.spec.config.max_episode_steps)
    return {"limit": limit, "episodes": lanes * each, "successes": successes, "lowest": float(lowest)}


def levels(task: str, number: int) -> list[dict[str, Any]]:
    """Maps for a solver of Farama's rules: things as (x, y, kind, colour, state), and cells that are free."""
    drawn = []
    for seed in range(number):
        env_id = str(TASKS[task].envpool)
        start, scouted = Pool(env_id, seed, None), scout(env_id, seed)
        seen, closed = scouted.first, TASKS[task].family in GOALS and sealed(scouted)
        things = [(*cell, *thing) for cell, thing in seen.items() if thing is not None]
        free = [cell for cell, thing in seen.items() if thing is None]
        heading = AROUND.index(start.heading)
        drawn.append({"place": start.place, "direction": heading, "things": things, "free": free, "sealed": closed})
    return drawn


def sealed(pool: Pool) -> bool:
    """Whether a scout has seen all that lies around what can be reached, through any door, and no goal among it."""
    reached, edge = {pool.place}, [pool.place]
    while edge:
        x, y = edge.pop()
        for cell in {(x + dx, y + dy) for dx, dy in AROUND} - reached:
            if cell not in pool.now:
                return False
            thing = pool.now[cell]
            if thing is not None and thing[0] == "goal":
                return False
            if thing is None or thing[0] == "door":
                reached.add(cell)
                edge.append(cell)
    return True


def replay(task: str, ways: list[list[int]]) -> int:
    """How many levels the ways found for their maps solve, with their last step and not before; [] is none."""
    solved = 0
    for seed, way in enumerate(ways):
        if not way:
            continue
        pool = Pool(str(TASKS[task].envpool), seed, None)
        steps = [pool.step(Pool.actions[action]) for action in way]
        solved += steps[-1].reward > 0 and not any(step.ended for step in steps[:-1])
    return solved


def level_facts(number: int = 300) -> dict[str, str]:
    env_id = str(TASKS["DoorKey-8x8"].envpool)
    rows, poses, keys = set(), set(), set()
    for seed in range(number):
        pool = scout(env_id, seed)
        start = Pool(env_id, seed, None)
        rows.add(next(cell[1] for cell, thing in pool.first.items() if thing is not None and thing[0] == "door"))
        poses.add((start.place, start.heading))
        keys.add((start.place, start.heading, tuple(sorted((c, t) for c, t in pool.first.items() if t is not None))))
    return {
        "rows of the door": f"{min(rows)} to {max(rows)}",
        "where the agent begins": f"{len(poses)} poses in {number} levels",
        "levels met": f"{len(keys)} in {number}",
        "reset(seed=s)": seeding(env_id),
    }


def seeding(env_id: str) -> str:
    """Whether `reset(seed=s)` gives the level that a pool of this seed begins with; which seeds environments have."""
    import warnings

    def first(seed: int, number: int, i: int = 0) -> bytes:
        pool = envpool.make(env_id, env_type="gymnasium", num_envs=number, num_threads=1, seed=seed)
        return bytes(pool.reset()[0]["image"][i].tobytes())

    other = envpool.make(env_id, env_type="gymnasium", num_envs=1, num_threads=1, seed=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        obeyed = [other.reset(seed=seed)[0]["image"][0].tobytes() == first(seed, 1) for seed in range(20)]
    shifted = all(first(7, 3, i) == first(7 + i, 1) for i in range(3))
    place = "environment i of a pool with seed s is that of seed s + i" if shifted else "environments have other seeds"
    return f"{'obeyed' if all(obeyed) else 'ignored'}; {place}"


def limits() -> dict[str, int]:
    ids = {name: str(task.envpool) for name, task in TASKS.items()}
    return {name: int(envpool.make_spec(env_id).config.max_episode_steps) for name, env_id in ids.items()}


def babyai(env_id: str, episodes: int) -> dict[str, float]:
    return play(env_id, episodes)


def all_rules() -> dict[str, str]:
    return (
        rules(World)
        | level_facts()
        | {"lava in DistShift1": lava(World, "DistShift1"), "GoToDoor-8x8": go_to_door(World, "GoToDoor-8x8")}
    )
