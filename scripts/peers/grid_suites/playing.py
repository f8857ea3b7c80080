"""Action sequences that tell the rules of a suite apart, the same for every suite.

A suite's module wraps one of its environments as a `World`. What a probe answers is a short phrase, so that answers of
suites can be compared by their words.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

Cell = tuple[int, int]
Thing = tuple[str, int, str]  # kind, colour in the suite's own numbers, state of a door
AROUND = ((1, 0), (0, 1), (-1, 0), (0, -1))


class Step(NamedTuple):
    reward: float
    ended: str  # empty while the episode goes on, else in the suite's own words


class World(Protocol):
    """One environment; x to the right, y down."""

    actions: tuple[str, ...]
    place: Cell
    heading: Cell
    count: int  # steps of this episode, by the suite's own counter

    def reset(self, seed: int) -> None: ...
    def step(self, action: str) -> Step: ...
    def layout(self) -> dict[Cell, Thing]: ...  # walls and things; a cell that is not in it is free
    def sees(self) -> set[str]: ...  # kinds in the view
    def own(self) -> str: ...  # what the view has where the agent stands, in the suite's numbers


Make = Callable[[str, int | None], World]  # a task of `names.TASKS`, the limit or None for the suite's own


class Player:
    """Walks to things; keeps what it did."""

    def __init__(self, world: World) -> None:
        self.world, self.did, self.last = world, list[str](), Step(0.0, "")

    def act(self, action: str) -> Step:
        self.did.append(action)
        self.last = self.world.step(action)
        return self.last

    def face(self, heading: Cell) -> None:
        turns = (AROUND.index(heading) - AROUND.index(self.world.heading)) % 4
        for action in ["left"] if turns == 3 else ["right"] * turns:
            self.act(action)

    def walk(self, goals: set[Cell], onto: frozenset[str] = frozenset()) -> bool:
        """To the nearest of some cells; `onto` are kinds that may be stepped on. Whether there is a way."""
        way = path(self.world.layout(), self.world.place, goals, onto)
        for x, y in way or ():
            here = self.world.place
            self.face((x - here[0], y - here[1]))
            self.act("forward")
            if self.last.ended:
                break
        return way is not None

    def stand_before(self, thing: Cell) -> bool:
        """Beside a cell and turned to it."""
        beside = {(thing[0] + x, thing[1] + y) for x, y in AROUND}
        if not self.walk(beside):
            return False
        here = self.world.place
        self.face((thing[0] - here[0], thing[1] - here[1]))
        return True

    def find(self, kind: str) -> Cell:
        return next(cell for cell, thing in self.world.layout().items() if thing[0] == kind)

    def fetch_key(self) -> None:
        self.stand_before(self.find("key"))
        self.act("pickup")

    def free_side(self) -> Cell:
        """A direction in which nothing stands beside the agent."""
        layout, (x, y) = self.world.layout(), self.world.place
        return next(side for side in AROUND if (x + side[0], y + side[1]) not in layout)

    def state_of(self, door: Cell) -> str:
        return self.world.layout()[door][2]


def path(layout: dict[Cell, Thing], start: Cell, goals: set[Cell], onto: frozenset[str]) -> list[Cell] | None:
    """Cells to step on, one after another; None without a way."""

    def free(cell: Cell) -> bool:
        thing = layout.get(cell)
        return thing is None or thing[0] in onto or (thing[0] == "door" and thing[2] == "open")

    before: dict[Cell, Cell | None] = {start: None}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        if here in goals:
            way = []
            while before[here] is not None:
                way.append(here)
                here = before[here]  # type: ignore[assignment]
            return way[::-1]
        for x, y in AROUND:
            there = (here[0] + x, here[1] + y)
            if there not in before and free(there) and abs(there[0]) < 64 and abs(there[1]) < 64:
                before[there] = here
                queue.append(there)
    return None


def solved_doorkey(world: World) -> Player:
    """Key, door, goal."""
    player = Player(world)
    player.fetch_key()
    player.stand_before(player.find("door"))
    player.act("toggle")
    player.walk({player.find("goal")}, frozenset({"goal"}))
    return player


def rules(make: Make, task: str = "DoorKey-5x5", seed: int = 3) -> dict[str, str]:
    """What one suite's DoorKey does."""
    world = make(task, None)
    answers: dict[str, str] = {}
    # What success pays, on two ways of different lengths.
    paid = []
    for wasted in (0, 6):
        world = make(task, None)
        world.reset(seed)
        for _ in range(wasted):
            world.step("left")
        player = solved_doorkey(world)
        paid.append((wasted + len(player.did), player.last.reward))
    limit = world.limit  # type: ignore[attr-defined]
    formula = all(abs(1 - 0.9 * steps / limit - reward) < 1e-4 for steps, reward in paid)
    answers["success at step k of T pays"] = "1 - 0.9 k/T" if formula else str(round(paid[0][1], 4))
    # Success on the very last step, and a time limit without success.
    world = make(task, None)
    world.reset(seed)
    way = solved_doorkey(world).did
    world = make(task, len(way))
    world.reset(seed)
    for action in way:
        last = world.step(action)
    answers["success on step T"] = f"{last.ended}, pays {last.reward:.1f}"
    answers["time limit"], answers["after the end"] = after_the_end(make, task, seed)
    # The agent's own cell.
    world = fresh(make, task, seed)
    answers["own cell"] = world.own()
    player = Player(world := fresh(make, task, seed))
    player.fetch_key()
    answers["own cell with the key"] = world.own()
    # The door.
    door = player.find("door")
    player.stand_before(door)
    before = player.state_of(door)
    player.act("toggle")
    answers["toggle with the key"] = f"{before}, then {player.state_of(door)}"
    player.act("toggle")
    answers["toggle an open door"] = {"open": "it stays open", "closed": "closes"}[player.state_of(door)]
    player.face(player.free_side())
    player.act("drop")
    on_floor = any(thing[0] == "key" for thing in world.layout().values())
    answers["key after unlocking"] = "kept: it can be dropped" if on_floor else "gone"
    # A key on the floor again.
    player = Player(world := fresh(make, task, seed))
    player.fetch_key()
    door = player.find("door")
    player.stand_before(door)
    player.face(player.free_side())
    player.act("drop")
    on_floor = any(thing[0] == "key" for thing in world.layout().values())
    player.stand_before(door)
    player.act("toggle")
    opened = player.state_of(door) == "open"
    answers["drop the key, then toggle the door"] = (
        f"the key is {'on the floor' if on_floor else 'nowhere'}, the door {'opens' if opened else 'stays locked'}"
    )
    # Done.
    world = fresh(make, task, seed)
    if "done" in world.actions:
        before = (world.place, world.heading, world.layout())
        last = world.step("done")
        nothing = not last.ended and last.reward == 0 and before == (world.place, world.heading, world.layout())
        answers["done"] = "nothing happens" if nothing else f"pays {last.reward}, {last.ended}"
    else:
        answers["done"] = "no such action"
    # Walls: is the goal seen before the door is open?
    seen = 0
    for number in range(20):
        world = fresh(make, task, number)
        shown = set(world.sees())
        for _ in range(3):
            world.step("left")
            shown |= world.sees()
        seen += "goal" in shown
    answers["goal seen behind the locked door"] = "never" if seen == 0 else f"in {seen} of 20 levels"
    return answers


def after_the_end(make: Make, task: str = "DoorKey-5x5", seed: int = 3) -> tuple[str, str]:
    """How a time limit is told, and what the call after it does."""
    world = make(task, 3)
    world.reset(seed)
    for action in ("left", "left", "left"):
        last = world.step(action)
    if world.count == 0:
        return last.ended, "the same step resets"
    world.step("left")
    return last.ended, "the next step resets and does not act" if world.count == 0 else "the episode goes on"


def fresh(make: Make, task: str, seed: int) -> World:
    world = make(task, None)
    world.reset(seed)
    return world


def lava(make: Make, task: str) -> str:
    """Into the nearest lava."""
    player = Player(fresh(make, task, 0))
    places = {cell for cell, thing in player.world.layout().items() if thing[0] == "lava"}
    if not player.walk(places, frozenset({"lava"})):
        return "no way to it"
    return (
        player.last.ended
        or f"the episode goes on, the agent stands {'in' if player.world.place in places else 'beside'} it"
    )


def go_to_door(make: Make, task: str) -> str:
    """To the door that the mission names; `done` only where facing it does not pay."""
    world = fresh(make, task, 1)
    player = Player(world)
    door = world.target()  # type: ignore[attr-defined]
    player.stand_before(door)
    if player.last.ended:
        return f"facing the door: {player.last.ended}, pays {player.last.reward:.2f}"
    facing = player.last.reward
    player.act("done")
    return f"facing the door pays {facing:.0f}; `done` before it: {player.last.ended}, pays {player.last.reward:.2f}"
