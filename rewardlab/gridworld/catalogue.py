"""Which environments the engine covers, and each one's numbers. Plain data: importing this compiles nothing.

The numbers are those of Farama's minigrid 3.2.0; a test compares them with what the installed version registers.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from rewardlab.errors import UserError, unknown
from rewardlab.gridworld import babyai_tasks, named_mazes


@dataclass(frozen=True)
class Task:
    """One environment id.

    Attributes:
        env_id: as registered with gymnasium, or as `limited_id` makes it.
        family: module of `rewardlab.gridworld.families` that draws and judges its levels.
        width: columns of the grid.
        height: rows of the grid.
        max_steps: the episode's limit; in BabyAI, where it may depend on the instruction, the largest.
        options: the family's own options, in its order.
        see_through: whether the agent sees through walls.
        num_actions: 7, 3 where only moving is allowed, or 5 where picking up and dropping are too.
        reference: class of `minigrid.envs` and its arguments, for ids that Farama does not register; of `GOAL_TASKS`
            it has the same rooms and objects, but another task; of `DARK_TASKS` the same rooms, of mazes only the same
            size.
        limits_vary: whether episodes may have shorter limits, by their instruction.
        registers: numbers that the task remembers.
        mission_words: of the longest mission, where missions are made up as they go; 0: all can be listed.
    """

    env_id: str
    family: str
    width: int
    height: int
    max_steps: int
    options: tuple[int, ...] = ()
    see_through: bool = False
    num_actions: int = 7
    reference: tuple[str, tuple[tuple[str, int], ...]] | None = None
    limits_vary: bool = False
    registers: int = 12  # as `constants.NUM_REGISTERS`, which numpy would be imported for
    mission_words: int = 0


def _square(name: str, family: str, size: int, max_steps: int, *options: int, see_through: bool = False) -> Task:
    return Task(f"MiniGrid-{name}", family, size, size, max_steps, options, see_through)


def _rooms(name: str, family: str, size: int, rows: int, columns: int, max_steps: int, *options: int) -> Task:
    width, height = (size - 1) * columns + 1, (size - 1) * rows + 1
    return Task(f"MiniGrid-{name}", family, width, height, max_steps, (size, rows, columns, *options))


def _empty() -> list[Task]:
    plain = [_square(f"Empty-{n}x{n}-v0", "empty", n, 4 * n * n, 0, see_through=True) for n in (5, 6, 8, 16)]
    anywhere = [_square(f"Empty-Random-{n}x{n}-v0", "empty", n, 4 * n * n, 1, see_through=True) for n in (5, 6)]
    return plain + anywhere


def _crossings() -> list[Task]:
    return [
        _square(f"{kind}CrossingS{n}N{rivers}-v0", "crossing", n, 4 * n * n, rivers, walls)
        for walls, kind in enumerate(("Lava", "Simple"))
        for n, rivers in ((9, 1), (9, 2), (9, 3), (11, 5))
    ]


def _dynamic_obstacles() -> list[Task]:
    cases = [("5x5", 5, 0, 2), ("6x6", 6, 0, 3), ("8x8", 8, 0, 4), ("16x16", 16, 0, 8)]
    cases += [("Random-5x5", 5, 1, 2), ("Random-6x6", 6, 1, 3)]
    return [
        Task(f"MiniGrid-Dynamic-Obstacles-{name}-v0", "dynamicobstacles", n, n, 4 * n * n, (random, count), True, 3)
        for name, n, random, count in cases
    ]


def _multi_rooms() -> list[Task]:
    # The id N4-S5-v0 has six rooms: Farama keeps it so for old results.
    farama = [("N2-S4-v0", 2, 4), ("N4-S5-v0", 6, 5), ("N4-S5-v1", 4, 5), ("N6-v0", 6, 10)]
    classic = [("N7-S4-v0", 7, 4), ("N7-S8-v0", 7, 8), ("N10-S4-v0", 10, 4), ("N10-S10-v0", 10, 10)]
    classic += [("N12-S10-v0", 12, 10)]
    tasks = [_square(f"MultiRoom-{name}", "multiroom", 25, 20 * n, n, n, size) for name, n, size in farama]
    for name, n, size in classic:
        reference = ("MultiRoomEnv", (("minNumRooms", n), ("maxNumRooms", n), ("maxRoomSize", size)))
        tasks.append(Task(f"MiniGrid-MultiRoom-{name}", "multiroom", 25, 25, 20 * n, (n, n, size), reference=reference))
    return tasks


def _obstructed_mazes() -> list[Task]:
    def maze(name: str, rooms_visited: int, *options: int) -> Task:
        rows, columns = (1, 2) if options[2] == 0 else (3, 3)
        return _rooms(f"ObstructedMaze-{name}", "obstructedmaze", 6, rows, columns, 4 * rooms_visited * 6**2, *options)

    # Options: key in a box, door blocked, quarters, the agent's column and row, keys drawn after all doors.
    tasks = [maze("1Dl-v0", 2, 0, 0, 0, 0, 0, 0), maze("1Dlh-v0", 2, 1, 0, 0, 0, 0, 0)]
    tasks += [maze("1Dlhb-v0", 2, 1, 1, 0, 0, 0, 0)]
    tasks += [maze("2Dl-v0", 4, 0, 0, 1, 2, 1, 0), maze("2Dlh-v0", 4, 1, 0, 1, 2, 1, 0)]
    for version in (0, 1):
        tasks += [
            maze(f"2Dlhb-v{version}", 4, 1, 1, 1, 2, 1, version),
            maze(f"1Q-v{version}", 5, 1, 1, 1, 1, 1, version),
            maze(f"2Q-v{version}", 11, 1, 1, 2, 2, 1, version),
            maze(f"Full-v{version}", 25, 1, 1, 4, 1, 1, version),
        ]
    return tasks


def _tasks() -> list[Task]:
    tasks = _empty() + _crossings() + _dynamic_obstacles() + _multi_rooms() + _obstructed_mazes()
    tasks += [_square(f"DoorKey-{n}x{n}-v0", "doorkey", n, 10 * n * n) for n in (5, 6, 8, 16)]
    for size, rows in ((3, 1), (3, 2), (3, 3), (4, 3), (5, 3), (6, 3)):
        tasks.append(_rooms(f"KeyCorridorS{size}R{rows}-v0", "keycorridor", size, rows, 3, 30 * size**2))
    tasks += [_square(f"LavaGapS{n}-v0", "lavagap", n, 4 * n * n) for n in (5, 6, 7)]
    tasks += [_square("FourRooms-v0", "fourrooms", 19, 100), _square("Playground-v0", "playground", 19, 100)]
    tasks += [Task(f"MiniGrid-DistShift{k}-v0", "distshift", 9, 7, 252, (row,), True) for k, row in ((1, 2), (2, 5))]
    tasks += [_square("LockedRoom-v0", "lockedroom", 19, 190)]
    for n, name, random in ((7, "", 0), (9, "", 0), (11, "", 0), (13, "", 0), (13, "Random", 1), (17, "Random", 1)):
        tasks.append(_square(f"MemoryS{n}{name}-v0", "memory", n, 5 * n * n, random))
    tasks += [Task(f"MiniGrid-RedBlueDoors-{n}x{n}-v0", "redbluedoors", 2 * n, n, 20 * n * n) for n in (6, 8)]
    tasks += [_square(f"GoToDoor-{n}x{n}-v0", "gotodoor", n, 4 * n * n, see_through=True) for n in (5, 6, 8)]
    tasks += [_square(f"GoToObject-{n}x{n}-N2-v0", "gotoobject", n, 5 * n * n, 2, see_through=True) for n in (6, 8)]
    for n, count in ((5, 2), (6, 2), (8, 3)):
        tasks.append(_square(f"Fetch-{n}x{n}-N{count}-v0", "fetch", n, 5 * n * n, count, see_through=True))
    for n, count in ((6, 2), (8, 3)):
        tasks.append(_square(f"PutNear-{n}x{n}-N{count}-v0", "putnear", n, 5 * n, count, see_through=True))
    tasks += [_rooms("Unlock-v0", "unlock", 6, 1, 2, 288), _rooms("UnlockPickup-v0", "unlockpickup", 6, 1, 2, 288, 0)]
    tasks += [_rooms("BlockedUnlockPickup-v0", "unlockpickup", 6, 1, 2, 576, 1)]
    return tasks + _babyai()


def _babyai() -> list[Task]:
    return [Task(registers=babyai_tasks.REGISTERS, **row._asdict()) for row in babyai_tasks.TASKS]


def _goal_tasks() -> list[Task]:
    """Tasks of our own, in Farama's rooms: a goal that is not in the picture."""
    empty = [(n, ("EmptyEnv", (("size", n),))) for n in (8, 16)]
    tasks = [Task(f"GoalGrid-Empty-{n}x{n}", "reachcell", n, n, 8 * n, (0,), True, 3, room) for n, room in empty]
    tasks += [Task("GoalGrid-FourRooms", "reachcell", 19, 19, 100, (1,), False, 3, ("FourRoomsEnv", ()))]
    room = ("FetchEnv", (("size", 8), ("numObjs", 3)))
    tasks += [Task("GoalGrid-Fetch-8x8-N3", "fetchany", 8, 8, 128, (3,), True, 5, room)]
    return tasks


def _dark_tasks() -> list[Task]:
    """Rooms of our own, in a chain as MultiRoom's, without a task. The last option: how many in a hundred are noisy."""
    chain = ("MultiRoomEnv", (("minNumRooms", 4), ("maxNumRooms", 4), ("maxRoomSize", 8)))
    return [Task("NoisyDarkRooms", "darkrooms", 25, 25, 128, (4, 4, 8, 50), reference=chain)]


# Kinds of mazes by what stands before their numbers, in the order of `families.maze`.
MAZES = {"walls_first": "W", "uniform": "U", "perfect": "P"}
_MAZE = re.compile(r"Maze-(?P<side>[0-9]+)x(?P=side)-(?P<kind>[WUP])(?P<fewest>[0-9]+)to(?P<most>[0-9]+)(?P<rest>.+)")
_DRAWN = re.compile(r"Maze-(?P<name>\w+)(?P<rest>-.+)")
_RULES = re.compile(r"-T(?P<limit>[0-9]+)-A(?P<actions>[37])")
WORD = 57  # cells of a drawing that one option holds


def maze_id(
    size: int, generator: str, fewest: int, most: int, max_steps: int, num_actions: int, name: str | None = None
) -> str:
    """The id of mazes of our own, with an interior of `size` cells a side; `name`: one that is held out."""
    rules = f"-T{max_steps}-A{num_actions}"
    return f"Maze-{name}{rules}" if name else f"Maze-{size}x{size}-{MAZES[generator]}{fewest}to{most}{rules}"


@lru_cache(maxsize=64)
def _maze(env_id: str) -> Task | None:
    """The task that `maze_id` names; its options are those of `families.maze`."""
    found = _MAZE.fullmatch(env_id) or _DRAWN.fullmatch(env_id)
    rules = _RULES.fullmatch(found["rest"]) if found else None
    if not found or not rules:
        return None
    if found.re is _MAZE:
        side, numbers = int(found["side"]), (int(found["fewest"]), int(found["most"]))
        options: tuple[int, ...] = ("WUP".index(found["kind"]), *numbers)
    else:
        drawing = named_mazes.rows(found["name"])
        side, cells = len(drawing), "".join(drawing)
        agent = next(at for at, cell in enumerate(cells) if cell in named_mazes.HEADINGS)
        walls = sum(1 << at for at, cell in enumerate(cells) if cell == "#")
        words = [walls >> shift & (1 << WORD) - 1 for shift in range(0, len(cells), WORD)]
        options = (len(MAZES), agent, named_mazes.HEADINGS.index(cells[agent]), cells.index("G"), *words)
    room = ("EmptyEnv", (("size", side + 2),))
    return Task(env_id, "maze", side + 2, side + 2, int(rules["limit"]), options, True, int(rules["actions"]), room)


TASKS: dict[str, Task] = {task.env_id: task for task in _tasks()}
GOAL_TASKS: dict[str, Task] = {task.env_id: task for task in _goal_tasks()}
DARK_TASKS: dict[str, Task] = {task.env_id: task for task in _dark_tasks()}


_LIMITED = re.compile(r"(?P<id>.+)-T[1-9][0-9]*")


def limited_id(env_id: str, max_steps: int | None) -> str:
    """The id of a registered task in other time: its levels and rules, and episodes of at most so many steps."""
    return env_id if max_steps is None else f"{env_id}-T{max_steps}"


def registered_id(env_id: str) -> str:
    """The id of the task in its own time."""
    found = _LIMITED.fullmatch(env_id)
    return found["id"] if found and found["id"] in TASKS else env_id


def _limited(env_id: str) -> Task | None:
    own = registered_id(env_id)
    limit = env_id.removeprefix(f"{own}-T")
    return replace(TASKS[own], env_id=env_id, max_steps=int(limit)) if own != env_id else None


def covers(env_id: str) -> bool:
    """Whether the engine can run this environment."""
    return env_id in TASKS


def find_task(env_id: str) -> Task:
    """The task of an id; an unknown one is refused with the nearest match, WFC ones with what to use instead."""
    found = TASKS.get(env_id) or GOAL_TASKS.get(env_id) or DARK_TASKS.get(env_id) or _maze(env_id)
    found = found or _limited(env_id)
    if found is not None:
        return found
    if env_id.startswith("MiniGrid-WFC"):
        raise UserError(f"env_id={env_id}: the fast engine does not cover it; use env.backend=reference")
    raise unknown("env_id", env_id, TASKS, "environment of the fast engine")
