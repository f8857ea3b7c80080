"""Tasks that several grid suites have under one name."""

from typing import NamedTuple


class Task(NamedTuple):
    name: str
    farama: str
    envpool: str | None
    navix: str | None
    xland: str | None
    family: str


def _tasks() -> list[Task]:
    def task(name: str, family: str, *, navix: str | None = None, xland: str | None = None, id: str = "") -> Task:
        farama = id or f"MiniGrid-{name}-v0"
        return Task(name, farama, farama, navix and f"Navix-{navix}-v0", xland and f"MiniGrid-{xland}", family)

    def both(name: str, family: str) -> Task:
        return task(name, family, navix=name, xland=name)

    rows = [both(f"DoorKey-{size}x{size}", "doorkey") for size in (5, 6, 8, 16)]
    rows += [both(f"Empty-{size}x{size}", "empty") for size in (5, 8, 16)]
    rows.append(task("Empty-Random-5x5", "empty", navix="Empty-Random-5x5", xland="EmptyRandom-5x5"))
    rows.append(both("FourRooms", "fourrooms"))
    rows += [task(name, "keycorridor", navix=name) for name in ("KeyCorridorS3R1", "KeyCorridorS3R3")]
    rows.append(task("GoToDoor-8x8", "gotodoor", navix="GoToDoor-8x8"))
    for name in ("SimpleCrossingS9N1", "SimpleCrossingS9N2", "SimpleCrossingS9N3", "SimpleCrossingS11N5"):
        rows.append(task(name, "simplecrossing", navix=name))
    rows += [task(name, "lava", navix=name) for name in ("LavaGapS7", "DistShift1")]
    rows.append(task("LavaCrossingS9N1", "lava"))
    rows.append(task("Dynamic-Obstacles-6x6", "dynamicobstacles", navix="Dynamic-Obstacles-6x6"))
    rows.append(task("Unlock", "unlock", xland="Unlock"))
    rows.append(task("UnlockPickup", "unlockpickup", xland="UnlockPickUp"))
    rows.append(task("BlockedUnlockPickup", "blockedunlockpickup", xland="BlockedUnlockPickUp"))
    rows += [task(name, "multiroom") for name in ("MultiRoom-N2-S4", "MultiRoom-N4-S5")]
    rows += [task(f"ObstructedMaze-{name}", "obstructedmaze") for name in ("1Dl", "2Dlhb")]
    rows.append(task("ObstructedMaze-2Dlhb-v1", "obstructedmaze", id="MiniGrid-ObstructedMaze-2Dlhb-v1"))
    return rows


# What is measured first: where suites are known to differ.
FIRST = (
    "DoorKey-8x8", "BlockedUnlockPickup", "KeyCorridorS3R1", "GoToDoor-8x8", "DistShift1", "SimpleCrossingS9N1",
    "Empty-8x8", "UnlockPickup", "Unlock", "FourRooms", "DoorKey-5x5", "Empty-Random-5x5", "SimpleCrossingS9N2",
)  # fmt: skip
TASKS = {task.name: task for task in _tasks()}
# BabyAI is not in our table of exact optima, and Farama's own code is slow: random play alone, fewer episodes.
BABYAI = tuple(f"BabyAI-{name}-v0" for name in ("GoToRedBallGrey", "GoToLocal", "OpenDoor", "PutNextLocal"))
