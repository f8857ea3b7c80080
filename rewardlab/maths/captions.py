"""What happened on a grid and what is seen of it, as numbers that tell captions apart and as the words of a caption.

An event is what an action did: a verb, and the kind and colour of what it was done to, one of 792 codes. It is told by
the cell ahead, what is carried and where the agent stands, before and after the action, by MiniGrid's numbers. A view
is the set of doors, keys, balls, boxes, goals and lava in sight, each with its colour, its state and the side that it
is on; how many there are and how far off is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.types import Array

VERBS = (
    "nothing", "turned", "moved", "bumped", "picked up", "dropped", "unlocked", "opened", "closed", "opened box",
    "reached goal", "fell in lava",
)  # fmt: skip
KINDS = ("unseen", "empty", "wall", "floor", "door", "key", "ball", "box", "goal", "lava", "agent")
COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
EVENTS = len(VERBS) * len(KINDS) * len(COLOURS)

(
    NOTHING, TURNED, MOVED, BUMPED, PICKED_UP, DROPPED, UNLOCKED, OPENED, CLOSED, OPENED_BOX, REACHED_GOAL, FELL,
) = range(len(VERBS))  # fmt: skip
_EMPTY, _DOOR, _KEY, _BOX, _GOAL, _LAVA, _AGENT = 1, 4, 5, 7, 8, 9, 10
_LEFT, _RIGHT, _FORWARD = 0, 1, 2  # actions
_OPEN, _LOCKED = 0, 2  # states of doors
_ARTICLES = ("an open ", "a closed ", "a locked ")  # by the state of a door
_SIDES = ("ahead", "to the right", "behind", "to the left")
_THINGS = (_LAVA - _DOOR + 1) * len(COLOURS) * len(_ARTICLES) * len(_SIDES)
WORDS = -(-_THINGS // 63)  # of a view: 63 things to each, so that none has a sign


def event(verb: int, kind: int = 0, colour: int = 0) -> int:
    """The code of an event."""
    return (verb * len(KINDS) + kind) * len(COLOURS) + colour


def verb_of(codes: Array) -> Array:
    """The verbs of event codes, [...]."""
    verbs: Array = codes // (len(KINDS) * len(COLOURS))
    return verbs


def kind_of(codes: Array) -> Array:
    """The kinds of event codes, [...], 0 for none."""
    kinds: Array = codes // len(COLOURS) % len(KINDS)
    return kinds


def events(before: Sequence[Array], action: Array, after: Sequence[Array]) -> Array:
    """Event codes of B steps, int64 [B].

    Args:
        before, after: of the states around each action the cell ahead, int64 [B, 3], what is carried, int64 [B, 3],
            both as kind, colour and state, and where the agent stands, int64 [B, 2].
        action: int64 [B], MiniGrid's numbers.
    """
    codes = np.empty(len(action), dtype=np.int64)
    kernel: Any = _events  # numba's own types are too narrow
    kernel(*(np.ascontiguousarray(each) for each in (*before, action, *after)), codes)
    return codes


def views(images: Array) -> Array:
    """What is in sight, as bits: images uint8 [U, V, V, 3] -> int64 [U, WORDS].

    A view shows the agent at the middle of its last row, facing the first. An image with the agent in it, as the full
    grid has, is seen from there. The agent's own cell is left out.
    """
    words = np.zeros((len(images), WORDS), dtype=np.int64)
    kernel: Any = _views
    kernel(np.ascontiguousarray(images), words)
    return words


def helpful_events() -> Array:
    """Which events lead on in most tasks, bool [792]: to pick up a key, to open a door or a box, to reach the goal."""
    codes = np.arange(EVENTS)
    verbs = verb_of(codes)
    keys: Array = (verbs == PICKED_UP) & (kind_of(codes) == _KEY)
    found: Array = keys | np.isin(verbs, (UNLOCKED, OPENED, OPENED_BOX, REACHED_GOAL))
    return found


def helpful_view(words: Array, carried: int) -> bool:
    """Whether a view shows an open door or a goal, or a key is carried: its kind, 0 for nothing."""
    return carried == _KEY or any(_HELPS[thing] for thing in _listed(words))


@cache
def event_text(code: int) -> str:
    """An event in words, as `picked up the yellow key`."""
    verb, kind, colour = code // 66, code // 6 % 11, code % 6
    thing = f"the {COLOURS[colour]} {KINDS[kind]}" if kind not in (2, _LAVA) else f"the {KINDS[kind]}"
    if verb == OPENED_BOX:
        return f"opened {thing}"
    if verb in (REACHED_GOAL, FELL):
        return "reached the goal" if verb == REACHED_GOAL else "fell into the lava"
    if verb in (NOTHING, TURNED) or kind == 0:
        return "nothing happened" if verb == NOTHING else VERBS[verb]
    return f"{VERBS[verb]} {'into ' if verb == BUMPED else 'through ' if verb == MOVED else ''}{thing}"


def view_text(words: Array, carried_kind: int, carried_colour: int) -> str:
    """A view in words, as `in sight: a locked red door ahead; carrying: a red key`."""
    things = ", ".join([_PHRASES[thing] for thing in _listed(words)]) or "nothing"
    carried = f"a {COLOURS[carried_colour]} {KINDS[carried_kind]}" if carried_kind else "nothing"
    return f"in sight: {things}; carrying: {carried}"


def characters(texts: Sequence[str], length: int) -> torch.Tensor:
    """Texts as bytes, int64 [B, length]: cut at the length, 0 where there are no more."""
    rows = np.zeros((len(texts), length), dtype=np.int64)
    for row, text in zip(rows, texts, strict=True):
        letters = text.encode(errors="replace")[:length]
        row[: len(letters)] = np.frombuffer(letters, dtype=np.uint8)
    return torch.from_numpy(rows)


def _listed(words: Array) -> list[int]:
    """Which things are in sight, of all `_told` tells apart, ascending."""
    found, before = [], -1
    for bits in words.tolist():
        while bits:
            lowest = bits & -bits
            bits ^= lowest
            found.append(before + lowest.bit_length())
        before += 63
    return found


def _told(thing: int) -> tuple[str, bool]:
    """A thing in words, and whether to have it in sight leads on: an open door or a goal."""
    rest, side = divmod(thing, len(_SIDES))
    rest, state = divmod(rest, len(_ARTICLES))
    kind, colour = divmod(rest, len(COLOURS))
    kind += _DOOR
    article, coloured = _ARTICLES[state] if kind == _DOOR else "a ", f"{COLOURS[colour]} " if kind < _GOAL else ""
    helps = kind == _GOAL or (kind == _DOOR and state == _OPEN)
    return f"{article}{coloured}{KINDS[kind]} {_SIDES[side]}", helps


_PHRASES, _HELPS = zip(*map(_told, range(_THINGS)), strict=True)  # made once: each new view needs several


@kept
def _events(
    ahead: Array,
    carried: Array,
    place: Array,
    action: Array,
    ahead_after: Array,
    carried_after: Array,
    place_after: Array,
    codes: Array,
) -> None:  # pragma: no cover
    """By what changed rather than by the action, which some tasks replace by another."""
    for i in range(action.size):
        kind, colour, state = ahead[i, 0], ahead[i, 1], ahead[i, 2]
        had, has = carried[i, 0], carried_after[i, 0]
        verb, of_kind, of_colour = 0, 0, 0
        if place[i, 0] != place_after[i, 0] or place[i, 1] != place_after[i, 1]:
            verb = MOVED
            if kind == _GOAL:
                verb, of_kind, of_colour = REACHED_GOAL, kind, colour
            elif kind == _LAVA:
                verb, of_kind, of_colour = FELL, kind, colour
            elif kind == _DOOR:
                of_kind, of_colour = kind, colour
        elif action[i] == _LEFT or action[i] == _RIGHT:
            verb = TURNED
        elif has != 0 and had == 0:
            verb, of_kind, of_colour = PICKED_UP, has, carried_after[i, 1]
        elif had != 0 and has == 0:
            verb, of_kind, of_colour = DROPPED, had, carried[i, 1]
        elif action[i] == _FORWARD:
            verb, of_kind, of_colour = BUMPED, kind, colour
        elif kind == _DOOR and ahead_after[i, 0] == _DOOR and ahead_after[i, 2] != state:
            verb, of_kind, of_colour = CLOSED, kind, colour
            if ahead_after[i, 2] == _OPEN:
                verb = UNLOCKED if state == _LOCKED else OPENED
        elif kind == _BOX and (ahead_after[i, 0] != _BOX or ahead_after[i, 1] != colour):
            verb, of_kind, of_colour = OPENED_BOX, kind, colour
        if of_kind >= 11 or of_colour >= 6 or of_kind < 0 or of_colour < 0:
            of_kind, of_colour = 0, 0
        codes[i] = (verb * 11 + of_kind) * 6 + of_colour


@kept
def _views(images: Array, words: Array) -> None:  # pragma: no cover
    width, height = images.shape[1], images.shape[2]
    for u in range(images.shape[0]):
        at_x, at_y, heading = width // 2, height - 1, np.int64(3)
        for x in range(width):
            for y in range(height):
                if images[u, x, y, 0] == _AGENT:
                    at_x, at_y, heading = x, y, np.int64(images[u, x, y, 2]) & 3
        forth_x, forth_y = (heading == 0) - (heading == 2), (heading == 1) - (heading == 3)
        for x in range(width):
            for y in range(height):
                kind, colour = np.int64(images[u, x, y, 0]), np.int64(images[u, x, y, 1])
                state = np.int64(images[u, x, y, 2])
                away_x, away_y = x - at_x, y - at_y
                if kind < _DOOR or kind > _LAVA or colour > 5 or state > 2 or (away_x == 0 and away_y == 0):
                    continue
                right = away_y * forth_x - away_x * forth_y
                side = 0 if away_x * forth_x + away_y * forth_y > 0 else 2
                if right != 0:
                    side = 1 if right > 0 else 3
                at = (((kind - _DOOR) * 6 + colour) * 3 + state) * 4 + side
                words[u, at // 63] |= np.int64(1) << np.int64(at % 63)
