"""BabyAI's ids and their numbers, as Farama's minigrid 3.2.0 registers them. Plain data, as all of the catalogue.

Each row: name and version; family; level of the family; room size, rows, columns; limit, 0 where it depends on the
instruction; the most walks that an instruction may take, which then make the limit; words of the longest mission, 0
where it never varies; and the level's own options, in the order of its family's names for them.
"""

from typing import NamedTuple

# fmt: off
_ROWS: tuple[tuple[str, str, int, int, int, int, int, int, int, tuple[int, ...]], ...] = (
    ("GoToRedBallGrey-v0", "goto", 0, 8, 1, 1, 0, 1, 0, (7, 1)),
    ("GoToRedBall-v0", "goto", 0, 8, 1, 1, 0, 1, 5, (7, 0)),
    ("GoToRedBallNoDists-v0", "goto", 0, 8, 1, 1, 0, 1, 0, (0, 0)),
    ("GoToObj-v0", "goto", 1, 8, 1, 1, 0, 1, 5, (1,)),
    ("GoToObjS4-v0", "goto", 1, 4, 1, 1, 0, 1, 5, (1,)),
    ("GoToObjS6-v1", "goto", 1, 6, 1, 1, 0, 1, 5, (1,)),
    ("GoToLocal-v0", "goto", 2, 8, 1, 1, 0, 1, 5, (8,)),
    *((f"GoToLocalS{n}N{k}-v0", "goto", 2, n, 1, 1, 0, 1, 5, (k,)) for n, k in (
        (5, 2), (6, 2), (6, 3), (6, 4), (7, 4), (7, 5), (8, 2), (8, 3), (8, 4), (8, 5), (8, 6), (8, 7))),
    ("GoTo-v0", "goto", 3, 8, 3, 3, 0, 1, 5, (18, 0)),
    ("GoToOpen-v0", "goto", 3, 8, 3, 3, 0, 1, 5, (18, 1)),
    ("GoToObjMaze-v0", "goto", 3, 8, 3, 3, 0, 1, 5, (1, 0)),
    ("GoToObjMazeOpen-v0", "goto", 3, 8, 3, 3, 0, 1, 5, (1, 1)),
    ("GoToObjMazeS4R2-v0", "goto", 3, 4, 2, 2, 0, 1, 5, (1, 0)),
    *((f"GoToObjMazeS{n}-v0", "goto", 3, n, 3, 3, 0, 1, 5, (1, 0)) for n in (4, 5, 6, 7)),
    ("GoToImpUnlock-v0", "goto", 4, 8, 3, 3, 0, 1, 5, ()),
    ("GoToRedBlueBall-v0", "goto", 5, 8, 1, 1, 0, 1, 5, (7,)),
    ("GoToDoor-v0", "goto", 6, 7, 3, 3, 0, 1, 5, ()),
    ("GoToObjDoor-v0", "goto", 7, 8, 3, 3, 0, 1, 5, ()),
    ("Open-v0", "open", 0, 8, 3, 3, 0, 1, 4, ()),
    ("OpenRedDoor-v0", "open", 1, 5, 1, 2, 0, 1, 0, ()),
    ("OpenDoor-v0", "open", 2, 8, 3, 3, 0, 1, 7, (0, 0)),
    ("OpenDoorDebug-v0", "open", 2, 8, 3, 3, 0, 1, 7, (0, 1)),
    ("OpenDoorColor-v0", "open", 2, 8, 3, 3, 0, 1, 4, (1, 0)),
    ("OpenDoorLoc-v0", "open", 2, 8, 3, 3, 0, 1, 7, (2, 0)),
    ("OpenTwoDoors-v0", "open", 3, 6, 3, 3, 720, 2, 9, (0, 0)),
    ("OpenRedBlueDoors-v0", "open", 3, 6, 3, 3, 720, 2, 0, (1, 0)),
    ("OpenRedBlueDoorsDebug-v0", "open", 3, 6, 3, 3, 720, 2, 0, (1, 1)),
    ("OpenDoorsOrderN2-v0", "open", 4, 6, 3, 3, 720, 2, 10, (2, 0)),
    ("OpenDoorsOrderN4-v0", "open", 4, 6, 3, 3, 720, 2, 10, (4, 0)),
    ("OpenDoorsOrderN2Debug-v0", "open", 4, 6, 3, 3, 720, 2, 10, (2, 1)),
    ("OpenDoorsOrderN4Debug-v0", "open", 4, 6, 3, 3, 720, 2, 10, (4, 1)),
    ("Unlock-v0", "open", 5, 8, 3, 3, 0, 1, 4, ()),
    ("UnlockLocal-v0", "open", 6, 8, 3, 3, 0, 1, 0, (0,)),
    ("UnlockLocalDist-v0", "open", 6, 8, 3, 3, 0, 1, 0, (1,)),
    ("KeyInBox-v0", "open", 7, 8, 3, 3, 0, 1, 0, ()),
    ("Pickup-v0", "pickup", 0, 8, 3, 3, 0, 1, 5, ()),
    ("UnblockPickup-v0", "pickup", 1, 8, 3, 3, 0, 1, 5, ()),
    ("PickupDist-v0", "pickup", 2, 7, 1, 1, 0, 1, 5, (0,)),
    ("PickupDistDebug-v0", "pickup", 2, 7, 1, 1, 0, 1, 5, (1,)),
    ("PickupAbove-v0", "pickup", 3, 6, 3, 3, 288, 1, 5, ()),
    *((f"FindObjS{n}-v0", "pickup", 4, n, 3, 3, 20 * n * n, 1, 4, ()) for n in (5, 6, 7)),
    *((f"KeyCorridor{name}-v0", "pickup", 5, n, rows, 3, 30 * n * n, 1, 0, ()) for name, n, rows in (
        ("", 6, 3), ("S3R1", 3, 1), ("S3R2", 3, 2), ("S3R3", 3, 3), ("S4R3", 4, 3), ("S5R3", 5, 3), ("S6R3", 6, 3))),
    *((f"OneRoomS{n}-v0", "pickup", 6, n, 1, 1, 0, 1, 0, ()) for n in (8, 12, 16, 20)),
    ("ActionObjDoor-v0", "pickup", 7, 7, 3, 3, 0, 1, 5, ()),
    ("UnlockPickup-v0", "pickup", 8, 6, 1, 2, 0, 1, 5, (0,)),
    ("UnlockPickupDist-v0", "pickup", 8, 6, 1, 2, 0, 1, 5, (1,)),
    ("BlockedUnlockPickup-v0", "pickup", 9, 6, 1, 2, 576, 1, 0, ()),
    ("UnlockToUnlock-v0", "pickup", 10, 6, 1, 3, 1080, 1, 0, ()),
    ("PutNextLocal-v0", "putnext", 0, 8, 1, 1, 0, 2, 9, (8,)),
    ("PutNextLocalS5N3-v0", "putnext", 0, 5, 1, 1, 0, 2, 9, (3,)),
    ("PutNextLocalS6N4-v0", "putnext", 0, 6, 1, 1, 0, 2, 9, (4,)),
    *((f"PutNextS{n}N{k}-v0", "putnext", 1, n, 1, 2, 8 * n * n, 2, 9, (k, 0)) for n, k in (
        (4, 1), (5, 2), (5, 1), (6, 3), (7, 4))),
    *((f"PutNextS{n}N{k}Carrying-v0", "putnext", 1, n, 1, 2, 8 * n * n, 2, 9, (k, 1)) for n, k in (
        (5, 2), (6, 3), (7, 4))),
    *((f"MoveTwoAcrossS{n}N{k}-v0", "putnext", 2, n, 1, 2, 16 * n * n, 4, 19, (k,)) for n, k in ((5, 2), (8, 9))),
    # Options of sentences: distractors, locked rooms in a hundred, flags, kinds.
    ("PickupLoc-v0", "sentences", 0, 8, 1, 1, 0, 1, 9, (8, 0, 1 | 4, 3 | 8)),
    ("GoToSeq-v0", "sentences", 0, 8, 3, 3, 0, 4, 24, (18, 0, 4, 1)),
    ("GoToSeqS5R2-v0", "sentences", 0, 5, 2, 2, 0, 4, 24, (4, 0, 4, 1)),
    ("Synth-v0", "sentences", 0, 8, 3, 3, 0, 2, 9, (18, 50, 2, 0 | 8)),
    ("SynthS5R2-v0", "sentences", 0, 5, 2, 3, 0, 2, 9, (18, 50, 2, 0 | 8)),
    ("SynthLoc-v0", "sentences", 0, 8, 3, 3, 0, 2, 17, (18, 50, 1 | 2, 0 | 8)),
    ("SynthSeq-v0", "sentences", 0, 8, 3, 3, 0, 8, 72, (18, 50, 1 | 2, 0)),
    ("MiniBossLevel-v0", "sentences", 0, 5, 2, 2, 0, 8, 72, (7, 25, 1 | 2 | 4, 0)),
    ("BossLevel-v0", "sentences", 0, 8, 3, 3, 0, 8, 72, (18, 50, 1 | 2 | 4, 0)),
    ("BossLevelNoUnlock-v0", "sentences", 0, 8, 3, 3, 0, 8, 72, (18, 0, 1 | 2, 0)),
)
# fmt: on

REGISTERS = 44  # as `instructions.NUM_REGISTERS`


class Numbers(NamedTuple):
    """What a `catalogue.Task` needs of an id."""

    env_id: str
    family: str
    width: int
    height: int
    max_steps: int
    options: tuple[int, ...]
    mission_words: int
    limits_vary: bool


TASKS = tuple(
    Numbers(
        f"BabyAI-{name}",
        f"babyai_{family}",
        (size - 1) * columns + 1,
        (size - 1) * rows + 1,
        limit or walks * size**2 * rows * columns,
        (size, rows, columns, level, int(limit > 0), *options),
        words,
        family == "sentences" and name != "PickupLoc-v0",
    )
    for name, family, level, size, rows, columns, limit, walks, words, options in _ROWS
)
